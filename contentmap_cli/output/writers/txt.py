"""The protocol's text sitemap: one URL per line, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.output.escape import url_text
from contentmap_cli.output.rows import EntryWriter


class TxtEntries(EntryWriter):
    """One URL per line."""

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write the URLs."""
        entries = (row.entry if isinstance(row, StoredEntry) else row for row in rows)
        self._out.write("".join([url_text(entry.url) + "\n" for entry in entries]))
