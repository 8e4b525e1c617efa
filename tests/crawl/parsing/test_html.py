"""Sitemaps and feeds that a home page names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.crawl.parsing.html import site_links
from contentmap_cli.values import DiscoveryMethod

BASE = "https://site.example/"
LINK, FEED = DiscoveryMethod.HTML_LINK, DiscoveryMethod.FEED_LINK


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<link rel="sitemap" href="/a.xml">', [("https://site.example/a.xml", LINK)]),
        (
            "<LINK REL='Sitemap' TYPE='application/xml' HREF='/a.xml'/>",
            [("https://site.example/a.xml", LINK)],
        ),
        ("<link rel=sitemap href=/a.xml>", [("https://site.example/a.xml", LINK)]),
        (
            "<link href='/f' rel='alternate' type='application/rss+xml; charset=utf-8'>",
            [("https://site.example/f", FEED)],
        ),
        (
            "<link href='/f?a=1&amp;b=2' rel='alternate home' type='application/atom+xml'>",
            [("https://site.example/f?a=1&b=2", FEED)],
        ),
        ("<a href='/sitemap.xml'>", [("https://site.example/sitemap.xml", LINK)]),
        ("<a href='/Site-Map_2.xml.gz?x=1#y'>", [("https://site.example/Site-Map_2.xml.gz?x=1", LINK)]),
        ("<a href='sitemap.php'>", [("https://site.example/sitemap.php", LINK)]),
        (
            "<base href='https://cdn.example/x/'><a href='sitemap.txt'>",
            [("https://cdn.example/x/sitemap.txt", LINK)],
        ),
        ("<a href='/sitemap.xml'><a href='sitemap.xml'>", [("https://site.example/sitemap.xml", LINK)]),
        ("<a title='>' href='/sitemap.xml'>", [("https://site.example/sitemap.xml", LINK)]),
        ("<a href='/sitemap.html'><a href='/sitemap'><a href='/about'>", []),
        ("<link rel='stylesheet' href='/sitemap.xml'><link rel='alternate' hreflang='de' href='/de'>", []),
        ("<!-- <a href='/sitemap.xml'> --><script>'<a href=\"/sitemap.xml\">'</script>", []),
        (
            "<a href='javascript:sitemap.xml'><a href='ftp://x/sitemap.xml'><a href='http://[/sitemap.xml'>",
            [],
        ),
        (
            "<a href='/sitemaps/pages.xml'><a href='/Sitemap-2/a.xml'><a href='/maps/pages.xml'>",
            [
                ("https://site.example/sitemaps/pages.xml", LINK),
                ("https://site.example/Sitemap-2/a.xml", LINK),
            ],
        ),
        ("<abbr href='/sitemap.xml'><a-b href='/sitemap.xml'>", []),
        ("", []),
    ],
)
def test_site_links(html: str, expected: list[tuple[str, DiscoveryMethod]]) -> None:
    """Links are found in document order, resolved, each once."""
    assert site_links(html.encode(), BASE) == expected


def test_utf16() -> None:
    """A page may be written in any encoding."""
    html = "<html><link rel='sitemap' href='/ü.xml'></html>".encode("utf-16")
    assert site_links(html, BASE) == [("https://site.example/ü.xml", LINK)]


def test_bounded() -> None:
    """A page of links gives a hundred of them."""
    html = b"".join(b"<a href='/%d/sitemap.xml'>" % number for number in range(10_000))
    assert len(site_links(html, BASE)) == 100


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<a '", '<a "', "<a href='", "<!--", "<script>", "<a b=\"'", "<link rel=sitemap ", "<a/", "<"],
)
def test_time_grows_with_the_size_alone(piece: str) -> None:
    """No repetition takes the square of its length (the timeout of this test would tell)."""
    assert site_links(piece.encode() * (400_000 // len(piece)), BASE) == []


@given(st.binary(max_size=2000), st.text(max_size=40))
def test_any_bytes(html: bytes, base: str) -> None:
    """No page and no base raises."""
    for url, _ in site_links(b"<a href='/sitemap.xml'>" + html, base):
        assert url.startswith(("http://", "https://"))
