"""Sitemaps (sitemaps.org protocol 0.9), written as a stream: a urlset or an index.

A stream cannot be split, so that the protocol's limits do not apply there; `SitemapFolder` writes as many
files as the limits require, and an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self, TextIO

from contentmap_cli.models import Attributes, Entry, Lastmod, StoredEntry
from contentmap_cli.output.escape import url_text, xml_text
from contentmap_cli.output.rows import EntryWriter
from contentmap_cli.output.writers.sitemap_media import MEDIA_NAMESPACES, media

SITEMAP_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML_NAMESPACE = "http://www.w3.org/1999/xhtml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_URLSET = f'<urlset xmlns="{SITEMAP_NAMESPACE}" xmlns:xhtml="{XHTML_NAMESPACE}"{MEDIA_NAMESPACES}>\n'
_END = "</urlset>\n"
_INDEX = f'<sitemapindex xmlns="{SITEMAP_NAMESPACE}">\n'
MAX_URLS: Final = 50_000
"""URLs or sitemaps per file (sitemaps.org protocol, "Using Sitemap index files")."""
MAX_BYTES: Final = 52_428_800
"""Bytes per file, uncompressed (same section)."""
_DATE_LENGTH = {"year": 4, "month": 7, "day": 10}


class SitemapEntries(EntryWriter):
    """One `<url>` per entry, with lastmod, changefreq, priority, alternates, images, videos and news.

    The first entry decides the root: pages make a urlset, sitemaps an index. A document has one kind only, so
    that entries of the other kind are left out.
    """

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._type: str | None = None

    def write(self, row: StoredEntry | Entry) -> None:
        """Write the entry."""
        entry = row.entry if isinstance(row, StoredEntry) else row
        if self._type is None:
            self._open(entry.type)
        if entry.type == self._type:
            self._out.write(_element(entry))

    def finish(self) -> None:
        """Close the root. Without entries it is an empty urlset."""
        if self._type is None:
            self._open("url")
        self._out.write("</sitemapindex>\n" if self._type == "sitemap" else _END)
        super().finish()

    def _open(self, entry_type: str) -> None:
        self._type = entry_type
        self._out.write(_DECLARATION + (_INDEX if entry_type == "sitemap" else _URLSET))


class SitemapFolder:
    """Sitemaps within the protocol's limits, and their index.

    `open_part(number)` returns a context manager for the stream of a part, from 1 on; `address(number)` is
    its URL in the index. `parts` is the number of parts. As a context manager, it closes an open part in case
    of an error.
    """

    def __init__(
        self,
        open_part: Callable[[int], AbstractContextManager[TextIO]],
        address: Callable[[int], str],
        *,
        max_urls: int = MAX_URLS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._open_part = open_part
        self._address = address
        self._max_urls = max_urls
        self._max_bytes = max_bytes - len(_DECLARATION) - len(_URLSET) - len(_END)
        self._block: AbstractContextManager[TextIO] | None = None
        self._out: TextIO | None = None
        self._urls = self._bytes = 0
        self.parts = 0

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write entries; those that are sitemaps themselves are left out."""
        for row in rows:
            entry = row.entry if isinstance(row, StoredEntry) else row
            if entry.type != "url":
                continue
            element = _element(entry)
            size = len(element) if element.isascii() else len(element.encode())
            if self._out is None or self._urls >= self._max_urls or self._bytes + size > self._max_bytes:
                self._next()
            assert self._out is not None  # noqa: S101 - _next has opened it
            self._out.write(element)
            self._urls += 1
            self._bytes += size

    def finish(self, index: TextIO) -> None:
        """Close the last part and write the index. Without entries there is one empty part."""
        if self._out is None:
            self._next()
        self.close()
        index.write(_DECLARATION + _INDEX)
        for number in range(1, self.parts + 1):
            index.write(f"<sitemap><loc>{xml_text(self._address(number))}</loc></sitemap>\n")
        index.write("</sitemapindex>\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block, self._block = self._block, None
        if block is not None:
            block.__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the open part, if any."""
        if self._block is not None and self._out is not None:
            self._out.write(_END)
            self.__exit__(None, None, None)

    def _next(self) -> None:
        self.close()
        self.parts += 1
        block = self._open_part(self.parts)
        self._out = block.__enter__()
        self._block = block
        self._urls = self._bytes = 0
        self._out.write(_DECLARATION + _URLSET)


def _element(entry: Entry) -> str:
    parts = [f"<loc>{xml_text(url_text(entry.url))}</loc>"]
    lastmod = _w3c_date(entry.lastmod)
    if lastmod:
        parts.append(f"<lastmod>{xml_text(lastmod)}</lastmod>")
    if entry.type == "sitemap":
        return f"<sitemap>{''.join(parts)}</sitemap>\n"
    if entry.changefreq:
        parts.append(f"<changefreq>{xml_text(entry.changefreq)}</changefreq>")
    if entry.priority is not None:
        parts.append(f"<priority>{entry.priority}</priority>")
    parts.extend(_alternate(alternate) for alternate in entry.alternates)
    if entry.images or entry.videos or entry.news:
        parts.append(media(entry))
    return f"<url>{''.join(parts)}</url>\n"


def _w3c_date(lastmod: Lastmod | None) -> str | None:
    """Return the date at the precision it was published: a day stays a day."""
    if lastmod is None or lastmod.utc is None:
        return None
    return lastmod.utc[: _DATE_LENGTH.get(lastmod.precision or "", len(lastmod.utc))]


def _alternate(attributes: Attributes) -> str:
    language, href = attributes.get("hreflang", ""), attributes.get("href", "")
    return f'<xhtml:link rel="alternate" hreflang="{xml_text(language)}" href="{xml_text(href)}"/>'
