"""The base of all writers of lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TextIO, TypeVar

from contentmap_cli.models import Entry, StoredEntry

Row = TypeVar("Row")


class RowWriter(Generic[Row]):
    """Writes a list, row by row or many at once. A format overrides `write` or `write_all`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, row: Row) -> None:
        """Write the next row."""
        self.write_all((row,))

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the next rows."""
        for row in rows:
            self.write(row)

    def finish(self) -> None:
        """End the output. Without it a list has no end and a table may have no rows."""
        self._out.flush()


EntryWriter = RowWriter[StoredEntry | Entry]
"""Writes entries."""
