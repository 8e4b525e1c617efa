"""The connection of a worker's runner outlives the connections it uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import asyncpg
import pytest

from contentmap_cli.storage.database_url import parse_database_address
from contentmap_cli.storage.queue.queue_driver import DriverClosed, QueueDriver, runner_queries

T = TypeVar("T")


class Stubborn:
    """Repeats once what failed because a connection was lost."""

    async def kept_up(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns."""
        try:
            return await work()
        except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            return await work()


@pytest.fixture
def driver(postgres_address: str) -> QueueDriver:
    """A driver on the test's own database."""
    return QueueDriver(parse_database_address(postgres_address), Stubborn())


async def test_a_lost_connection_is_opened_again(driver: QueueDriver, postgres_address: str) -> None:
    """The server ends its session: the next statement runs on another, which has the listeners as well."""
    heard: asyncio.Queue[object] = asyncio.Queue()
    await driver.add_listener("contentmap_test", heard.put_nowait)
    (first,) = await driver.fetch("SELECT pg_backend_pid() AS pid")
    other = await asyncpg.connect(postgres_address)
    try:
        await other.execute("SELECT pg_terminate_backend($1, 5000)", first["pid"])
        (second,) = await driver.fetch("SELECT pg_backend_pid() AS pid")
        assert first["pid"] != second["pid"]
        await other.execute("SELECT pg_notify('contentmap_test', 'word')")
        async with asyncio.timeout(60):
            assert await heard.get() == "word"
    finally:
        await other.close()
        driver.close()


async def test_whoever_asks_a_closed_one_hears_of_it(driver: QueueDriver) -> None:
    """At once, before a connection is opened and after."""
    assert await driver.fetch("SELECT 1 AS one") == [{"one": 1}]
    driver.close()
    with pytest.raises(DriverClosed):
        await driver.execute("SELECT 1")


async def test_without_room_nothing_is_asked(driver: QueueDriver) -> None:
    """A worker that can take no more answers its runner by itself: there is work, and none to be had."""
    driver.close()
    queries = runner_queries(driver, lambda: False, drain=False)
    taken = await queries.dequeue(1, {}, None, None, timedelta(seconds=60))  # type: ignore[arg-type]
    assert (taken, await queries.eligible_queued_work([])) == ([], 1)
