"""Links of a home page to sitemaps and feeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.models import DiscoveryMethod
from contentmap_cli.sitemap.html.links import PageMetadata, page_metadata, site_links

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


MAIN = "<link rel=alternate type=application/rss+xml href=/main>"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
        "application/feed+json",
        "application/x.atom+xml",
        "application/x-rss+xml",
        "text/rss+xml",
        "text/rss",
        "text/xml",
        "application/xml",
        "Text/XML; charset=iso-8859-1",
    ],
)
def test_types_of_feeds(media_type: str) -> None:
    """An alternate with a feed's type is a feed, whatever its name, in markup and headers."""
    html = f'<link rel="alternate" type="{media_type}" title="News" href="/backend.php">'
    expected = [("https://site.example/backend.php", FEED)]
    assert site_links(html.encode(), BASE) == expected
    assert site_links(b"", BASE, [f'</backend.php>; rel="alternate"; type="{media_type}"']) == expected


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="alternate" type="application/json" href="/feed.json">',
        '<link rel="alternate" type="application/json" title="JSON Feed" href="/f">',
        '<link rel="alternate" type="application/x-json" href="/feeds/json">',
        '<link rel="feed" type="application/atom+xml" href="/posts">',
        '<link rel="alternate" title="RSS" href="/rss.xml">',
        '<link rel="alternate" hreflang="de" type="application/rss+xml" href="/de/x">',
    ],
)
def test_other_feeds(link: str) -> None:
    """JSON with a feed's name, and feeds without a type."""
    assert [method for _, method in site_links(link.encode(), BASE)] == [FEED]


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="alternate" type="application/json+oembed" href="/wp-json/oembed/1.0/embed?url=x">',
        '<link rel="alternate" type="text/xml+oembed" href="/wp-json/oembed/1.0/embed?url=x&amp;format=xml">',
        '<link rel="alternate" type="text/xml" href="/oembed?format=xml">',
        '<link rel="alternate" title="JSON" type="application/json" href="/wp-json/wp/v2/pages/2">',
        '<link rel="alternate" type="application/json" href="/data/page.json">',
        '<link rel="EditURI" type="application/rsd+xml" title="RSD" href="/xmlrpc.php?rsd">',
        '<link rel="alternate" type="application/rsd+xml" href="/xmlrpc.php?rsd">',
        '<link rel="wlwmanifest" type="application/wlwmanifest+xml" href="/wlwmanifest.xml">',
        '<link rel="search" type="application/opensearchdescription+xml" href="/opensearch.xml">',
        '<link rel="alternate" type="application/xml" href="/opensearch.xml">',
        '<link rel="manifest" type="application/json" href="/manifest.json">',
        '<link rel="alternate" hreflang="de" href="/de/feed">',
        '<link rel="alternate" hreflang="de" type="text/xml" href="/de/">',
        '<link rel="alternate" media="only screen and (max-width: 640px)" href="https://m.site.example/feed">',
        '<link rel="alternate stylesheet" type="text/xml" href="/s.xml">',
        '<link rel="stylesheet" type="text/xml" href="/rss.xml">',
        '<link rel="alternate" type="text/html" href="/feed">',
        '<link rel="feed" type="text/html" href="/">',
        '<link rel="sitemap" type="text/html" href="/sitemap.html">',
        '<link rel="alternate" type="application/ld+json" href="/page.json">',
        '<a href="/rssi-measurement.html"><a href="/feedback"><a href="/anatomy.xml">',
        '<a href="/feedback.xml"><a href="/atomic/"><a href="/feeder">',
        '<a href="https://other.example/rss.xml">',
        '<a href="/news"><a href="/blog?view=list"><a href="/feeds">',
    ],
)
def test_no_feeds(link: str) -> None:
    """Other alternates and relations, and words that contain a feed's name."""
    assert site_links(link.encode(), BASE) == []


@pytest.mark.parametrize(
    "anchor",
    [
        '<a href="/rss.xml">RSS</a>',
        '<a href="/feed">',
        '<a href="/feed/">',
        '<a href="/blog/feed/atom/">',
        '<a href="/atom.xml">',
        '<a href="/index.xml">',
        '<a href="/index.rdf">',
        '<a href="/news.rss?lang=en">',
        '<a href="/?feed=rss2">',
        '<a href="/index.php?format=feed&amp;type=rss">',
        '<a href="/x" type="application/rss+xml">',
        '<a href="/feeds/posts/default">',
        '<a href="feed://site.example/rss.xml">',
        '<a href="feed:https://site.example/rss.xml">',
        '<a href="https://www.site.example/rss.xml">',
        '<a href="https://blog.site.example/rss.xml">',
        '<a href="/feed.json">',
    ],
)
def test_visible_feed_links(anchor: str) -> None:
    """A plain link with a feed's name counts, unless there is an alternate."""
    assert [method for _, method in site_links(anchor.encode(), BASE)] == [FEED]
    assert site_links((MAIN + anchor).encode(), BASE) == [("https://site.example/main", FEED)]


def test_few_visible_feed_links() -> None:
    """The first three plain links count; sitemaps always count."""
    html = "".join(f"<a href='/{number}/feed'>" for number in range(50)) + "<a href='/sitemap.xml'>"
    assert site_links(html.encode(), BASE) == [
        ("https://site.example/sitemap.xml", LINK),
        *((f"https://site.example/{number}/feed", FEED) for number in range(3)),
    ]


@pytest.mark.parametrize(
    "comments",
    [
        "/comments/feed/",
        "/?feed=comments-rss2",
        "/feeds/comments/default",
        "/comments.xml",
        "/comments/feed/atom",
    ],
)
def test_feeds_of_comments(comments: str) -> None:
    """They are left out if there is another feed."""
    link = f"<link rel=alternate type=application/rss+xml href='{comments}'>"
    for html in (MAIN + link, link + MAIN):
        assert site_links(html.encode(), BASE) == [("https://site.example/main", FEED)]
    assert len(site_links(link.encode(), BASE)) == 1


def test_sitemaps_come_first() -> None:
    """Sitemaps precede feeds in any order of the page, and are not displaced by feeds."""
    feeds = "".join(f"<link rel=alternate type=application/rss+xml href='/f{n}'>" for n in range(300))
    found = site_links((feeds + "<a href='/sitemap.xml'>").encode(), BASE, ["</h.xml>; rel=sitemap"])
    assert found[:3] == [
        ("https://site.example/h.xml", LINK),
        ("https://site.example/sitemap.xml", LINK),
        ("https://site.example/f0", FEED),
    ]
    assert len(found) == 100
    alternate = b"<link rel=alternate type=application/xml title=Sitemap href=/sitemap_index.xml>"
    assert site_links(alternate, BASE) == [("https://site.example/sitemap_index.xml", LINK)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['</maps/all.xml>; rel="sitemap"; type="application/xml"'], ["/maps/all.xml"]),
        (["</a.xml>;rel=sitemap"], ["/a.xml"]),
        (["<a.xml> ; REL = Sitemap"], ["/a.xml"]),
        (['</s.css>; rel=preload; as=style, </a.xml>; rel="index sitemap"'], ["/a.xml"]),
        (["</x>; rel=next", "</a.xml>; rel=sitemap, </b.xml>; rel=sitemap"], ["/a.xml", "/b.xml"]),
        (['</a,b;c.xml>; title="x, <y>; rel=none \\" z"; rel=sitemap'], ["/a,b;c.xml"]),
        (["</a.xml>; rel=sitemap; rel=next", "</b.xml>; rel=next; rel=sitemap"], ["/a.xml"]),
        (["<https://cdn.example/a.xml#x>; rel=sitemap"], ["https://cdn.example/a.xml"]),
        (['</a.xml>; rel=sitemap; anchor="/other"'], []),
        (["</a.xml>", "a.xml; rel=sitemap", "</a.xml; rel=sitemap", "<>; rel=sitemap", "", "<<<;;;"], []),
        (["<javascript:x>; rel=sitemap", "<ftp://x/a.xml>; rel=sitemap", "<http://[>; rel=sitemap"], []),
        (['</x>; title="not closed; rel=sitemap'], []),
    ],
)
def test_link_headers(headers: list[str], expected: list[str]) -> None:
    """Links of HTTP headers: several in a value, several values, quoted parameters (RFC 8288)."""
    urls = [url if "://" in url else f"https://site.example{url}" for url in expected]
    assert site_links(b"<base href='https://elsewhere.example/'>", BASE, headers) == [(u, LINK) for u in urls]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<title> A &amp; B\n</title>", PageMetadata("A & B", None, None)),
        (
            "<meta http-equiv=Refresh content='0; URL=/en/'>",
            PageMetadata(None, "https://site.example/en/", None),
        ),
        (
            '<META HTTP-EQUIV="refresh" CONTENT="5;url=\'https://b.example/?a=1&amp;b=2\'">',
            PageMetadata(None, "https://b.example/?a=1&b=2", None),
        ),
        ("<meta http-equiv=refresh content='0,/x'>", PageMetadata(None, "https://site.example/x", None)),
        ("<meta http-equiv=refresh content='300'>", PageMetadata(None, None, None)),
        ("<meta http-equiv=refresh content='0; url='>", PageMetadata(None, None, None)),
        ("<meta http-equiv=refresh content='0; url=javascript:x()'>", PageMetadata(None, None, None)),
        (
            "<noscript><meta http-equiv=refresh content='0; url=/no-script'></noscript>",
            PageMetadata(None, None, None),
        ),
        ("<!-- <meta http-equiv=refresh content='0; url=/x'> -->", PageMetadata(None, None, None)),
        (
            "<base href='/de/'><link rel=canonical href='start'><link rel=canonical href='/second'>",
            PageMetadata(None, None, "https://site.example/de/start"),
        ),
        ("", PageMetadata(None, None, None)),
    ],
)
def test_page_facts(html: str, expected: PageMetadata) -> None:
    """Title, redirect by markup and canonical URL, in text and in bytes."""
    assert page_metadata(html, BASE) == expected
    assert page_metadata(html.encode(), BASE) == expected


def test_utf16() -> None:
    """A page may be written in any encoding."""
    html = "<html><link rel='sitemap' href='/ü.xml'></html>".encode("utf-16")
    assert site_links(html, BASE) == [("https://site.example/ü.xml", LINK)]


def test_bounded() -> None:
    """At most a hundred links are returned."""
    html = b"".join(b"<a href='/%d/sitemap.xml'>" % number for number in range(10_000))
    assert len(site_links(html, BASE)) == 100


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<a '", '<a "', "<a href='", "<!--", "<script>", "<a b=\"'", "<link rel=sitemap ", "<a/", "<"],
)
def test_time_grows_with_the_size_alone(piece: str) -> None:
    """The time is linear (a timeout would fail)."""
    assert site_links(piece.encode() * (400_000 // len(piece)), BASE) == []


@given(st.binary(max_size=2000), st.text(max_size=40))
def test_any_bytes(html: bytes, base: str) -> None:
    """No page and no base raises."""
    for url, _ in site_links(b"<a href='/sitemap.xml'>" + html, base, [html.decode("latin-1")]):
        assert url.startswith(("http://", "https://"))
    page_metadata(b"<base href=/x/><link rel=canonical href=" + html, base)
