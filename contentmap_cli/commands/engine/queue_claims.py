"""Claims of a worker: entries that the queue gives out together are claimed in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.claims import claim_with_files
from contentmap_cli.errors import Code
from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.queue.queued_jobs import QueuedScan, queued_scans, renew_queued_jobs
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.tables import DomainScan

log = logging.getLogger("contentmap.worker")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do with an entry: scan its `claim` with `options`, or, if `busy`, try again later because
    another worker has it; otherwise nothing. `job_id` is empty if the domain scan does not exist."""

    job_id: str = ""
    claim: Claim | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    busy: bool = False


class QueueClaims:
    """Claims domain scans for one worker. It owns the transactions."""

    def __init__(self, sessions: Sessions, tenant: str, owner: str, retry: DatabaseRetry) -> None:
        self._sessions = sessions
        self._tenant = tenant
        self._owner = owner
        self._retry = retry
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._task: asyncio.Task[None] | None = None
        self._one_by_one = asyncio.Lock()  # claims are made in the order in which the queue gives entries out

    async def claim(self, scan_id: int) -> Answer:
        """Claim a domain scan, in one transaction with all others that are requested before it begins.
        Raises what the database raises; then none of them is claimed."""
        if scan_id in self._asked:  # `resume --queue` has replaced an entry that waits for its claim
            return Answer(busy=True)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if not self._asked:
            self._task = asyncio.create_task(self._claim_all(), name="claims")
        self._asked[scan_id] = future
        return await future

    async def _claim_all(self) -> None:
        await asyncio.sleep(0)  # the runner starts all entries that it has taken before it waits
        async with self._one_by_one:
            asked, self._asked = self._asked, {}
            try:
                answers = await self._retry.kept_up(lambda: self._transaction(asked))
            except BaseException as error:
                for future in asked.values():
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for scan_id, future in asked.items():
                    if not future.done():
                        future.set_result(answers[scan_id])

    async def _transaction(self, asked: Collection[int]) -> dict[int, Answer]:
        async with self._sessions.brief() as session, session.begin():
            await renew_queued_jobs(session, asked)
            scans = await queued_scans(session, asked)
            answers = {scan.id: Answer(scan.job_id) for scan in scans.values()}
            wanted: dict[str, list[QueuedScan]] = {}
            for scan in scans.values():
                if scan.wanted:
                    wanted.setdefault(scan.job_id, []).append(scan)
            for job_id in sorted(wanted):
                answers |= await self._claim_of(session, job_id, wanted[job_id])
            if missing := set(asked) - set(answers):
                there = set(await session.scalars(select(DomainScan.id).where(DomainScan.id.in_(missing))))
                answers |= {scan_id: Answer(busy=scan_id in there) for scan_id in missing}
        return answers

    async def _claim_of(
        self, session: GuardedSession, job_id: str, scans: Sequence[QueuedScan]
    ) -> dict[int, Answer]:
        """Claim domain scans of one job."""
        domains = [scan.domain for scan in scans]
        claims = await claim_with_files(session, job_id, self._tenant, domains, self._owner)
        answers = {}
        for scan in scans:
            claim = claims[scan.domain]
            if isinstance(claim, Claim):
                if scan.status is ScanStatus.RUNNING:
                    log.warning(
                        "took over %s from %s",
                        scan.domain,
                        scan.owner,
                        extra={"action": "worker.took_over", "job": job_id, "domain": scan.domain},
                    )
                answers[scan.id] = Answer(job_id, claim, scan.options or {})
            else:  # another job scans the domain, which is recorded as skipped, or another worker does
                answers[scan.id] = Answer(job_id, busy=claim.code == Code.LEASE_LOST)
        return answers
