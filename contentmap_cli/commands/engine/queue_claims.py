"""Where a worker's domains come from: given out by the queue and claimed, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contentmap_cli.commands.engine.claims import claim_with_files
from contentmap_cli.errors import Code
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.queue.queue import put_back_entries, take_entries
from contentmap_cli.storage.queue.workers import (
    QueuedScan,
    open_jobs,
    queued_jobs,
    queued_scans,
    release_scans,
)
from contentmap_cli.storage.session import GuardedSession, Sessions

BUSY_SECONDS = 5.0
"""What another worker holds is looked at again after so long."""


@dataclass(frozen=True, slots=True)
class Held:
    """A domain that this worker scans: its entry in the queue, its claim, its job's options."""

    entry: int
    claim: Claim
    options: Mapping[str, Any]


@dataclass(slots=True)
class Batch:
    """What the queue gave out at once: what is to be scanned, and entries by job that need no scan."""

    held: list[Held] = field(default_factory=list)
    needless: list[tuple[int, str | None]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.held) + len(self.needless)


@dataclass(frozen=True, slots=True)
class QueueClaims:
    """Takes from the queue for one worker. The transactions are its own."""

    sessions: Sessions
    tenant: str
    worker: uuid.UUID
    owner: str

    async def take(self, count: int) -> Batch:
        """Up to `count` domains, claimed; empty where nothing waits. Raises what the database raises, and
        then nothing is taken."""
        batch = Batch()
        async with self.sessions.brief() as session, session.begin():
            entries = await take_entries(session, self.tenant, self.worker, count)
            if not entries:
                return batch
            scans = await queued_scans(session, list(entries.values()))
            names = {scan.job_id for scan in scans.values()}
            await open_jobs(session, names)
            jobs = await queued_jobs(session, names)
            busy: list[int] = []
            wanted: dict[str, dict[int, QueuedScan]] = {}
            for entry, scan_id in entries.items():
                scan = scans.get(scan_id)
                if scan is not None and scan.job_id in jobs and scan.busy:
                    busy.append(entry)
                elif scan is not None and scan.job_id in jobs and (scan.open or scan.orphaned):
                    wanted.setdefault(scan.job_id, {})[entry] = scan
                else:  # it has an outcome, or the job was cancelled or is being run elsewhere
                    batch.needless.append((entry, scan.job_id if scan else None))
            orphans = [scan.id for some in wanted.values() for scan in some.values() if scan.orphaned]
            if orphans:
                await release_scans(session, orphans)
            for job_id in sorted(wanted):
                busy += await self._claim(session, batch, job_id, wanted[job_id], jobs[job_id])
            if busy:
                await put_back_entries(session, self.worker, busy, seconds=BUSY_SECONDS)
        return batch

    async def _claim(
        self,
        session: GuardedSession,
        batch: Batch,
        job_id: str,
        wanted: Mapping[int, QueuedScan],
        options: Mapping[str, Any],
    ) -> Sequence[int]:
        """Claims a job's domain scans; returns the entries of those that another worker has just taken."""
        answers = await claim_with_files(
            session, job_id, self.tenant, [scan.domain for scan in wanted.values()], self.owner
        )
        lost = []
        for entry, scan in wanted.items():
            answer = answers[scan.domain]
            if isinstance(answer, Claim):
                batch.held.append(Held(entry, answer, options))
            elif answer.code == Code.DOMAIN_BUSY:  # recorded as skipped
                batch.needless.append((entry, job_id))
            else:
                lost.append(entry)
        return lost
