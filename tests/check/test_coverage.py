"""Sitemaps compared with a list of URLs: what is equal, what is said of the rest, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from contentmap_cli.check.checker import Checker
from contentmap_cli.models import DocumentKind, Entry
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Coverage, CoverageSection, ListedUrl

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A = "https://a.test"


class Rows(NamedTuple):
    """A list of URLs in memory."""

    listed: Sequence[ListedUrl]
    name: str = "crawl.csv"
    column: str | None = "URL"

    def rows(self) -> Iterator[ListedUrl]:
        return iter(self.listed)


def compared(
    files: dict[str, Sequence[str]], rows: Sequence[str | ListedUrl], *, is_site: bool = True
) -> tuple[set[tuple[str, str, str | None, str | None]], Coverage]:
    """What is found, as rule, file, URL and value, and the numbers."""
    listed = [row if isinstance(row, ListedUrl) else ListedUrl(row, line) for line, row in enumerate(rows, 1)]
    site = CheckedSite("a.test", NOW, is_site=is_site, against=Rows(listed))
    checker = Checker(site)
    for _ in range(2):
        for name, urls in files.items():
            checker.start(CheckedFile(name=name, kind=DocumentKind.URLSET))
            checker.entries([Entry(url) for url in urls])
            checker.end()
        if not checker.repeat():
            break
    found = {
        (each.rule.id.removeprefix("coverage-"), each.place, one.url or "", one.value)
        for each in checker.findings()
        for one in each.occurrences
        if each.rule.id.startswith("coverage-")
    }
    coverage = checker.coverage()
    assert coverage is not None
    return found, coverage


@pytest.mark.parametrize(
    "listed",
    [
        *(
            f"{A}/caf%C3%A9/x?b=1&c",
            f"{A}/caf%c3%a9/x?b=1&c",
            f"{A}/café/%78?b=1&c",
            f"{A}:443/café/x?b=1&c#top",
        ),
        *("HTTPS://A.Test/./café/y/../x?b=1&c", f"{A}/café/x?utm_source=n&b=1&c&gclid=3", "/café/x?b=1&c"),
        *("//a.test/café/x?b=1&c", "a.test/café/x?b=1&c", f"{A}/café/x?b=1&c&fbclid=1"),
    ],
)
def test_equal_urls(listed: str) -> None:
    """As RFC 3986 has it, without fragment and tracking parameters, relative to the site."""
    found, coverage = compared({"s.xml": [f"{A}/café/x?b=1&c"]}, [listed])
    assert not found
    assert (coverage.both, coverage.only_list, coverage.only_sitemaps) == (1, 0, 0)


def test_urls_that_differ_by_scheme_www_or_slash() -> None:
    """They are neither missing nor unknown; other differences make other pages."""
    listed = ["http://a.test/1", "https://www.a.test/2/", f"{A}/3/?x", f"{A}/Four", f"{A}/5?y"]
    found, coverage = compared({"s.xml": [f"{A}/1", f"{A}/2", f"{A}/3?x", f"{A}/four", f"{A}/5"]}, listed)
    assert found == {
        ("spelling", "s.xml", f"{A}/1", "http://a.test/1"),
        ("spelling", "s.xml", f"{A}/2", "https://www.a.test/2/"),
        ("spelling", "s.xml", f"{A}/3?x", f"{A}/3/?x"),
        ("missing", "crawl.csv", f"{A}/Four", None),
        ("missing", "crawl.csv", f"{A}/5?y", None),
        ("unknown", "s.xml", f"{A}/four", None),
        ("unknown", "s.xml", f"{A}/5", None),
    }
    assert (coverage.differing, coverage.both) == (3, 0)


def test_each_url_counts_once() -> None:
    """However many files and rows name it; in the first file, and with its first line."""
    files = {"1.xml": [f"{A}/b/1", f"{A}/b/2"], "2.xml": [f"{A}/b/2", f"{A}/c/3"]}
    listed = [f"{A}/b/1", f"{A}/new", f"{A}/b/1", f"{A}/d/new", f"{A}/new"]
    found, coverage = compared(files, listed)
    assert found == {
        ("unknown", "1.xml", f"{A}/b/2", None),
        ("unknown", "2.xml", f"{A}/c/3", None),
        ("missing", "crawl.csv", f"{A}/new", None),
        ("missing", "crawl.csv", f"{A}/d/new", None),
    }
    assert coverage.sections == (
        CoverageSection(f"{A}/", 1, 2, 2),
        CoverageSection(f"{A}/b/", 1, 0, 1),
        CoverageSection(f"{A}/c/", 0, 0, 1),
        CoverageSection(f"{A}/d/", 0, 1, 0),
    )


def test_rows_that_are_no_pages() -> None:
    """They are never missing. That the list calls a listed one broken is said; an image may be listed."""
    listed = [
        *(ListedUrl(f"{A}/gone", 2, "status 404"), ListedUrl(f"{A}/old", 3, "status 301")),
        *(ListedUrl(f"{A}/a.pdf", 4, is_page=False), ListedUrl(f"{A}/a.css", 5, is_page=False)),
        *(ListedUrl("https://b.test/", 6), ListedUrl("(not set)", 7), ListedUrl("https://sub.a.test/", 8)),
    ]
    found, coverage = compared({"s.xml": [f"{A}/gone", f"{A}/a.pdf"]}, listed)
    assert found == {("defect", "crawl.csv", f"{A}/gone", "status 404")}
    assert coverage.skipped == {"no URL": 1, "no indexable page": 2, "other site": 2}
    assert (coverage.both, coverage.defective) == (2, 1)


def test_hosts_of_the_sitemaps_are_the_site() -> None:
    """Those that they list, and of a site its own although they list nothing."""
    found, _ = compared({"s.xml": ["https://sub.a.test/1"]}, ["https://sub.a.test/2", f"{A}/3", "/4"])
    assert {(rule, url) for rule, _, url, _ in found} == {
        ("unknown", "https://sub.a.test/1"),
        ("missing", "https://sub.a.test/2"),
        ("missing", f"{A}/3"),
        ("missing", "https://sub.a.test/4"),
    }
    assert compared({}, [f"{A}/3", "/4"])[1].only_list == 2
    assert compared({}, [f"{A}/3", "/4"], is_site=False)[1].skipped == {"no URL": 1, "other site": 1}


def test_too_many_urls_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called missing because there was no room for it."""
    monkeypatch.setattr("contentmap_cli.check.site.coverage.MAX_HASHES", 2)
    checker = Checker(CheckedSite("a.test", NOW, against=Rows([ListedUrl(f"{A}/9", 1)])))
    checker.start(CheckedFile(name="s.xml", kind=DocumentKind.URLSET))
    checker.entries([Entry(f"{A}/{number}") for number in range(3)])
    checker.end()
    checker.repeat()
    assert not [each for each in checker.findings() if each.rule.id.startswith("coverage-")]
    assert checker.coverage() is None
    assert checker.incomplete() == ["--against compares 2 listed URLs at most: nothing was compared"]
