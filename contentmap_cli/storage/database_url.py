"""Parse the database address of the user, and show it without its password."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from contentmap_cli.errors import UsageError

SERVER: Final = "postgresql+asyncpg"
FILE: Final = "sqlite+aiosqlite"
_HINT = "use a file name, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_OPTIONS: Final[dict[str, str | None]] = {
    "sslmode": "ssl",
    "ssl": "ssl",
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "passfile": "passfile",
    "target_session_attrs": "target_session_attrs",
    "krbsrvname": "krbsrvname",
    # options in the addresses of providers that the driver handles or does not need
    "channel_binding": None,
    "application_name": None,
    "connect_timeout": None,
}
"""Options of libpq, which users paste, as options of the driver; None: accepted and ignored."""


def parse_database_address(text: str) -> URL:
    """Return the SQLAlchemy URL for `text`, which is a URL or the name of a SQLite file.

    Raises UsageError for another kind of database or an invalid URL. Its message never repeats the text,
    which may hold a password.
    """
    text = text.strip()
    if not text:
        raise UsageError("the database address is empty", hint=_HINT)
    if text == ":memory:":
        raise _in_memory()
    if "://" not in text:
        return URL.create(FILE, database=_file(text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError("the database address cannot be read", hint=_HINT) from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite":
        database = url.database
        if not database or database == ":memory:":
            raise _in_memory()
        return URL.create(FILE, database=_file(database))
    if backend in ("postgresql", "postgres"):
        if url.port is not None and not 0 < url.port < 65536:
            raise UsageError("the database address has a port that cannot be", hint=_HINT)
        return url.set(drivername=SERVER, query=_translated(url))
    raise UsageError(f"{backend[:40]!r} is not a database ContentMap knows", hint=_HINT)


def _file(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError:  # ~user without a home directory on this machine
        raise UsageError(
            f"no home is known for the database file {name}", hint="name the file with its whole path"
        ) from None


def _in_memory() -> UsageError:
    return UsageError("an in-memory database is gone when the command ends", hint="name a file with --db")


def _translated(url: URL) -> dict[str, str | tuple[str, ...]]:
    """Return the options of a PostgreSQL address as options of its driver; libpq has other names."""
    unknown = sorted(set(url.query) - _OPTIONS.keys())
    if unknown:
        raise UsageError(
            f"the database address has an option ContentMap does not know: {unknown[0][:40]}",
            hint=f"it knows {', '.join(sorted(_OPTIONS))}",
        )
    named = {_OPTIONS[name]: value for name, value in url.query.items()}
    return {name: value for name, value in named.items() if name is not None}


def show_database_address(url: URL) -> str:
    """Return the address for display: a plain file name, or the URL with its password hidden."""
    if url.drivername == FILE:
        return str(url.database)
    # query values may hold secrets too (password=, sslpassword=): only their names are shown
    bare = url.set(drivername="postgresql", query={}, password="***" if url.password else None)
    return bare.render_as_string(hide_password=True)
