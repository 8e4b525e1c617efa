"""Open sessions: one for each `begin()` block, with a role and a turn to write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from contentmap_cli.storage.engine import COMPARISONS, Database, snapshot_options
from contentmap_cli.storage.guarded_session import Context, GuardedSession, Role, guard_engine

__all__ = ["Context", "GuardedSession", "Role", "Sessions"]


class _TurnQueue:
    """A semaphore with a queue: waiters are served in order, but `first` ones before all others. `turns`
    returns how many there are at the moment."""

    def __init__(self, turns: Callable[[], int]) -> None:
        self._turns = turns
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, *, first: bool) -> None:
        if self._taken < self._turns():
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it was given at the moment of the cancellation
            raise

    def give_back(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self._turns():
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)


class Sessions:
    """Opens all sessions. Each method opens one, for one `begin()` block."""

    def __init__(self, database: Database, ready: Callable[[], Awaitable[object]] | None = None) -> None:
        """`ready` is awaited before the result or the failure of a domain is written."""
        self.database = database
        self._ready = ready
        guard_engine(database.engine)
        self._turns = _TurnQueue(lambda: database.writers)
        self._comparisons = _TurnQueue(lambda: COMPARISONS)
        self._reading = database.engine.execution_options(**snapshot_options(database))

    def work(self, job: str, domain: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for one domain. It waits for its turn to write when `turn` is called."""
        return self._open(Context(Role.WORK, job, domain), wait=False)

    def recovery(self, job: str, domain: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session that records a failure, opened after the failed one has closed."""
        return self._open(Context(Role.RECOVERY, job, domain), wait=True)

    def brief(
        self, job: str | None = None, domain: str | None = None
    ) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for one short write, such as to the job."""
        return self._open(Context(Role.BRIEF, job, domain), wait=True)

    def claiming(self, job: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for claims. It is served before the domains that wait to be written, as idle tasks wait
        for it."""
        return self._open(Context(Role.BRIEF, job), wait=True, first=True)

    def urgent(self, job: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for a heartbeat. It is served before all others, and does not wait at all where several
        may write."""
        return self._open(Context(Role.BRIEF, job), wait=True, urgent=True)

    @asynccontextmanager
    async def read(self, job: str | None = None, domain: str | None = None) -> AsyncIterator[GuardedSession]:
        """A session that only reads, the database as it is at its first statement, and does not wait for a
        turn."""
        async with GuardedSession(self._reading, Context(Role.READ, job, domain)) as session:
            yield session

    @asynccontextmanager
    async def comparing(self, job: str, domain: str) -> AsyncIterator[GuardedSession]:
        """A session that reads the recorded rows of a domain before its turn to write. It holds no lock.
        Their number is limited, as each holds a connection during the comparison."""
        await self._comparisons.take(first=False)
        try:
            async with self.read(job, domain) as session:
                yield session
        finally:
            self._comparisons.give_back()

    @asynccontextmanager
    async def _open(
        self, context: Context, *, wait: bool, urgent: bool = False, first: bool = False
    ) -> AsyncIterator[GuardedSession]:
        held = False

        async def take_turn() -> None:
            nonlocal held
            if self._ready is not None and context.role in (Role.WORK, Role.RECOVERY):
                await self._ready()
            if not held and not (urgent and self.database.writers > 1):
                await self._turns.take(first=first or urgent)
                held = True

        try:
            async with GuardedSession(self.database.engine, context, take_turn) as session:
                if wait:
                    await session.turn()
                yield session
        finally:
            if held:
                self._turns.give_back()
