"""Where sessions come from: one for each `begin()` block, with its role and its turn to write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from contentmap_cli.storage.engine import COMPARISONS, READ_ONLY, Database
from contentmap_cli.storage.guarded_session import Context, GuardedSession, Role, guard_engine

__all__ = ["Context", "GuardedSession", "Role", "Sessions"]


class _Turns:
    """Who may write now: so many at once, in the order they asked, but some before all others."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, *, first: bool) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it came in the moment nobody wanted it any more
            raise

    def give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Sessions:
    """The only place sessions come from. Each method is one session, for one `begin()` block."""

    def __init__(self, database: Database, ready: Callable[[], Awaitable[object]] | None = None) -> None:
        """`ready` is awaited before a domain's result or failure is written."""
        self.database = database
        self._ready = ready
        guard_engine(database.engine)
        self._turns = _Turns(database.writers)
        self._comparisons = _Turns(COMPARISONS)
        self._reading = database.engine.execution_options(
            **{READ_ONLY: True}, **({"postgresql_readonly": True} if database.dialect == "postgresql" else {})
        )

    def work(self, job: str, domain: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A domain's own session. Its turn to write comes when the pipeline asks for it."""
        return self._open(Context(Role.WORK, job, domain), wait=False)

    def recovery(self, job: str, domain: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for a failure, opened after the failed one has closed."""
        return self._open(Context(Role.RECOVERY, job, domain), wait=True)

    def brief(
        self, job: str | None = None, domain: str | None = None
    ) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for one short write: the job, a claim."""
        return self._open(Context(Role.BRIEF, job, domain), wait=True)

    def claiming(self, job: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for claims: it goes before the domains that wait to be written, for those who have
        nothing to do wait for it."""
        return self._open(Context(Role.BRIEF, job), wait=True, first=True)

    def urgent(self, job: str) -> AbstractAsyncContextManager[GuardedSession]:
        """A session for a heartbeat: it goes before everybody who waits for a turn to write, and where
        several may write it waits for nobody."""
        return self._open(Context(Role.BRIEF, job), wait=True, urgent=True)

    @asynccontextmanager
    async def read(self, job: str | None = None, domain: str | None = None) -> AsyncIterator[GuardedSession]:
        """A session that only reads and waits for nobody."""

        async def at_once() -> None:
            return None

        async with GuardedSession(self._reading, Context(Role.READ, job, domain), at_once) as session:
            yield session

    @asynccontextmanager
    async def comparing(self, job: str, domain: str) -> AsyncIterator[GuardedSession]:
        """A session to read what is recorded of a domain, before its turn to write. It holds nobody up, and
        only so many are open at once: each has a connection for as long as it compares."""
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
                session.sync_session.turn_taken = False
                if wait:
                    await session.turn()
                yield session
        finally:
            if held:
                self._turns.give_back()
