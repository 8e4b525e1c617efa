"""Many rows into `sitemap_urls`, inside the session's own transaction, as fast as the driver goes.

SQLite takes multi-row VALUES, PostgreSQL a COPY. Both need a statement to have run before: a COPY
that came first would run outside any transaction, since the driver adapter sends BEGIN lazily, and
would survive a rollback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, groupby, islice
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.errors import TransactionRuleBroken
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SITEMAP_URLS
from contentmap_cli.rows import COLUMNS, EXTRA_COLUMNS, LASTMOD, Row, is_short, lengthened

_LONG: Final = (*COLUMNS, *EXTRA_COLUMNS)
_ROWS_A_STATEMENT: Final = 500
_STATEMENTS_A_CALL: Final = 10  # each call is a trip to the driver's thread and back


_Insert = tuple[str, list[tuple[Any, ...]], int]


class Place(NamedTuple):
    """What all rows of one file in one scan share: the columns that a Row leaves out."""

    domain_id: int
    sitemap_file_id: int
    first_scan_id: int


async def insert_rows(session: GuardedSession, place: Place, batches: Iterable[Sequence[Row]]) -> int:
    """Inserts a file's rows and returns how many. Sorted by URL they go in fastest."""
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        return await _copy(connection, place, batches)
    count = 0
    statements = _statements(place, batches)
    for statement, parameters, rows in statements:
        await connection.exec_driver_sql(statement, parameters)
        count += rows
        if rows == _ROWS_A_STATEMENT * _STATEMENTS_A_CALL:
            count += await _insert_overlapped(connection, statements)
    return count


async def _insert_overlapped(connection: AsyncConnection, statements: Iterator[_Insert]) -> int:
    """Runs statements, each while a thread makes the next: SQLite needs no interpreter's lock."""
    count = 0
    ahead = asyncio.ensure_future(asyncio.to_thread(next, statements, None))
    try:
        while (insert := await asyncio.shield(ahead)) is not None:
            statement, parameters, rows = insert
            ahead = asyncio.ensure_future(asyncio.to_thread(next, statements, None))
            await connection.exec_driver_sql(statement, parameters)
            count += rows
    finally:
        await asyncio.wait([ahead])  # it reads a file that is closed next
    return count


def _statements(place: Place, batches: Iterable[Sequence[Row]]) -> Iterator[_Insert]:
    """A file's rows as statements, each with its sets of parameters and the number of rows in them."""
    for columns, alike in groupby(map(_evened, batches), key=_columns):
        one, many = _insert(place, columns, 1), _insert(place, columns, _ROWS_A_STATEMENT)
        for some in _slices(alike, _STATEMENTS_A_CALL):
            full = [tuple(chain.from_iterable(batch)) for batch in some if len(batch) == _ROWS_A_STATEMENT]
            rest = [row for batch in some if len(batch) != _ROWS_A_STATEMENT for row in batch]
            if full:
                yield many, full, len(full) * _ROWS_A_STATEMENT
            if rest:
                yield one, rest, len(rest)


@lru_cache(maxsize=64)
def _insert(place: Place, columns: tuple[str, ...], rows: int) -> str:
    """An INSERT for so many rows. What they share is written into it: binding it costs as much as a URL."""
    names = ",".join((*Place._fields, *columns))
    shared = ",".join(str(int(key)) for key in place)
    row = f"({shared},{','.join('?' * len(columns))})"
    values = ",".join([row] * rows)
    return f"INSERT INTO {SITEMAP_URLS.name} ({names}) VALUES {values}"  # noqa: S608 - names and numbers of ours


async def _copy(connection: Any, place: Place, batches: Iterable[Sequence[Row]]) -> int:
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if not driver.is_in_transaction():
        raise TransactionRuleBroken("a COPY was asked for before the transaction's first statement")
    count = 0

    def records(alike: Iterable[Sequence[Row]]) -> Iterator[Row]:
        nonlocal count
        for batch in alike:
            count += len(batch)
            for row in batch:
                moment = row[LASTMOD]
                if moment is not None:
                    row = (row[0], datetime.fromisoformat(moment), *row[LASTMOD + 1 :])  # noqa: PLW2901
                yield (*place, *row)

    for columns, alike in groupby(map(_evened, batches), key=_columns):
        await driver.copy_records_to_table(
            SITEMAP_URLS.name, records=records(alike), columns=(*Place._fields, *columns)
        )
    return count


def _evened(batch: Sequence[Row]) -> Sequence[Row]:
    """The rows in one shape: the short one where all of them are short."""
    return batch if all(map(is_short, batch)) else [lengthened(row) for row in batch]


def _columns(batch: Sequence[Row]) -> tuple[str, ...]:
    return COLUMNS if is_short(batch[0]) else _LONG


def _slices(batches: Iterable[Sequence[Row]], size: int) -> Iterator[list[Sequence[Row]]]:
    iterator = iter(batches)
    while some := list(islice(iterator, size)):
        yield some
