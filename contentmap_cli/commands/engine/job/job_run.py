"""One live run of a job: claims its domains, scans them concurrently, and closes the job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from contentmap_cli.commands.engine.engine import ScanEngine
from contentmap_cli.commands.engine.failures import describe, log_outcome
from contentmap_cli.commands.engine.job.claims_feed import CLAIM_BATCH, ClaimsFeed, NotClaimed
from contentmap_cli.commands.engine.job.heartbeat import Heartbeat
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.commands.notifying.notifier import Notifier
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.errors import Code, ContentMapError, DatabaseUnavailable, Failure, JobHeld
from contentmap_cli.models import DomainSummary, JobStatus, ScanStatus
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.change_feed import sequence_changes
from contentmap_cli.storage.session import Sessions


@dataclass
class JobRun:
    """Runs the domain scans of one job. At most `concurrency` domains are crawled at once, and half as many
    more may wait to be written: their rows are kept on disk until then.

    `stopped_by` is the reason why it ended early, `broken` the database error that ended it, if any.
    `superseded` says that another run took the job over, or that it was cancelled.
    """

    sessions: Sessions
    crawler: Crawler
    job_id: str
    tenant: str
    run_id: str
    listener: ProgressListener = field(default_factory=ProgressListener, kw_only=True)
    concurrency: int = field(default=1, kw_only=True)
    failures_too: bool = field(default=False, kw_only=True)
    notifier: Notifier = field(default_factory=Notifier, kw_only=True)
    stopped_by: str | None = field(default=None, init=False)
    broken: ContentMapError | None = field(default=None, init=False)
    superseded: bool = field(default=False, init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.engine = ScanEngine(
            self.sessions,
            concurrency=self.concurrency,
            on_database_lost=self.database_lost,
            listener=self.listener,
        )

    async def run(self, domains: Iterable[str]) -> None:
        """Scan these domains of the job. Returns when all have an outcome or the run was stopped."""
        count = self.concurrency + self.concurrency // 2
        feed = ClaimsFeed(
            self.sessions,
            (self.job_id, self.tenant, self.run_id),
            iter(domains),
            batch=min(CLAIM_BATCH, count),
            failures_too=self.failures_too,
        )
        async with Heartbeat(self.engine, self.job_id, self.run_id, self._lost_job).beating():
            self._tasks = [
                asyncio.create_task(self._scan_domains(feed), name=f"scan-{number}")
                for number in range(count)
            ]
            for result in await asyncio.gather(*self._tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    def stop(self, reason: str) -> None:
        """Claim no more domains and cancel the crawls. A domain that is being recorded is finished."""
        self.stopped_by = self.stopped_by or reason
        for task in self._tasks:
            self.engine.cancel(task)

    async def close(self) -> JobStatus:
        """Record how the run ended, and release the claims that it still holds."""
        self.sessions.database.check_file()
        async with self.sessions.brief(self.job_id) as session, session.begin():
            held_by, _ = await jobs.holder(session, self.job_id)
            if held_by != self.run_id:  # taken over during the last domain, after the last heartbeat
                self._lost_job()
            if self.stopped_by:
                await jobs.interrupt(session, self.job_id, self.run_id, self.stopped_by)
                status = JobStatus.INTERRUPTED
            else:
                status = await jobs.finish_job(session, self.job_id, self.run_id)
            if not self.superseded:
                await self.notifier.record(session, self.job_id, self.listener.unexpected)
            await sequence_changes(session)
            return status

    def database_lost(self, error: DatabaseUnavailable) -> None:
        """Stop the run: crawls whose result cannot be recorded would be lost."""
        self.broken = self.broken or error
        self.sessions.database.hurried = True
        self.stop(error.message)

    def _lost_job(self) -> None:
        self.superseded = True
        self.stop("another run holds the job")

    async def _scan_domains(self, feed: ClaimsFeed) -> None:
        while not self.stopped_by and (claim := await feed.next()) is not None:
            if isinstance(claim, NotClaimed):
                self.listener.finished(self._not_claimed(claim))
            else:
                await self.engine.scan_one(claim, self.crawler)

    def _not_claimed(self, domain: NotClaimed) -> DomainSummary:
        """Return the outcome of a domain that was not claimed. Stops the run where the cause concerns all."""
        reason = domain.reason
        if isinstance(reason, JobHeld):
            self._lost_job()
            reason = Failure(Code.LEASE_LOST, reason.message)
        if isinstance(reason, Failure):
            return DomainSummary(self.job_id, domain.domain, ScanStatus.SKIPPED, error=reason)
        self.engine.database_failed(reason)
        message = f"not claimed: {describe(reason, self.sessions.database.shown).message}"
        failure = Failure(Code.STORAGE_ERROR, message)
        summary = DomainSummary(self.job_id, domain.domain, ScanStatus.INTERRUPTED, error=failure)
        log_outcome(logging.ERROR, "domain.unclaimed", summary, reason)
        return summary
