"""Insert many rows into `sitemap_urls`, inside the session's transaction, at the speed of the driver.

SQLite gets multi-row VALUES, PostgreSQL a COPY. A statement must have run before: a COPY as the first
operation would run outside any transaction, since the driver adapter sends BEGIN lazily, and would survive a
rollback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from itertools import chain, groupby, repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.batches import batched
from contentmap_cli.errors import TransactionRuleBroken
from contentmap_cli.models.entry_rows import LASTMOD, Row, RowBatch
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS
from contentmap_cli.threads import wait_for_end

_SIZES: Final = (500, 50)
"""Rows of one statement. The remainder gets a statement of its own size, which the driver caches too."""

_STATEMENTS_A_CALL: Final = 10  # each is a call to the driver's thread

_COLUMNS: Final = attrgetter("columns")  # of a RowBatch

_Insert = tuple[str, list[tuple[Any, ...]], int]


class SharedValues(NamedTuple):
    """The values that all rows of one file and scan share: the columns that a Row leaves out."""

    domain_id: int
    sitemap_file_id: int
    first_scan_id: int


async def insert_rows(session: GuardedSession, shared: SharedValues, batches: Iterable[RowBatch]) -> int:
    """Insert the rows of a file and return their number. Rows sorted by URL are inserted fastest."""
    if session.dialect.name == "postgresql":
        return await _copy(session, shared, batches)
    count = 0
    connection = await session.connection()
    statements = _statements(shared, batches)
    for statement, parameters, rows in statements:
        await connection.exec_driver_sql(statement, parameters)
        count += rows
        if rows == _SIZES[0] * _STATEMENTS_A_CALL:
            count += await _insert_overlapped(connection, statements)
    return count


async def _insert_overlapped(connection: AsyncConnection, statements: Iterator[_Insert]) -> int:
    """Run statements while a thread prepares the next one: SQLite runs without the interpreter lock."""
    count = 0
    ahead = asyncio.ensure_future(asyncio.to_thread(next, statements, None))
    try:
        while (insert := await asyncio.shield(ahead)) is not None:
            statement, parameters, rows = insert
            ahead = asyncio.ensure_future(asyncio.to_thread(next, statements, None))
            await connection.exec_driver_sql(statement, parameters)
            count += rows
    finally:
        await wait_for_end(ahead)  # it reads a file that the caller closes next
    return count


def _statements(shared: SharedValues, batches: Iterable[RowBatch]) -> Iterator[_Insert]:
    """Yield statements for a file's rows, each with its sets of parameters and the number of their rows."""
    most = _SIZES[0]
    for columns, alike in groupby(batches, key=_COLUMNS):
        for some in batched(alike, _STATEMENTS_A_CALL):
            full = [(*shared, *batch.values) for batch in some if len(batch) == most]
            if full:
                yield _insert(columns, most), full, len(full) * most
            for batch in some:
                if len(batch) != most:
                    yield from _in_parts(shared, batch)


def _in_parts(shared: SharedValues, batch: RowBatch) -> Iterator[_Insert]:
    """Yield statements for a batch with fewer rows than the largest statement."""
    values, width = batch.values, len(batch.columns)
    size = _SIZES[1]
    whole, left = divmod(len(batch), size)
    if whole:
        cuts = range(0, whole * size * width, size * width)
        parts = [(*shared, *values[start : start + size * width]) for start in cuts]
        yield _insert(batch.columns, size), parts, whole * size
    if left:
        yield _insert(batch.columns, left), [(*shared, *values[whole * size * width :])], left


@lru_cache(maxsize=2 * (_SIZES[1] + 1))
def _insert(columns: tuple[str, ...], rows: int) -> str:
    """Return an INSERT of `rows` rows. The shared values are bound once, as binding costs as much as a URL.
    No other placeholder is numbered: from Python 3.12 on the driver searches all of them for each numbered
    one, each time that the statement runs."""
    names = ",".join((*SharedValues._fields, *columns))
    numbered = [f"?{number}" for number in range(1, len(SharedValues._fields) + 1)]
    row = ",".join((*numbered, *["?"] * len(columns)))
    return f"INSERT INTO {SITEMAP_URLS.name} ({names}) VALUES {','.join([f'({row})'] * rows)}"  # noqa: S608 - names of ours


async def _copy(session: GuardedSession, shared: SharedValues, batches: Iterable[RowBatch]) -> int:
    counts: list[int] = []
    for columns, alike in groupby(batches, key=_COLUMNS):
        await copy_records(
            session,
            SITEMAP_URLS.name,
            (*SharedValues._fields, *columns),
            chain.from_iterable(_records(shared, batch, counts) for batch in alike),
        )
    return sum(counts)


async def copy_records(
    session: GuardedSession, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]
) -> None:
    """Copy records into a table of PostgreSQL, inside the session's transaction. The session does not see the
    COPY: a failure is reported to it, so that it cannot commit a part."""
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        raise TransactionRuleBroken("a COPY was asked for before the transaction's first statement")
    try:
        async with _cancelled_on_connection_loss(driver):
            await driver.copy_records_to_table(table, records=records, columns=columns)
    except BaseException as error:
        session.mark_failed(error)
        raise


@asynccontextmanager
async def _cancelled_on_connection_loss(driver: Any) -> AsyncIterator[None]:
    """Cancel the block when the connection is lost, and raise the driver's ConnectionDoesNotExistError: a
    COPY that waits for the send buffer would wait for ever (asyncpg 0.32)."""
    ended = False

    def heard(_connection: Any) -> None:
        if not ended:
            waiting.reschedule(0)  # a time in the past: at once

    driver.add_termination_listener(heard)
    try:
        async with asyncio.timeout(None) as waiting:
            yield
    except Exception as error:  # cancelled, the driver may fail on the lost connection
        if not waiting.expired():
            raise
        from asyncpg import ConnectionDoesNotExistError

        raise ConnectionDoesNotExistError("connection was closed in the middle of a COPY") from error
    finally:
        ended = True
        driver.remove_termination_listener(heard)


def _records(shared: SharedValues, batch: RowBatch, counts: list[int]) -> Iterator[Row]:
    """Return a batch as records of all columns, with datetimes for the driver."""
    counts.append(len(batch))
    columns: list[Iterable[Any]] = [
        batch.values[column :: len(batch.columns)] for column in range(len(batch.columns))
    ]
    columns[LASTMOD] = [moment and datetime.fromisoformat(moment) for moment in columns[LASTMOD]]
    return zip(*map(repeat, shared), *columns, strict=False)
