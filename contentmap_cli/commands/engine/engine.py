"""The scan engine: scans claimed domains, each in one transaction. `scan`, `resume` and `worker` use it.

    scan_one(claim) ── work session, begin() ── process_domain ──> committed
                 └── any exception, after that session has closed ── record_failure ── recovery session

What happens to one domain does not affect the others. The engine owns both transactions: `process_domain` and
the services below it are given a session and never end it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from contentmap_cli.commands.database.database_retry import (
    TRIES,
    Attempts,
    DatabaseRetry,
    WaitingAttempts,
    without_conflicts,
)
from contentmap_cli.commands.engine.domain_scan import DomainFailed, process_domain
from contentmap_cli.commands.engine.failures import (
    describe,
    failed_summary,
    log_outcome,
    summary_of,
)
from contentmap_cli.commands.engine.progress import DomainProgress, ProgressListener
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.errors import Code, ConnectionLost, DatabaseUnavailable, Failure, LeaseLost
from contentmap_cli.models import DomainSummary, ScanStatus
from contentmap_cli.slots import Slots
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs.claims import Claim, fence, finish_domain, last_result
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.writing.robots_versions import save_robots


@dataclass(slots=True)
class _Scan:
    """The state of one running scan."""

    session: GuardedSession | None = None  # that of the result, then that of the failure

    @property
    def is_writing(self) -> bool:
        """Whether a result or a failure is being written, which is finished rather than cancelled."""
        return self.session is not None and self.session.writing


class ScanEngine:
    """Scans claimed domains. At most `concurrency` are crawled at once; one that waits to be written is not
    counted. `on_database_lost` is called when the database is unavailable. A domain whose connection was lost
    is recorded as interrupted. With `retry` (a worker) its transaction is repeated instead, and a domain that
    the database refuses each time is recorded as failed."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        concurrency: int,
        on_database_lost: Callable[[DatabaseUnavailable], object],
        listener: ProgressListener | None = None,
        retry: DatabaseRetry | None = None,
    ) -> None:
        self.sessions = sessions
        self._slots = Slots(concurrency)
        self._places = Slots(concurrency + concurrency // 2)
        self._on_database_lost = on_database_lost
        self._listener = listener or ProgressListener()
        self._retry = retry
        self._scans: dict[asyncio.Task[Any] | None, _Scan] = {}

    async def scan_one(self, claim: Claim, crawler: Crawler) -> DomainSummary:
        """Crawl one claimed domain and record it in one transaction, or record why that failed.

        Returns the outcome, which is recorded unless it is `interrupted` or `skipped`. Raises CancelledError.
        """
        task = asyncio.current_task()
        scan = self._scans[task] = _Scan()
        try:
            async with DomainProgress(
                claim, self._listener, self._slots, self._places, self.sessions
            ) as progress:
                shown, retry = self.sessions.database.shown, self._retry
                attempts = WaitingAttempts(retry, lost=True) if retry is not None else Attempts(shown)
                summary = None
                while summary is None:
                    try:
                        async with self.sessions.work(claim.job_id, claim.domain) as session, session.begin():
                            scan.session = session
                            summary = await process_domain(session, claim, crawler, progress)
                        attempts.succeeded()
                    except Exception as error:  # the session has closed: the failure is recorded in another
                        scan.session = summary = None
                        if not await attempts.again(error):
                            summary = await self.record_failure(claim, error)
            self._listener.finished(summary)
            return summary
        finally:
            del self._scans[task]

    async def record_failure(self, claim: Claim, error: Exception) -> DomainSummary:
        """Record why a domain failed in a session of its own, and return the outcome.

        Raises nothing, so that the other domains go on."""
        shown = self.sessions.database.shown
        summary = failed_summary(claim, error, shown)
        interrupted = summary.status is ScanStatus.INTERRUPTED
        if interrupted and self._retry is not None and self._retry.given_up is None and summary.error:
            last = replace(summary.error, message=f"{summary.error.message} ({TRIES} attempts)")
            summary, interrupted = replace(summary, status=ScanStatus.FAILED, error=last), False
        if not isinstance(error, DomainFailed):
            bug = summary.error is not None and summary.error.code == Code.INTERNAL_ERROR
            level = logging.ERROR if summary.status is ScanStatus.FAILED else logging.WARNING
            log_outcome(level, f"domain.{summary.status}", summary, error if bug else None)
        if isinstance(error, LeaseLost):
            return summary  # the domain is recorded by the run that took it over
        if self.database_failed(error, retried=False) or (interrupted and self._retry is not None):
            return summary  # nothing can be recorded; the claim ends with the run or its lease
        try:
            summary = await self._write_failure(claim, summary, error)
        except LeaseLost as lost:
            return summary_of(claim, ScanStatus.SKIPPED, Failure(lost.code, lost.message))
        except Exception as second:
            self.database_failed(second)
            reason = Failure(Code.STORAGE_ERROR, f"not recorded: {describe(second, shown).message}")
            summary = summary_of(claim, ScanStatus.INTERRUPTED, reason)
            log_outcome(logging.CRITICAL, "domain.unrecorded", summary, second)
            return summary
        log_outcome(logging.INFO, "transaction.recovered", summary)
        return summary

    async def _write_failure(self, claim: Claim, summary: DomainSummary, error: Exception) -> DomainSummary:
        """Write the outcome of a failed scan and return it. A connection that is lost is replaced once.

        Where no file was selected, `urls` is the number of those that stay recorded."""
        robots = error.crawl.robots_file if isinstance(error, DomainFailed) else None
        scan = self._scans[asyncio.current_task()]

        async def write() -> None:
            nonlocal summary
            scan.session = None  # that of a lost connection writes no more: a wait for the next is cancelled
            async with self.sessions.recovery(claim.job_id, claim.domain) as session, session.begin():
                scan.session = session
                await fence(session, claim)
                await save_robots(session, claim, robots)
                if summary.error is not None and summary.error.code == Code.NOT_SELECTED:
                    summary = replace(summary, urls=(await last_result(session, claim)).urls)
                await finish_domain(session, claim, summary, complete=False)

        if self._retry is not None:
            await self._retry.kept_up(write)
            return summary
        shown = self.sessions.database.shown
        try:
            await without_conflicts(write, shown)
        except Exception as second:
            if not isinstance(storage_error(second, shown), ConnectionLost):
                raise
            await write()
        return summary

    def database_failed(self, error: Exception, *, retried: bool = True) -> bool:
        """Return whether `error` says that the database is unavailable, and report it if so. One lost
        connection counts only where the operation was `retried`."""
        known = storage_error(error, self.sessions.database.shown)
        if not isinstance(known, DatabaseUnavailable) or (isinstance(known, ConnectionLost) and not retried):
            return False
        self._on_database_lost(known)
        return True

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task that scans domains, unless it is writing a result or a failure at the moment."""
        scan = self._scans.get(task)
        if scan is None or not scan.is_writing:
            task.cancel()
