"""Cancel a job: domains that are being written are finished, the others are not started."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import interruption
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import DomainScan, Job

CANCELLED: Final = "cancelled"
"""The recorded error of a cancelled job."""


async def cancel_job(session: GuardedSession, job_id: str) -> bool:
    """Interrupt a job and all of its unfinished domain scans, including those that other runs hold: these
    lose their claims. A domain that is being recorded at the moment is left alone. Returns False where the
    job has ended already."""
    running = await session.scalar(
        select(Job.id)
        .where(Job.id == job_id, Job.status.in_((JobStatus.PENDING, JobStatus.RUNNING)))
        .with_for_update()
    )
    if running is None:
        return False
    unfinished = (
        select(DomainScan.id)
        .where(DomainScan.job_id == job_id, DomainScan.status.in_((ScanStatus.PENDING, ScanStatus.RUNNING)))
        .with_for_update(skip_locked=True)  # a locked row is being recorded
    )
    await session.write(
        update(DomainScan).where(DomainScan.id.in_(unfinished)).values(**interruption(CANCELLED))
    )
    await session.write(
        update(Job)
        .where(Job.id == job_id)
        .values(
            status=JobStatus.INTERRUPTED,
            finished_at=utc_now(),
            owner=None,
            lease_until=None,
            error=CANCELLED,
        )
    )
    if session.dialect.name == "postgresql":
        from contentmap_cli.storage.queue.queue import drop_job_entries

        await drop_job_entries(session, job_id)
    session.note("job.cancelled")
    return True


async def was_cancelled(session: GuardedSession, job_id: str) -> bool:
    """Return whether a job was cancelled and not resumed since."""
    found = (
        await session.execute(select(Job.status, Job.owner, Job.error).where(Job.id == job_id))
    ).one_or_none()
    return found is not None and tuple(found) == (JobStatus.INTERRUPTED, None, CANCELLED)
