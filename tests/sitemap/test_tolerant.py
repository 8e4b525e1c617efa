"""Broken XML: what is certain is listed, and every loss is reported."""

from __future__ import annotations

from typing import Any

import pytest

from contentmap_cli.models import DocumentKind, Entry, Limits
from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.problems import Problems
from contentmap_cli.sitemap.sniff import ForbiddenDoctype
from contentmap_cli.sitemap.xml import tokenizer, tolerant
from contentmap_cli.sitemap.xml.strict import read_feed

HOST = "https://site.example"
TWO = f"<url><loc>{HOST}/1</loc></url>\n<url><loc>{HOST}/2</loc></url>"


def broken(parse: Any, text: str, *urls: str, code: str | None = None, complete: bool = True) -> Any:
    """Parse, and check the common properties of damaged documents."""
    reading = parse(text)
    assert reading.urls == [f"{HOST}/{url}" for url in urls]
    assert reading.outcome.complete == complete
    assert (reading.outcome.failure is None) == complete
    assert reading.outcome.problems, "a damaged document has problems"
    if code is not None:
        assert code in reading.codes
    return reading


@pytest.mark.parametrize(
    "junk",
    [
        "---\nlayout: null\n---\n<?xml version='1.0'?>\n",
        "x",
        "\n\nsome words\n",
        "<br />\n<b>Warning</b>: Cannot modify header in /x.php on line <b>3</b><br />\n",
        "<!--?xml version='1.0'?--><!–?xml ?–>",
        "version='1.0' encoding='UTF-8'?>\n",
        "?xml version='1.0'?>\n",
        "<?xml version='1.0' encoding='UTF-8'?\n",
        "<?xml version='1.0' encoding='UT\n",
        "</div>",
        "&nbsp;",
        "\x00",
    ],
)
def test_junk_before_the_root(parse: Any, junk: str) -> None:
    """It is ignored."""
    broken(parse, f"{junk}<urlset>{TWO}</urlset>", "1", "2")


@pytest.mark.parametrize(
    "junk", ["User-agent: *\nSitemap: /x\n", "<script>a < b && c</script>", "\x00", "</urlset>", "<", "&"]
)
def test_junk_after_the_root(parse: Any, junk: str) -> None:
    """It is ignored."""
    broken(parse, f"<urlset>{TWO}</urlset>\n{junk} x", "1", "2")


def test_blank_lines_before_the_declaration(parse: Any) -> None:
    """They are an error in XML and ignored here."""
    reading = parse(f"\n\n \t<?xml version='1.0'?>\n<urlset>\n<url><loc>ftp://x/</loc></url>{TWO}</urlset>")
    assert len(reading.urls) == 2
    assert reading.outcome.problems[0].line == 5


def test_several_documents(parse: Any) -> None:
    """All documents in one file are read, of either kind."""
    head = "<?xml version='1.0'?>\n"
    text = f"{head}<urlset>{TWO}</urlset>{head}<sitemapindex><sitemap><loc>https://site.example/3</loc></sitemap></sitemapindex>"
    reading = broken(
        parse,
        text + "<urlset><url><loc>https://site.example/4</loc></url></urlset>",
        "1",
        "2",
        "3",
        "4",
        code="several_roots",
    )
    assert [entry.type for entry in reading.entries] == ["url", "url", "sitemap", "url"]


def test_bare_ampersands(parse: Any) -> None:
    """A bare & is the character &; libxml2's own recovery would give ?a=1=2."""
    text = f"<urlset><url><loc>{HOST}/1?a=1&b=2&copy=3</loc></url><url><loc>{HOST}/2</loc></url></urlset>"
    reading = broken(parse, text, "1?a=1&b=2&copy=3", "2", code="bare_ampersand")
    assert [entry.repaired for entry in reading.entries] == [True, False]


def test_a_bare_ampersand_far_from_any_semicolon(parse: Any) -> None:
    """libxml2 searches for the `;` without an error; that is not endless text."""
    entries = "".join(f"<url><loc>{HOST}/{n}</loc></url>" for n in range(10_000))
    reading = parse(
        f"<urlset><url><loc>{HOST}/?a&b</loc></url>{entries}</urlset>", limits=Limits(xml_token_bytes=100_000)
    )
    assert len(reading.urls) == 10_001
    assert reading.outcome.complete


def test_html_entities(parse: Any) -> None:
    """HTML entities are resolved; unknown ones are kept as text."""
    text = (
        f"<urlset><url><loc>{HOST}/caf&eacute;</loc></url><url><loc>{HOST}/?a&nosuch;b</loc></url></urlset>"
    )
    reading = broken(parse, text, "café", "?a&nosuch;b", code="html_entity")
    assert all(entry.repaired for entry in reading.entries)


def test_a_no_break_space_in_a_url(parse: Any) -> None:
    """The URL is unknown; other entries are not affected."""
    text = f"<urlset><url><loc>{HOST}/a&nbsp;</loc></url>{TWO}</urlset>"
    broken(parse, text, "a", "1", "2", code="html_entity")


@pytest.mark.parametrize(
    "text",
    [
        f"<urlset><url><loc>{HOST}/1</loc><url><loc>{HOST}/2</loc></urlset>",
        f"<urlset><url><loc>{HOST}/1</loc><lastmod>2024</url><url><loc>{HOST}/2</loc><priority>0.5</urlset>",
        f"<urlset><url><loc>{HOST}/1</loc></url></url></mismatch><url><loc>{HOST}/2</loc></x></url></urlset>",
        f"<urlset><url$<loc>{HOST}/1</loc></url><url\n<loc>{HOST}/2</loc></url</urlset>",
        f"<urlset <url><loc>{HOST}/1</loc</url><url><loc>{HOST}/2</loc>\n</url></urlset",
        f"<urlset xmlns=“x”><url><loc>{HOST}/1</loc></url><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset xmlns='x><url><loc>{HOST}/1</loc></url><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset\u00a0xmlns='x'><url><loc>{HOST}/1</loc></url><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset><url><loc>{HOST}/1</loc><lastmod>2<</lastmod></url><<url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset><!– x –><url><loc>{HOST}/1</loc></url><!x><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset>&<url><loc>{HOST}/1</loc></url><?php if (a > b): ?><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset><% u '<url>' %><url><loc>{HOST}/1</loc></url><url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset>{{% for %}}<url><loc>{HOST}/1</loc></url>&<url><loc>{HOST}/2</loc></url></urlset>",
        f"<urlset><url><loc>{HOST}/1</Loc></url><url><LOC>{HOST}/2</loc></url></URLSET>",
        f"<urlset><s:url><s:loc>{HOST}/1</s:loc></s:url><url><s:loc>{HOST}/2</s:loc></url></urlset>",
        f"<urlset><url><loc><![CDATA[{HOST}/1</loc></url><url><loc><![CDATA[{HOST}/2]]></loc></url></urlset>",
        f"<urlset><url><loc>{HOST}/1</loc><title><![CDATA[a</title></url><url><loc>{HOST}/2</loc></url></urlset>",
        f"<url><loc>{HOST}/1</loc></url><url><loc>{HOST}/2</loc></url>",
    ],
)
def test_broken_tags(parse: Any, text: str) -> None:
    """Two entries are listed, whatever the damage to the tags around them."""
    broken(parse, text, "1", "2")


@pytest.mark.parametrize(
    "text",
    [
        "<loc>{0}/1 </url>",
        "<loc>{0}/1\n<lastmod>2024</lastmod></url>",
        "<loc>{0}/1<lastmod>2024</lastmod></url>",
        "<loc>{0}/1<loc><lastmod>2024</lastmod></url>",
        "<loc>{0}/1</lock></url>",
        "<loc>{0}/1 and more words<priority>1</priority></url>",
        "<loc>{0}/1<image:image><image:loc>{0}/x.jpg</image:loc></image:image></url>",
        "<loc><loc>{0}/1</loc></url>",
        "<loc>{0}/1<loc>\n",
    ],
)
def test_loc_without_its_end(parse: Any, text: str) -> None:
    """The URL ends at the first white space or tag, and the entry is marked as repaired."""
    reading = broken(
        parse,
        f"<urlset><url>{text.format(HOST)}<url><loc>https://site.example/2</loc></url></urlset>",
        "1",
        "2",
    )
    assert [entry.repaired for entry in reading.entries] == [True, False]


@pytest.mark.parametrize("loc", ["{0}/a<b", "{0}/a<b</loc>", "{0}/<%= x %>/b</loc>", "{0}/a<<b</loc>"])
def test_a_url_that_may_be_cut_is_refused(parse: Any, loc: str) -> None:
    """A URL without a known end is not listed."""
    reading = parse(f"<urlset><url><loc>{loc.format(HOST)}</url>{TWO}</urlset>")
    assert reading.urls == [f"{HOST}/1", f"{HOST}/2"]
    assert reading.outcome.problems


def test_comments_stay_comments(parse: Any) -> None:
    """Entries in comments are not listed, even in an unterminated one."""
    text = f"<urlset>&<!-- <url><loc>{HOST}/old</loc></url> -->{TWO}"
    broken(parse, f"{text}</urlset>", "1", "2")
    broken(parse, f"{text}<!-- <url><loc>{HOST}/old</loc></url></urlset>", "1", "2", complete=False)


def test_truncated_at_every_byte(parse: Any) -> None:
    """A truncated document gives the complete entries, never a part of a URL, and is reported."""
    text = (
        "<?xml version='1.0'?>\n<urlset xmlns='x'>\n"
        f"<url><loc>{HOST}/one?a=1&amp;b=2</loc><lastmod>2024-05-06</lastmod></url>\n"
        f"<url>\n  <loc><![CDATA[{HOST}/two]]></loc>\n</url>\n<!-- c -->"
        f"<url><loc>{HOST}/three</loc><priority>0.5</priority></url></urlset>"
    )
    urls = [f"{HOST}/one?a=1&b=2", f"{HOST}/two", f"{HOST}/three"]
    for end in range(1, len(text) - 1):
        reading = parse(text[:end])
        assert reading.urls == urls[: len(reading.urls)], end
        assert len(reading.urls) >= text[:end].count("</loc>")
        assert not reading.outcome.complete
        assert reading.outcome.failure is not None
        for entry in reading.entries:  # no field is cut off either
            assert entry.lastmod is None or entry.lastmod.text == "2024-05-06"
            assert entry.priority in (None, 0.5)


def test_truncated_feed_at_every_byte(parse: Any) -> None:
    """The same for feeds."""
    items = "".join(f"<item><guid>g{n}</guid><link>{HOST}/{n}</link></item>" for n in range(3))
    text = f"<rss version='2.0'><channel>{items}</channel></rss>"
    for end in range(1, len(text) - 1):
        reading = parse(text[:end])
        assert reading.urls == [f"{HOST}/{n}" for n in range(len(reading.urls))]
        assert not reading.outcome.complete


def test_the_first_problem_is_the_parsers_own(parse: Any) -> None:
    """The error of the strict parser is kept with its line."""
    reading = parse(f"<urlset>\n<url><loc>{HOST}/?a&b</loc></url>\n</urlset>")
    problem = reading.outcome.problems[0]
    assert (problem.code, problem.line) == ("xml_error", 2)
    assert "line" not in problem.message
    assert reading.cleared == 1


def test_control_characters(parse: Any) -> None:
    """A URL with one is refused; other entries are not affected."""
    text = f"<urlset><url><loc>{HOST}/a\x00b</loc></url>{TWO}<url><loc>{HOST}/&#1;</loc></url></urlset>"
    broken(parse, text, "1", "2", code="rejected_url")


def test_extensions_of_a_broken_document(parse: Any) -> None:
    """Undeclared prefixes are recognised by name."""
    text = (
        f"<urlset><url><loc>{HOST}/1</loc><image:image><image:loc>{HOST}/i.jpg?a&b</image:loc></image:image>"
        f'<xhtml:link rel="alternate" hreflang="de" href="{HOST}/de"/></url></urlset>'
    )
    entry = broken(parse, text, "1").entries[0]
    assert entry.images == ({"loc": f"{HOST}/i.jpg?a&b"},)
    assert entry.alternates == ({"hreflang": "de", "href": f"{HOST}/de"},)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE urlset [<!ENTITY a "b">]><urlset><url><loc>https://site.example/&a;</loc></url></urlset>',
        '<!DOCTYPE urlset SYSTEM "http://127.0.0.1:9/x.dtd"><urlset><url><loc>https://site.example/</loc></url></urlset>',
        '<?xml version="1.0"?>\n<!-- c -->\n<!doctype x [<!ENTITY a SYSTEM "file:///etc/hostname">]><urlset/>',
        'junk <!DOCTYPE rss [<!ENTITY a "b">]><rss><channel/></rss>',
        '<!DOCTYPE html [<!ENTITY a "b">]><html>&a;</html>',
    ],
)
def test_document_types_are_refused(parse: Any, text: str) -> None:
    """Nothing is expanded, fetched or listed."""
    reading = parse(text)
    assert reading.urls == []
    assert reading.failure == "xml_dtd_forbidden"
    assert "xml_dtd_forbidden" in reading.codes


def test_document_type_in_a_second_document(parse: Any) -> None:
    """Reading stops there; earlier entries are kept."""
    reading = parse(
        f'<urlset>{TWO}</urlset><!DOCTYPE x [<!ENTITY a "b">]><urlset><url><loc>https://site.example/3</loc></url></urlset>'
    )
    assert reading.urls == [f"{HOST}/1", f"{HOST}/2"]
    assert reading.failure == "xml_dtd_forbidden"


def test_billion_laughs(parse: Any) -> None:
    """An entity bomb is refused at once."""
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><urlset><url><loc>https://site.example/&a11;</loc></url></urlset>'
    assert parse(text).failure == "xml_dtd_forbidden"


@pytest.mark.parametrize("doctype", ["<!DOCTYPE html>", "<!doctype HTML PUBLIC '-//W3C//DTD'>"])
def test_html_doctype_before_a_sitemap(parse: Any, doctype: str) -> None:
    """The doctype of HTML is accepted."""
    broken(parse, f"{doctype}\n<urlset>{TWO}</urlset>", "1", "2", code="doctype_ignored")


def test_doctype_of_rss_091(parse: Any) -> None:
    """The doctype of RSS 0.91 is accepted and not fetched."""
    doctype = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
    )
    text = f"<?xml version='1.0'?>{doctype}<rss><channel><item><link>/1</link></item></channel></rss>"
    assert broken(parse, text, "1", code="doctype_ignored").outcome.kind is DocumentKind.RSS


@pytest.mark.parametrize("opening", ["<urlset>", "<urlset>&", "<rss><channel><item>"])
def test_depth(parse: Any, opening: str) -> None:
    """Nesting is limited; earlier entries are kept."""
    limits = Limits(xml_depth=100)
    reading = parse(
        opening + "<url><loc>https://site.example/1</loc></url><url>" + "<a>" * 400 + "</a>" * 400,
        limits=limits,
    )
    assert not reading.outcome.complete
    assert reading.failure == "xml_error"


@pytest.mark.parametrize("opening", ["<urlset>", "<urlset>&"])
@pytest.mark.parametrize("endless", ["<url><loc>" + "x" * 400_000, "<url><x><![CDATA[" + "x" * 400_000])
def test_endless_text(parse: Any, opening: str, endless: str) -> None:
    """Text beyond the limit ends the reading; earlier entries are kept."""
    first = "<url><loc>https://site.example/1</loc></url>" * 20
    reading = parse(f"{opening}{first}{endless}", limits=Limits(xml_token_bytes=100_000))
    assert len(reading.urls) == 20
    assert reading.failure == "xml_token_too_large"


def test_endless_text_beyond_the_hard_cap(parse: Any) -> None:
    """Two limits at once have an outcome."""
    limits = Limits(xml_token_bytes=100_000, file_urls_hard=5)
    reading = parse(
        "<urlset>&" + "<url><loc>https://site.example/1</loc></url>" * 20 + "<url><loc>" + "x" * 400_000,
        limits=limits,
    )
    assert len(reading.urls) == 5
    assert reading.failure in ("xml_token_too_large", "too_many_urls")


def test_a_large_entry_is_no_endless_text(parse: Any, urlset: Any) -> None:
    """An entry with a thousand images may exceed the limit of a token."""
    images = f"<image:image><image:loc>{HOST}/{'x' * 400}.jpg</image:loc></image:image>" * 1000
    reading = parse(
        urlset(f"<url><loc>https://site.example/1</loc>{images}</url>"),
        limits=Limits(xml_token_bytes=200_000),
    )
    assert len(reading.entries[0].images) == 1000
    assert not reading.codes


def test_blanks_are_no_text(parse: Any) -> None:
    """White space of any length is ignored."""
    blanks = " " * 3_000_000
    reading = parse(f"{blanks}\n<urlset>{blanks}{TWO}{blanks}</urlset>{blanks}")
    assert len(reading.urls) == 2
    assert reading.outcome.complete


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a",
        "<a ",
        "<a b='",
        "</",
        "</a",
        "<!",
        "<!-",
        "<!--",
        "<?",
        "<?php ",
        "<%",
        "<![CDATA[",
        "&",
        "&#",
        "]]>",
        "<url>",
        "<url><loc>",
        "</url>",
        "<!--x-->",
        "<a:b:c>",
        "\n",
        "<x/>",
    ],
)
@pytest.mark.parametrize("inside", ["<urlset>&", "<urlset>&<url><loc>", "<urlset>&<url><x>"])
@pytest.mark.parametrize("size", [6_000, pytest.param(80_000, marks=pytest.mark.campaign)])
def test_time_grows_with_the_size_alone(parse: Any, piece: str, inside: str, size: int) -> None:
    """The time is linear (a timeout would fail)."""
    assert parse(inside + piece * (size // len(piece))).outcome is not None


@pytest.mark.parametrize("piece", ["<!x>", "<x></x>"])
def test_markup_that_never_comes_to_anything(parse: Any, piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many declarations, or elements without an entry, end the reading."""
    monkeypatch.setattr(tokenizer, "BOGUS_DECLARATIONS", 1000)
    monkeypatch.setattr(tolerant, "MAX_TOKENS_WITHOUT_ENTRY", 2000)
    first = "<urlset>&<url><loc>https://site.example/1</loc></url>"
    reading = parse(first + piece * 1_100 + "<url><loc>https://site.example/2</loc></url></urlset>")
    assert (reading.urls, reading.failure) == ([f"{HOST}/1"], "xml_token_too_large")


def test_a_root_that_does_not_begin(parse: Any) -> None:
    """A start tag beyond the limit of a token ends the reading."""
    text = f'<urlset a="{"x" * 400_000}"><url><loc>https://site.example/1</loc></url></urlset>'
    reading = parse(text, limits=Limits(xml_token_bytes=100_000))
    assert (reading.urls, reading.codes) == ([f"{HOST}/1"], {"xml_error", "broken_markup"})


def test_a_feed_says_itself_that_it_has_no_document_type() -> None:
    """The reader of feeds refuses a doctype itself."""
    kept: list[Entry] = []
    builder = EntryBuilder(kept, Problems(), Limits(), base=HOST, in_scope=None)
    feed = b'<!DOCTYPE rss [<!ENTITY a "b">]><rss><channel><item><link>https://site.example/&a;</link></item>'
    with pytest.raises(ForbiddenDoctype):
        read_feed(iter([feed, b"</channel></rss>"]), builder)
