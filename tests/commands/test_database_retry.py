"""Waiting for a database that cannot be reached, and giving up."""

from __future__ import annotations

import asyncio

import pytest

from contentmap_cli.commands.database import database_retry
from contentmap_cli.commands.database.database_retry import (
    TRIES,
    DatabaseRetry,
    WaitingAttempts,
    without_conflicts,
)
from contentmap_cli.errors import (
    ConnectionLost,
    DatabaseLocked,
    DatabaseUnavailable,
    StorageConflict,
    StorageRefused,
)

GONE = ConnectionLost("the database x cannot be reached", hint="check")
FULL = DatabaseUnavailable("the database x is full", hint="free some space")
CONFLICT = StorageConflict("the database x ended a transaction")


async def fail() -> None:
    """Fail as a statement does while the server is away."""
    raise GONE


async def test_after_giving_up_a_later_failure_is_raised() -> None:
    """A task whose statement fails only now does not wait for a database that nobody polls any more."""
    retry = DatabaseRetry(0.0, "x")
    assert retry.missed(GONE)
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(retry.guard(fail), 30)
    assert retry.missed(GONE)
    async with asyncio.timeout(30):
        await retry.up.wait()
        with pytest.raises(ConnectionLost):
            await retry.kept_up(fail)


@pytest.mark.parametrize("is_away", [True, False])
async def test_nobody_waits_after_stop(is_away: bool) -> None:
    """Not those that wait already, and not those whose statement fails afterwards."""
    retry = DatabaseRetry(300.0, "x")
    waiting = [asyncio.create_task(retry.guard(fail))]
    if is_away:
        waiting.append(asyncio.create_task(retry.kept_up(fail)))
        await asyncio.sleep(0.05)
        assert not retry.up.is_set()
    retry.stop()
    async with asyncio.timeout(30):
        for work in (retry.kept_up(fail), retry.until_it_answers(fail), *waiting[1:]):
            with pytest.raises(ConnectionLost):
                await work
        await retry.up.wait()
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_database_that_is_back_ends_the_wait() -> None:
    """The work is done again, and its result returned."""
    retry = DatabaseRetry(300.0, "x")
    answers = iter([GONE, GONE])

    async def work() -> str:
        if (error := next(answers, None)) is not None:
            raise error
        return "done"

    guard = asyncio.create_task(retry.guard(work))
    assert await asyncio.wait_for(retry.kept_up(work), 30) == "done"
    guard.cancel()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short delays."""
    monkeypatch.setattr(database_retry, "_BACKOFF", (0.001, 0.02))


@pytest.mark.usefixtures("hurried")
async def test_a_database_that_answers_and_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A full one is waited for as long as one that is away, and the run ends then. It is logged once."""
    retry = DatabaseRetry(0.2, "x")
    tried = 0

    async def write() -> None:
        nonlocal tried
        tried += 1
        raise FULL

    async def answers() -> None:
        return None

    guard = asyncio.create_task(retry.guard(answers))
    async with asyncio.timeout(30):
        with pytest.raises(DatabaseUnavailable, match="is full"):
            await retry.kept_up(write)
        with pytest.raises(DatabaseUnavailable, match="is full"):
            await guard
    assert 3 < tried < 60
    assert [record.getMessage() for record in caplog.records] == [
        "the database x is full: waiting for it, up to 0.2 s"
    ]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("error", [StorageRefused("no"), CONFLICT, GONE, DatabaseLocked("locked")])
async def test_a_transaction_that_is_refused_each_time(error: Exception) -> None:
    """The attempts are counted, also those that lose the connection while the database answers."""
    retry = DatabaseRetry(300.0, "x")
    attempts = WaitingAttempts(retry, lost=True)

    async def answers() -> None:
        return None

    guard = asyncio.create_task(retry.guard(answers))
    tries = 1
    async with asyncio.timeout(30):
        while await attempts.again(error):
            tries += 1
    assert (tries, retry.given_up) == (TRIES, None)
    assert not await WaitingAttempts(retry, lost=True).again(ValueError("a bug"))
    guard.cancel()


@pytest.mark.usefixtures("hurried")
async def test_a_conflict_is_repeated_a_few_times() -> None:
    """Nothing else is."""
    for errors, tries in (([CONFLICT] * 2, 3), ([CONFLICT] * 99, TRIES), ([FULL], 1)):
        left, tried = list(errors), 0

        async def work() -> str:
            nonlocal tried
            tried += 1
            if left:  # noqa: B023 - awaited here
                raise left.pop()  # noqa: B023 - awaited here
            return "done"

        if len(errors) == 2:
            assert await without_conflicts(work, "x") == "done"
        else:
            with pytest.raises(type(errors[0])):
                await without_conflicts(work, "x")
        assert tried == tries
