"""Convert the errors of database drivers to errors of ContentMap, with a hint."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from contentmap_cli.errors import (
    ConnectionLost,
    ContentMapError,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageRefused,
)

_UPGRADE = "run `contentmap db upgrade`"
_SPACE = "free some space and run `contentmap resume` with the job's id: what was recorded stays"

# (pattern on the driver's message, message, hint); the first match is used
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"no such table|relation \"[^\"]*\" does not exist|UndefinedTable",
        "has no ContentMap schema",
        _UPGRADE,
    ),
    (
        r"no such column|has no column|column .* does not exist|UndefinedColumn",
        "has an older schema",
        _UPGRADE,
    ),
    (r"database or disk is full|DiskFull|No space left", "is full", _SPACE),
    (
        r"disk I/O error",
        "cannot be written: its disk reports an error, or files may not grow so large",
        "check the disk and `ulimit -f`, then run `contentmap resume` with the job's id",
    ),
    (
        r"readonly database|read-only|ReadOnlySQLTransaction",
        "is read-only",
        "give a database that may be written, or the right to write this one",
    ),
    (
        r"database is locked|database table is locked|LockNotAvailable|lock timeout",
        "is locked by another process",
        "wait for it to finish or stop it; then run the command again",
    ),
    (
        r"unable to open database file",
        "cannot be opened",
        "check that its folder exists and that you may write to it",
    ),
    (r"file is not a database|file is encrypted", "is not an SQLite database", "name another file with --db"),
    (
        r"disk image is malformed",
        "is damaged",
        "restore a backup, or rescue what is left with the sqlite3 tool's `.recover`",
    ),
    (
        r"password authentication failed|InvalidPassword|no password supplied|InvalidAuthorization",
        "refuses these credentials",
        "check user and password in --db or CONTENTMAP_DATABASE_URL",
    ),
    (
        r"InvalidCatalogName|database \"[^\"]*\" does not exist",
        "does not exist on that server",
        "create it first, for example with createdb",
    ),
    (
        r"InsufficientPrivilege|permission denied",
        "does not give this user the rights it needs",
        "have USAGE on the schema and rights on its tables granted; `contentmap db upgrade` needs CREATE",
    ),
    (
        r"TooManyConnections|too many clients|remaining connection slots",
        "takes no more connections",
        "lower --concurrency or raise max_connections on the server",
    ),
)
_CONNECTION = (
    r"connect|closed|reset|refused|terminat|shutting down|starting up|timeout|timed out|timeouterror|"
    r"name or service not known|name resolution|CannotConnectNow|"
    # the driver's words where the server has ended the session and the socket is not closed yet
    r"another operation"
)


@contextmanager
def storage_errors(shown: str) -> Iterator[None]:
    """Raise the ContentMapError for what a database driver raises in the block; any other error passes.

    `shown` is the database's address as `show_database_address` gives it.
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
    cause.

    `shown` is the database's address as `show_database_address` gives it.
    """
    if isinstance(error, DatabaseUnavailable | SchemaMismatch | StorageRefused):
        return error
    foreign = isinstance(error, exc.DBAPIError | sqlite3.Error | exc.TimeoutError) or (
        type(error).__module__ or ""
    ).startswith("asyncpg")
    if isinstance(error, exc.PendingRollbackError):
        return _gone(shown)  # the connection was lost between two statements
    if not foreign and not isinstance(error, OSError):
        return None
    if not foreign:
        return _gone(shown) if _is_network(error) else None
    original = getattr(error, "orig", None) or error
    text = f"{type(original).__name__} {type(original.__cause__).__name__} {original}"
    for pattern, what, hint in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            kind = SchemaMismatch if hint is _UPGRADE else DatabaseUnavailable
            return kind(f"the database {shown} {what}", hint=hint)
    if isinstance(error, exc.IntegrityError | exc.DataError | exc.ProgrammingError):
        return None  # the statement is wrong, not the database
    invalidated = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    if invalidated or (not _is_an_answer(original) and re.search(_CONNECTION, text, re.IGNORECASE)):
        return _gone(shown)
    return StorageRefused(
        f"the database {shown} answered: {original}", hint="run it again with -vv to see the statement"
    )


def _is_an_answer(original: BaseException) -> bool:
    """Return whether a running server has refused a statement, by its SQLSTATE: classes 08 and 57 are lost
    connections and a server that shuts down (PostgreSQL manual, appendix A)."""
    state = getattr(original, "sqlstate", None) or getattr(original.__cause__, "sqlstate", None)
    return state is not None and not str(state).startswith(("08", "57"))


def _gone(shown: str) -> ConnectionLost:
    return ConnectionLost(
        f"the database {shown} cannot be reached",
        hint="check that the server runs and that host and port are right",
    )


def _is_network(error: BaseException) -> bool:
    # asyncpg raises the operating system's errors when it cannot connect
    return isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or (
        isinstance(error, OSError) and error.errno is None
    )
