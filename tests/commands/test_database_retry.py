"""Waiting for a database that cannot be reached, and giving up."""

from __future__ import annotations

import asyncio

import pytest

from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.errors import ConnectionLost

GONE = ConnectionLost("the database x cannot be reached", hint="check")


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
