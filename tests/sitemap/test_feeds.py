"""RSS, RDF and Atom."""

from __future__ import annotations

from typing import Any

import pytest

from contentmap_cli.models import DocumentKind, Limits

HOST = "https://site.example"
RSS = "<?xml version='1.0'?><rss version='2.0' {names}><channel><link>/home</link>{items}</channel></rss>"
NAMES = "xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:atom='http://www.w3.org/2005/Atom'"
NAMES += " xmlns:media='http://search.yahoo.com/mrss/'"
ATOM = "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><link href='/home'/>{entries}</feed>"


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ("<link>/a</link>", "/a"),
        ("<link>\n  https://site.example/a?b=1&amp;c=2\n</link>", "/a?b=1&c=2"),
        ("<link><![CDATA[https://site.example/a?b=1&c=2]]></link>", "/a?b=1&c=2"),
        ("<guid>https://site.example/g</guid><link>/a</link>", "/a"),
        ("<guid isPermaLink='false'>https://site.example/g</guid>", "/g"),
        ("<link/><guid>https://site.example/g</guid>", "/g"),
        ("<atom:link href='/no' rel='self'/><link>/a</link>", "/a"),
        ("<media:content url='/no'><media:link>/no</media:link></media:content><link>/a</link>", "/a"),
        ("<description>&lt;link&gt;/no&lt;/link&gt;</description><link>/a</link>", "/a"),
        ("<source url='x'>y</source><link>/a</link><item/>", "/a"),
    ],
)
def test_link_of_an_item(parse: Any, item: str, url: str) -> None:
    """The page is the link, else a guid that is a URL. The channel's own link is ignored."""
    reading = parse(RSS.format(names=NAMES, items=f"<item>{item}</item>"))
    assert reading.urls == [f"{HOST}{url}"]
    assert reading.outcome.kind is DocumentKind.RSS
    assert reading.outcome.complete


@pytest.mark.parametrize(
    "item", ["<guid>42</guid>", "<title>t</title>", "<guid>tag:site.example,2024:1</guid>", ""]
)
def test_item_without_a_page(parse: Any, item: str) -> None:
    """It is dropped and reported."""
    reading = parse(RSS.format(names=NAMES, items=f"<item>{item}</item><item><link>/a</link></item>"))
    assert reading.urls == [f"{HOST}/a"]
    assert reading.codes == {"missing_url"}


@pytest.mark.parametrize(
    ("date", "utc"),
    [
        ("<pubDate>Tue, 30 Jul 2019 18:05:09 +0200</pubDate>", "2019-07-30T16:05:09Z"),
        ("<dc:date>2019-07-30T18:05:09+02:00</dc:date>", "2019-07-30T16:05:09Z"),
        ("<pubDate>30 Jul 2019</pubDate><atom:updated>2020-01-01</atom:updated>", "2020-01-01T00:00:00Z"),
    ],
)
def test_date_of_an_item(parse: Any, date: str, utc: str) -> None:
    """An item's date is when it changed, else when it was published."""
    entry = parse(RSS.format(names=NAMES, items=f"<item><link>/a</link>{date}</item>")).entries[0]
    assert entry.lastmod is not None
    assert entry.lastmod.utc == utc


def test_rdf(parse: Any) -> None:
    """In RSS 1.0 items are siblings of the channel; its lists are ignored."""
    reading = parse(
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>"
        "<channel><link>/home</link><items><rdf:Seq><rdf:li resource='/li'/></rdf:Seq></items></channel>"
        "<image><link>/home</link><url>/i.gif</url></image><item rdf:about='/x'><link>/a</link></item>"
        "</rdf:RDF>"
    )
    assert reading.urls == [f"{HOST}/a"]


@pytest.mark.parametrize(
    ("links", "urls"),
    [
        ("<link href='/a'/>", ["/a"]),
        ("<link rel='self' href='/no'/><link rel='alternate' href='/a'/><link href='/b'/>", ["/a"]),
        ("<link rel='edit' href='/no'/>", []),
        ("<link rel='alternate'/>", []),
        ("<id>https://site.example/no</id>", []),
    ],
)
def test_link_of_an_entry(parse: Any, links: str, urls: list[str]) -> None:
    """One alternate link, or one without rel."""
    reading = parse(ATOM.format(entries=f"<entry>{links}<updated>2024-05-06T07:08:09Z</updated></entry>"))
    assert reading.urls == [HOST + url for url in urls]
    assert [entry.lastmod and entry.lastmod.utc for entry in reading.entries] == [
        "2024-05-06T07:08:09Z"
    ] * len(urls)


@pytest.mark.parametrize("end", ["</feed>", "&</feed>"])
def test_xml_base(parse: Any, end: str) -> None:
    """Links are resolved against all xml:base around them, by both readers."""
    reading = parse(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='/blog/'>"
        "<entry xml:base='2024/'><link href='a'/></entry>"
        "<entry><link xml:base='/x/' href='b'/></entry><entry xml:base='http://[/'><link href='c'/></entry>"
        + end
    )
    assert reading.urls == [f"{HOST}/blog/2024/a", f"{HOST}/x/b", f"{HOST}/blog/c"]


def test_a_broken_feed(parse: Any) -> None:
    """Items around the damage are read."""
    items = "".join(f"<item><title>a & b</title><link>/{n}?a=1&b=2</link></item>" for n in range(3))
    reading = parse(RSS.format(names=NAMES, items=items))
    assert reading.urls == [f"{HOST}/{n}?a=1&b=2" for n in range(3)]
    assert all(entry.repaired for entry in reading.entries)


def test_a_long_feed(parse: Any) -> None:
    """Ten thousand items come in order."""
    items = "".join(
        f"<item><link>/{n}</link><description>{'x' * 300}</description></item>\n" for n in range(10_000)
    )
    reading = parse(RSS.format(names="", items=items))
    assert reading.urls == [f"{HOST}/{n}" for n in range(10_000)]


def test_document_type_of_a_feed(parse: Any) -> None:
    """It is refused, also beyond the sniffed head."""
    head = "<?xml version='1.0'?>" + "<!-- x -->" * 20_000 + "<!DOCTYPE feed [<!ENTITY a 'b'>]>"
    for body in (
        "<feed><entry><link href='/a'/></entry></feed>",
        "<urlset><url><loc>/a</loc></url></urlset>",
    ):
        reading = parse(head + body)
        assert reading.urls == []
        assert not reading.outcome.complete


def test_an_endless_item(parse: Any) -> None:
    """An item without an end stops the reading."""
    text = "<rss><channel><item><link>/a</link></item><item><title>" + "x" * 3_000_000
    reading = parse(text, limits=Limits(xml_token_bytes=100_000))
    assert reading.urls == [f"{HOST}/a"]
    assert reading.failure == "xml_token_too_large"


NS = "xmlns:atom='http://www.w3.org/2005/Atom' xmlns:feedburner='http://rssnamespace.org/feedburner/ext/1.0'"
BROKEN = "<title>a & b</title>"


@pytest.mark.parametrize("broken", ["", BROKEN])
@pytest.mark.parametrize(
    ("links", "url"),
    [
        (
            "<link type='application/pdf' href='/a.pdf'/><link rel='alternate' type='text/html' href='/a'/>",
            "/a",
        ),
        ("<link type='text/plain' href='/b'/><link type='text/html; charset=utf-8' href='/a'/>", "/a"),
        ("<link type='application/json' href='/b'/><link href='/a'/>", "/a"),
        ("<link href='/a'/><link type='text/html' href='/b'/>", "/a"),
        ("<link type='application/xhtml+xml' href='/a'/><link type='text/plain' href='/b'/>", "/a"),
        ("<link type='text/html' href='nostr:naddr1'/><link type='image/png' href='/a'/>", "/a"),
        ("<link rel='alternate' href='gemini://site.example/a'/><link href='https://site.example/a'/>", "/a"),
        ("<link rel='enclosure' href='/b.mp3'/><link rel='self' href='/c'/><link href='/a'/>", "/a"),
        ("<link rel='Alternate' href='/a'/>", "/a"),
        ("<link rel='http://www.iana.org/assignments/relation/alternate' href='/a'/>", "/a"),
        ("<link>https://site.example/a</link>", "/a"),
        ("<link rel='self' href='/b'/><link> /a </link>", "/a"),
        (
            "<link rel='enclosure' href='/b.mp3'/><feedburner:origLink>https://site.example/a</feedburner:origLink>",
            "/a",
        ),
        ("<link xml:base='/x/' href='a'/>", "/x/a"),
        ("<link xml:base='/x/' type='image/png' href='b'/><link type='text/html' href='/a'/>", "/a"),
    ],
)
def test_choice_of_an_atom_link(parse: Any, links: str, url: str, broken: str) -> None:
    """The page is the one that feed readers open."""
    reading = parse(f"<feed xmlns='http://www.w3.org/2005/Atom' {NS}><entry>{broken}{links}</entry></feed>")
    assert reading.urls == [f"{HOST}{url}"]
    assert reading.outcome.losses == 0


@pytest.mark.parametrize("broken", ["", BROKEN])
@pytest.mark.parametrize(
    ("links", "url"),
    [
        ("<atom:link rel='alternate' type='text/html' href='/a'/>", "/a"),
        ("<atom:link href='/a'/><guid>https://site.example/g</guid>", "/a"),
        ("<atom:link rel='self' href='/b'/><guid>https://site.example/a</guid>", "/a"),
        ("<link>nostr:naddr1</link><guid isPermaLink='true'>https://site.example/a</guid>", "/a"),
        ("<link></link><link>/a</link>", "/a"),
        ("<link href='/a'/>", "/a"),
        (
            "<guid isPermaLink='false'>https://site.example/g</guid><feedburner:origLink>https://site.example/a</feedburner:origLink>",
            "/a",
        ),
        ("<enclosure url='https://site.example/b.mp3'/><link>/a</link>", "/a"),
    ],
)
def test_choice_of_an_rss_link(parse: Any, links: str, url: str, broken: str) -> None:
    """The RSS element for it comes first, then its substitutes."""
    reading = parse(f"<rss {NS}><channel><item>{broken}{links}</item></channel></rss>")
    assert reading.urls == [f"{HOST}{url}"]


@pytest.mark.parametrize(
    ("item", "losses"),
    [
        ("<title>a</title>", 1),
        ("<guid>12</guid>", 1),
        ("<enclosure url='https://site.example/b.mp3' type='audio/mpeg'/>", 0),
        ("<link>nostr:naddr1</link>", 1),
        ("<link>mailto:a@site.example</link>", 0),
    ],
)
def test_an_item_without_a_page(parse: Any, item: str, losses: int) -> None:
    """It is a loss, unless it is a podcast file or an address."""
    reading = parse(f"<rss><channel><item>{item}</item></channel></rss>")
    assert reading.urls == []
    assert reading.codes
    assert reading.outcome.losses == losses


@pytest.mark.parametrize("broken", ["", BROKEN])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("links", "url"),
    [
        ("<atom:link rel='next' href='/feed?page=2'/>", "/feed?page=2"),
        (
            "<atom:link rel='self' href='/feed'/><atom:link rel='next' href='https://site.example/feed?page=2'/>",
            "/feed?page=2",
        ),
        ("<atom:link rel='prev-archive' href='/2023.xml'/>", "/2023.xml"),
        ("<atom:link rel='prev-archive' href='/2023.xml'/><atom:link rel='next' href='/2'/>", "/2"),
        ("<atom:link rel='http://www.iana.org/assignments/relation/next' href='/2'/>", "/2"),
        ("<atom:link rel='next' href='http:/site.example/2'/>", None),
        ("<atom:link rel='next' href='sitemap.xml'/>", ""),
        ("<atom:link rel='next' href='mailto:a@site.example'/>", ""),
        ("<atom:link rel='last' href='/9'/><atom:link rel='previous' href='/1'/>", ""),
    ],
)
def test_the_next_page_of_a_feed(parse: Any, links: str, url: str | None, behind: bool, broken: str) -> None:
    """RFC 5005: for RSS and Atom, anywhere in the feed, but not in an item."""
    expected = "http://site.example/2" if url is None else f"{HOST}{url}" if url else None
    own = "<atom:link rel='next' href='/no'/>"
    items = f"<item><link>/a</link>{own}</item><item>{broken}<link>/b</link></item>"
    content = f"{items}{links}" if behind else f"{links}{items}"
    reading = parse(f"<rss {NS}><channel>{content}</channel></rss>")
    assert (reading.outcome.next_url, reading.urls) == (expected, [f"{HOST}/a", f"{HOST}/b"])
    items = f"<entry><link href='/a'/>{own}</entry><entry>{broken}<link href='/b'/></entry>"
    content = (f"{items}{links}" if behind else f"{links}{items}").replace("atom:", "")
    reading = parse(f"<feed xmlns='http://www.w3.org/2005/Atom'>{content}</feed>")
    assert (reading.outcome.next_url, reading.urls) == (expected, [f"{HOST}/a", f"{HOST}/b"])
