"""The short way through the plainest entries: columns of them by one regular expression, no tree.

Nearly all of the web's large sitemaps are written by a loop that prints `url`, `loc`, `lastmod`, `changefreq`
and `priority`, in this order and with nothing else, or with the usual extensions behind them (see `shapes`
and `rich`). What is exactly that, piece by piece from the first entry on, is read here at a fraction of the
cost of any parser. The first piece that holds anything else, and all that follows, is the parser's: it is
given the root's start tag and then what is left, so that the document's end is held against its beginning,
and the two ways together accept what the parser alone accepts.

Why that is exact: a piece begins where the root's content stands (at its start, or behind an entry), and is
taken only if it is entries and white space throughout, in printable ASCII without `&` (but for `&amp;` in a
URL), `<` and `>`; the values of extensions are printable, and a CDATA section is taken only around a whole
value. No comment, no CDATA section and no other element can be open at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final

from contentmap_cli.models import Lastmod
from contentmap_cli.models.entry_sink import Extras, PlainEntries
from contentmap_cli.sitemap.dates import DAY, TIME, USUAL_DATE, is_nonstandard, parse_lastmod
from contentmap_cli.sitemap.entry_builder import CACHED, CHANGEFREQS, NUMBER, EntryBuilder, Extensions
from contentmap_cli.sitemap.urls import ORIGIN
from contentmap_cli.sitemap.xml.body_diff import HEAD, HEAD_BYTES
from contentmap_cli.sitemap.xml.elements import Role, role_of
from contentmap_cli.sitemap.xml.fast_extensions import UsualExtensions, undeclared, usual_extensions_of

PIECE: Final = 64 * 1024
"""Bytes that are read at once: their columns stay in a processor's cache. A longer entry is not plain."""

_BLANKS: Final = 1024 * 1024

_NAMESPACE: Final = re.compile(rb"\sxmlns\s*=\s*[\"']([^\"']*)[\"']")
_ROLES: Final = {
    "url": Role.URL,
    "loc": Role.LOC,
    "lastmod": Role.LASTMOD,
    "changefreq": Role.CHANGEFREQ,
    "priority": Role.PRIORITY,
}
_END: Final = b"</url>"

_SPACE: Final = r"[ \t\r\n]*+"
_URL: Final = r"[!#-%'-;=?-Z\[\]_a-z~]*+"  # as PLAIN_URL has it, less &
_PATH: Final = rf"(?>(?:(?:/([A-Za-z]{{1,11}})(?=[/?#.<\s])|(?=[/?#])){_URL}(?>(?:&amp;{_URL})*))?)"
_TEXT: Final = r"[ -%'-;=?-~\t\n]*+"
_COLUMNS: Final = 8
_LASTMOD: Final = rf"(?:({DAY}{TIME})(Z|\+00:00)(?=<)|({_TEXT}))"
_ENTRY: Final = re.compile(
    rf"<url>{_SPACE}<loc>{_SPACE}({ORIGIN}{_PATH}){_SPACE}</loc>{_SPACE}"
    rf"(?>(?:<lastmod>{_LASTMOD}</lastmod>{_SPACE})?)"
    rf"(?>(?:<changefreq>([a-z]*+)</changefreq>{_SPACE})?)"
    rf"(?>(?:<priority>([0-9.]*+)</priority>{_SPACE})?)"
    rf"(?>(<(?:image|news|video|xhtml):[^<]*+(?>(?:<(?!/url>)[^<]*+)*))?)"
    rf"</url>{_SPACE}"
)
"""An entry and the white space behind it. Groups: URL, first folder if it is a word, moment to the second,
its zone, any other date, changefreq, priority, and what follows these."""


_day = lru_cache(maxsize=CACHED)(parse_lastmod)
"""Days are the same in all documents, and there are few of them."""


def read_plain(chunks: Iterator[bytes], builder: EntryBuilder) -> Iterator[bytes]:
    """Delivers the plain entries that a urlset begins with to the desk, and gives back what the parser is to
    read: the document without them, with as many line breaks in their place as they held."""
    first = b""
    while len(first) < HEAD_BYTES and _END not in first and (chunk := next(chunks, None)) is not None:
        first += chunk
    head = HEAD.match(first)
    declared = _NAMESPACE.search(head["attributes"]) if head is not None else None
    if head is None or not _is_core(declared[1] if declared else b""):
        return chain([first], chunks)
    reader = _PlainReader(builder, head["attributes"])
    rest = reader.read(first[head.end() :], chunks)
    blanks = (b"\n" * min(_BLANKS, reader.lines - done) for done in range(0, reader.lines, _BLANKS))
    return chain([head[0]], blanks, [rest], chunks)


class _PlainReader:
    """Takes pieces of a document while they are plain. `lines` counts their line breaks."""

    def __init__(self, builder: EntryBuilder, attributes: bytes) -> None:
        self._builder = builder
        self._attributes = attributes
        self._extensions: UsualExtensions | None = None  # read where an entry has some
        self._undeclared: tuple[str, ...] = ()
        self._dates: dict[str | None, Lastmod | None] = {None: None}
        self._priorities: dict[str | None, float | None] = {None: None, "": None}
        self.lines = 0

    def read(self, waiting: bytes, chunks: Iterator[bytes]) -> bytes:
        """Takes what is plain. Returns what was read and not taken."""
        while True:
            start = 0
            while (end := waiting.rfind(_END, start, start + PIECE)) >= 0:
                end += len(_END)
                if not self._take(waiting[start:end]):
                    return waiting[start:]
                start = end
            waiting = waiting[start:]
            if len(waiting) >= PIECE or (chunk := next(chunks, None)) is None:
                return waiting
            waiting += chunk

    def _take(self, piece: bytes) -> bool:
        """Delivers the entries of a piece that is plain throughout; False, and nothing done, if it is not."""
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            return False
        parts = _ENTRY.split(text.lstrip(" \t\r\n"))
        if any(parts[:: _COLUMNS + 1]):  # what stands between the entries
            return False
        urls, folders, seconds, zones, others, changefreqs, priorities, mores = (
            parts[column :: _COLUMNS + 1] for column in range(1, _COLUMNS + 1)
        )
        if not self._know(others, priorities) or not CHANGEFREQS.issuperset(filter(None, set(changefreqs))):
            return False
        extras: list[Extras | None] | None = []
        extensions: list[Extensions] | None = []
        if any(mores):
            if self._extensions is None:
                self._extensions = UsualExtensions()
                self._undeclared = undeclared(self._attributes)
            if any(map(text.__contains__, self._undeclared)):
                return False
            if self._builder.in_columns:
                extras = self._extensions.read(mores)
            else:
                extensions = usual_extensions_of(mores)
        if extras is None or extensions is None:
            return False
        text = "\n".join(urls)
        if "&" in text:
            urls = text.replace("&amp;", "&").split("\n")
        taken = self._builder.add_plain(
            PlainEntries(
                urls,
                folders,
                seconds,
                zones,
                [*map(self._dates.__getitem__, others)],
                [word or None for word in changefreqs],
                [*map(self._priorities.__getitem__, priorities)],
                extras,
            ),
            extensions,
        )
        if taken:
            self.lines += piece.count(b"\n")
        return taken

    def _know(self, dates: list[str | None], priorities: list[str | None]) -> bool:
        """Sees that all these texts are understood; False if one is not, and is a problem to be told."""
        for known in (self._dates, self._priorities):
            if len(known) > CACHED:
                known.clear()
                known[None] = None
        for text in set(dates).difference(self._dates):
            if text and USUAL_DATE.fullmatch(text):
                self._dates[text] = _day(text)
                continue
            lastmod = parse_lastmod(text or "")
            if lastmod.text and (lastmod.utc is None or is_nonstandard(lastmod.text, in_feed=False)):
                return False
            self._dates[text] = lastmod if lastmod.utc is not None else None
        for word in set(priorities).difference(self._priorities):
            number = float(word) if word and NUMBER.fullmatch(word) else 0.0 if not word else None
            if number is None or number > 1:
                return False
            self._priorities[word] = number if word else None
        return True


@lru_cache(maxsize=64)
def _is_core(namespace: bytes) -> bool:
    """Return whether a default namespace makes names without a prefix those of the protocol."""
    text = namespace.decode("utf-8", "replace")
    return all(role_of(f"{{{text}}}{name}") is role for name, role in _ROLES.items())
