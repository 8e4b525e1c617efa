"""`--expect-urls`: a scan fails where a domain has another number of URLs than its owner expects."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from databases import one_database
from web_sites import good_site, serving

from contentmap_cli.commands.settings.expectation import Expectation
from contentmap_cli.errors import UsageError
from contentmap_cli.models import DomainSummary, ScanStatus

SITES = (
    good_site("few.test", 3) | good_site("many.test", 12) | {"none.test/robots.txt": 404, "none.test/": "hi"}
)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("0", 0, None),
        ("100", 100, None),
        ("1,000:", 1000, None),
        (" 3:12 ", 3, 12),
        (":7", 0, 7),
        ("4:4", 4, 4),
    ],
)
def test_ranges(text: str, least: int, most: int | None) -> None:
    """One number is the least, a colon brings the most."""
    assert Expectation.parse(text) == Expectation(least, most)


@pytest.mark.parametrize("text", ["", ":", "many", "-3", "3-5", "1:2:3", "5:4", "1.5", "٣", "9" * 16])
def test_what_is_no_range(text: str) -> None:
    """It is refused with an example."""
    with pytest.raises(UsageError) as refused:
        Expectation.parse(text)
    assert "for example" in str(refused.value.hint)


def test_what_was_not_counted_is_not_judged() -> None:
    """A failed domain is not clean anyway; one that waits has no count yet."""
    for status in ScanStatus:
        missed = Expectation(5).missed_by(DomainSummary("job", "a.test", status))
        counted = status in (ScanStatus.OK, ScanStatus.EMPTY, ScanStatus.PARTIAL)
        assert missed == ("0 urls, at least 5 expected" if counted else None)


def _scan(contentmap: Any, sites: Any, *more: str) -> Any:
    names = [f"http://{name}.test" for name in ("few", "many", "none")]
    return contentmap("scan", *names, "--connect-to", sites.connect_to, *more)


@one_database
def test_a_scan_with_other_counts_fails(contentmap: Any) -> None:
    """Too few, too many, none: each is told, and the exit code is 3 although every outcome is clean."""
    with serving(SITES) as sites:
        said = _scan(contentmap, sites, "--expect-urls", "5:10", "--json")
        told = {row["domain"]: row.get("unexpected") for row in said.json["results"]}
        assert said.code == 3
        assert told == {
            "few.test": "3 urls, at least 5 expected",
            "many.test": "12 urls, at most 10 expected",
            "none.test": "0 urls, at least 5 expected",
        }
        again = contentmap("resume", said.json["job_id"], "--expect-urls", "0:2")
        assert again.code == 0  # nothing is left to do, and what is recorded was complete
        clean = _scan(contentmap, sites, "--expect-urls", "0:12", "--json")
        assert clean.code == 0
        assert all("unexpected" not in row for row in clean.json["results"])
        assert _scan(contentmap, sites, "--expect-urls", "5", "--fail-on", "never").code == 0


def test_every_format_tells(on_sqlite: Any) -> None:
    """Tables, build servers and annotations name the domain and both numbers."""
    with serving(SITES) as sites:
        table = _scan(on_sqlite, sites, "--expect-urls", "5")
        junit = _scan(on_sqlite, sites, "--expect-urls", "5", "--format", "junit")
        github = _scan(on_sqlite, sites, "--expect-urls", "5", "--format", "github")
    assert (table.code, junit.code, github.code) == (3, 3, 3)
    assert table.out.count("at least 5 expected") == 2
    assert table.err.count("3 urls, at least 5 expected") == 1
    suite = ElementTree.fromstring(junit.out)  # noqa: S314 - our own answer
    failed = {
        case.get("name"): case.find("failure").get("type")
        for case in suite
        if case.find("failure") is not None
    }
    assert failed == {"few.test": "unexpected_urls", "none.test": "unexpected_urls"}
    assert suite.get("failures") == "2"
    assert "::error title=few.test ok::3 urls, at least 5 expected; 1 sitemap, 3 urls" in github.out


def test_a_range_that_cannot_be_meant_scans_nothing(on_sqlite: Any) -> None:
    """It is refused before there is a job, with a hint, in the way the caller reads errors."""
    said = on_sqlite("scan", "a.test", "--expect-urls", "few", "--json")
    assert said.code == 2
    assert json.loads(said.err.splitlines()[-1])["error"]["hint"] == "for example 100, 100:200 or :200"
    assert on_sqlite("status").code == 6  # there is no job
