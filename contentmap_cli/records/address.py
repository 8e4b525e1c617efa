"""Database addresses: what the user may type, and how it is shown without its password."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from contentmap_cli.errors import UsageError

SERVER: Final = "postgresql+asyncpg"
FILE: Final = "sqlite+aiosqlite"
_HINT = "use a file name, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
# libpq's names, which people paste, in the words of asyncpg, which we dial with
_SSL_OPTION = "sslmode"


def parse_database_address(text: str) -> URL:
    """A SQLAlchemy URL for `text`, which is a URL or the name of a SQLite file.

    Raises UsageError for another kind of database or a URL that cannot be read. Its message never
    repeats the text, which may hold a password.
    """
    text = text.strip()
    if not text:
        raise UsageError("the database address is empty", hint=_HINT)
    if "://" not in text:
        return URL.create(FILE, database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError("the database address cannot be read", hint=_HINT) from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite":
        database = url.database
        if not database or database == ":memory:":
            raise UsageError(
                "an in-memory database is gone before anyone can ask for its status", hint="name a file"
            )
        return URL.create(FILE, database=str(Path(database).expanduser()))
    if backend in ("postgresql", "postgres"):
        query = dict(url.query)
        if _SSL_OPTION in query:
            query["ssl"] = query.pop(_SSL_OPTION)
        return url.set(drivername=SERVER, query=query)
    raise UsageError(f"{backend[:40]!r} is not a database ContentMap knows", hint=_HINT)


def show_database_address(url: URL) -> str:
    """The address for a screen or a log: a plain file name, or the URL with its password hidden."""
    if url.drivername == FILE:
        return str(url.database)
    # query values may hold secrets too (password=, sslpassword=): only their names are shown
    bare = url.set(drivername="postgresql", query={}, password="***" if url.password else None)
    return bare.render_as_string(hide_password=True)
