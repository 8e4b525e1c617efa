"""Engines: one per run, configured so that transactions begin explicitly and never nest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage import sqlite_driver
from contentmap_cli.storage.database_url import DatabaseAddress, parse_database_address

BUSY_TIMEOUT_MS = 60_000
HURRIED_TIMEOUT_MS = 2_000
NOTICE_SECONDS = 2.0
"""A wait for another process is logged when it takes longer."""
COMMAND_SECONDS = 75.0
"""Timeout of one answer of a server for readers, longer than `lock_timeout`, whose error names the cause.
Writers have the watchdog instead: a COPY may take any time."""
WAIT_SECONDS = 300.0
"""Time to wait for a connection that another task has, where the server gives no more of them."""
CACHE_KIB = 8 * 1024  # rows are written in key order: a larger cache gains nothing
log = logging.getLogger("contentmap.database")

WRITERS = {"sqlite": 1, "postgresql": 8}
COMPARISONS = 2
"""Domains that are compared at once: one in the database, one in the interpreter."""
OTHERS = 3
"""Connections of a run beside those of writers: one each for the heartbeat, a recovery and a reader."""
BESIDE_POOL = 3
"""Connections of a process that are not of its pool: of the watchdog, the queue and the host slots."""
NO_LIMIT = -1
"""Of readers: each iterator of the Python API that is open has a connection."""
READ_ONLY = "contentmap_read_only"
_ROLLED_BACK = "contentmap_rolled_back"
SESSION_NAME = "contentmap"
"""What a server shows of a session (`application_name`)."""


@dataclass(slots=True)
class Database:
    """An open engine, its address as shown to users, and the number of concurrent writers."""

    engine: AsyncEngine
    shown: str
    dialect: str
    path: Path | None  # the file, where it is one
    connections: int | None = None  # the most of the pool, where the address limits them

    identity: tuple[int, int] | None = None  # device and number of the file, once it is known
    hurried: bool = False  # the database has failed once: later statements get a short timeout
    _open: WeakSet[Any] = field(default_factory=WeakSet)

    def terminate_connections(self) -> None:
        """Close every connection to a server without waiting for it: pending statements raise."""
        for connection in list(self._open):
            connection.terminate()

    def check_file(self) -> None:
        """Raise DatabaseUnavailable if the file was deleted or replaced while connections are open: they
        would write to a file without a name."""
        if self.path is None:
            return
        try:
            found = self.path.stat()
        except OSError:
            self._lost("was deleted")
        if self.identity is None:
            self.identity = (found.st_dev, found.st_ino)
        elif self.identity != (found.st_dev, found.st_ino):
            self._lost("was replaced by another file")

    def _lost(self, what: str) -> NoReturn:
        raise DatabaseUnavailable(
            f"the database {self.shown} {what} while it was in use",
            hint="what was recorded since is lost; restore it and scan again",
        )

    @property
    def writers(self) -> int:
        """The number of transactions that may write at the same time: one on SQLite, a few on a server, fewer
        where the address or the server gives few connections."""
        most, limit = WRITERS[self.dialect], getattr(self.engine.pool, "limit", None) or self.connections
        return most if limit is None else max(1, min(most, limit - OTHERS))

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def open_database(
    address: str | DatabaseAddress, *, writable: bool = True, patient: bool = False
) -> Database:
    """A Database for an address as `parse_database_address` takes it. Opens no connection yet. With `patient`
    a statement of a reader may take any time."""
    to = parse_database_address(address) if isinstance(address, str) else address
    if to.path is not None:
        uri = to.sqlite_uri(writable=writable)
        engine = create_async_engine(
            "sqlite+aiosqlite://",
            poolclass=AsyncAdaptedQueuePool,
            pool_size=5,
            max_overflow=5 if writable else NO_LIMIT,
            pool_reset_on_return=None,  # the guard looks whether there is something to end
            connect_args={
                "timeout": BUSY_TIMEOUT_MS / 1000,
                "async_creator_fn": lambda _name, **options: sqlite_driver.connect(uri, uri=True, **options),
            },
        )
        database = Database(engine, to.shown, engine.dialect.name, to.path)
        event.listen(engine.sync_engine, "connect", _sqlite_connect(database, writable))
        event.listen(engine.sync_engine, "begin", _sqlite_begin(database, writable))
        return database
    from contentmap_cli.storage.server_driver import ServerConnector, ServerPool  # most have an SQLite file

    connections = None if to.pool_size is None else to.pool_size - BESIDE_POOL
    size, overflow = WRITERS["postgresql"], OTHERS + COMPARISONS if writable else NO_LIMIT
    if connections is not None:
        size, overflow = min(size, connections), max(0, min(connections - size, OTHERS + COMPARISONS))
    connector = ServerConnector(to, SESSION_NAME)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        isolation_level="READ COMMITTED",
        poolclass=ServerPool,
        pool_timeout=WAIT_SECONDS,
        pool_size=size,
        max_overflow=overflow,
        connect_args={
            "async_creator_fn": connector.open,
            "command_timeout": None if writable or patient else COMMAND_SECONDS,
        },
    )
    database = Database(engine, to.shown, engine.dialect.name, None, connections, _open=connector.connections)
    listened = engine.sync_engine
    event.listen(listened, "do_connect", connector.connect)
    event.listen(listened, "begin", connector.begun)
    event.listen(listened, "handle_error", connector.convert)
    event.listen(listened, "rollback", _server_rollback)
    event.listen(listened, "checkout", _server_checkout)
    return database


def snapshot_options(database: Database) -> dict[str, Any]:
    """Return the options of transactions that only read, and show the database as it is at their first
    statement."""
    if database.dialect == "postgresql":
        return {READ_ONLY: True, "isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {READ_ONLY: True}


def without_cascades(database: Database) -> None:
    """Turn foreign keys off on SQLite, for a caller that deletes dependent rows itself: for each deleted
    sitemap file SQLite would search all URLs, whose key leads with the domain."""

    def checked_out(connection: Any, _record: Any, _proxy: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
        cursor.close()

    if database.dialect == "sqlite":
        event.listen(database.engine.sync_engine, "checkout", checked_out)


def _server_rollback(connection: Connection) -> None:
    """Mark a connection whose transaction failed: the driver may not be done with it."""
    if not connection.invalidated:
        connection.info[_ROLLED_BACK] = True


def _server_checkout(connection: Any, record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that was lost while it was idle, or whose last transaction failed.
    The pool's own ping would ask the server before each use, in three statements."""
    if record.info.get(_ROLLED_BACK) or connection.driver_connection.is_closed():
        raise DisconnectionError


def _sqlite_connect(database: Database, writable: bool) -> Callable[[Any, Any], None]:
    def connected(connection: Any, _record: Any) -> None:
        # The driver's own transactions start too late and its autocommit=False mode ignores pragmas:
        # both are off, and the engine's begin event sends BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if writable:
            with _logging_long_wait(database):
                cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        cursor.close()

    return connected


def _sqlite_begin(database: Database, writable: bool) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later fails with SQLITE_BUSY, without waiting,
        # if another connection has written in between.
        read_only = not writable or connection.get_execution_options().get(READ_ONLY)
        if database.hurried:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={HURRIED_TIMEOUT_MS}")
        with nullcontext() if read_only else _logging_long_wait(database):
            statement = "BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE"
            # to the driver, as the guard refuses such a statement
            adapted: Any = connection.connection.dbapi_connection
            try:
                adapted.run_async(lambda driver: driver.cursor().execute(statement))
            except asyncio.CancelledError:
                # the driver's thread runs it all the same: the pool must not keep an open transaction
                connection.invalidate()
                raise

    return begin


@contextmanager
def _logging_long_wait(database: Database) -> Iterator[None]:
    """Log that another process has the file, once that has lasted a while."""

    def warn() -> None:
        log.warning(
            "another process has locked the database %s: waiting for it, up to %d s",
            database.shown,
            (HURRIED_TIMEOUT_MS if database.hurried else BUSY_TIMEOUT_MS) // 1000,
            extra={"action": "database.locked"},
        )

    # the statement runs in the driver's thread, so the event loop can run the timer
    notice = asyncio.get_running_loop().call_later(NOTICE_SECONDS, warn)
    try:
        yield
    finally:
        notice.cancel()
