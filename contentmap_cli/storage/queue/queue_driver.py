"""What pgqueuer's runner asks of the database: a connection that outlives the server, and its queries.

The runner commits each of its statements by itself, so it has a connection of its own. pgqueuer's drivers
raise if a connection is lost, which ends the runner; this one connects again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, Self, TypeVar

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import Relay
from pgqueuer.adapters.persistence import qb
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain import models
from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries

from contentmap_cli.storage.database_errors import connection_error
from contentmap_cli.storage.database_url import DatabaseAddress
from contentmap_cli.storage.queue.queue import engine_settings
from contentmap_cli.storage.queue.queue_tables import ENTRIES
from contentmap_cli.storage.server_driver import connect_to

SOON_SECONDS: Final = 20.0
"""A worker that ends when the queue is empty does not wait for an entry that is deferred for longer."""

DRAIN_SECONDS: Final = 1.0
"""Interval at which a worker that ends when the queue is empty checks that."""

T = TypeVar("T")


class DriverClosed(Exception):
    """The driver was used after `close`."""


class Retrying(Protocol):
    """Retries work that fails because the database is unavailable."""

    async def kept_up(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns, retried while the database is unavailable."""


class QueueDriver(Driver):
    """pgqueuer's `Driver` on one connection, which is opened when needed and replaced when lost. Close it
    with `close`."""

    def __init__(self, address: DatabaseAddress, retrying: Retrying) -> None:
        self._address = address
        self._retrying = retrying
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self._listeners: list[tuple[str, NotifyCallback]] = []
        self._closed = False
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return the rows of a query."""
        return [dict(row) for row in await self._run(lambda to: to.fetch(query, *args))]

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement and return the server's tag."""
        return str(await self._run(lambda to: to.execute(query, *args)))

    async def notify(self, channel: str, payload: str) -> None:
        """Send a NOTIFY."""
        await self._run(lambda to: to.execute("SELECT pg_notify($1, $2)", channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Call `callback` with each notification of a channel, also on later connections."""
        await self._run(lambda to: to.add_listener(channel, Relay(callback)))
        self._listeners.append((channel, callback))

    @property
    def shutdown(self) -> asyncio.Event:
        """Never set: the runner has an event of its own."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """No tasks."""
        return TaskManager()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def close(self) -> None:
        """End the connection. Later calls fail at once."""
        self._closed = True
        if self._connection is not None:
            self._connection.terminate()

    async def _run(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async def attempt() -> T:
            async with self._lock:
                if self._closed:
                    raise DriverClosed
                connection = await self._connected()
                try:
                    return await work(connection)
                except TimeoutError as error:
                    connection.terminate()
                    raise connection_error(error, self._address.shown) from error

        return await self._retrying.kept_up(attempt)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await connect_to(self._address, "contentmap queue")
            for channel, callback in self._listeners:
                await connection.add_listener(channel, Relay(callback))
            self._connection = connection
        return self._connection


@dataclass
class RunnerQueries(Queries):
    """pgqueuer's queries for its runner.

    `room` returns whether this worker can take more entries; without it the runner polls ten times a second
    while it can take none. With `drain`, entries that other workers have taken count as work left, as those
    workers may have been killed.
    """

    room: Callable[[], bool] = field(default=lambda: True, kw_only=True)
    drain: bool = field(default=False, kw_only=True)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[models.Job]:
        """Take entries if there is room."""
        if not self.room():
            return []
        return await super().dequeue(
            batch_size, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout
        )

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Report work if there is no room, so that the runner checks again soon."""
        if not self.room():
            return 1
        # with `drain` the runner checks every second anyway
        return 0 if self.drain else await super().eligible_queued_work(entrypoints)

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """Return after which time to check again at the latest."""
        if self.drain:  # there is no notification when another worker completes an entry
            return timedelta(seconds=DRAIN_SECONDS)
        return await super().next_deferred_eta(entrypoints)

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Count what is left to do, 0 or 1."""
        if not self.drain:
            return await super().queued_work(entrypoints)
        rows = await self.driver.fetch(_LEFT, entrypoints, timedelta(seconds=SOON_SECONDS))
        return len(rows)


_LEFT: Final = (
    f"SELECT 1 FROM {ENTRIES.name} WHERE entrypoint = ANY($1)"  # noqa: S608 - a constant
    " AND (status = 'picked' OR status = 'queued' AND execute_after < now() + $2::interval) LIMIT 1"
)


def runner_queries(driver: Driver, room: Callable[[], bool], *, drain: bool) -> RunnerQueries:
    """Return the queries under ContentMap's names of the tables."""
    settings = engine_settings()
    return RunnerQueries(
        driver,
        qb.QueryBuilderEnvironment(settings),
        qb.QueryQueueBuilder(settings),
        qb.QuerySchedulerBuilder(settings),
        room=room,
        drain=drain,
    )
