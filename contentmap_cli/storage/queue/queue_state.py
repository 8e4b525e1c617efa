"""The state of a queued job: its workers, its rate and its estimated end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from contentmap_cli.models import JobStatus, JobSummary, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import DomainScan, Job

RATE_SECONDS = 60.0
"""The period over which the rate is measured."""


async def with_queue(
    session: GuardedSession, jobs: Sequence[JobSummary], gone: Callable[[str | None], bool]
) -> list[JobSummary]:
    """Return the queued ones of a tenant's jobs with their workers and rate, the others unchanged; two
    statements, however many jobs there are. `gone` returns whether a worker has certainly ended, so that its
    lease does not matter."""
    queued = [job for job in jobs if job.owner == QUEUE_OWNER]
    if not queued:
        return list(jobs)
    of_the_queue = (Job.tenant_id == queued[0].tenant, Job.owner == QUEUE_OWNER)
    # a worker without a domain is idle: it claims what is queued within seconds
    holders = await session.scalars(
        select(DomainScan.owner)
        .join(Job, Job.id == DomainScan.job_id)
        .where(*of_the_queue, DomainScan.status == ScanStatus.RUNNING, DomainScan.lease_until > utc_now())
        .distinct()
    )
    workers = sum(not gone(owner) for owner in holders)
    recent = (
        select(DomainScan.job_id, func.count(), func.min(DomainScan.finished_at), utc_now())
        .join(Job, Job.id == DomainScan.job_id)
        .where(*of_the_queue, DomainScan.finished_at > utc_now(-RATE_SECONDS))
        .group_by(DomainScan.job_id)
    )
    if len(queued) == 1:
        recent = recent.where(DomainScan.job_id == queued[0].job_id)
    rates = {
        job_id: count / max((now - first).total_seconds(), 1.0) if first is not None else None
        for job_id, count, first, now in await session.execute(recent)
    }
    return [_queued(job, workers, rates.get(job.job_id)) if job.owner == QUEUE_OWNER else job for job in jobs]


def _queued(job: JobSummary, workers: int, rate: float | None) -> JobSummary:
    left = job.domains[ScanStatus.PENDING] + job.domains[ScanStatus.RUNNING]
    end = None
    if rate and workers and left / rate < timedelta.max.total_seconds() / 1e6:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(left / rate))
    status, error = job.status, job.error
    if status in (JobStatus.RUNNING, JobStatus.INTERRUPTED) and not workers:
        heard = f"{job.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC" if job.heartbeat_at else "never"
        status, error = JobStatus.INTERRUPTED, f"no worker is running; last heartbeat {heard}"
    elif status is JobStatus.INTERRUPTED and workers:
        status, error = JobStatus.PENDING, None  # they scan jobs of a higher priority
    return replace(
        job,
        workers=workers,
        rate=rate if workers else None,
        estimated_end=end,
        status=status,
        error=error,
    )
