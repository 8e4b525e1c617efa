"""Occurrences of findings, in a temporary database: memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contentmap_cli.models.findings import Finding, Occurrence

_BATCH = 500
_TABLE = (
    "CREATE TABLE occurrences (finding INTEGER, number INTEGER, line INTEGER, url TEXT, value TEXT, "
    "message TEXT, PRIMARY KEY (finding, number)) WITHOUT ROWID"
)
_BY_LINE = "FROM occurrences WHERE finding = ? ORDER BY line IS NULL, line, number"
_Row = tuple[int, int, int | None, str | None, str | None, str | None]


def temporary_database(*tables: str) -> sqlite3.Connection:
    """Return a database that ends with its connection, with these tables and in a transaction."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", *tables, "BEGIN"):
        database.execute(statement)
    return database


class OccurrenceStore:
    """The occurrences of all findings of a run. Its file is on disk only where there are many."""

    def __init__(self) -> None:
        self._database = temporary_database(_TABLE)
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
        """Yield the occurrences of a finding by line; those without one follow as they were added."""
        self._flush()
        for row in self._database.execute(f"SELECT line, url, value, message {_BY_LINE}", (finding,)):
            yield Occurrence(*row)

    def by_url(self) -> Iterator[tuple[int, Occurrence]]:
        """Yield the number of a finding and an occurrence, ordered by URL; those without one come last."""
        self._flush()
        columns, order = "finding, line, url, value, message", "url IS NULL, url, finding, number"
        for row in self._database.execute(f"SELECT {columns} FROM occurrences ORDER BY {order}"):  # noqa: S608 - constants
            yield row[0], Occurrence(*row[1:])

    def forget(self, finding: int, places: Iterable[int]) -> None:
        """Delete occurrences of a finding by their place among its `occurrences`, from 1."""
        self._flush()
        numbers = [row[0] for row in self._database.execute(f"SELECT number {_BY_LINE}", (finding,))]
        rows = [(finding, numbers[place - 1]) for place in places]
        self._database.executemany("DELETE FROM occurrences WHERE finding = ? AND number = ?", rows)

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


def occurrences_by_url(
    store: OccurrenceStore, findings: Sequence[Finding]
) -> Iterator[tuple[Finding, Occurrence]]:
    """Yield the occurrences of these findings, ordered by URL."""
    wanted = {
        each.occurrences.finding: each for each in findings if isinstance(each.occurrences, StoredOccurrences)
    }
    for number, occurrence in store.by_url():
        if (finding := wanted.get(number)) is not None:
            yield finding, occurrence


def _encodable(row: _Row) -> _Row:
    finding, number, line, *texts = row
    url, value, message = (str(text).encode("utf-8", "replace").decode() if text else None for text in texts)
    return finding, number, line, url, value, message
