"""An aiosqlite connection whose statements take one call to its thread instead of four.

A call costs more than most statements do: the event loop and the thread wait for each other. With aiosqlite's
own cursor, a statement is made, executed, read and closed by one call each. Here the first rows come back
with the execution, and a cursor that has no more is closed where it was opened.

The interface is the driver's, as SQLAlchemy's adapter uses it; the engine takes such connections through its
`async_creator_fn`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import aiosqlite

T = TypeVar("T")

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

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run `work` in the connection's own thread."""
        result: T = await self._execute(work, *arguments)  # type: ignore[no-untyped-call]
        return result

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection below, for its own thread only. Raises ValueError where there is none."""
        return self._conn


class OneCallCursor:
    """The part of a driver's cursor that SQLAlchemy asks for (PEP 249, with coroutines)."""

    def __init__(self, connection: OneCallConnection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> OneCallCursor:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> OneCallCursor:
        """Run a statement."""
        await self._connection.in_thread(self._run, sqlite3.Cursor.execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Any) -> OneCallCursor:
        """Run a statement for each set of parameters."""
        await self._connection.in_thread(self._run, sqlite3.Cursor.executemany, statement, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows, fewer than `size` at the end."""
        wanted = size or self.arraysize
        if len(self._rows) < wanted and self._cursor is not None:
            self._rows += await self._connection.in_thread(self._more, wanted - len(self._rows))
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left."""
        if self._cursor is not None:
            self._rows += await self._connection.in_thread(self._more, None)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Close the statement; rows that were not fetched are lost."""
        self._rows = []
        if self._cursor is not None:
            await self._connection.in_thread(self._end)

    # -- in the connection's thread

    def _run(self, method: Callable[..., Any], statement: str, parameters: Any) -> None:
        cursor = self._cursor = self._connection.raw.cursor()
        self._rows = []
        try:
            method(cursor, statement, parameters)
            self.description, self.lastrowid = cursor.description, cursor.lastrowid
            if cursor.description:
                self._rows = self._more(FIRST_ROWS)
            else:
                self._end()
        except BaseException:
            self._end()
            raise
        # of an UPDATE … RETURNING it is known once all rows are there
        self.rowcount = cursor.rowcount

    def _more(self, size: int | None) -> list[Any]:
        if self._cursor is None:
            return []
        rows = self._cursor.fetchall() if size is None else self._cursor.fetchmany(size)
        if size is None or len(rows) < size:
            self._end()
        return rows

    def _end(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None
