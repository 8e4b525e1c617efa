"""A sitemap again (sitemaps.org protocol 0.9), written as it streams: a urlset, or an index of sitemaps.

The protocol's limit of 50,000 URLs a file is not enforced: one stream cannot become several files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from contentmap_cli.report.escape import url_text, xml_text
from contentmap_cli.values import Attributes, Entry, Lastmod, StoredEntry

SITEMAP_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML_NAMESPACE = "http://www.w3.org/1999/xhtml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_URLSET = f'<urlset xmlns="{SITEMAP_NAMESPACE}" xmlns:xhtml="{XHTML_NAMESPACE}">\n'
_INDEX = f'<sitemapindex xmlns="{SITEMAP_NAMESPACE}">\n'
_DATE_LENGTH = {"year": 4, "month": 7, "day": 10}


class SitemapEntries:
    """A `<url>` an entry, with its lastmod, changefreq, priority and hreflang alternates.

    The first entry decides the root: pages make a urlset, sitemaps an index. A document holds one kind
    only, so entries of the other are left out.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._type: str | None = None

    def write(self, row: StoredEntry | Entry) -> None:
        """Writes the entry."""
        entry = row.entry if isinstance(row, StoredEntry) else row
        if self._type is None:
            self._open(entry.type)
        if entry.type == self._type:
            self._out.write(_element(entry))

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Writes entries."""
        for row in rows:
            self.write(row)

    def finish(self) -> None:
        """Closes the root. An answer of no rows is an empty urlset."""
        if self._type is None:
            self._open("url")
        self._out.write("</sitemapindex>\n" if self._type == "sitemap" else "</urlset>\n")
        self._out.flush()

    def _open(self, entry_type: str) -> None:
        self._type = entry_type
        self._out.write(_DECLARATION + (_INDEX if entry_type == "sitemap" else _URLSET))


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
    return f"<url>{''.join(parts)}</url>\n"


def _w3c_date(lastmod: Lastmod | None) -> str | None:
    """The date no more precise than it was published: a day stays a day."""
    if lastmod is None or lastmod.utc is None:
        return None
    return lastmod.utc[: _DATE_LENGTH.get(lastmod.precision or "", len(lastmod.utc))]


def _alternate(attributes: Attributes) -> str:
    language, href = attributes.get("hreflang", ""), attributes.get("href", "")
    return f'<xhtml:link rel="alternate" hreflang="{xml_text(language)}" href="{xml_text(href)}"/>'
