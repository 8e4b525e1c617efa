"""Occurrences of findings, in a temporary database: memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from contentmap_cli.models.findings import Occurrence

_BATCH = 500
_TABLE = (
    "CREATE TABLE occurrences (finding INTEGER, number INTEGER, line INTEGER, url TEXT, value TEXT, "
    "message TEXT, PRIMARY KEY (finding, number)) WITHOUT ROWID"
)
_Row = tuple[int, int, int | None, str | None, str | None, str | None]


class OccurrenceStore:
    """The occurrences of all findings of a run. Its file is on disk only where there are many."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", _TABLE, "BEGIN"):
            self._database.execute(statement)
        self._batch: list[_Row] = []
        self._findings = 0

    def new_finding(self) -> int:
        """Return the number of a new finding."""
        self._findings += 1
        return self._findings

    def add(self, row: _Row) -> None:
        """Add an occurrence: the number of its finding, its own number in it, and its fields."""
        self._batch.append(row)
        if len(self._batch) >= _BATCH:
            self._flush()

    def occurrences(self, finding: int) -> Iterator[Occurrence]:
        """Yield the occurrences of a finding, in the order in which they were added."""
        self._flush()
        statement = "SELECT line, url, value, message FROM occurrences WHERE finding = ? ORDER BY number"
        for row in self._database.execute(statement, (finding,)):
            yield Occurrence(*row)

    def _flush(self) -> None:
        statement = "INSERT INTO occurrences VALUES (?, ?, ?, ?, ?, ?)"
        try:
            self._database.executemany(statement, self._batch)
        except UnicodeEncodeError:  # a lone surrogate, as in a file name
            self._database.executemany("INSERT OR IGNORE" + statement[6:], map(_encodable, self._batch))
        self._batch.clear()


@dataclass(frozen=True, slots=True)
class StoredOccurrences:
    """The occurrences of one finding; each iteration reads them."""

    store: OccurrenceStore
    finding: int

    def __iter__(self) -> Iterator[Occurrence]:
        return self.store.occurrences(self.finding)


def _encodable(row: _Row) -> _Row:
    finding, number, line, *texts = row
    url, value, message = (str(text).encode("utf-8", "replace").decode() if text else None for text in texts)
    return finding, number, line, url, value, message
