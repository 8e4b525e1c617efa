"""RSS, RDF and Atom."""

from __future__ import annotations

from typing import Any

import pytest

from contentmap_cli.values import DocumentKind, Limits

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
    """The page is the link, else a guid that is a URL. The channel's own link is no page."""
    reading = parse(RSS.format(names=NAMES, items=f"<item>{item}</item>"))
    assert reading.urls == [f"{HOST}{url}"]
    assert reading.outcome.kind is DocumentKind.RSS
    assert reading.outcome.complete


@pytest.mark.parametrize(
    "item", ["<guid>42</guid>", "<title>t</title>", "<guid>tag:site.example,2024:1</guid>", ""]
)
def test_item_without_a_page(parse: Any, item: str) -> None:
    """It is left out and noted."""
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
    """In RSS 1.0 the items stand beside the channel; its lists name no pages."""
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
    """Links are resolved against all bases around them, strictly and tolerantly read."""
    reading = parse(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='/blog/'>"
        "<entry xml:base='2024/'><link href='a'/></entry>"
        "<entry><link xml:base='/x/' href='b'/></entry><entry xml:base='http://[/'><link href='c'/></entry>"
        + end
    )
    assert reading.urls == [f"{HOST}/blog/2024/a", f"{HOST}/x/b", f"{HOST}/blog/c"]


def test_a_broken_feed(parse: Any) -> None:
    """Items around the damage are read, with what is certain of them."""
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
    """It is refused, also where it stands too far in for a first look."""
    head = "<?xml version='1.0'?>" + "<!-- x -->" * 20_000 + "<!DOCTYPE feed [<!ENTITY a 'b'>]>"
    for body in (
        "<feed><entry><link href='/a'/></entry></feed>",
        "<urlset><url><loc>/a</loc></url></urlset>",
    ):
        reading = parse(head + body)
        assert reading.urls == []
        assert not reading.outcome.complete


def test_an_endless_item(parse: Any) -> None:
    """An item that never ends is not waited for."""
    text = "<rss><channel><item><link>/a</link></item><item><title>" + "x" * 3_000_000
    reading = parse(text, limits=Limits(xml_token_bytes=100_000))
    assert reading.urls == [f"{HOST}/a"]
    assert reading.failure == "xml_token_too_large"
