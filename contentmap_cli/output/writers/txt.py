"""The protocol's text sitemap: one URL per line, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.output.escape import url_text


class TxtEntries:
    """One URL per line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, row: StoredEntry | Entry) -> None:
        """Write the URL."""
        entry = row.entry if isinstance(row, StoredEntry) else row
        self._out.write(url_text(entry.url) + "\n")

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write several URLs."""
        self._out.write(
            "".join(
                [url_text((row.entry if isinstance(row, StoredEntry) else row).url) + "\n" for row in rows]
            )
        )

    def finish(self) -> None:
        """Flush the stream."""
        self._out.flush()
