"""The connection to SQLite as the driver's interface has it, whoever asks for how much."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contentmap_cli.storage.sqlite_driver import FIRST_ROWS, OneCallConnection, connect

MANY = 3 * FIRST_ROWS + 1


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[OneCallConnection]:
    """A table of so many numbers."""
    made = await connect(str(tmp_path / "x.db"), isolation_level=None)
    await made.cursor().execute("CREATE TABLE n (i INTEGER)")
    await made.cursor().execute("BEGIN")
    await made.cursor().executemany("INSERT INTO n VALUES (?)", [(number,) for number in range(MANY)])
    await made.commit()
    yield made
    await made.close()


async def test_all_rows_come_one_by_one(connection: OneCallConnection) -> None:
    """In order, each once, also those that did not come back with the execution."""
    cursor = await connection.cursor().execute("SELECT i FROM n ORDER BY i")
    assert await cursor.fetchone() == (0,)
    some = await cursor.fetchmany(FIRST_ROWS + 3)
    assert [*some, *await cursor.fetchall()] == [(number,) for number in range(1, MANY)]
    assert await cursor.fetchone() is None
    assert await cursor.fetchmany(5) == []


async def test_a_cursor_that_is_left_holds_nothing(connection: OneCallConnection) -> None:
    """A statement with rows left would keep the table from being dropped."""
    cursor = await connection.cursor().execute("SELECT i FROM n")
    assert len(await cursor.fetchmany(3)) == 3
    await cursor.close()
    await connection.cursor().execute("DROP TABLE n")


async def test_its_thread_has_ended_when_it_cannot_be_opened(tmp_path: Path) -> None:
    """Otherwise it answers a loop that is closed by then, which is a traceback on the user's screen."""
    unopened = connect(str(tmp_path))
    with pytest.raises(sqlite3.OperationalError):
        await unopened
    assert not unopened._thread.is_alive()
