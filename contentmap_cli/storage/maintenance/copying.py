"""Copy all rows of a database to another one, SQLite or PostgreSQL. The caller owns the transactions.

Rows go from driver to driver in batches: out of a cursor, into a COPY or an executemany. Each table's rows
are counted and hashed as they are written, and again as they are read back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, Boolean, String, Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.storage.column_types import UtcDateTime
from contentmap_cli.storage.database_errors import storage_errors
from contentmap_cli.storage.driver_columns import EARLIEST
from contentmap_cli.storage.jobs.change_feed import NUMBER
from contentmap_cli.storage.tables import Base

TABLES: Final = tuple(Base.metadata.sorted_tables)
"""The tables that are copied, each after those that it refers to. The queue is not: nothing is queued."""

_ROWS: Final = 5_000
_MASK: Final = 2**64 - 1
_FORMATS: Final = {
    "microseconds": 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"',
    "seconds": 'YYYY-MM-DD"T"HH24:MI:SS"Z"',
}

Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class Copied:
    """The number of rows of a table, and the sum of their hashes, the same in any order."""

    rows: int = 0
    digest: int = 0

    def add(self, rows: Rows) -> None:
        """Add rows."""
        self.rows += len(rows)
        self.digest = (self.digest + sum(map(hash, map(tuple, rows)))) & _MASK


async def first_filled(connection: AsyncConnection) -> str | None:
    """Return the name of a table that has rows, None if all are empty."""
    for table in TABLES:
        if (await connection.execute(select(1).select_from(table).limit(1))).first() is not None:
            return table.name
    return None


async def copy_table(source: AsyncConnection, target: AsyncConnection, table: Table, *, shown: str) -> Copied:
    """Copy the rows of a table and return what was written. Errors of the source name it as `shown`."""
    written = Copied()
    same = source.dialect.name == target.dialect.name

    async def read() -> AsyncIterator[Rows]:
        with storage_errors(shown):
            async for batch in _batches(source, table, times_as_text=not same):
                yield batch

    batches = read()
    convert = _converter(table) if not same and target.dialect.name == "postgresql" else _unchanged
    columns = [column.name for column in table.columns]
    driver: Any = (await target.get_raw_connection()).driver_connection
    if target.dialect.name == "postgresql":

        async def records() -> AsyncIterator[tuple[Any, ...]]:
            async for batch in batches:
                rows = convert(batch)
                written.add(rows)
                for row in rows:
                    yield row

        await driver.copy_records_to_table(table.name, records=records(), columns=columns)
        return written
    places = ",".join(repeat("?", len(columns)))
    insert = f"INSERT INTO {table.name} ({','.join(columns)}) VALUES ({places})"  # noqa: S608 - names of ours
    async for batch in batches:
        written.add(batch)
        await driver.cursor().executemany(insert, batch)
    return written


def delete_if_empty(file: Path) -> None:
    """Delete an SQLite file without tables that no other process is writing to."""
    with suppress(OSError, sqlite3.Error), closing(sqlite3.connect(file, timeout=0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            file.unlink()
            for end in ("-wal", "-shm"):
                Path(f"{file}{end}").unlink(missing_ok=True)


async def read_back(target: AsyncConnection, table: Table) -> Copied:
    """Return what a table holds."""
    found = Copied()
    async for batch in _batches(target, table):
        found.add(batch)
    return found


async def continue_numbering(target: AsyncConnection) -> None:
    """Let new rows have numbers after the copied ones. SQLite does so by itself."""
    if target.dialect.name != "postgresql":
        return
    for table in TABLES:
        if "id" not in table.columns or isinstance(table.columns["id"].type, String):
            continue
        sequence = await target.scalar(text(f"SELECT pg_get_serial_sequence('{table.name}', 'id')"))
        highest = f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name})"  # noqa: S608 - names of ours
        await target.execute(text(f"SELECT setval('{sequence}', {highest}, false)"))


async def number_changes(target: AsyncConnection) -> None:
    """Number the rows of the change feed that had no position: on SQLite nothing else would do so."""
    await target.execute(NUMBER)


def _columns(connection: AsyncConnection, table: Table, *, times_as_text: bool) -> list[str]:
    """Return the columns of a query. JSON of PostgreSQL is text, as on SQLite; times are for SQLite."""
    columns = []
    for column in table.columns:
        name = column.name
        if connection.dialect.name == "postgresql":
            if isinstance(column.type, JSON):
                name = f"CAST({name} AS text)"
            elif isinstance(column.type, UtcDateTime) and column.type.timespec == "seconds":
                name = f"CASE WHEN {name} = '-infinity' THEN {EARLIEST} ELSE {name} END"
            if times_as_text and isinstance(column.type, UtcDateTime):
                name = f"to_char(timezone('UTC', {name}), '{_FORMATS[column.type.timespec]}')"
        columns.append(name)
    return columns


async def _batches(
    connection: AsyncConnection, table: Table, *, times_as_text: bool = False
) -> AsyncIterator[Rows]:
    """Yield the rows of a table in the order of its key, in batches."""
    columns = _columns(connection, table, times_as_text=times_as_text)
    key = ",".join(column.name for column in table.primary_key)
    query = f"SELECT {','.join(columns)} FROM {table.name} ORDER BY {key}"  # noqa: S608 - names of ours
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if connection.dialect.name == "postgresql":
        cursor = await driver.cursor(query)
        while rows := await cursor.fetch(_ROWS):
            yield rows
        return
    cursor = await driver.cursor().execute(query)
    while rows := await cursor.fetchmany(_ROWS):
        yield rows
    await cursor.close()


def _unchanged(rows: Rows) -> Rows:
    return rows


def _converter(table: Table) -> Callable[[Rows], Rows]:
    """Return a function from rows of SQLite to those of PostgreSQL: times and booleans have types there."""
    kinds = [
        datetime.fromisoformat if isinstance(column.type, UtcDateTime)
        else bool if isinstance(column.type, Boolean)
        else None
        for column in table.columns
    ]  # fmt: skip

    def column(number: int, values: Sequence[Any]) -> Iterator[Any] | Sequence[Any]:
        kind: Any = kinds[number]
        if kind is None:
            return values
        return [None if value is None else kind(value) for value in values]

    def convert(rows: Rows) -> Rows:
        by_column = zip(*rows, strict=True)
        return list(zip(*(column(number, values) for number, values in enumerate(by_column)), strict=True))

    return convert
