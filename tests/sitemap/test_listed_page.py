"""The head of a listed page, as the HTML standard finds it, and its visible text."""

from __future__ import annotations

import pytest

from contentmap_cli.models.pages import PageHead
from contentmap_cli.sitemap.html.listed_page import HeadScan, read_listed_page
from contentmap_cli.sitemap.html.page import HtmlPage

URL = "https://example.com/shop/lamp.html"
HIDE = '<meta name="robots" content="noindex">'
CANONICAL = '<link rel="canonical" href="/other">'
OTHER = "https://example.com/other"


def head_of(markup: str | bytes, content_type: str = "text/html; charset=utf-8") -> PageHead:
    """Read the head of a page."""
    data = markup.encode() if isinstance(markup, str) else markup
    return read_listed_page(data, URL, content_type)[0]


def words_of(markup: str) -> HtmlPage:
    """Read the text of a page."""
    return read_listed_page(markup.encode(), URL, None)[1]


@pytest.mark.parametrize(
    "markup",
    [
        f"<!doctype html><html><head>{HIDE}</head><body>",
        f"{HIDE}",  # all tags of the document may be omitted
        f"<title>a</title>{HIDE}<p>text",
        f"<head><title>a</title></head>{HIDE}<body>",  # between the head and the body: moved into the head
        f"<head><noscript><img src=pixel.gif></noscript>{HIDE}</head>",
        f"<head><NoScript ><p>turn it on</p></NOSCRIPT>{HIDE}</head>",
        f"<head><script>var a = '<body>';</script>{HIDE}</head>",
        f"<head><!-- <body> -->{HIDE}</head>",
        f"<head><template><div><body></div></template>{HIDE}</head>",
        f"<head><style>p > a {{}}</style><base href='/x/'>{HIDE}",
        f"<html lang=en>\n\n<head>\n<meta content='NoIndex' NAME=' Robots '>\n{CANONICAL}",
        "<META NAME=Robots CONTENT=NoIndex>",
        "<meta name=robots content='no&#105;ndex'>",
        "<meta name='robots' content='noindex' name='description'>",  # the first of two attributes counts
        HIDE.encode("utf-16"),
        b"\xef\xbb\xbf" + HIDE.encode(),
        f"<meta charset=utf-16>{HIDE}",  # which is read as UTF-8
    ],
)
def test_rules_for_crawlers_in_the_head(markup: str | bytes) -> None:
    (found,) = head_of(markup).robots
    assert (found[0], found[1].lower()) == ("robots", "noindex")


@pytest.mark.parametrize(
    "markup",
    [
        f"<head><!-- {HIDE} {CANONICAL} --></head>",
        f"<head><script>var a = `{HIDE} {CANONICAL}`;</script></head>",
        f"<head><script type=text/template>{HIDE}{CANONICAL}</script></head>",
        f"<head><style>/* {HIDE}{CANONICAL} */</style></head>",
        f"<head><title>{HIDE}{CANONICAL}</title></head>",
        f"<head><noscript>{HIDE}{CANONICAL}</noscript></head>",
        f"<head><template>{HIDE}{CANONICAL}</template></head>",
        f"<head></head><body>{HIDE}{CANONICAL}</body>",
        f"<head><p>a</p>{HIDE}{CANONICAL}</head>",  # a paragraph ends the head
        f"<head>text {HIDE}{CANONICAL}</head>",
        f"<head><div></div>{HIDE}{CANONICAL}</head>",
        f"<head><img src=a>{HIDE}{CANONICAL}</head>",
        f"<head><meta name=description content='{HIDE.replace(chr(34), '')} <link rel=canonical>'>",
        f"<body>{HIDE}{CANONICAL}",
        f"<head></head><iframe srcdoc='x'></iframe>{HIDE}{CANONICAL}",
        f"<textarea>{HIDE}{CANONICAL}</textarea>",
        f"<svg><title>{HIDE}{CANONICAL}</title></svg>",
        "<meta property=robots content=noindex><meta name=robots><link rel=canonical>",
        "<meta name=robots content='index, follow, max-snippet:-1'><link rel=canonicals href=/other>",
        "<link rel=canonical href=''><link rel=canonical href='javascript:x'><link rel=canonical href='http://'>",
        "<link rel=canonical hreflang=de href=/other><link rel='canonical' media=print href=/other>",
        "<a rel=canonical href=/other>other</a>",
        "",
        b"\x00\xff\xfe<<<>&&",
    ],
)
def test_look_alikes_in_the_markup(markup: str | bytes) -> None:
    head = head_of(markup)
    assert (head.robots, head.canonicals) == ((), ())


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (CANONICAL, [OTHER]),
        ("<link href='../other' rel='Canonical shortlink'>", [OTHER]),
        ("<link rel=canonical href='//example.com/other'>", [OTHER]),
        ("<link rel=canonical href=' /other\n'>", [OTHER]),
        ("<base href='https://example.com/a/b/'><link rel=canonical href='../../other'>", [OTHER]),
        ("<link rel=canonical href='../other'><base href='/a/b/c/'>", ["https://example.com/a/b/other"]),
        (
            "<base target=_top><base href='/a/'><base href='/b/'><link rel=canonical href=x>",
            ["https://example.com/a/x"],
        ),
        ("<link rel=canonical href='?a=1&amp;b=2'>", [f"{URL}?a=1&b=2"]),
        (f"{CANONICAL}{CANONICAL}<link rel=canonical href=/b>", [OTHER, "https://example.com/b"]),
    ],
)
def test_canonicals_are_resolved(markup: str, expected: list[str]) -> None:
    assert list(head_of(f"<head>{markup}</head>").canonicals) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0; url=/other", (0, OTHER)),
        ("0;URL='/other'", (0, OTHER)),
        ('5 , url = "/other" and more', (5, OTHER)),
        ("2 /other", (2, OTHER)),
        ("0.5;/other", (0, OTHER)),
        (".5; url=/other", (0, OTHER)),
        ("0; /other", (0, OTHER)),
        ("\n 3;\turl=../other", (3, OTHER)),
        ("300", (300, URL)),
        ("300;", (300, URL)),
        ("30; url=", (30, URL)),
        ("30; url=''", (30, URL)),
        ("url=/other", None),
        ("0 seconds", (0, "https://example.com/shop/seconds")),
        ("0url=/other", None),
        ("-1; url=/other", None),
        ("; url=/other", None),
        ("", None),
        ("0; url=javascript:go()", None),
        ("0; url=mailto:a@example.com", None),
    ],
)
def test_refresh_is_parsed_as_the_standard_says(content: str, expected: tuple[float, str] | None) -> None:
    quoted = content.replace('"', "&quot;")
    assert head_of(f'<meta http-equiv="Refresh" content="{quoted}">').refresh == expected


def test_the_first_refresh_with_an_effect_counts() -> None:
    markup = "<meta http-equiv=refresh content=x><meta http-equiv=refresh content='1;/a'>"
    assert head_of(f"{markup}<meta http-equiv=refresh content='0;/b'>").refresh == (
        1,
        "https://example.com/a",
    )
    assert head_of(f"<noscript>{markup}</noscript><body>{markup}").refresh is None


DATED = '"dateModified": "2026-01-31"'


def json_ld(text: str, type_: str = "application/ld+json") -> str:
    """Return a script with JSON-LD."""
    return f'<script type="{type_}">{text}</script>'


@pytest.mark.parametrize(
    ("markup", "source"),
    [
        ("<meta property='article:modified_time' content=' 2026-01-31 '>", "article:modified_time"),
        ("<meta name='Article:Modified_Time' content='2026-01-31'>", "article:modified_time"),
        (json_ld(f"{{{DATED}}}"), "dateModified"),
        (
            "<body>" + json_ld(f'[{{"@graph": [{{{DATED}}}]}}]', "Application/LD+JSON; charset=utf-8"),
            "dateModified",
        ),
        (json_ld(f'{{"url": "{URL}#x", {DATED}}}'), "dateModified"),
        (json_ld(f'{{"url": "http://www.example.com/shop/lamp.html/", {DATED}}}'), "dateModified"),
        (json_ld(f'{{"@type": "WebPage", "mainEntity": {{"@type": ["Article"], {DATED}}}}}'), "dateModified"),
        (json_ld(f'{{"url": "https://example.com/b", {DATED}}}'), None),
        (json_ld(f'{{"mainEntityOfPage": {{"@id": "https://example.com/b"}}, {DATED}}}'), None),
        (json_ld(f'{{"comment": [{{{DATED}}}]}}'), None),
        (json_ld(f'[{{"@type": "Comment", {DATED}}}, {{"@type": "WebSite", {DATED}}}]'), None),
        (json_ld(f"{{{DATED}}}", "text/javascript"), None),
        (f"<template>{json_ld(f'{{{DATED}}}')}</template>", None),
        (f"<noscript>{json_ld(f'{{{DATED}}}')}</noscript>", None),
        (f"<!-- {json_ld(f'{{{DATED}}}')} -->", None),
        ("<body><meta property='article:modified_time' content='2026-01-31'>", None),
        (json_ld(f"{{{DATED}"), None),
        (json_ld("[" * 100_000), None),
        (json_ld('{"dateModified": 5, "@graph": {"mainEntity": null}}'), None),
    ],
)
def test_dates_of_the_page_itself(markup: str, source: str | None) -> None:
    assert head_of(markup).dates == (((source, "2026-01-31"),) if source else ())


def test_scripts_of_json_ld_may_be_wrapped() -> None:
    data = '{"@type": "Article", "dateModified": "2026-05-01"}'
    for text in (f"<!-- {data} -->", f"//<![CDATA[\n{data}\n//]]>", f"/*<![CDATA[*/{data}/*]]>*/"):
        assert head_of(json_ld(text)).dates == (("dateModified", "2026-05-01"),)


def test_empty_elements_of_xhtml_end_at_once() -> None:
    start = '<html xmlns="http://www.w3.org/1999/xhtml"><head><script src="a.js" /><title/>'
    page = f"{start}{HIDE}</head><body><p>a</p></body></html>"
    assert head_of(page, "application/xhtml+xml; charset=utf-8").robots == (("robots", "noindex"),)
    assert not head_of(page, "text/html").robots


def test_alternates_have_a_language() -> None:
    markup = (
        "<link rel=alternate hreflang=de href=/de><link rel='ALTERNATE' hreflang='x-default' href=/>"
        "<link rel=alternate type=application/rss+xml href=/feed>"
        "<link rel='alternate stylesheet' hreflang=fr href=/c>"
        "<body><link rel=alternate hreflang=it href=/it>"
    )
    assert head_of(markup).alternates == (
        ("de", "https://example.com/de"),
        ("x-default", "https://example.com/"),
    )


def test_visible_text() -> None:
    words = words_of(
        "<title>T</title><nav>menu</nav><h2>Second</h2><h1><a href=/>The <b>heading</b></a></h1><p>Some text"
        "<script>code</script><style>p{}</style><noscript>no script</noscript><template>no</template>"
        "<p hidden>no</p><p style='color: red; DISPLAY: none'>no</p><dialog>no</dialog><!-- no -->"
        "<svg><text>no</text></svg>"
        "<select><option>no</select><a href=/x>a link</a><form><input type=password></form>"
        "<footer>imprint</footer>"
    )
    assert (words.h1, words.h2) == ("the heading", "second")
    assert words.text == "menu second the heading some text a link imprint"
    assert words.own == "Second Some text"
    assert (words.passwords, words.media) == (1, 3)  # the script, the drawing and the field
    assert words_of("<p> <br>&nbsp;\n<noscript><img></noscript><script type=application/ld+json>1").media == 0
    for markup in ("<img src=a>", "<script>show()</script>", "<video></video>", "<iframe src=a></iframe>"):
        assert words_of(markup).media == 1


def test_the_end_of_the_head() -> None:
    """It is found in any split of the page, and never before the head has ended."""
    pages = {
        f"<!doctype html><html><head><title>a</title>{HIDE}</head>\n": "<body>text",
        f"<title>a</title><noscript><img></noscript><!-- <p> -->{HIDE}": "<p>text",
        f"<head><script>{'<p>' * 5000}</script>{HIDE}&#32;&Tab;": "text<br>",
        f"<head>{HIDE}</head>": "<frameset><frame src=a></frameset>",
    }
    for head, rest in pages.items():
        for size in (1, 7, 1000):
            scan = HeadScan("text/html; charset=utf-8")
            data = bytearray()
            for start in range(0, len(head), size):
                data += head[start : start + size].encode()
                assert not scan.has_ended(data), (head[:50], size)
        assert HeadScan().has_ended((head + rest + "<br>").encode())
    assert HeadScan("text/html").has_ended(f"{HIDE}<body><p>".encode("utf-16"))


def test_a_long_head_is_not_parsed_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    parse = "contentmap_cli.sitemap.html.listed_page.parse_html"
    from contentmap_cli.sitemap.html import listed_page

    original = listed_page.parse_html
    monkeypatch.setattr(parse, lambda text: (lengths.append(len(text)), original(text))[1])
    data, scan = bytearray(b"<head><script>"), HeadScan()
    for _ in range(1000):
        data += b"var a = '>';\n" * 10
        count, needed = len(lengths), scan.needed
        assert not scan.has_ended(data)
        assert (len(lengths) > count) == (len(data) >= needed)  # a caller need not copy what is too short
    assert sum(lengths) < 4 * len(data)
