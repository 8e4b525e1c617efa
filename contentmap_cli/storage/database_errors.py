"""Convert the errors of database drivers to errors of ContentMap, with a hint."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import exc

from contentmap_cli.errors import (
    ConnectionLost,
    ContentMapError,
    DatabaseLocked,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageConflict,
    StorageRefused,
    TooManyConnections,
)

_UPGRADE = "run `contentmap db upgrade`"
_REACH = "check that the server runs, and host, port and sslmode of the address"
_READ_ONLY = "give a database that may be written, or the right to write this one"

_LOST = ("08", "57P", "25P03", "25P04")
"""Lost connections, a server that starts or shuts down, and time limits that end a session."""
_Kind = type[ContentMapError]
# (beginnings of codes, what is raised, message, hint); the first match is used. Codes are the SQLSTATE
# (PostgreSQL manual, appendix A), SQLite's names of its result codes (sqlite.org/rescode.html) and, as these
# have one for all errors in a statement, the beginnings of messages.
_KNOWN: tuple[tuple[tuple[str, ...], _Kind, str, str], ...] = (
    (("42P01", "3F000", "no such table"), SchemaMismatch, "has no ContentMap schema", _UPGRADE),
    (("42703", "no such column"), SchemaMismatch, "has an older schema", _UPGRADE),
    (
        ("53100", "SQLITE_FULL"),
        DatabaseUnavailable,
        "is full",
        "free some space and run `contentmap resume` with the job's id: what was recorded stays",
    ),
    (
        ("58030", "SQLITE_IOERR"),
        DatabaseUnavailable,
        "cannot be written: its disk reports an error, or files may not grow so large",
        "check the disk and `ulimit -f`, then run `contentmap resume` with the job's id",
    ),
    (("25006", "SQLITE_READONLY"), DatabaseUnavailable, "is read-only", _READ_ONLY),
    (
        ("55P03", "SQLITE_BUSY", "SQLITE_LOCKED"),
        DatabaseLocked,
        "is locked by another process",
        "wait for it to finish or stop it; then run the command again",
    ),
    (
        ("SQLITE_CANTOPEN",),
        DatabaseUnavailable,
        "cannot be opened",
        "check that its folder exists and that you may write to it",
    ),
    (("SQLITE_NOTADB",), DatabaseUnavailable, "is not an SQLite database", "name another file with --db"),
    (
        ("XX001", "XX002", "SQLITE_CORRUPT"),
        DatabaseUnavailable,
        "is damaged",
        "restore a backup, or rescue what is left with the sqlite3 tool's `.recover`",
    ),
    (
        ("28P01",),
        DatabaseUnavailable,
        "refuses these credentials",
        "check user and password in --db or CONTENTMAP_DATABASE_URL",
    ),
    (
        ("28",),
        DatabaseUnavailable,
        "refuses this user",
        "check the user in --db; the administrator of the server allows users in pg_hba.conf and CREATE ROLE",
    ),
    (
        ("3D000", "57P04"),
        DatabaseUnavailable,
        "does not exist on that server",
        "create it first, for example with createdb",
    ),
    (
        ("42501",),
        DatabaseUnavailable,
        "does not give this user the rights it needs",
        "have USAGE on the schema and rights on its tables granted; `contentmap db upgrade` needs CREATE",
    ),
    (
        ("53300",),
        TooManyConnections,
        "takes no more connections",
        "lower --concurrency, end other programs, or raise the connection limit of server or role",
    ),
    (
        ("53",),
        DatabaseUnavailable,
        "is short of resources",
        "have the administrator look at the server's log, then run `contentmap resume` with the job's id",
    ),
    (
        ("26000", "42P05"),
        DatabaseUnavailable,
        "is behind a connection pooler that mixes up the statements of its clients",
        "connect to the server itself, or to a pool whose pool_mode is session",
    ),
    (
        ("57014",),
        StorageRefused,
        "cancelled a statement",
        "raise the limit: ALTER ROLE … SET statement_timeout = 0; then run the command again",
    ),
    (("40001", "40P01"), StorageConflict, "ended a transaction in favour of another one", "run it again"),
    (_LOST, ConnectionLost, "cannot be reached", _REACH),
)


@contextmanager
def storage_errors(shown: str) -> Iterator[None]:
    """Raise the ContentMapError for what a database driver raises in the block; any other error passes.

    `shown` is the address without secrets (`DatabaseAddress.shown`).
    """
    try:
        yield
    except ContentMapError:
        raise
    except Exception as error:
        known = storage_error(error, shown)
        if known is None:
            raise
        raise known from error


def storage_error(error: BaseException, shown: str) -> ContentMapError | None:
    """Return the ContentMapError for what a database driver raised, or None where the database is not the
    cause: an OSError is converted where a connection is made or used (`server_driver`).

    `shown` is the address without secrets (`DatabaseAddress.shown`).
    """
    if isinstance(error, DatabaseUnavailable | SchemaMismatch | StorageRefused):
        return error
    if isinstance(error, exc.PendingRollbackError):  # lost between two statements
        return ConnectionLost(f"the database {shown} cannot be reached", hint=_REACH)
    if isinstance(error, exc.TimeoutError):  # the pool has waited for one
        message = f"the database {shown} takes no more connections"
        return TooManyConnections(message, hint="lower --concurrency")
    driver = _driver_error(error)
    if isinstance(driver, sqlite3.Error):
        code, said = getattr(driver, "sqlite_errorname", "SQLITE_ERROR"), ""
        if code == "SQLITE_ERROR":
            code = "no such column" if "has no column" in str(driver) else str(driver)
    elif (sqlstate := _sqlstate(driver)) is not None:
        code = sqlstate
        said = f": {getattr(driver, 'message', None) or driver}"
    else:
        return None
    for codes, kind, what, hint in _KNOWN:
        if code.startswith(codes):
            return kind(f"the database {shown} {what}{said}", hint=hint)
    if isinstance(error, exc.IntegrityError | exc.DataError | exc.ProgrammingError) or not code:
        return None  # the statement is wrong, not the database
    if getattr(error, "connection_invalidated", False):
        return ConnectionLost(f"the database {shown} cannot be reached{said}", hint=_REACH)
    return StorageRefused(
        f"the database {shown} answered: {said.removeprefix(': ') or driver}",
        hint="run it again with -vv to see the statement",
    )


def connection_error(error: BaseException, shown: str) -> BaseException:
    """Return what to raise for an error of making or using a connection to a server.

    There an OSError is the database's: a missing socket, an unknown or unreachable host, a certificate.
    """
    if not isinstance(error, OSError):
        return storage_error(error, shown) or error
    reason = error.strerror or str(error) or "no answer"
    if isinstance(error, ConnectionRefusedError):  # asyncio gives the address instead
        reason = "connection refused"
    message = f"the database {shown} cannot be reached: {reason}"
    if isinstance(error, ssl.SSLError):  # waiting does not help
        return DatabaseUnavailable(
            message,
            hint="check sslmode and the certificates; sslrootcert or PGSSLROOTCERT names the authority",
        )
    return ConnectionLost(message, hint=_REACH)


def raise_known(error: BaseException, shown: str) -> NoReturn:
    """Raise what `connection_error` returns."""
    known = connection_error(error, shown)
    if known is error:
        raise error
    raise known from error


def _driver_error(error: BaseException) -> Any:
    """Return the driver's own error, which SQLAlchemy and its adapter of the driver wrap."""
    original = getattr(error, "orig", None) or error
    adapted = type(original).__module__.startswith("sqlalchemy") and original.__cause__ is not None
    driver = original.__cause__ if adapted else original
    earlier: BaseException | None = driver
    # the rollback on a lost connection fails too, and hides what the server said
    while earlier is not None and (_sqlstate(driver) or "").startswith(_LOST):
        for each in (earlier.__cause__, earlier):  # the cause is what the server said
            if getattr(each, "sqlstate", None) and (_sqlstate(each) or "").startswith(_LOST):
                return each
        earlier = earlier.__context__
    return driver


def _sqlstate(error: BaseException | None) -> str | None:
    """Return the code of an error of asyncpg, None for others. The driver's own errors have none: the
    connection is lost, unless a value is wrong."""
    if not type(error).__module__.startswith("asyncpg"):
        return None
    return getattr(error, "sqlstate", None) or ("" if isinstance(error, ValueError) else "08")
