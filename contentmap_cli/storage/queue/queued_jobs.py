"""Queued jobs: leases, released domain scans, closing with the last domain, reopening.

The services of a worker's transactions. Rows are locked in one order, jobs before domain scans. Rows that are
being recorded are skipped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, or_, select, update

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS, takeable
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER, finish_job
from contentmap_cli.storage.queue.queue import drop_job_entries
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Job

UNFINISHED = (ScanStatus.PENDING, ScanStatus.RUNNING)
_IN_QUEUE = and_(Job.owner == QUEUE_OWNER, Job.status.in_((JobStatus.PENDING, JobStatus.RUNNING)))


@dataclass(frozen=True, slots=True)
class QueuedScan:
    """A domain scan that the queue gave out. `options` are its job's, or None if the job is no longer
    queued."""

    id: int
    job_id: str
    domain: str
    target: Mapping[str, Any]
    status: ScanStatus
    owner: str | None
    options: Mapping[str, Any] | None

    @property
    def wanted(self) -> bool:
        """Whether it still has to be scanned by a worker."""
        return self.options is not None and self.status in UNFINISHED


async def renew_queued_jobs(session: GuardedSession, scans: Collection[int]) -> None:
    """Set the queued jobs of these domain scans to running and renew their leases if that is due. Rows that
    another worker has locked are skipped: that worker does the same."""
    of_scans = select(DomainScan.job_id).where(DomainScan.id.in_(scans))
    due = (
        select(Job.id)
        .where(
            Job.id.in_(of_scans),
            _IN_QUEUE,
            or_(
                Job.status == JobStatus.PENDING,
                Job.lease_until.is_(None),
                Job.lease_until < utc_now(LEASE_SECONDS * 0.7),
            ),
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    await session.write(
        update(Job)
        .where(Job.id.in_(due))
        .values(
            status=JobStatus.RUNNING,
            started_at=func.coalesce(Job.started_at, utc_now()),
            heartbeat_at=utc_now(),
            lease_until=utc_now(LEASE_SECONDS),
        )
    )


async def renew_scans(session: GuardedSession, owner: str, scans: Collection[int]) -> None:
    """Renew the leases of a worker's domain scans, except those that are being recorded: the fence renewed
    them."""
    held = (
        select(DomainScan.id)
        .where(DomainScan.id.in_(scans), DomainScan.owner == owner, DomainScan.status == ScanStatus.RUNNING)
        .with_for_update(skip_locked=True)
    )
    await session.write(
        update(DomainScan).where(DomainScan.id.in_(held)).values(lease_until=utc_now(LEASE_SECONDS))
    )


async def queued_scans(session: GuardedSession, scans: Collection[int]) -> dict[int, QueuedScan]:
    """Return the domain scans that the queue gave out, by id, without those that are being recorded at the
    moment or do not exist. The jobs stay queued until the end of the transaction."""
    of_scans = select(DomainScan.job_id).where(DomainScan.id.in_(scans))
    locked = select(Job.id, Job.options, _IN_QUEUE.label("queued")).where(Job.id.in_(of_scans))
    jobs = {
        row.id: row.options if row.queued else None
        for row in await session.execute(locked.order_by(Job.id).with_for_update(read=True))
    }
    rows = await session.execute(
        select(
            DomainScan.id,
            DomainScan.job_id,
            DomainScan.target,
            DomainScan.status,
            DomainScan.owner,
            Domain.name,
        )
        .join(Domain, Domain.id == DomainScan.domain_id)
        .where(DomainScan.id.in_(scans))
        .with_for_update(of=DomainScan, skip_locked=True, key_share=True)
    )
    return {
        row.id: QueuedScan(
            row.id,
            row.job_id,
            row.name,
            row.target,
            ScanStatus(row.status),
            row.owner,
            jobs.get(row.job_id),
        )
        for row in rows
    }


async def give_back_scan(session: GuardedSession, scan_id: int, token: str) -> None:
    """Make a claimed domain scan pending again, unless its claim was lost."""
    await session.write(
        update(DomainScan)
        .where(DomainScan.id == scan_id, DomainScan.token == token, DomainScan.status == ScanStatus.RUNNING)
        .values(status=ScanStatus.PENDING, token=None, owner=None, lease_until=None, started_at=None)
    )


async def close_if_done(session: GuardedSession, job_id: str) -> JobStatus | None:
    """Close a queued job when its last domain scan has an outcome. Return its final status, or None if
    domain scans are left or the job is closed already."""
    unfinished = exists().where(DomainScan.job_id == job_id, DomainScan.status.in_(UNFINISHED))
    if await session.scalar(select(unfinished)):
        return None
    held = await session.scalar(
        select(Job.id).where(Job.id == job_id, Job.owner == QUEUE_OWNER).with_for_update()
    )
    # checked again under the lock: what was committed before is visible now
    if held is None or await session.scalar(select(unfinished)):
        return None
    status = await finish_job(session, job_id, QUEUE_OWNER)
    await drop_job_entries(session, job_id, cancel=False)
    return status


async def release_jobs(session: GuardedSession, jobs: Collection[str]) -> None:
    """Set jobs without a domain held by a worker to pending, when a worker ends."""
    for job_id in sorted(jobs):
        busy = exists().where(
            DomainScan.job_id == job_id,
            DomainScan.status == ScanStatus.RUNNING,
            DomainScan.lease_until > utc_now(),
        )
        await session.write(
            update(Job)
            .where(Job.id == job_id, Job.owner == QUEUE_OWNER, Job.status == JobStatus.RUNNING, ~busy)
            .values(status=JobStatus.PENDING, lease_until=None)
        )


async def reopen_scans(session: GuardedSession, job_id: str, *, failures: bool, gone: str | None) -> int:
    """Set the domain scans that a run could resume to pending, for the queue; `gone` is the id of a run that
    has ended. Return the number of pending domain scans."""
    held = (DomainScan.status == ScanStatus.RUNNING) & (DomainScan.owner == gone)
    await session.write(
        update(DomainScan)
        .where(
            DomainScan.job_id == job_id,
            DomainScan.status != ScanStatus.PENDING,
            or_(takeable(failures=failures), held),
        )
        .values(
            status=ScanStatus.PENDING,
            token=None,
            owner=None,
            lease_until=None,
            finished_at=None,
            error_code=None,
            error_message=None,
        )
    )
    waiting = select(func.count()).where(DomainScan.job_id == job_id, DomainScan.status == ScanStatus.PENDING)
    return int(await session.scalar(waiting) or 0)


async def reopen_job(session: GuardedSession, job_id: str, options: Mapping[str, Any]) -> None:
    """Set a job to queued. A job that workers are processing stays as it is."""
    await session.write(
        update(Job)
        .where(
            Job.id == job_id,
            or_(Job.owner.is_distinct_from(QUEUE_OWNER), Job.status != JobStatus.RUNNING),
        )
        .values(
            status=JobStatus.PENDING,
            owner=QUEUE_OWNER,
            options=dict(options),
            lease_until=None,
            finished_at=None,
            error=None,
        )
    )
