"""Read an HTML page: what its head says, and whether its text is that of an error page or a replacement."""

from __future__ import annotations

import re
from heapq import nsmallest
from itertools import islice
from typing import Final
from urllib.parse import unquote, urlsplit
from zlib import crc32

from contentmap_cli.crawl.http.headers import NO_HEADERS, ReplyHeaders
from contentmap_cli.crawl.pages.markers import pattern
from contentmap_cli.crawl.pages.refusals import PageKind, is_login_url, page_kind, title_parts
from contentmap_cli.models.pages import PageHead, PageText
from contentmap_cli.sitemap.html.listed_page import PageWords, read_listed_page

MARKS: Final = 32
"""Numbers in the sketch of a text."""

_KIND_TEXT: Final = 6000
"""Characters of text that a page of a known kind has at most."""

_SHORT: Final = 100
"""Words of a text in which a sentence may be what the page says."""

_MARKED_WORDS: Final = 400
_RUN: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+")
_LEADING: Final = re.compile(
    r"(?:(?:o+ps|uh[- ]oh|whoops|hmm|sorry|we're sorry|http|status|code|error|fehler|erreur|errore|erro"
    r"|ошибка|404|410|错误|エラー)(?![^\W_])[\W_]*)+"
)


def page_contents(data: bytes, url: str, headers: ReplyHeaders = NO_HEADERS) -> tuple[PageHead, PageText]:
    """Read the first bytes of an HTML page: its head, and at most 64 KiB of what follows. Never raises."""
    head, words = read_listed_page(data, url, headers.content_type)
    count = len(words.own.split())
    signals = [*_not_found_signals(head.title, words, count)]
    if not words.text and not words.has_media:
        signals.append("empty")
    if headers.challenge or words.passwords or len(words.text) <= _KIND_TEXT:
        kind = page_kind(data, headers)
        signals += [kind] if kind is not None else []
        if kind is PageKind.LOGIN and is_login_url(url):
            signals.append("login_url")
    return head, PageText(count, _marks(head.title, words.own, url), tuple(map(str, signals)))


def _not_found_signals(title: str, words: PageWords, count: int) -> list[str]:
    signals = []
    if any(map(_says_not_found, title_parts(title))):
        signals.append("not_found_title")
    if any(map(_says_not_found, title_parts(words.heading))):
        signals.append("not_found_heading")
    if count <= _SHORT and pattern("not_found_text").search(words.own.lower()):
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
    """Return the sketch of a text: the smallest hashes of its runs of words.

    Numbers and the words of the URL are left out, since error pages repeat the path that was requested.
    """
    parts = urlsplit(url)
    named = set(_WORD.findall(unquote(f"{parts.path} {parts.query}").lower()))
    words = [match[0] for match in islice(_WORD.finditer(f"{title} {text}".lower()), _MARKED_WORDS)]
    words = [word for word in words if word not in named]
    runs = {" ".join(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)}
    return tuple(nsmallest(MARKS, {crc32(run.encode("utf-8", "replace")) for run in runs}))
