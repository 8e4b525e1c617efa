"""A job called off: what is being written is finished, the rest is not begun."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import interruption
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import DomainScan, Job

CANCELLED: Final = "cancelled"
"""Why such a job is interrupted."""


async def cancel_job(session: GuardedSession, job_id: str) -> bool:
    """Interrupts a job and all of its domain scans without an outcome, whoever holds them: who comes to
    record one finds that its claim is gone. What is being recorded at this moment is left to be recorded.
    False where the job has ended already."""
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
        .with_for_update(skip_locked=True)  # a row that is locked is being recorded
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
    if session.get_bind().dialect.name == "postgresql":
        from contentmap_cli.storage.queue.queue import drop_job_entries

        await drop_job_entries(session, job_id)
    session.note("job.cancelled")
    return True


async def was_cancelled(session: GuardedSession, job_id: str) -> bool:
    """Whether a job was called off and nobody has taken it up since."""
    found = (
        await session.execute(select(Job.status, Job.owner, Job.error).where(Job.id == job_id))
    ).one_or_none()
    return found is not None and tuple(found) == (JobStatus.INTERRUPTED, None, CANCELLED)
