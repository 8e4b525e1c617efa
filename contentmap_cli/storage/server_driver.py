"""Connections to a PostgreSQL server, with ContentMap's settings and its errors.

An OSError says nothing about where it comes from. So errors are converted here, where a connection is made or
used, and no other module takes an OSError for one of the database.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any, Final
from weakref import WeakSet

import asyncpg
from sqlalchemy import Connection, Dialect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from contentmap_cli.errors import DatabaseUnavailable, TooManyConnections, UsageError
from contentmap_cli.storage.database_errors import connection_error, raise_known, storage_errors
from contentmap_cli.storage.database_url import DatabaseAddress

CONNECT_SECONDS = 10.0
SERVER_SETTINGS = {
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_isolation": "read committed",
}
"""A wait for a lock ends, and the server ends a session that is idle in a transaction for longer than its
lease: it would block the run that takes its work over. The isolation level does not depend on the defaults of
server, database and role."""

_UNNAMED: Final[dict[str, Any]] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,  # the empty name
}
"""Behind a pooler each transaction may have another connection of the server, so no statement stays prepared
and no setting stays set."""


class _PoolerFound(Exception):
    """The process of the server is not the one that was named when the connection was made."""


class ServerConnector:
    """Opens the connections of one engine. `pooled` says whether a connection pooler is between."""

    def __init__(self, address: DatabaseAddress, name: str) -> None:
        self._address = address
        self._name = name
        self.pooled = False
        self.connections: WeakSet[asyncpg.Connection] = WeakSet()

    def connect(self, dialect: Dialect, _record: Any, arguments: Any, options: Any) -> Any:
        """Open a connection (event `do_connect`)."""
        if not self.pooled:
            try:
                return dialect.connect(*arguments, **options)
            except _PoolerFound:
                self.pooled = True
        return dialect.connect(*arguments, **{**options, **_UNNAMED})

    async def open(self, *_: object, **options: Any) -> asyncpg.Connection:
        """Open the driver's connection, with the settings unless there is a pooler."""
        driver = await _connect(self._address, self._name, **options)
        self.connections.add(driver)  # the watchdog terminates it, should the server be silent from now on
        try:
            if not self.pooled:
                # one message, and one transaction: a division by zero undoes the settings
                named = driver.get_server_pid()
                is_direct = f"SELECT 1 / (pg_backend_pid() = {named})::int"
                await driver.execute("; ".join((*_settings(self._address), is_direct)))
        except asyncpg.DivisionByZeroError:
            driver.terminate()
            raise _PoolerFound from None
        except BaseException as error:
            driver.terminate()
            raise_known(error, self._address.shown)
        encoding = driver.get_settings().server_encoding
        if encoding != "UTF8":
            driver.terminate()
            raise DatabaseUnavailable(
                f"the database {self._address.shown} has the encoding {encoding}, and ContentMap needs UTF8",
                hint="create another one: createdb --encoding UTF8 --template template0 NAME",
            )
        return driver

    def begun(self, connection: Connection) -> None:
        """Make the settings for one transaction behind a pooler (event `begin`)."""
        if self.pooled:
            values = dict(SERVER_SETTINGS)
            if self._address.search_path is not None:
                values["search_path"] = self._address.search_path
            made = (f"set_config('{name}', '{_quoted(value)}', true)" for name, value in values.items())
            connection.exec_driver_sql(f"SELECT {', '.join(made)}")

    def convert(self, context: ExceptionContext) -> BaseException | None:
        """Return the error of a statement whose connection failed (event `handle_error`)."""
        error = context.original_exception
        if isinstance(error, TimeoutError) and error.errno is None and context.statement:  # `command_timeout`
            return DatabaseUnavailable(
                f"the database {self._address.shown} has not answered a statement in time",
                hint="look with pg_stat_activity whether it is slow or waits, and check that the server runs",
            )
        return connection_error(error, self._address.shown) if isinstance(error, OSError) else None


def _settings(address: DatabaseAddress) -> list[str]:
    # not as startup parameters: a connection pooler may refuse those
    statements = [f"SET {name} = '{value}'" for name, value in SERVER_SETTINGS.items()]
    if address.search_path is not None:
        statements.append(f"SET search_path = {address.search_path}")
    return statements


def _quoted(value: str) -> str:
    return value.replace("'", "''")


async def _connect(address: DatabaseAddress, name: str, **options: Any) -> asyncpg.Connection:
    arguments = address.connect_arguments(name, CONNECT_SECONDS)
    try:
        return await asyncpg.connect(**{"command_timeout": CONNECT_SECONDS, **arguments, **options})
    except asyncpg.ClientConfigurationError as error:
        raise UsageError(
            f"the database address cannot be used: {error.args[0]}",
            hint=error.hint or "correct its parameters",
        ) from None
    except Exception as error:
        raise_known(error, address.shown)


async def connect_to(address: DatabaseAddress, name: str) -> asyncpg.Connection:
    """Open a connection of the driver, without a pool and outside of sessions. The server shows it as
    `name`. Raises what `connection_error` says, and UsageError for parameters that the driver refuses."""
    connection = await _connect(address, name)
    try:
        await connection.execute("; ".join(_settings(address)))
        return connection
    except BaseException as error:
        connection.terminate()
        raise_known(error, address.shown)


class ServerPool(AsyncAdaptedQueuePool):
    """A pool that continues with its open connections if the server refuses further ones."""

    RETRY_SECONDS: Final = 60.0
    limit: int | None = None
    """The number of connections that the server has given, None where it has refused none."""
    _until = 0.0
    _whole = (0, 0)

    def _do_get(self) -> ConnectionPoolEntry:
        if self.limit is not None and time.monotonic() > self._until:  # there may be more by now
            self._overflow += self.limit - self._whole[0]
            self._max_overflow, self.limit = self._whole[1], None
        try:
            return super()._do_get()
        except TooManyConnections:
            size, most = (self.limit, 0) if self.limit is not None else (self.size(), self._max_overflow)
            there = size + self._overflow
            if there < 1 or most < 0:
                raise
            if self.limit is None:
                self._whole = (size, most)
            self.limit, self._until = there, time.monotonic() + self.RETRY_SECONDS
            self._overflow = self._max_overflow = 0
            return super()._do_get()


async def require_sessions(address: DatabaseAddress) -> None:
    """Raise DatabaseUnavailable where a connection pooler gives each transaction another session of the
    server: a worker holds locks and listens for notifications."""
    query = "SELECT pg_backend_pid()"
    async with AsyncExitStack() as stack:

        async def process_of(name: str) -> tuple[int, int]:
            connection = await connect_to(address, name)
            stack.callback(connection.terminate)
            return await connection.fetchval(query), connection.get_server_pid()

        with storage_errors(address.shown):
            process, named = await process_of("contentmap pooler check")
            if process != named and process == (await process_of("contentmap pooler check"))[0]:
                raise DatabaseUnavailable(
                    f"the database {address.shown} is behind a connection pooler that keeps no sessions",
                    hint="name the server itself in --db, or a pool whose pool_mode is session",
                )
