"""Read an HTML page: what its head says, and whether its text is that of an error page or a replacement."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit
from zlib import crc32

from contentmap_cli.crawl.http.headers import NO_HEADERS, ReplyHeaders
from contentmap_cli.crawl.pages.markers import pattern
from contentmap_cli.crawl.pages.refusals import PageKind, is_login_url, kind_of, title_parts
from contentmap_cli.models.pages import PageHead, PageText
from contentmap_cli.sitemap.html.listed_page import read_listed_page
from contentmap_cli.sitemap.html.page import HtmlPage

MARKS: Final = 32
"""Numbers in the sketch of a text."""

_KIND_TEXT: Final = 6000
"""Characters of text that a page of a known kind has at most."""

_SHORT: Final = 100
"""Words of a text in which a sentence may be what the page says."""

_MARKED_TEXT: Final = 2500
"""Characters of a text that its sketch is made of."""

_BEGINNINGS: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n": "image/png",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
    b"PK\x03\x04": "application/zip",
}
_XHTML: Final = re.compile(rb"<!doctype\s+html|<(?:[a-z]+:)?html\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]+")
_CODE: Final = re.compile(r"404|410|(?:error|http|fehler|erreur)\W+50[0-4]")
_LEADING: Final = re.compile(
    r"(?:(?:o+ps|uh[- ]oh|whoops|hmm|sorry|we're sorry|http|status|code|error|fehler|erreur|errore|erro"
    r"|ошибка|404|410|50[0-4]|错误|エラー)(?![^\W_])[\W_]*)+"
)


def page_contents(data: bytes, url: str, headers: ReplyHeaders = NO_HEADERS) -> tuple[PageHead, PageText]:
    """Read the first bytes of an HTML page: its head, and at most 64 KiB of what follows. Never raises."""
    head, page = read_listed_page(data, url, headers.content_type, headers.refresh)
    count = len(page.own.split())
    signals = _not_found_signals(page, count)
    if page.is_blank:
        signals.append("empty")
    other_type = _other_type(data)
    if other_type is not None:
        signals.append(f"type:{other_type}")
    kind = PageKind.CHALLENGE if headers.challenge else None
    if kind is None and (page.passwords or len(page.text) <= _KIND_TEXT):
        kind = kind_of(page)
    if kind is not None:
        signals.append(kind)
        if kind is PageKind.LOGIN and is_login_url(url):
            signals.append("login_url")
    return head, PageText(count, _marks(head.title, page.own, url), tuple(map(str, signals)))


def _other_type(data: bytes) -> str | None:
    """Return the media type of a body that is no HTML, by how it begins and ends."""
    start = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, media_type in _BEGINNINGS.items():
        if start.startswith(beginning):
            return media_type
    ends = data[-200:].rstrip()[-1:]
    if (start[:1], ends) in ((b"{", b"}"), (b"[", b"]")):
        with suppress(ValueError, RecursionError):
            json.loads(data)
            return "application/json"
    return "application/xml" if start.startswith(b"<?xml") and not _XHTML.search(data[:4096]) else None


def _not_found_signals(page: HtmlPage, count: int) -> list[str]:
    signals = []
    if any(map(_says_not_found, title_parts(page.title))):
        signals.append("not_found_title")
    if any(map(_says_not_found, title_parts(page.h1 or page.h2))):
        signals.append("not_found_heading")
    if count <= _SHORT and pattern("not_found_text").search(page.own.lower()):
        signals.append("not_found_text")
    return signals


def _says_not_found(part: str) -> bool:
    """Return whether a title, or a part of one in lower case, says that there is no page."""
    leading = _LEADING.match(part)
    rest = part[leading.end() :] if leading is not None else part
    if leading is not None and rest in ("", "page", "gone") and _CODE.search(leading[0]):
        return True
    return pattern("not_found_title").fullmatch(rest) is not None


def _marks(title: str, text: str, url: str) -> tuple[int, ...]:
    """Return the sketch of a text: the smallest hashes of its runs of three words.

    Numbers and the words of the URL are left out, since error pages repeat the path that was requested.
    """
    parts = urlsplit(url)
    named = set(_WORD.findall(unquote(f"{parts.path} {parts.query}").lower()))
    words = _WORD.findall(f"{title} {text[:_MARKED_TEXT]}".lower())
    codes = [crc32(word.encode("utf-8", "replace")) for word in words if word not in named]
    runs = {
        (one + 3 * two + 5 * three) & 0xFFFFFFFF
        for one, two, three in zip(codes, codes[1:], codes[2:], strict=False)
    }
    return tuple(sorted(runs)[:MARKS])
