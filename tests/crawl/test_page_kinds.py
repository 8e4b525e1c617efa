"""Pages that replace a site's own, and ordinary pages that resemble them.

The pages are in `data/pages`, one file for each kind: our own, after the markup and wording of products. A
line `=== name` begins a page; `{text}` and `{links}` are placeholders for the contents of a site's page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.pages.refusals import PageKind, page_kind

FOLDER = Path(__file__).parent / "data" / "pages"
TEXT = (
    "The workshop has repaired wooden boats for three generations. Hulls are sanded, caulked and painted by "
    "hand, and every spring the slipway is open to visitors who want to see how a plank is steamed and bent. "
)
LINKS = "".join(
    f'<a href="/{name}">{name}</a> ' for name in ("boats", "prices", "team", "news", "contact", "map")
)


def read(name: str) -> dict[str, str]:
    """The pages of one file by their names."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    pages = re.findall(r"^=== (.+)\n((?:(?!=== ).*\n?)*)", text, re.MULTILINE)
    return {each: html.replace("{text}", TEXT).replace("{links}", LINKS) for each, html in pages}


IN_PLACE = [(kind, name, html) for kind in PageKind for name, html in read(kind).items()]


def test_pages_in_place_of_a_site() -> None:
    """Pages of products and similar ones, as text and as bytes."""
    assert len(IN_PLACE) > 200
    found = {(kind, name): {page_kind(html), page_kind(html.encode())} for kind, name, html in IN_PLACE}
    assert found == {(kind, name): {kind} for kind, name, _ in IN_PLACE}


def test_ordinary_pages() -> None:
    """Pages of a site with a similar form, banner, script or word."""
    pages = read("ordinary")
    assert len(pages) > 50
    found = {name: {page_kind(html), page_kind(html.encode())} for name, html in pages.items()}
    assert [name for name, kinds in found.items() if kinds != {None}] == []


def test_text_of_a_site_around_it() -> None:
    """The same forms, scripts and sentences within a page of a site have no effect."""
    own = f"<title>The Boat Yard</title><p>{TEXT * 20}</p>{LINKS * 8}"
    found = {
        (kind, name): page_kind(own + html.replace("title>", "p>").replace("TITLE>", "p>"))
        for kind, name, html in IN_PLACE
    }
    assert set(found.values()) == {None}, [key for key, kind in found.items() if kind]


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("German, no marks", "iso-8859-1"),
        ("French, no marks", "windows-1252"),
        ("Russian, no marks", "windows-1251"),
        ("Japanese, no marks", "shift_jis"),
        ("Chinese, no marks", "gbk"),
    ],
)
def test_charsets(name: str, charset: str) -> None:
    """Wording is decoded by the header, the markup, or a byte order mark."""
    html = read("challenge")[name].replace("…", "...")
    data = html.encode(charset)
    assert page_kind(data, ReplyHeaders(content_type=f"text/html; charset={charset}")) is PageKind.CHALLENGE
    declared = data.replace(b"<head>", f'<head><meta charset="{charset}">'.encode())
    assert page_kind(declared) is PageKind.CHALLENGE
    assert page_kind(html.encode("utf-16")) is PageKind.CHALLENGE


def test_a_page_that_is_cut_off() -> None:
    """On a page beyond the limit, a lack of text is no sign, but markers are."""
    title = "<title>Security check</title><noscript>Scripts are needed.</noscript><script>"
    assert page_kind(title + "/**/</script>") is PageKind.CHALLENGE
    assert page_kind(title + "x" * 70_000) is None
    assert page_kind("<script>window._cf_chl_opt={}</script><style>" + "x" * 70_000) is PageKind.CHALLENGE


@given(st.binary(max_size=2000), st.text(max_size=60))
def test_any_bytes(html: bytes, content_type: str) -> None:
    """No page and no Content-Type raises."""
    page_kind(html, ReplyHeaders(content_type=content_type))
    page_kind(b"<title>Log in</title><meta charset=" + html)
    page_kind(html.decode("utf-8", "surrogateescape"))
