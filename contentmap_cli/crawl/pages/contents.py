"""Read an HTML page: what its head says, and whether its text is that of an error page or a replacement."""

from __future__ import annotations

import re
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

_WORD: Final = re.compile(r"[^\W\d_]+")
_LEADING: Final = re.compile(
    r"(?:(?:o+ps|uh[- ]oh|whoops|hmm|sorry|we're sorry|http|status|code|error|fehler|erreur|errore|erro"
    r"|ошибка|404|410|错误|エラー)(?![^\W_])[\W_]*)+"
)


def page_contents(data: bytes, url: str, headers: ReplyHeaders = NO_HEADERS) -> tuple[PageHead, PageText]:
    """Read the first bytes of an HTML page: its head, and at most 64 KiB of what follows. Never raises."""
    head, page = read_listed_page(data, url, headers.content_type)
    count = len(page.own.split())
    signals = _not_found_signals(page, count)
    if not page.text and not page.media:
        signals.append("empty")
    kind = PageKind.CHALLENGE if headers.challenge else None
    if kind is None and (page.passwords or len(page.text) <= _KIND_TEXT):
        kind = kind_of(page)
    if kind is not None:
        signals.append(kind)
        if kind is PageKind.LOGIN and is_login_url(url):
            signals.append("login_url")
    return head, PageText(count, _marks(head.title, page.own, url), tuple(map(str, signals)))


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
    if leading is not None and ("404" in leading[0] or "410" in leading[0]) and rest in ("", "page", "gone"):
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
