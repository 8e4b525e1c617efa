"""The connection to SQLite as the driver's interface has it, whoever asks for how much."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from contentmap_cli.storage.one_trip import FIRST_ROWS, MOST_WAITING, OneTripConnection, connect

MANY = 3 * FIRST_ROWS + 1


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[OneTripConnection]:
    """A table of so many numbers."""
    made = await connect(str(tmp_path / "x.db"), isolation_level=None)
    await made.cursor().execute("CREATE TABLE n (i INTEGER)")
    await made.cursor().execute("BEGIN")
    await made.cursor().executemany("INSERT INTO n VALUES (?)", [(number,) for number in range(MANY)])
    await made.commit()
    yield made
    await made.close()


async def test_all_rows_come_one_by_one(connection: OneTripConnection) -> None:
    """In order, each once, also those that did not come back with the execution."""
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT i FROM n ORDER BY i")
        assert await cursor.fetchone() == (0,)
        assert [row async for row in cursor] == [(number,) for number in range(1, MANY)]
        assert await cursor.fetchone() is None
        assert await cursor.fetchmany(5) == []


async def test_a_cursor_that_is_left_holds_nothing(connection: OneTripConnection) -> None:
    """A statement with rows left would keep the table from being dropped."""
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT i FROM n")
        assert len(await cursor.fetchmany(3)) == 3
    await connection.cursor().execute("DROP TABLE n")


async def test_its_thread_has_ended_when_it_cannot_be_opened(tmp_path: Path) -> None:
    """Otherwise it answers a loop that is closed by then, which is a traceback on the user's screen."""
    unopened = connect(str(tmp_path))
    with pytest.raises(sqlite3.OperationalError):
        await unopened
    assert not unopened._thread.is_alive()


def _numbers(path: Path) -> list[int]:
    """What another connection sees."""
    with closing(sqlite3.connect(path)) as other:
        return [number for (number,) in other.execute("SELECT i FROM n WHERE i < 0 ORDER BY i DESC")]


async def test_what_needs_no_answer_goes_with_the_commit(
    connection: OneTripConnection, tmp_path: Path
) -> None:
    """In the order it was given: BEGIN first, then one after the other, a row each and many at once."""
    connection.begin_with_next("BEGIN IMMEDIATE")
    with connection.later():
        await connection.cursor().execute("INSERT INTO n VALUES (-1)")
        await connection.cursor().executemany("INSERT INTO n SELECT min(i) - ? FROM n", [(1,), (2,)])
    assert connection.in_transaction
    await connection.commit()
    assert not connection.in_transaction
    assert _numbers(tmp_path / "x.db") == [-1, -2, -4]


async def test_a_statement_finds_what_was_given_before_it(connection: OneTripConnection) -> None:
    """What waits goes before it, in one transaction with it."""
    connection.begin_with_next("BEGIN IMMEDIATE")
    with connection.later():
        await connection.cursor().execute("INSERT INTO n VALUES (-1)")
    cursor = await connection.cursor().execute("SELECT min(i) FROM n")
    assert await cursor.fetchall() == [(-1,)]
    await connection.rollback()
    cursor = await connection.cursor().execute("SELECT min(i) FROM n")
    assert await cursor.fetchall() == [(0,)]


async def test_a_rollback_forgets_what_waits(connection: OneTripConnection, tmp_path: Path) -> None:
    """Nothing of it is run, then or later."""
    connection.begin_with_next("BEGIN IMMEDIATE")
    with connection.later():
        await connection.cursor().execute("INSERT INTO n VALUES (-1)")
    await connection.rollback()
    assert not connection.in_transaction
    await connection.commit()
    assert _numbers(tmp_path / "x.db") == []


async def test_what_fails_in_waiting_is_told_and_nothing_behind_it_is_run(
    connection: OneTripConnection, tmp_path: Path
) -> None:
    """It cannot be committed either: the commit is not reached."""
    connection.begin_with_next("BEGIN IMMEDIATE")
    with connection.later():
        await connection.cursor().execute("INSERT INTO n VALUES (-1)")
        await connection.cursor().execute("INSERT INTO missing VALUES (1)")
        await connection.cursor().execute("INSERT INTO n VALUES (-2)")
    with pytest.raises(sqlite3.OperationalError, match="missing"):
        await connection.commit()
    assert connection.in_transaction
    await connection.rollback()
    assert _numbers(tmp_path / "x.db") == []


async def test_without_its_begin_no_statement_is_run(connection: OneTripConnection, tmp_path: Path) -> None:
    """Another has the file: who tries again is refused again, and writes nothing outside a transaction."""
    await connection.cursor().execute("PRAGMA busy_timeout=0")
    said: list[bool] = []

    @contextmanager
    def watch(waits: Callable[[], bool]) -> Iterator[None]:
        said.append(waits())
        yield
        said.append(waits())

    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        connection.begin_with_next("BEGIN IMMEDIATE", watch)
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await connection.cursor().execute("INSERT INTO n VALUES (-1)")
        other.execute("ROLLBACK")
    await connection.cursor().execute("INSERT INTO n VALUES (-1)")
    assert _numbers(tmp_path / "x.db") == []
    await connection.commit()
    assert _numbers(tmp_path / "x.db") == [-1]
    assert said == [True]

    connection.begin_with_next("BEGIN IMMEDIATE", watch)
    await connection.cursor().execute("INSERT INTO n VALUES (-2)")
    assert said == [True, True, False]
    await connection.rollback()


async def test_only_so_many_statements_wait(connection: OneTripConnection) -> None:
    """What they carry is kept in memory: one more than that takes all of them along."""
    connection.begin_with_next("BEGIN IMMEDIATE")
    with connection.later():
        for number in range(MOST_WAITING):
            await connection.cursor().execute("INSERT INTO n VALUES (?)", (-number - 1,))
    assert connection.total_changes == MANY + MOST_WAITING
    await connection.rollback()
