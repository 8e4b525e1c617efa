"""Read plain entries into columns with one regular expression, without a tree.

Most large sitemaps list `url`, `loc`, `lastmod`, `changefreq` and `priority` in this order and nothing else,
or the usual extensions after them (see `fast_extensions`). Pieces of such entries, from the first entry on,
are read here. The first other piece and the rest of the document go to the parser, after the start tag of the
root, so that both together accept what the parser alone accepts.

This is exact because a piece starts at the root's content or after an entry, and must consist of entries and
white space, in printable ASCII without `&` (except `&amp;` in a URL), `<` and `>`; values of extensions are
printable, and a CDATA section is a whole value. No comment, CDATA section or element is open at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, chain
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
"""Bytes of a piece, within the processor's cache. A longer entry is not plain."""

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
_URL: Final = r"[!#-%'-;=?-Z\[\]_a-z~]*+"  # as in PLAIN_URL, without &
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
"""An entry and white space after it. Groups: URL, first folder if it is a word, date and time, its zone, any
other date, changefreq, priority, and extensions."""


_day = lru_cache(maxsize=CACHED)(parse_lastmod)
"""Usual dates are cached across documents."""


def read_plain(chunks: Iterator[bytes], builder: EntryBuilder) -> Iterator[bytes]:
    """Deliver the plain entries at the start of a urlset to the builder, and return the document without
    them.

    The same number of line breaks replaces them.
    """
    first = b""
    while len(first) < HEAD_BYTES and _END not in first and (chunk := next(chunks, None)) is not None:
        first += chunk
    head = HEAD.match(first)
    declared = _NAMESPACE.search(head["attributes"]) if head is not None else None
    if head is None or not _is_core(declared[1] if declared else b""):
        return chain([first], chunks)
    reader = _PlainReader(builder, head["attributes"], head[0].count(b"\n"))
    rest = reader.read(first[head.end() :], chunks)
    blanks = (b"\n" * min(_BLANKS, reader.lines - done) for done in range(0, reader.lines, _BLANKS))
    return chain([head[0]], blanks, [rest], chunks)


class _PlainReader:
    """Reads pieces of a document while they are plain. `lines` counts their line breaks."""

    def __init__(self, builder: EntryBuilder, attributes: bytes, lines: int) -> None:
        self._builder = builder
        self._attributes = attributes
        self._extensions: UsualExtensions | None = None  # read where an entry has some
        self._undeclared: tuple[str, ...] = ()
        self._dates: dict[str | None, Lastmod | None] = {None: None}
        self._priorities: dict[str | None, float | None] = {None: None, "": None}
        self.lines = 0
        self._lines_before = lines

    def read(self, waiting: bytes, chunks: Iterator[bytes]) -> bytes:
        """Read plain pieces. Return the bytes after them that were read."""
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
        """Deliver the entries of a plain piece. Return False, having done nothing, if it is not plain."""
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            return False
        parts = _ENTRY.split(text.lstrip(" \t\r\n"))
        if any(parts[:: _COLUMNS + 1]):  # text between the entries
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
        lines = self._lines_of(piece) if self._builder.details else []
        if lines and len(lines) != len(urls):  # an <url> in a CDATA section
            return False
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
            lines,
        )
        if taken:
            self.lines += piece.count(b"\n")
        return taken

    def _lines_of(self, piece: bytes) -> list[int]:
        """Return the line of each <url> in a piece."""
        breaks = accumulate(text.count(b"\n") for text in piece.split(b"<url>")[:-1])
        before = self._builder.problems.line_offset + self._lines_before + self.lines
        return [before + count + 1 for count in breaks]

    def _know(self, dates: list[str | None], priorities: list[str | None]) -> bool:
        """Parse these texts into the caches. Return False if one of them is a problem to report."""
        for known in (self._dates, self._priorities):
            if len(known) > CACHED:
                known.clear()
                known[None] = None
        for text in set(dates).difference(self._dates):
            if text and USUAL_DATE.fullmatch(text):
                self._dates[text] = _day(text)
                continue
            lastmod = parse_lastmod(text or "")
            reported = lastmod.text or self._builder.details
            if reported and (lastmod.utc is None or is_nonstandard(lastmod.text, in_feed=False)):
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
