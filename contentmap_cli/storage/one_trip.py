"""An aiosqlite connection whose statements take one trip to its thread and back, instead of four, or none.

A trip costs more than most statements do: a cursor that is made, executed, read and closed by a call each has
the two threads wait for each other four times. Here the first rows come back with the execution, and a cursor
that has no more is closed where it was opened. What needs no answer may wait: a BEGIN goes with the first
statement, and what was run in a `later()` block with the next one, or with the COMMIT. All is run in the
order it was given; where one fails, that trip fails, and nothing behind it is run.

The interface is the driver's, as SQLAlchemy's adapter uses it; the engine takes such connections through its
`async_creator_fn`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, TypeVar

import aiosqlite

T = TypeVar("T")
Watch = Callable[[Callable[[], bool]], AbstractContextManager[None]]

FIRST_ROWS: Final = 256
"""Rows that come back with the execution. Who asked for more fetches the rest."""

MOST_WAITING: Final = 16
"""Statements that wait at most: what they carry is kept in memory."""


def connect(database: str, **options: Any) -> OneTripConnection:
    """A connection that is not open yet: it is opened when it is awaited. Options are those of `sqlite3`."""
    connection = OneTripConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=FIRST_ROWS)
    connection._thread.daemon = True  # a process that was told to end does not wait for it
    return connection


class OneTripConnection(aiosqlite.Connection):
    """Gives out cursors that save trips."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: list[tuple[Callable[..., Any], str, Any]] = []
        self._may_wait = False
        self._watch: Watch | None = None

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except sqlite3.Error:
            # the thread has been told to end: an answer of its to a loop that is closed would be a traceback
            self._thread.join()
            raise

    def cursor(self) -> OneTripCursor:  # type: ignore[override]
        """A cursor; no statement has run, so nothing has happened yet."""
        return OneTripCursor(self)

    def begin_with_next(self, statement: str, watch: Watch | None = None) -> None:
        """Has a BEGIN run just before the next statement. That trip is made inside a block of `watch`, which
        is given what says whether the BEGIN still waits for a lock."""
        self._waiting.append((sqlite3.Cursor.execute, statement, ()))
        self._watch = watch

    @contextmanager
    def later(self) -> Iterator[None]:
        """Statements that are run in this block go with the next one that is run behind it, or with the
        COMMIT. Nothing is known of what they came to."""
        self._may_wait = True
        try:
            yield
        finally:
            self._may_wait = False

    def waits(self, method: Callable[..., Any], statement: str, parameters: Any) -> bool:
        """Whether this statement was taken to be run later."""
        if not self._may_wait or len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append((method, statement, parameters))
        return True

    @property
    def in_transaction(self) -> bool:
        """Whether there is something to commit or to roll back."""
        return bool(self._waiting) or super().in_transaction

    async def commit(self) -> None:
        """Runs what waits, and commits."""
        await self.in_thread(self.raw.commit)

    async def rollback(self) -> None:
        """Forgets what waits, and rolls back."""
        await self._execute(self._instead_of_waiting, self.raw.rollback)  # type: ignore[no-untyped-call]

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Runs what waits, and then `work`, in the connection's own thread."""
        result: T
        if not self._waiting:
            result = await self._execute(work, *arguments)  # type: ignore[no-untyped-call]
            return result
        watch, self._watch = self._watch, None
        with nullcontext() if watch is None else watch(lambda: bool(self._waiting)):
            result = await self._execute(self._after_waiting, work, *arguments)  # type: ignore[no-untyped-call]
        return result

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection below, for its own thread only. Raises ValueError where there is none."""
        return self._conn

    # -- in the connection's thread

    def _after_waiting(self, work: Callable[..., T], *arguments: Any) -> T:
        cursor = self.raw.cursor()
        try:
            for method, statement, parameters in self._waiting:
                method(cursor, statement, parameters)
        finally:
            cursor.close()
        self._waiting.clear()  # not before: without its BEGIN, nothing that comes next may run
        return work(*arguments)

    def _instead_of_waiting(self, work: Callable[[], None]) -> None:
        self._waiting.clear()
        work()


class OneTripCursor:
    """The part of a driver's cursor that SQLAlchemy asks for (PEP 249, with coroutines)."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> OneTripCursor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, statement: str, parameters: Any = ()) -> OneTripCursor:
        """Runs a statement."""
        return await self._run_by(sqlite3.Cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Any) -> OneTripCursor:
        """Runs a statement for each set of parameters."""
        return await self._run_by(sqlite3.Cursor.executemany, statement, parameters)

    async def _run_by(self, method: Callable[..., Any], statement: str, parameters: Any) -> OneTripCursor:
        if not self._connection.waits(method, statement, parameters):
            await self._connection.in_thread(self._run, method, statement, parameters)
        return self

    async def fetchone(self) -> Any:
        """The next row, None behind the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """So many rows, fewer at the end."""
        wanted = size or self.arraysize
        if len(self._rows) < wanted and self._cursor is not None:
            self._rows += await self._connection.in_thread(self._more, wanted - len(self._rows))
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""
        if self._cursor is not None:
            self._rows += await self._connection.in_thread(self._more, None)
        rows, self._rows = self._rows, []
        return rows

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(FIRST_ROWS):
            for row in rows:
                yield row

    async def close(self) -> None:
        """Lets the statement go; rows that were not fetched are lost."""
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
