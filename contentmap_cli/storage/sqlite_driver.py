"""An aiosqlite connection whose statements take one call to its thread instead of four.

A call costs more than most statements do: the event loop and the thread wait for each other. With aiosqlite's
own cursor, a statement is made, executed, read and closed by one call each. Here the first rows come back
with the execution, and a cursor that has no more is closed where it was opened.

The interface is the driver's, as SQLAlchemy's adapter uses it; the engine takes such connections through its
`async_creator_fn`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import aiosqlite

FIRST_ROWS: Final = 256
"""Rows that come back with the execution. The rest is fetched on demand."""


def connect(database: str, **options: Any) -> OneCallConnection:
    """Return a connection that is opened when it is awaited. Options are those of `sqlite3`."""
    connection = OneCallConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=FIRST_ROWS)
    connection._thread.daemon = True  # a process that was told to end does not wait for it
    return connection


class OneCallConnection(aiosqlite.Connection):
    """Gives out cursors that save calls."""

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except sqlite3.Error:
            # the thread has been told to end: an answer of its to a loop that is closed would be a traceback
            self._thread.join()
            raise

    def cursor(self) -> OneCallCursor:  # type: ignore[override]
        """Return a cursor that has run no statement."""
        return OneCallCursor(self)


class OneCallCursor:
    """The part of a driver's cursor that SQLAlchemy asks for (PEP 249, with coroutines)."""

    def __init__(self, connection: OneCallConnection) -> None:
        self._connection = connection
        self._in_thread: Callable[..., Awaitable[Any]] = connection._execute
        self._cursor: sqlite3.Cursor | None = None  # of a statement with more rows
        self._rows: list[Any] = []
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> OneCallCursor:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> OneCallCursor:
        """Run a statement."""
        await self._in_thread(self._run, sqlite3.Cursor.execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Any) -> OneCallCursor:
        """Run a statement for each set of parameters."""
        await self._in_thread(self._run, sqlite3.Cursor.executemany, statement, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows, fewer than `size` at the end."""
        wanted = size or self.arraysize
        if len(self._rows) < wanted and self._cursor is not None:
            self._rows += await self._in_thread(self._cursor.fetchmany, wanted - len(self._rows))
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left."""
        if self._cursor is not None:
            self._rows += await self._in_thread(self._cursor.fetchall)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Close the statement; rows that were not fetched are lost."""
        self._rows = []
        if self._cursor is not None:
            await self._in_thread(self._cursor.close)
            self._cursor = None

    def _run(self, method: Callable[..., Any], statement: str, parameters: Any) -> None:
        """Run a statement and take its first rows, in the connection's thread."""
        cursor, has_more = self._connection._conn.cursor(), False
        try:
            method(cursor, statement, parameters)
            self._rows = cursor.fetchmany(FIRST_ROWS) if cursor.description else []
            has_more = len(self._rows) == FIRST_ROWS
        finally:
            if not has_more:
                cursor.close()
        self._cursor = cursor if has_more else None
        self.description, self.lastrowid = cursor.description, cursor.lastrowid
        # of an UPDATE … RETURNING it is known once all rows are there
        self.rowcount = cursor.rowcount
