"""Many rows into `sitemap_urls`, inside the session's own transaction, as fast as the driver goes.

SQLite takes multi-row VALUES, PostgreSQL a COPY. Both need a statement to have run before: a COPY
that came first would run outside any transaction, since the driver adapter sends BEGIN lazily, and
would survive a rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final

from contentmap_cli.errors import TransactionRuleBroken
from contentmap_cli.records.rows import COLUMNS, Row
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SITEMAP_URLS

_ROWS_A_STATEMENT: Final = 500
_ONE: Final = f"({','.join('?' * len(COLUMNS))})"
_INSERT: Final = f"INSERT INTO {SITEMAP_URLS.name} ({','.join(COLUMNS)}) VALUES "  # noqa: S608 - names of ours
_LASTMOD: Final = COLUMNS.index("lastmod")


async def insert_rows(session: GuardedSession, rows: Iterable[Row]) -> int:
    """Inserts rows in the order of COLUMNS and returns how many. Sorted by key they go in fastest."""
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        return await _copy(connection, rows)
    count = 0
    full = _INSERT + ",".join([_ONE] * _ROWS_A_STATEMENT)
    for chunk in _chunks(rows, _ROWS_A_STATEMENT):
        statement = full if len(chunk) == _ROWS_A_STATEMENT else _INSERT + ",".join([_ONE] * len(chunk))
        await connection.exec_driver_sql(statement, tuple(chain.from_iterable(chunk)))
        count += len(chunk)
    return count


async def _copy(connection: Any, rows: Iterable[Row]) -> int:
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if not driver.is_in_transaction():
        raise TransactionRuleBroken("a COPY was asked for before the transaction's first statement")
    count = 0

    def dated() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            moment = row[_LASTMOD]
            if moment is None:
                yield row
            else:
                yield (*row[:_LASTMOD], datetime.fromisoformat(moment), *row[_LASTMOD + 1 :])

    await driver.copy_records_to_table(SITEMAP_URLS.name, records=dated(), columns=COLUMNS)
    return count


def _chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
