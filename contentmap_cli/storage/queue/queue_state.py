"""The state of a queued job: its workers, its rate and its estimated end."""

from __future__ import annotations

from collections.abc import Callable
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
    session: GuardedSession, job: JobSummary, gone: Callable[[str | None], bool]
) -> JobSummary:
    """Return a queued job with its workers and rate, any other job unchanged. `gone` returns whether a worker
    has certainly ended, so that its lease does not matter."""
    if job.owner != QUEUE_OWNER:
        return job
    # a worker without a domain is idle: it claims what is queued within seconds
    holders = await session.scalars(
        select(DomainScan.owner)
        .join(Job, Job.id == DomainScan.job_id)
        .where(
            Job.tenant_id == job.tenant,
            Job.owner == QUEUE_OWNER,
            DomainScan.status == ScanStatus.RUNNING,
            DomainScan.lease_until > utc_now(),
        )
        .distinct()
    )
    workers = sum(not gone(owner) for owner in holders)
    recent = select(func.count(), func.min(DomainScan.finished_at), utc_now()).where(
        DomainScan.job_id == job.job_id, DomainScan.finished_at > utc_now(-RATE_SECONDS)
    )
    finished, first, now = (await session.execute(recent)).one()
    rate = finished / max((now - first).total_seconds(), 1.0) if first is not None else None
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
