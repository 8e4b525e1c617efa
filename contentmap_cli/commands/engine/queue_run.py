"""One worker: pgqueuer's runner with one entrypoint, which claims a domain, scans it and closes its job.

    runner: dequeue --entrypoint--> claim -> scan_one (slot, crawl, fence, commit) -> close job --> complete
                                    any other end -> RetryRequested --> queued again

The runner dispatches, heartbeats, gives out the entries of killed workers again, retries and cancels. A
domain that is given out twice is recorded once, since the claim's token is checked. Crawls continue while
the database is unavailable.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job
from pgqueuer.domain.types import QueueExecutionMode
from sqlalchemy import text

from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.crawler_pool import CrawlerPool
from contentmap_cli.commands.engine.engine import ScanEngine
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.commands.engine.queue_claims import Answer, QueueClaims
from contentmap_cli.commands.notifying.notifier import Notifier
from contentmap_cli.errors import ContentMapError, DatabaseUnavailable, UsageError
from contentmap_cli.models import DomainSummary, ScanStatus
from contentmap_cli.storage.jobs.change_feed import sequence_changes
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS, Claim
from contentmap_cli.storage.queue.queue import (
    count_entries,
    engine_settings,
    entrypoint_of,
    repair_queue,
)
from contentmap_cli.storage.queue.queue_driver import QueueDriver, runner_queries
from contentmap_cli.storage.queue.queued_jobs import (
    close_if_done,
    give_back_scan,
    release_jobs,
    renew_queued_jobs,
    renew_scans,
)
from contentmap_cli.storage.session import Sessions

log = logging.getLogger("contentmap.worker")

HEARTBEAT_SECONDS = LEASE_SECONDS / 4
STALE_SECONDS = LEASE_SECONDS
"""Seconds without a heartbeat after which an entry is given out again."""

IDLE_SECONDS = 5.0
"""Interval at which an idle worker polls for entries without a notification."""

_LOOK_SECONDS = 0.25  # interval at which a busy worker checks whether it has room for more
_COMPLETE_SECONDS = 0.5  # entries that are done within this time are completed in one statement
_BUSY = 5.0  # seconds after which an entry is tried again whose domain another worker has
_UNABLE = 60.0
_LONGEST_BACKOFF = 300.0
_AHEAD = 4
_GONE = "the database is unavailable"  # as the reason of a stop that nobody asked for
_CANCEL_SECONDS = 15.0  # time for the runner to end after its tasks were cancelled


@dataclass
class QueueRun(ProgressListener):
    """One worker, which scans `concurrency` domains at once.

    `grace` is the time in seconds that running domains have to finish after `stop`. `retry` waits while the
    database is unavailable. With `drain` the worker ends when the queue is empty. `finished_domains` counts
    domains, `on_finished` is called with each outcome.
    """

    sessions: Sessions
    crawlers: CrawlerPool
    driver: QueueDriver
    tenant: str
    owner: str
    retry: DatabaseRetry
    concurrency: int = field(default=1, kw_only=True)
    grace: float = field(default=20.0, kw_only=True)
    drain: bool = field(default=False, kw_only=True)
    finished_domains: int = field(default=0, kw_only=True)
    stopped_by: str | None = field(default=None, kw_only=True)
    notifier: Notifier = field(default_factory=Notifier, kw_only=True)
    on_finished: Callable[[DomainSummary], object] = field(default=lambda summary: None, kw_only=True)
    _held: dict[int, Claim] = field(default_factory=dict, kw_only=True)
    _scans: dict[asyncio.Task[DomainSummary], Claim] = field(default_factory=dict, kw_only=True)
    _crawling: set[str] = field(default_factory=set, kw_only=True)
    _jobs: set[str] = field(default_factory=set, kw_only=True)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)  # since the last delivery

    def __post_init__(self) -> None:
        # a few more entries than are scanned at once, so that no slot waits for a claim
        self._batch = min(self.concurrency, max(_AHEAD, self.concurrency // 4))
        self._size = self.concurrency + self._batch
        self._claims = QueueClaims(self.sessions, self.tenant, self.owner, self.retry)
        self._engine = ScanEngine(
            self.sessions,
            concurrency=self.concurrency,
            on_database_lost=self.retry.missed,
            listener=self,
            retry=self.retry,
        )
        queries = runner_queries(self.driver, self._has_room, drain=self.drain)
        self._runner = QueueManager(queries, engine_settings().channel)
        self._runner.min_dequeue_poll_interval = timedelta(seconds=_LOOK_SECONDS)
        self._runner.entrypoint(entrypoint_of(self.tenant), accepts_context=True)(self._entrypoint)

    def _has_room(self) -> bool:
        return self._size - len(self._runner.job_context) >= self._batch - self._batch // 4

    async def run(self) -> None:
        """Work until the queue is empty (`drain`) or `stop` is called, and release what is left. Raises
        DatabaseUnavailable if the database was unavailable for too long."""
        try:
            await self._run()
        except Exception as error:
            known = self.retry.known(error)
            if self.stopped_by in (None, _GONE) or not isinstance(known, DatabaseUnavailable):
                raise
            log.warning(
                "%s: its claims end with their leases",
                known.message,
                extra={"action": "worker.unreleased", "worker": self.owner},
            )

    async def _run(self) -> None:
        await self.retry.until_it_answers(self._repair)
        log.info("%s started", self.owner, extra={"action": "worker.started", "worker": self.owner})
        runner = asyncio.create_task(
            self._runner.run(
                dequeue_timeout=timedelta(seconds=IDLE_SECONDS),
                batch_size=self._batch,
                mode=QueueExecutionMode.drain if self.drain else QueueExecutionMode.continuous,
                max_concurrent_tasks=self._size,
                heartbeat_timeout=timedelta(seconds=STALE_SECONDS),
                log_aggregation_interval=timedelta(0),
            ),
            name="runner",
        )
        others = [
            asyncio.create_task(self.retry.guard(self._still_there), name="guard"),
            asyncio.create_task(self._beat(), name="heartbeat"),
        ]
        notifying = asyncio.create_task(self.notifier.keep_delivering(self.sessions, self._ended))
        try:
            done, _ = await asyncio.wait([runner, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._release_jobs()
        finally:
            if not runner.done():  # the database was unavailable for too long: nothing can be released
                self.driver.close()
                self.stop(_GONE)
                self._cancel(lambda claim: True)
                await asyncio.wait([runner], timeout=_CANCEL_SECONDS)
            for task in (*others, notifying):
                task.cancel()
            await asyncio.gather(*others, notifying, return_exceptions=True)
            self.driver.close()

    def stop(self, reason: str) -> None:
        """Take no more entries. Domains that are being crawled may finish within `grace` seconds; an
        unreachable database is not waited for longer."""
        if self.stopped_by:
            return
        self.stopped_by = reason
        self._runner.shutdown.set()
        self._cancel(lambda claim: claim.domain not in self._crawling)
        grace = self.grace if self.retry.up.is_set() else 0.0
        asyncio.get_running_loop().call_later(grace, self._end_grace)

    def _end_grace(self) -> None:
        self._cancel(lambda claim: True)
        self.retry.stop()

    def started(self, domain: str) -> None:
        """Record that a domain has a crawl slot."""
        self._crawling.add(domain)

    def finished(self, summary: DomainSummary) -> None:
        """Report the outcome of a domain."""
        self.on_finished(summary)

    def crawling(self) -> int:
        """Return the number of domains that are being crawled."""
        return len(self._crawling)

    async def count_queue(self) -> dict[str, int]:
        """Return the number of the tenant's entries in the queue by status."""
        async with self.sessions.read() as session, session.begin():
            return await count_entries(session, self.tenant)

    def _cancel(self, which: Callable[[Claim], bool]) -> None:
        """Cancel scans, except those that are being recorded."""
        for scan, claim in self._scans.items():
            if which(claim):
                self._engine.cancel(scan)

    # -- the entrypoint

    async def _entrypoint(self, entry: Job, context: Context) -> None:
        """Process one entry. Returns if it is done; raises RetryRequested if it is to be queued again."""
        try:
            delay = await self._process(int(entry.payload or b"0"), context)
            if delay == 0.0 and not self.stopped_by:
                delay = _backoff(entry.attempts)
        except Exception as error:  # the runner would delete the entry
            if not isinstance(self.retry.known(error), ContentMapError):
                log.exception(
                    "internal error; the domain is queued again", extra={"action": "domain.requeued"}
                )
            delay = _backoff(entry.attempts)
        if delay is not None:
            raise RetryRequested(timedelta(seconds=delay))
        if not self.stopped_by:
            await asyncio.sleep(_COMPLETE_SECONDS - time.monotonic() % _COMPLETE_SECONDS)

    async def _process(self, scan_id: int, context: Context) -> float | None:
        """Claim and scan a domain. Return None if its entry is done, else the seconds until it is tried
        again."""
        answer = await self._claims.claim(scan_id)
        if answer.busy:
            return _BUSY
        delay: float | None = None
        if (claim := answer.claim) is not None:
            self._jobs.add(claim.job_id)
            self._held[scan_id] = claim
            try:
                delay = await self._scan(claim, answer, context)
                if delay is not None:
                    await self.retry.kept_up(lambda: self._give_back(claim))
            finally:
                del self._held[scan_id]
        others = {held.job_id for held in self._held.values()}
        if delay is None and answer.job_id and answer.job_id not in others:
            await self.retry.kept_up(lambda: self._close(answer.job_id))
        return delay

    async def _scan(self, claim: Claim, answer: Answer, context: Context) -> float | None:
        """Scan a claimed domain. Return None if it was recorded, else the seconds until it is tried again."""
        if self.stopped_by:
            return 0.0
        try:
            async with self.crawlers.use(answer.options) as crawler:
                scan = asyncio.create_task(self._engine.scan_one(claim, crawler), name=f"scan {claim.domain}")
                self._scans[scan] = claim
                try:
                    with context.cancellation:  # ends the wait; a domain that is being recorded is finished
                        await asyncio.wait([scan])
                    if not scan.done():
                        self._engine.cancel(scan)
                        await asyncio.wait([scan])
                finally:
                    del self._scans[scan]
                    self._crawling.discard(claim.domain)
        except UsageError as error:  # for example a certificate file that does not exist on this machine
            log.warning(
                "%s cannot be scanned here: %s",
                claim.job_id,
                error.message,
                extra={"action": "worker.unable", "job": claim.job_id},
            )
            return _UNABLE
        if scan.cancelled() or scan.result().status is ScanStatus.INTERRUPTED:
            return 0.0
        if scan.result().status is ScanStatus.SKIPPED:
            return _BUSY  # another worker has the claim now and completes the entry
        self.finished_domains += 1
        return None

    # -- transactions

    async def _repair(self) -> None:
        async with self.sessions.brief() as session, session.begin():
            await repair_queue(session, self.tenant)

    async def _give_back(self, claim: Claim) -> None:
        async with self.sessions.brief(claim.job_id, claim.domain) as session, session.begin():
            await give_back_scan(session, claim.scan_id, claim.token)

    async def _close(self, job_id: str) -> None:
        """Close a job if it is done. Called when this worker has no other domain of the job, so at the
        latest by the worker that records the last one."""
        async with self.sessions.brief(job_id) as session, session.begin():
            closed = await close_if_done(session, job_id)
            if closed is not None:
                await self.notifier.record(session, job_id)
                await sequence_changes(session)
        if closed is not None:
            self._ended.set()
            self._jobs.discard(job_id)
            log.info("%s is finished", job_id, extra={"action": "job.closed", "job": job_id})

    async def _release_jobs(self) -> None:
        async with self.sessions.brief() as session, session.begin():
            await release_jobs(session, self._jobs)

    async def _beat(self) -> None:
        """Renew the leases of this worker, which other jobs, `resume` and `status` read."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._held:
                await self.retry.kept_up(self._renew)

    async def _renew(self) -> None:
        async with self.sessions.urgent(self.owner) as session, session.begin():
            await renew_queued_jobs(session, self._held)
            await renew_scans(session, self.owner, self._held)
            await sequence_changes(session, wait=False)

    async def _still_there(self) -> None:
        async with self.sessions.read() as session, session.begin():
            await session.execute(text("SELECT 1"))


def _backoff(attempts: int) -> float:
    return min(2.0 ** min(attempts, 16), _LONGEST_BACKOFF)
