"""One live run of a job: the transactions' owner.

Each domain has its own session and its own `begin()` block. What goes wrong there is recorded
through a session of its own, opened after the failed one has closed. Nothing one domain does
reaches another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from contentmap_cli.batches import no_room
from contentmap_cli.commands.engine.claims_feed import HANDFUL, ClaimsFeed, Refused, Taken
from contentmap_cli.commands.engine.domain_scan import DomainFailed, process_domain
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.results import CrawlProgress
from contentmap_cli.errors import (
    Code,
    ConnectionLost,
    ContentMapError,
    DatabaseUnavailable,
    Failure,
    JobHeld,
    LeaseLost,
)
from contentmap_cli.models import DomainSummary, JobStatus, ScanStatus, Target
from contentmap_cli.models.robots import RobotsFile, costly
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS, Claim, fence, finish_domain
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.writing.robots_versions import save_robots

log = logging.getLogger("contentmap.run")

HEARTBEAT_SECONDS = LEASE_SECONDS / 4
_LOOKS = 6
"""How often between two heartbeats a run looks whether it was cancelled."""


class ProgressListener:
    """What a run tells whoever is watching. Each method may be called many times a second."""

    def started(self, domain: str) -> None:
        """A domain was taken."""

    def moved(self, domain: str, progress: CrawlProgress) -> None:
        """Its crawl went on."""

    def finished(self, summary: DomainSummary) -> None:
        """It has an outcome, committed unless the summary says otherwise."""


@dataclass
class Fanout:
    """Scans claimed domains, each in a transaction of its own: what a run of one job and a worker share.

    `stopped_by` says why it ended early, None while it has not; `broken` is the database's failure that
    ended it, if one did.
    """

    sessions: Sessions
    watcher: ProgressListener = field(default_factory=ProgressListener, kw_only=True)
    concurrency: int = field(default=1, kw_only=True)
    stopped_by: str | None = field(default=None, kw_only=True)
    broken: ContentMapError | None = field(default=None, kw_only=True)
    _live: dict[asyncio.Task[None], GuardedSession | None] = field(default_factory=dict, kw_only=True)

    async def scan_one(
        self, taken: Taken, crawler: Crawler, crawled: Callable[[], None] | None = None
    ) -> DomainSummary:
        """One claimed domain, crawled and recorded in one transaction; or its failure recorded. `crawled` is
        called when the network is done with."""
        target, claim = taken.target, taken.claim
        try:
            async with self.sessions.work(claim.job_id, target.domain) as session, session.begin():
                self._note_session(session)
                return await process_domain(
                    session,
                    claim,
                    target,
                    crawler,
                    taken.remembered,
                    self._progress(target),
                    crawled,
                    partial(self._comparing, claim),
                )
        except Exception as error:  # its session has closed: the failure gets one of its own
            return await self._record_failure(claim, error)

    @contextlib.asynccontextmanager
    async def _comparing(self, claim: Claim) -> AsyncIterator[GuardedSession]:
        """A block in which what is recorded of a domain is read, before its own turn to write."""
        async with self.sessions.comparing(claim.job_id, claim.domain) as session, session.begin():
            yield session

    async def _record_failure(self, claim: Claim, error: Exception) -> DomainSummary:
        """Records a failure through the recovery session; never raises, so that siblings go on."""
        summary = self._failed(claim, error)
        if not isinstance(error, DomainFailed):
            trace = error if summary.error and summary.error.code == Code.INTERNAL_ERROR else None
            _log(logging.ERROR, "domain.failed", summary, trace)
        if isinstance(error, LeaseLost):
            return summary  # the other run's result stands
        self._mind_the_database(error, again=True)
        try:
            await self._recover(claim, summary, error.robots if isinstance(error, DomainFailed) else None)
        except LeaseLost as lost:
            return _summary(claim, ScanStatus.SKIPPED, Failure(lost.code, lost.message))
        except Exception as second:
            self._mind_the_database(second)
            unrecorded = Failure(Code.STORAGE_ERROR, f"not recorded: {self._describe(second).message}")
            summary = _summary(claim, ScanStatus.FAILED, unrecorded)
            _log(logging.CRITICAL, "domain.unrecorded", summary, second)
            self._unrecorded(claim)
            return summary
        _log(logging.INFO, "transaction.recovered", summary)
        return summary

    async def _recover(self, claim: Claim, summary: DomainSummary, robots: RobotsFile | None) -> None:
        """Writes a failure in a session of its own. A connection that broke says nothing yet, whoever took
        the job over may have ended it: then once more."""
        for again in (True, False):
            try:
                async with self.sessions.recovery(claim.job_id, claim.domain) as session, session.begin():
                    await fence(session, claim)
                    await save_robots(session, claim, robots)
                    await finish_domain(session, claim, summary, complete=False)
            except Exception as error:
                known = storage_error(error, self.sessions.database.shown)
                if not (again and isinstance(known, ConnectionLost)):
                    raise
            else:
                return

    def stop(self, reason: str) -> None:
        """Ends the intake. Crawls are given up; a domain that is being written is written to its end."""
        self.stopped_by = self.stopped_by or reason
        for task, session in self._live.items():
            if session is None or not session.writing:
                task.cancel()

    def _unrecorded(self, claim: Claim) -> None:
        """Neither a domain's result nor its failure could be recorded."""

    def _note_session(self, session: GuardedSession) -> None:
        task = asyncio.current_task()
        if task in self._live:
            self._live[task] = session

    def _progress(self, target: Target) -> Callable[[CrawlProgress], None]:
        def report(progress: CrawlProgress) -> None:
            self.watcher.moved(target.domain, progress)

        return report

    def _mind_the_database(self, error: Exception, *, again: bool = False) -> None:
        """A database that is gone or full takes nothing more: crawling on would only lose work. `again`: it
        is asked once more anyway, so that a connection which broke says nothing yet."""
        known = storage_error(error, self.sessions.database.shown)
        if isinstance(known, DatabaseUnavailable) and not (again and isinstance(known, ConnectionLost)):
            self.broken = self.broken or known
            self.sessions.database.hurried = True
            self.stop(known.message)

    def _describe(self, error: Exception) -> Failure:
        if isinstance(error, DomainFailed):
            return error.failure
        known = storage_error(error, self.sessions.database.shown)
        if known is not None:
            return Failure(Code.STORAGE_ERROR, known.message)
        if isinstance(error, ContentMapError):
            return Failure(error.code, error.message)
        if (full := no_room(error)) is not None:
            return Failure(Code.STORAGE_ERROR, full)
        return Failure(Code.INTERNAL_ERROR, f"a bug in ContentMap: {type(error).__name__}")

    def _failed(self, claim: Claim, error: Exception) -> DomainSummary:
        failure = self._describe(error)
        if isinstance(error, LeaseLost):
            return _summary(claim, ScanStatus.SKIPPED, failure)
        if isinstance(storage_error(error, self.sessions.database.shown), DatabaseUnavailable):
            # not the domain's fault: it can be read, and `resume` takes it up again
            return _summary(claim, ScanStatus.INTERRUPTED, failure)
        if not isinstance(error, DomainFailed):
            return _summary(claim, ScanStatus.FAILED, failure)
        return DomainSummary(
            claim.job_id,
            claim.domain,
            error.status,
            fetched_bytes=error.fetched_bytes,
            requests=error.requests,
            seconds=round(error.seconds, 3),
            error=failure,
            evidence=error.evidence,
            robots_problems=costly(error.robots.problems) if error.robots is not None else 0,
        )


@dataclass
class JobRun(Fanout):
    """Runs the domain scans of one job, at most `concurrency` crawled at once, and half as many more that are
    crawled and wait for their turn to write.

    `superseded` says that another run took the job over, or that it was cancelled.
    """

    crawler: Crawler
    job_id: str
    tenant: str
    owner: str
    failures_too: bool = field(default=False, kw_only=True)
    superseded: bool = field(default=False, kw_only=True)
    _ended: bool = field(default=False, kw_only=True)

    async def run(self, targets: Iterable[Target]) -> None:
        """Scans every target, and returns when all have an outcome or the run was stopped."""
        # one that waits for its turn to write asks nobody: the next may be crawled meanwhile. What waits is
        # bounded, for its rows are kept until they are written; one at a time stays one at a time.
        crawling = asyncio.Semaphore(self.concurrency)
        places = self.concurrency + self.concurrency // 2
        intake = ClaimsFeed(
            self.sessions,
            (self.job_id, self.tenant, self.owner),
            iter(targets),
            handful=min(HANDFUL, places),
            failures_too=self.failures_too,
        )
        self._ended = False
        heart = asyncio.create_task(self._beat(), name="heartbeat")
        try:
            workers = [
                asyncio.create_task(self._worker(intake, crawling), name=f"scan-{number}")
                for number in range(places)
            ]
            self._live.update(dict.fromkeys(workers))
            if self.stopped_by:
                self.stop(self.stopped_by)
            for result in await asyncio.gather(*workers, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
        finally:
            self._ended = True
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart

    async def close(self) -> JobStatus:
        """Says in the database how the run ended, and gives back what it still holds."""
        self.sessions.database.check_file()
        async with self.sessions.brief(self.job_id) as session, session.begin():
            held_by, _ = await jobs.holder(session, self.job_id)
            if held_by != self.owner:  # in the last domain, which nobody looked after
                self._give_way()
            if self.stopped_by:
                await jobs.interrupt(session, self.job_id, self.owner, self.stopped_by)
                return JobStatus.INTERRUPTED
            return await jobs.finish_job(session, self.job_id, self.owner)

    async def _worker(self, intake: ClaimsFeed, crawling: asyncio.Semaphore) -> None:
        task = asyncio.current_task()
        while True:
            await crawling.acquire()
            with contextlib.ExitStack() as place:  # closed early, it gives nothing back twice
                place.callback(crawling.release)
                if self.stopped_by or (drawn := await intake.next()) is None:
                    return
                if isinstance(drawn, Refused):
                    self.watcher.finished(self._refused(drawn))
                    continue
                self.watcher.started(drawn.target.domain)
                summary = await self.scan_one(drawn, self.crawler, place.close)
                if task is not None:
                    self._live[task] = None
                self.watcher.finished(summary)

    def _refused(self, refused: Refused) -> DomainSummary:
        """A domain that was not claimed: another run has it, or the database did not answer."""

        def summary(status: ScanStatus, failure: Failure) -> DomainSummary:
            return DomainSummary(self.job_id, refused.target.domain, status, error=failure)

        if isinstance(refused.why, Failure):
            return summary(ScanStatus.SKIPPED, refused.why)
        if isinstance(refused.why, JobHeld):
            self._give_way()
            return summary(ScanStatus.SKIPPED, Failure(Code.LEASE_LOST, refused.why.message))
        self._mind_the_database(refused.why)
        message = f"not claimed: {self._describe(refused.why).message}"
        # nothing was tried and nothing is recorded of it: `resume` takes it up
        unclaimed = summary(ScanStatus.INTERRUPTED, Failure(Code.STORAGE_ERROR, message))
        _log(logging.ERROR, "domain.unclaimed", unclaimed, refused.why)
        return unclaimed

    async def _beat(self) -> None:
        """Renews the run's leases until it has ended. One connection that broke is no lost database."""
        # the flag as well as a cancellation: one that got lost on its way must not keep the run for ever
        while not self._ended:
            for _ in range(_LOOKS):
                await asyncio.sleep(HEARTBEAT_SECONDS / _LOOKS)
                await self._look()
            for again in (True, False):
                try:
                    await self._renew()
                    break
                except Exception as error:
                    log.warning("a heartbeat failed: %s", self._describe(error).message)
                    self._mind_the_database(error, again=again)

    async def _look(self) -> None:
        """Sees whether the job was cancelled. Of a database that is gone the heartbeat tells."""
        with contextlib.suppress(Exception):
            async with self.sessions.read(self.job_id) as session, session.begin():
                held_by, _ = await jobs.holder(session, self.job_id)
            if held_by != self.owner:
                self._give_way()

    async def _renew(self) -> None:
        """One heartbeat, on a session of its own."""
        async with self.sessions.urgent(self.job_id) as session, session.begin():
            held = await jobs.renew_job(session, self.job_id, self.owner)
        if not held:
            self._give_way()
        async with self.sessions.urgent(self.job_id) as session, session.begin():
            await jobs.renew_scans(session, self.job_id, self.owner)
        self.sessions.database.check_file()

    def _give_way(self) -> None:
        self.superseded = True
        self.stop("another run holds the job")


def _summary(claim: Claim, status: ScanStatus, failure: Failure) -> DomainSummary:
    return DomainSummary(claim.job_id, claim.domain, status, error=failure)


def _log(level: int, action: str, summary: DomainSummary, error: Exception | None = None) -> None:
    failure = summary.error
    log.log(
        level,
        "%s %s",
        action,
        failure.message if failure else "",
        extra={
            "action": action,
            "job": summary.job_id,
            "domain": summary.domain,
            "code": failure.code if failure else None,
        },
        exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
    )


@contextlib.contextmanager
def deadline(run: JobRun, seconds: float | None) -> Iterator[None]:
    """Stops the run when its time is up."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, run.stop, f"--max-time of {seconds:g} s is over")
    try:
        yield
    finally:
        timer.cancel()
