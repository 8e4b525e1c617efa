"""Database addresses: what is understood, what is refused, and that no password is ever shown."""

from __future__ import annotations

import pytest

from contentmap_cli.errors import UsageError
from contentmap_cli.storage.database_url import parse_database_address, show_database_address


@pytest.mark.parametrize(
    ("text", "driver", "database"),
    [
        ("map.db", "sqlite+aiosqlite", "map.db"),
        ("/var/lib/map.db", "sqlite+aiosqlite", "/var/lib/map.db"),
        ("sqlite:///map.db", "sqlite+aiosqlite", "map.db"),
        ("sqlite:////var/lib/map.db", "sqlite+aiosqlite", "/var/lib/map.db"),
        ("postgres://me@host/map", "postgresql+asyncpg", "map"),
        ("postgresql+asyncpg://me:secret@host:5433/map", "postgresql+asyncpg", "map"),
    ],
)
def test_understood(text: str, driver: str, database: str) -> None:
    """A file name, SQLite's URL and every common spelling of PostgreSQL's."""
    url = parse_database_address(text)
    assert (url.drivername, url.database) == (driver, database)


def test_libpq_ssl_word_is_translated() -> None:
    """`sslmode`, which everybody pastes, reaches the driver under the name it knows."""
    assert parse_database_address("postgresql://h/d?sslmode=require").query == {"ssl": "require"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        ":memory:",
        "postgresql://h:99999/d",
        "postgresql://h/d?nonsense=1",
        "mysql://h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://h:port/d",
        "http://x",
        "~nobody-of-that-name/map.db",
        "sqlite:///~nobody-of-that-name/map.db",
    ],
)
def test_refused(text: str) -> None:
    """Another database, none, or one that is gone when the process ends: usage errors with a hint."""
    with pytest.raises(UsageError) as caught:
        parse_database_address(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:s3cret@host/map",
        "postgresql://me@host/map?password=s3cret",
        "postgres://me:s3cret@host/map?sslmode=require&channel_binding=require",
    ],
)
def test_a_password_is_never_shown(text: str) -> None:
    """The address for screens and logs keeps user, host and database and nothing secret."""
    shown = show_database_address(parse_database_address(text))
    assert "s3cret" not in shown
    assert "host" in shown
    assert "map" in shown
