"""Entries as NDJSON, JSON and CSV: one row, or thousands at once."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from contentmap_cli.report.as_csv import ENTRY
from contentmap_cli.report.entry_text import entry_cells, entry_json
from contentmap_cli.values import Entry, StoredEntry


class NdjsonEntries:
    """A line an entry."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, row: StoredEntry | Entry) -> None:
        """Writes the entry."""
        self._out.write(entry_json(row) + "\n")

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Writes entries."""
        self._out.write("".join([entry_json(row) + "\n" for row in rows]))

    def finish(self) -> None:
        """Flushes: an answer of no rows is an empty one."""
        self._out.flush()


class JsonEntries:
    """An array with an object an entry, an entry a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = "[\n"

    def write(self, row: StoredEntry | Entry) -> None:
        """Writes the entry."""
        self.write_all((row,))

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Writes entries."""
        text = ",\n".join(map(entry_json, rows))
        if text:
            self._out.write(self._before + text)
            self._before = ",\n"

    def finish(self) -> None:
        """Closes the array."""
        self._out.write("[]\n" if self._before == "[\n" else "\n]\n")
        self._out.flush()


class CsvEntries:
    """A header line, then a line an entry."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._csv = csv.writer(out, lineterminator="\n")
        self._csv.writerow("_".join(path) for path in ENTRY)

    def write(self, row: StoredEntry | Entry) -> None:
        """Writes the entry."""
        self._csv.writerow(entry_cells(row))

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Writes entries."""
        self._csv.writerows(map(entry_cells, rows))

    def finish(self) -> None:
        """Flushes: an answer of no rows is the header alone."""
        self._out.flush()
