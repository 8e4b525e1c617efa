"""Rules about what a site's entries have in common, about unusual URLs, and about this run's limits."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contentmap_cli.check.checker import Checker
from contentmap_cli.commands.check_runner import check_file
from contentmap_cli.models import Limits
from contentmap_cli.models.findings import CheckedSite

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
HOME = "https://a.example.com/sitemap.xml"


def urlset(*entries: str) -> bytes:
    """A sitemap of entries, each a URL or the content of a `url` element."""
    spaces = (
        f'xmlns="{NS}" xmlns:xhtml="http://www.w3.org/1999/xhtml" '
        'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" '
        'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    )
    urls = (entry if "<" in entry else f"<loc>{entry}</loc>" for entry in entries)
    return f"<urlset {spaces}>{''.join(f'<url>{each}</url>' for each in urls)}</urlset>".encode()


def check(*bodies: bytes, base: str = HOME, limits: Limits = Limits()) -> dict[str, list[tuple[Any, Any]]]:  # noqa: B008 - frozen
    """URL and value of each occurrence, by rule."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    for body in bodies:
        checker = Checker(CheckedSite("a.example.com", NOW, is_site=False))
        check_file(checker, "s.xml", io.BytesIO(body), base, replace(limits, details=True), robots=False)
        for finding in checker.findings():
            found.setdefault(finding.rule.id, []).extend(
                (each.url, each.value) for each in finding.occurrences
            )
    return found


def pages(*names: str) -> list[str]:
    return [f"https://a.example.com/{name}" for name in names]


UNUSUAL = {
    "url-double-slash": pages("/a", "a//b", "a//") ,
    "url-dots": pages("a/../b", "./a", "a/.", "a/..", "a/%2E%2e/b"),
    "url-port": ["https://a.example.com:443/", "HTTPS://a.example.com:443/x", "http://a.example.com:80/y"],
    "url-tracking": pages(
        *("a?utm_source=x", "a?b=1&amp;UTM_Campaign=y", "a?gclid=1", "a?fbclid=1", "a?x=1;msclkid=2"),
        "a?mc_cid=1",
    ),
    "url-refused": [
        "https://a.example.com:25/", "https://a.example.com:6667/x", "https://xn--99999999.a.example.com/",
        "https://xn--abc-.a.example.com/",
    ],
}  # fmt: skip
USUAL = [
    *pages("", "a", "a/b", "a.b", ".well-known/x", "a/...", "a/..b", "archive/https://b.example.com/x"),
    *pages("a?q=//x", "a?q=/../x", "a?source=utm", "a?utmost=1", "a?sid_gclid_x=1", "utm_source=x", "?q=:80"),
    *("https://a.example.com:8443/", "https://a.example.com:80/x", "https://xn--bcher-kva.a.example.com/"),
]


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_urls_are_each_named(name: str) -> None:
    """Among usual URLs, which break none of these rules."""
    found = check(urlset(*USUAL, *UNUSUAL[name]))
    assert [url for url, _ in found.pop(name)] == sorted(url.replace("&amp;", "&") for url in UNUSUAL[name])
    assert not set(UNUSUAL) & set(found)


def test_those_that_differ_from_most_are_named() -> None:
    """Of hosts, case, slash and time; what most have is said, and a site without differences has none."""
    dated = "<loc>https://a.example.com/{}</loc><lastmod>2026-01-0{}</lastmod>"
    cases = {
        "url-www": (
            [f"https://b.example.org/{number}" for number in range(3)],
            ["https://www.b.example.org/1"],
        ),
        "url-case": (pages("one", "%C3%A9", "x?A=B"), pages("Two", "three/Four")),
        "url-trailing-slash": (pages("a/", "b/c/", "d/", "", "f.html", "g?x=1"), pages("e", "b/f")),
        "lastmod-time": ([dated.format(n, f"{n}T10:00Z") for n in (1, 2, 3)], [dated.format(4, 4)]),
    }
    for name, (most, others) in cases.items():
        named = [entry.partition(">")[2].partition("<")[0] if "<" in entry else entry for entry in others]
        found = check(urlset(*most, *others))
        assert [url for url, _ in found[name]] == sorted(named), name
        assert name not in check(urlset(*most))
        assert name not in check(urlset(*others))
    # as many with as without: there is no convention
    assert "url-trailing-slash" not in check(urlset(*pages("a", "b", "c", "d/", "e/", "f/")))


def test_alternates_of_most_entries() -> None:
    """Entries without any, without x-default, and with a page of another domain."""

    def entry(name: str, *links: tuple[str, str]) -> str:
        alternates = "".join(
            f'<xhtml:link rel="alternate" hreflang="{code}" href="{href}"/>' for code, href in links
        )
        return f"<loc>https://a.example.co.uk/{name}</loc>{alternates}"

    own, other = ("en", "https://a.example.co.uk/x"), ("x-default", "https://b.example.co.uk/x")
    found = check(
        urlset(
            *(entry(name, own, other) for name in ("1", "2", "3")),
            entry("4"),
            entry("5", own, ("de", "https://example.de/x"), ("fr", "https://example.de/y")),
            entry("6", own),
        ),
        base="https://a.example.co.uk/s.xml",
    )
    url = "https://a.example.co.uk/"
    assert found["hreflang-missing"] == [(f"{url}4", None)]
    assert found["hreflang-x-default"] == [(f"{url}5", None)]
    assert found["hreflang-domain"] == [(f"{url}5", "https://example.de/x")]


def test_values_that_only_lenient_readers_accept() -> None:
    """An empty date, a word in upper case, a decimal comma: each is read, and named with its line."""
    fine = "<changefreq>daily</changefreq><priority>.8</priority>"
    bad = {
        "lastmod-empty": ("<lastmod/>", "<lastmod></lastmod>", "<lastmod>\n</lastmod>"),
        "changefreq-format": ("<changefreq>Daily</changefreq>",),
        "priority-format": ("<priority>0,8</priority>",) * 2,
    }
    for name, values in bad.items():
        entries = [f"<loc>{url}</loc>{value}" for url, value in zip(pages(*"abc"), values, strict=False)]
        for body in (
            urlset(*entries),
            urlset(*entries, f"<loc>{HOME}</loc>{fine}").replace(b"</urlset>", b""),
        ):
            found = check(body)
            assert len(found[name]) == len(values), name
            assert not (set(bad) - {name}) & set(found)
    assert [url for url, _ in check(urlset(f"<loc>{HOME}</loc><lastmod/>"))["lastmod-empty"]] == [HOME]


def test_news_of_tomorrow_and_of_another_publication() -> None:
    """A date alone may be tomorrow's in another time zone; an article's name must be that of most."""

    def article(number: int, date: str, name: str = "The Example") -> str:
        return (
            f"<loc>https://a.example.com/{number}</loc><news:news><news:publication><news:name>{name}</news:name>"
            "<news:language>en</news:language></news:publication><news:title>t</news:title>"
            f"<news:publication_date>{date}</news:publication_date></news:news>"
        )

    dates = (
        "2026-03-01T12:05:00Z",
        "2026-03-01T23:00:00+12:00",
        "2026-03-02",
        "2026-03-01T13:00:00Z",
        "2026-03-03",
    )
    found = check(urlset(*map(article, range(5), dates), article(5, "2026-03-01", "the example")))
    assert [value for _, value in found["news-future"]] == ["2026-03-01T13:00:00Z", "2026-03-03"]
    assert found["news-name"] == [("https://a.example.com/5", "the example")]


def test_a_file_that_this_run_cut_is_not_broken() -> None:
    """The size limit is said; markup, encoding and size of the file are not blamed, wherever it cuts."""
    body = urlset(*(f"https://a.example.com/\u0436{number}" for number in range(100)))
    text = "".join(f"https://a.example.com/\u0436{number}\n" for number in range(300)).encode()
    for document in (body, text, gzip.compress(body)):
        for size in range(1500, 1540):
            limits = replace(Limits(), body_bytes=size)
            found = check(document, limits=limits)
            assert {"site-incomplete"} <= set(found) <= {"site-incomplete", "url-escape", "lastmod-missing"}
    broken = body.replace(b"<urlset", b"<urlset <", 1)
    assert {"site-incomplete", "xml-broken"} <= set(check(broken, limits=replace(Limits(), body_bytes=1500)))
    assert {"xml-broken"} <= set(check(body[:1500]))
