"""A worker at work: takes domains from the queue, scans them, settles them, until it is told to end.

    queue --take, claim--> Held --scan_one--> committed --settle--> out of the queue, the job closed if it was
                                                                    the last

What happens between a commit and its settling is harmless: whoever is given the domain again sees that it has
an outcome. A database that is gone is waited for; crawls go on meanwhile and are recorded when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.crawler_pool import CrawlerPool
from contentmap_cli.commands.engine.engine import ScanEngine
from contentmap_cli.commands.engine.queue_claims import Held, QueueClaims
from contentmap_cli.commands.engine.run_id import is_dead
from contentmap_cli.errors import ContentMapError, DatabaseUnavailable, UsageError
from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS
from contentmap_cli.storage.queue.queue import anything_left, put_back_entries, repair_queue, settle_entries
from contentmap_cli.storage.queue.workers import (
    close_if_done,
    give_back_scans,
    hold_jobs,
    leave_jobs,
    reap_workers,
    register_worker,
    release_workers,
    renew_worker,
    still_queued,
)
from contentmap_cli.storage.session import Sessions

log = logging.getLogger("contentmap.worker")

HEARTBEAT_SECONDS = LEASE_SECONDS / 4
LOOK_SECONDS = 2.0
"""How often a worker looks for jobs that were cancelled and for workers that have died."""

_TICK = 0.05  # seconds in which free places gather before more is taken
_IDLE = (0.1, 1.0)  # seconds between two looks at an empty queue
_SETTLE = 0.2
_MOST = 50  # domains taken at once
_LATER = 60.0
_FAREWELL = 15.0


@dataclass
class QueueRun:
    """One worker. `grace`: seconds that domains have to finish once it is told to end; `patience`: what
    waits for a database that is gone; `drain`: end when nothing is left. `finished` counts domains."""

    sessions: Sessions
    crawlers: CrawlerPool
    tenant: str
    owner: str
    patience: DatabaseRetry
    concurrency: int = field(default=1, kw_only=True)
    stopped_by: str | None = field(default=None, kw_only=True)
    worker: uuid.UUID = field(default_factory=uuid.uuid4, kw_only=True)
    grace: float = field(default=20.0, kw_only=True)
    drain: bool = field(default=False, kw_only=True)
    finished: int = field(default=0, kw_only=True)
    closed: int = field(default=0, kw_only=True)
    _held: dict[asyncio.Task[None], Held] = field(default_factory=dict, kw_only=True)
    _done: list[tuple[int, str | None]] = field(default_factory=list, kw_only=True)
    _undone: list[tuple[Held, float]] = field(default_factory=list, kw_only=True)
    _jobs: set[str] = field(default_factory=set, kw_only=True)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)
    _freed: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)

    def __post_init__(self) -> None:
        self.engine = ScanEngine(
            self.sessions, concurrency=self.concurrency, on_database_lost=self.patience.missed
        )

    async def run(self) -> None:
        """Works until the queue is empty (`drain`) or `stop` is called, and gives back what is left. Raises
        DatabaseUnavailable where the database was gone for too long."""
        async with self.sessions.brief() as session, session.begin():
            await register_worker(session, self.worker, self.tenant, self.owner, self.concurrency)
        log.info("%s takes work", self.owner, extra={"action": "worker.started", "worker": self.owner})
        # who hears that the database is back, also while the worker takes its leave
        guard = asyncio.create_task(self.patience.guard(self._still_there), name="guard")
        dispatch, *others = [
            asyncio.create_task(work(), name=work.__name__)
            for work in (self._dispatch, self._told_to_end, self._settle, self._beat, self._look)
        ]
        try:
            try:
                done, _ = await asyncio.wait([dispatch, *others, guard], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                dispatch.cancel()
                await asyncio.wait([dispatch])
                await self._end_scans()
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await self._leave()
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)

    def stop(self, reason: str) -> None:
        """Takes nothing more. What is under way may finish, as long as there is grace."""
        self.stopped_by = self.stopped_by or reason
        self._stop.set()

    async def _told_to_end(self) -> None:
        await self._stop.wait()

    # -- taking and scanning

    async def _dispatch(self) -> None:
        intake = QueueClaims(self.sessions, self.tenant, self.worker, self.owner)
        idle = _IDLE[0]
        while not self.stopped_by:
            self._freed.clear()
            free = self.concurrency - len(self._held)
            if free <= 0:
                await self._pause(LEASE_SECONDS, self._freed)
                continue
            size = min(free, _MOST)
            batch = await self.patience.kept_up(lambda size=size: intake.take(size))  # type: ignore[misc]
            self._done += batch.needless
            for held in batch.held:
                self._start(held)
            if batch:
                idle = _IDLE[0]
                await self._pause(_TICK)
            elif self.drain and await self._is_empty():
                return
            else:
                await self._pause(idle)
                idle = min(idle * 2, _IDLE[1])

    async def _pause(self, seconds: float, *wakes: asyncio.Event) -> None:
        """Waits so long, or until one of these happens."""
        waits = [asyncio.create_task(wake.wait()) for wake in wakes]
        if not waits:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _is_empty(self) -> bool:
        """Whether nothing is left to do, here or in the queue."""
        if self._held or self._done or self._undone:
            return False

        async def look() -> bool:
            async with self.sessions.brief() as session, session.begin():
                buried = await reap_workers(session, self.tenant, is_dead, own=self.owner)
                await repair_queue(session, self.tenant)
                left = await anything_left(session, self.tenant, self.worker)
            _tell_of(buried)
            return not left

        return await self.patience.kept_up(look)

    def _start(self, held: Held) -> None:
        self._jobs.add(held.claim.job_id)
        task = asyncio.create_task(self._scan(held), name=f"scan {held.claim.domain}")
        self._held[task] = held
        task.add_done_callback(self._ended)

    async def _scan(self, held: Held) -> None:
        try:
            async with self.crawlers.use(held.options) as crawler:
                summary = await self.engine.scan_one(held.claim, crawler)
        except UsageError as error:  # a file of certificates, for instance, that this machine does not have
            log.warning(
                "%s cannot be scanned here: %s",
                held.claim.job_id,
                error.message,
                extra={"action": "worker.unable", "job": held.claim.job_id},
            )
            self._undone.append((held, _LATER))
            return
        if summary.status in (ScanStatus.INTERRUPTED, ScanStatus.SKIPPED):
            # not recorded: it waits again, unless another worker has it by now
            self._undone.append((held, 0.0))
            return
        self.finished += 1
        self._done.append((held.entry, held.claim.job_id))

    def _ended(self, task: asyncio.Task[None]) -> None:
        held = self._held.pop(task)
        self._freed.set()
        if task.cancelled():
            self._undone.append((held, 0.0))
        elif (error := task.exception()) is not None:
            log.error("a domain was given back", exc_info=error, extra={"action": "worker.bug"})
            self._undone.append((held, _LATER))

    # -- settling

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(_SETTLE)
            await self._settle_now()

    async def _settle_now(self) -> None:
        """Takes what is done out of the queue, hands back what is not, and closes jobs that are finished."""
        done, undone = self._done[:], self._undone[:]
        if not done and not undone:
            return

        jobs = sorted({job_id for _, job_id in done if job_id is not None})

        async def settle() -> list[str]:
            async with self.sessions.brief() as session, session.begin():
                if done:
                    await hold_jobs(session, jobs)
                await give_back_scans(session, {held.claim.scan_id: held.claim.token for held, _ in undone})
                for seconds in sorted({seconds for _, seconds in undone}):
                    entries = [held.entry for held, wait in undone if wait == seconds]
                    await put_back_entries(session, self.worker, entries, seconds=seconds)
                if done:
                    await settle_entries(session, self.worker, [entry for entry, _ in done])
            closed = []
            for job_id in jobs:
                async with self.sessions.brief(job_id) as session, session.begin():
                    if await close_if_done(session, job_id) is not None:
                        closed.append(job_id)
            return closed

        for job_id in await self.patience.kept_up(settle):
            self.closed += 1
            self._jobs.discard(job_id)
            log.info("%s is finished", job_id, extra={"action": "job.closed", "job": job_id})
        del self._done[: len(done)], self._undone[: len(undone)]

    async def _end_scans(self) -> None:
        """What is under way gets its grace. Then crawls are given up; what is being written is finished."""
        if self._held:
            await asyncio.wait(list(self._held), timeout=self.grace if self.patience.up.is_set() else 0)
        self._give_up(list(self._held))
        if self._held:
            await asyncio.wait(list(self._held), timeout=LEASE_SECONDS)
        await asyncio.sleep(0)  # for what ended to have been told of

    def _give_up(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        for task in tasks:
            self.engine.cancel(task)

    async def _leave(self) -> None:
        """Settles what is done and hands the rest back. A database that is gone hears of it by the lease."""
        known: ContentMapError | None = None
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._settle_now()
                async with self.sessions.brief() as session, session.begin():
                    await release_workers(session, self.tenant, {self.worker: self.owner})
                    await leave_jobs(session, self._jobs)
        except Exception as error:
            known = self.patience.known(error)
            if not isinstance(known, DatabaseUnavailable):
                raise
            log.warning("what was held could not be handed back: %s", known.message)
        if known is not None:
            raise known

    # -- staying alive

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if not await self.patience.kept_up(self._renew):
                log.warning("the lease had run out: all is given up", extra={"action": "worker.lost"})
                self._give_up(list(self._held))

    async def _renew(self) -> bool:
        held = list(self._held.values())
        jobs = {each.claim.job_id for each in held}
        async with self.sessions.urgent(self.owner) as session, session.begin():
            alive = await renew_worker(
                session,
                self.worker,
                self.owner,
                jobs=jobs,
                scans=[each.claim.scan_id for each in held],
                entries=[each.entry for each in held],
                finished=self.finished,
            )
            if not alive:
                await register_worker(session, self.worker, self.tenant, self.owner, self.concurrency)
        return alive

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            held = dict(self._held)

            async def look(
                held: dict[asyncio.Task[None], Held] = held,
            ) -> tuple[Sequence[str], Collection[str]]:
                async with self.sessions.brief() as session, session.begin():
                    buried = await reap_workers(session, self.tenant, is_dead, own=self.owner)
                    return buried, await still_queued(session, {each.claim.job_id for each in held.values()})

            buried, jobs = await self.patience.kept_up(look)
            _tell_of(buried)
            # the others' jobs were cancelled, or are being run elsewhere
            self._give_up([task for task, each in held.items() if each.claim.job_id not in jobs])

    async def _still_there(self) -> None:
        async with self.sessions.read() as session, session.begin():
            await still_queued(session, [""])


def _tell_of(buried: Iterable[str]) -> None:
    for owner in buried:
        log.warning("took over from %s", owner, extra={"action": "worker.buried", "worker": owner})
