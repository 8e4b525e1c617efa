"""Engines: one per run, set up so that a transaction begins when it says so and never nests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakSet

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage import sqlite_driver
from contentmap_cli.storage.database_url import FILE, parse_database_address, show_database_address

BUSY_TIMEOUT_MS = 60_000
CONNECT_SECONDS = 10.0
HURRIED_TIMEOUT_MS = 2_000
NOTICE_SECONDS = 2.0
"""A wait for another process is told of when it lasts so long."""
COMMAND_SECONDS = 60.0
"""How long who only reads waits for one answer of a server. Who writes is watched by a Pulse instead: a COPY
may take as long as it takes."""
SERVER_SETTINGS = {"lock_timeout": "60s", "idle_in_transaction_session_timeout": "60s"}
"""Who waits for a lock gives up some time, and who sleeps in the middle of a transaction, past its lease,
is thrown out by the server: it would hold up whoever takes its work over."""
CACHE_KIB = 8 * 1024  # rows come in key order: more gains nothing, and is memory all the same
log = logging.getLogger("contentmap.database")

WRITERS = {"sqlite": 1, "postgresql": 8}
COMPARISONS = 2
"""Domains that are compared at once: one in the database, one in the interpreter."""
READ_ONLY = "contentmap_read_only"
BEGINS = "contentmap_begins"
"""Execution option of the statement that begins a transaction, the only one the guard lets pass."""
SESSION_NAME = "contentmap"
"""What a server shows of a session (`application_name`)."""


@dataclass(slots=True)
class Database:
    """An open engine, its address for people, and how many may write at once."""

    engine: AsyncEngine
    shown: str
    dialect: str
    path: Path | None  # the file, where it is one

    identity: tuple[int, int] | None = None  # device and number of the file, once it is known
    hurried: bool = False  # the database has failed once: what is left to say is not waited with for long
    _open: WeakSet[Any] = field(default_factory=WeakSet)

    def cut(self) -> None:
        """Ends every connection to a server without waiting for it: who waits for an answer gets an error."""
        for connection in list(self._open):
            connection.terminate()

    def check_file(self) -> None:
        """Raises DatabaseUnavailable where the file was deleted or replaced under the open connections:
        they would go on writing to what nobody can find again."""
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
        """How many transactions may write at the same time: SQLite takes one, a server a few."""
        return WRITERS[self.dialect]

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


def open_database(address: str | URL, *, writable: bool = True, name: str = SESSION_NAME) -> Database:
    """A Database for an address as `parse_database_address` takes it; `name` is what a server shows of its
    sessions (`application_name`). Opens no connection yet."""
    url = parse_database_address(address) if isinstance(address, str) else address
    if url.drivername == FILE:
        engine = create_async_engine(
            url,
            pool_size=5,
            max_overflow=5,
            pool_reset_on_return=None,  # the guard looks whether there is something to end
            connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "async_creator_fn": sqlite_driver.connect},
        )
        path = Path(str(url.database))
    else:
        writers = WRITERS["postgresql"]
        # writers, plus one each for the heartbeat, a recovery and a reader, and those that compare
        engine = create_async_engine(
            url,
            pool_size=writers,
            max_overflow=3 + COMPARISONS,
            pool_pre_ping=True,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": None if writable else COMMAND_SECONDS,
                "server_settings": {"application_name": name},
            },
        )
        path = None
    database = Database(engine, show_database_address(url), engine.dialect.name, path)
    if path is not None:
        event.listen(engine.sync_engine, "connect", _sqlite_connect(database, writable))
        event.listen(engine.sync_engine, "begin", _sqlite_begin(database))
    else:
        event.listen(engine.sync_engine, "connect", _server_connect(database))
    return database


def without_cascades(database: Database) -> None:
    """Has SQLite hold no row to another from now on, for one who removes what hangs on a row before the row:
    for each sitemap file that goes it would look through all URLs, whose key leads with the domain."""

    def checked_out(connection: Any, _record: Any, _proxy: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
        cursor.close()

    if database.dialect == "sqlite":
        event.listen(database.engine.sync_engine, "checkout", checked_out)


def _server_connect(database: Database) -> Callable[[Any, Any], None]:
    # not as parameters of the start-up: a pooler between us and the server may refuse those
    settings = "; ".join(f"SET {name} = '{value}'" for name, value in SERVER_SETTINGS.items())

    def connected(connection: Any, _record: Any) -> None:
        database._open.add(connection.driver_connection)
        connection.run_async(lambda driver: driver.execute(settings))

    return connected


def _sqlite_connect(database: Database, writable: bool) -> Callable[[Any, Any], None]:
    def connected(connection: Any, _record: Any) -> None:
        # The driver's own transactions start too late and its autocommit=False mode swallows pragmas:
        # it is switched off, and the engine's begin event sends BEGIN itself.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if writable:
            with _telling_of_a_wait(database):
                cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        cursor.close()

    return connected


def _sqlite_begin(database: Database) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later would find the file locked, at once
        # and whatever the timeout, as soon as anyone else had written in between.
        read_only = connection.get_execution_options().get(READ_ONLY)
        if database.hurried:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={HURRIED_TIMEOUT_MS}")
        with nullcontext() if read_only else _telling_of_a_wait(database):
            statement = "BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE"
            connection.exec_driver_sql(statement, execution_options={BEGINS: True})

    return begin


@contextmanager
def _telling_of_a_wait(database: Database) -> Iterator[None]:
    """Log that another process has the file, once that has lasted a while."""

    def tell() -> None:
        log.warning(
            "another process has locked the database %s: waiting for it, up to %d s",
            database.shown,
            (HURRIED_TIMEOUT_MS if database.hurried else BUSY_TIMEOUT_MS) // 1000,
            extra={"action": "database.locked"},
        )

    # the statement runs in the driver's thread, and the loop is free to look at the clock
    notice = asyncio.get_running_loop().call_later(NOTICE_SECONDS, tell)
    try:
        yield
    finally:
        notice.cancel()
