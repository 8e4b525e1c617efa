"""Many rows into `sitemap_urls`, inside the session's own transaction, as fast as the driver goes.

SQLite takes multi-row VALUES, PostgreSQL a COPY. Both need a statement to have run before: a COPY
that came first would run outside any transaction, since the driver adapter sends BEGIN lazily, and
would survive a rollback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from itertools import chain, groupby, repeat
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.batches import cut
from contentmap_cli.errors import TransactionRuleBroken
from contentmap_cli.models.entry_rows import LASTMOD, Row, RowBatch
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS
from contentmap_cli.threads import wait_for_end

_SIZES: Final = (500, 50)
"""Rows of one statement. What is left over goes in with one of its own size: the driver keeps those too."""

_STATEMENTS_A_CALL: Final = 10  # each call is a trip to the driver's thread and back

_Insert = tuple[str, list[tuple[Any, ...]], int]


class Place(NamedTuple):
    """What all rows of one file in one scan share: the columns that a Row leaves out."""

    domain_id: int
    sitemap_file_id: int
    first_scan_id: int


async def insert_rows(session: GuardedSession, place: Place, batches: Iterable[RowBatch]) -> int:
    """Inserts a file's rows and returns how many. Sorted by URL they go in fastest."""
    if session.dialect.name == "postgresql":
        return await _copy(session, place, batches)
    count = 0
    connection = await session.connection()
    statements = _statements(place, batches)
    for statement, parameters, rows in statements:
        await connection.exec_driver_sql(statement, parameters)
        count += rows
        if rows == _SIZES[0] * _STATEMENTS_A_CALL:
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
        await wait_for_end(ahead)  # it reads a file that is closed next
    return count


def _statements(place: Place, batches: Iterable[RowBatch]) -> Iterator[_Insert]:
    """A file's rows as statements, each with its sets of parameters and the number of rows in them."""
    most = _SIZES[0]
    for columns, alike in groupby(batches, key=_columns):
        for some in cut(alike, _STATEMENTS_A_CALL):
            full = [(*place, *batch.values) for batch in some if len(batch) == most]
            if full:
                yield _insert(columns, most), full, len(full) * most
            for batch in some:
                if len(batch) != most:
                    yield from _in_parts(place, batch)


def _in_parts(place: Place, batch: RowBatch) -> Iterator[_Insert]:
    """A batch of fewer rows than the largest statement has."""
    values, width = batch.values, len(batch.columns)
    size = _SIZES[1]
    whole = len(batch) // size
    if whole:
        cuts = range(0, whole * size * width, size * width)
        parts = [(*place, *values[start : start + size * width]) for start in cuts]
        yield _insert(batch.columns, size), parts, whole * size
    left = len(batch) - whole * size
    if left:
        yield _insert(batch.columns, left), [(*place, *values[whole * size * width :])], left


@lru_cache(maxsize=2 * (_SIZES[1] + 1))
def _insert(columns: tuple[str, ...], rows: int) -> str:
    """An INSERT for so many rows. What they share is bound once: binding it costs as much as a URL. Nothing
    else has a number: from Python 3.12 on the driver looks each numbered place up, among all of them, each
    time that the statement runs."""
    names = ",".join((*Place._fields, *columns))
    shared = [f"?{number}" for number in range(1, len(Place._fields) + 1)]
    row = ",".join((*shared, *["?"] * len(columns)))
    return f"INSERT INTO {SITEMAP_URLS.name} ({names}) VALUES {','.join([f'({row})'] * rows)}"  # noqa: S608 - names of ours


async def _copy(session: GuardedSession, place: Place, batches: Iterable[RowBatch]) -> int:
    counts: list[int] = []
    for columns, alike in groupby(batches, key=_columns):
        await copy_records(
            session,
            SITEMAP_URLS.name,
            (*Place._fields, *columns),
            chain.from_iterable(_records(place, batch, counts) for batch in alike),
        )
    return sum(counts)


async def copy_records(
    session: GuardedSession, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]
) -> None:
    """Copies records into a table of PostgreSQL, inside the session's transaction. The session does not see
    it pass: what fails here is told to it, so that it cannot commit half of it."""
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        raise TransactionRuleBroken("a COPY was asked for before the transaction's first statement")
    try:
        async with _hearing_of_its_end(driver):
            await driver.copy_records_to_table(table, records=records, columns=columns)
    except BaseException as error:
        session.spoil(error)
        raise


@asynccontextmanager
async def _hearing_of_its_end(driver: Any) -> AsyncIterator[None]:
    """Breaks off what uses a connection when that is lost, with the driver's ConnectionDoesNotExistError: a
    COPY that waits for room to send more would wait for ever (asyncpg 0.32)."""
    ended = False

    def heard(_connection: Any) -> None:
        if not ended:
            waiting.reschedule(0)  # a moment that has passed: at once

    driver.add_termination_listener(heard)
    try:
        async with asyncio.timeout(None) as waiting:
            yield
    except Exception as error:  # broken off, the driver may stumble over the connection that is not there
        if not waiting.expired():
            raise
        from asyncpg import ConnectionDoesNotExistError

        raise ConnectionDoesNotExistError("connection was closed in the middle of a COPY") from error
    finally:
        ended = True
        driver.remove_termination_listener(heard)


def _records(place: Place, batch: RowBatch, counts: list[int]) -> Iterator[Row]:
    """A batch as records of all columns, with moments as the driver takes them."""
    counts.append(len(batch))
    columns: list[Iterable[Any]] = [
        batch.values[column :: len(batch.columns)] for column in range(len(batch.columns))
    ]
    columns[LASTMOD] = [moment and datetime.fromisoformat(moment) for moment in columns[LASTMOD]]
    return zip(*map(repeat, place), *columns, strict=False)


def _columns(batch: RowBatch) -> tuple[str, ...]:
    return batch.columns
