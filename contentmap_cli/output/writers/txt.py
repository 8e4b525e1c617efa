"""The protocol's text sitemap: one URL per line, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.models.files import EntryPage
from contentmap_cli.output.escape import url_text
from contentmap_cli.output.rows import EntryWriter


class TxtEntries(EntryWriter):
    """One URL per line."""

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write the URLs."""
        urls = rows.urls if isinstance(rows, EntryPage) else [row.url for row in rows]
        self._out.write("".join([url_text(url) + "\n" for url in urls]))
