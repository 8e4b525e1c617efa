"""Workers: who is alive, what they hold of queued jobs, and what becomes of it when they go.

A worker's row is its lease. Who lets it run out has lost what it held: the others take it over, and the
fence keeps it from recording any of it.

Rows are locked in one order, jobs before domain scans, and of a row that is being recorded nobody waits for
the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS, takeable
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER, finish_job, holder
from contentmap_cli.storage.jobs.stale_sessions import end_sessions
from contentmap_cli.storage.queue.queue import drop_job_entries, renew_entries
from contentmap_cli.storage.queue.queue_tables import ENTRIES, WORKERS
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Job

_w = WORKERS.c
UNFINISHED = (ScanStatus.PENDING, ScanStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class QueuedScan:
    """A domain scan that the queue gave out: `open` says that it may be claimed, `busy` that a worker has it
    which is alive, `orphaned` that one had it which is not. None of these: it has an outcome."""

    id: int
    job_id: str
    domain: str
    target: Mapping[str, Any]
    open: bool
    busy: bool
    orphaned: bool


async def register_worker(
    session: GuardedSession, worker: uuid.UUID, tenant: str, owner: str, concurrency: int
) -> None:
    """Writes a worker's row."""
    await session.write(
        insert(WORKERS).values(
            id=worker,
            tenant_id=tenant,
            owner=owner,
            concurrency=concurrency,
            running=0,
            finished=0,
            started_at=utc_now(),
            heartbeat_at=utc_now(),
            lease_until=utc_now(LEASE_SECONDS),
        )
    )


async def renew_worker(
    session: GuardedSession,
    worker: uuid.UUID,
    owner: str,
    *,
    jobs: Collection[str],
    scans: Collection[int],
    entries: Collection[int],
    finished: int,
) -> bool:
    """One heartbeat: renews the worker, its jobs, what it holds of them and the queue's entries. False where
    its lease had run out and others have taken over what it held."""
    alive = await session.write(
        update(WORKERS)
        .where(_w.id == worker)
        .values(
            running=len(entries),
            finished=finished,
            heartbeat_at=utc_now(),
            lease_until=utc_now(LEASE_SECONDS),
        )
    )
    if not alive:
        return False
    # who waits here for the row of a job is late in the end, and passes for one that sleeps
    await open_jobs(session, jobs, wait=False)
    if scans:
        # less those that are being recorded: their fence has renewed them
        held = (
            select(DomainScan.id)
            .where(
                DomainScan.id.in_(scans),
                DomainScan.owner == owner,
                DomainScan.status == ScanStatus.RUNNING,
            )
            .with_for_update(skip_locked=True)
        )
        await session.write(
            update(DomainScan).where(DomainScan.id.in_(held)).values(lease_until=utc_now(LEASE_SECONDS))
        )
    if entries:
        await renew_entries(session, entries)
    return True


async def open_jobs(session: GuardedSession, jobs: Collection[str], *, wait: bool = True) -> None:
    """Makes queued jobs running ones under a fresh lease, each only where that is due: many workers share a
    job's row, and none should wait for it in vain. One whose row is locked is passed over unless the caller
    can `wait`."""
    for job_id in sorted(jobs):
        due = and_(
            Job.id == job_id,
            Job.owner == QUEUE_OWNER,
            Job.status.in_((JobStatus.PENDING, JobStatus.RUNNING)),
            or_(
                Job.status == JobStatus.PENDING,
                Job.lease_until.is_(None),
                Job.lease_until < utc_now(LEASE_SECONDS * 0.7),
            ),
        )
        if not wait:
            free = select(Job.id).where(due).with_for_update(skip_locked=True, key_share=True)
            due = Job.id.in_(free)
        await session.write(
            update(Job)
            .where(due)
            .values(
                status=JobStatus.RUNNING,
                started_at=func.coalesce(Job.started_at, utc_now()),
                heartbeat_at=utc_now(),
                lease_until=utc_now(LEASE_SECONDS),
            )
        )


async def queued_jobs(session: GuardedSession, jobs: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Those of these jobs that are the queue's, with their options. They stay so to the transaction's end."""
    rows = await session.execute(
        select(Job.id, Job.options)
        .where(
            Job.id.in_(jobs),
            Job.owner == QUEUE_OWNER,
            Job.status.in_((JobStatus.PENDING, JobStatus.RUNNING)),
        )
        .order_by(Job.id)
        .with_for_update(read=True)
    )
    return {row.id: row.options for row in rows}


async def hold_jobs(session: GuardedSession, jobs: Collection[str]) -> None:
    """Keeps jobs from being cancelled, closed or opened again, to the transaction's end."""
    await session.execute(select(Job.id).where(Job.id.in_(jobs)).order_by(Job.id).with_for_update(read=True))


async def still_queued(session: GuardedSession, jobs: Collection[str]) -> set[str]:
    """Those of these jobs that are the queue's now."""
    return set(await session.scalars(select(Job.id).where(Job.id.in_(jobs), Job.owner == QUEUE_OWNER)))


async def queued_scans(session: GuardedSession, scans: Collection[int]) -> dict[int, QueuedScan]:
    """What the queue gave out, by id, as it stands. One that is not there any more is missing."""
    running = DomainScan.status == ScanStatus.RUNNING
    leased = func.coalesce(running & (DomainScan.lease_until > utc_now()), False)
    alive = exists().where(_w.owner == DomainScan.owner, _w.lease_until > utc_now())
    rows = await session.execute(
        select(
            DomainScan.id,
            DomainScan.job_id,
            DomainScan.target,
            DomainScan.status,
            Domain.name,
            leased.label("leased"),
            alive.label("alive"),
        )
        .join(Domain, Domain.id == DomainScan.domain_id)
        .where(DomainScan.id.in_(scans))
    )
    return {
        row.id: QueuedScan(
            row.id,
            row.job_id,
            row.name,
            row.target,
            open=row.status in UNFINISHED and not row.leased,
            busy=row.leased and row.alive,
            orphaned=row.leased and not row.alive,
        )
        for row in rows
    }


async def release_scans(session: GuardedSession, scans: Collection[int]) -> None:
    """Makes domain scans pending again that nobody alive holds; one that is being recorded all the same is
    left to whoever does."""
    held = select(DomainScan.id).where(DomainScan.id.in_(scans)).with_for_update(skip_locked=True)
    await session.write(_released(DomainScan.id.in_(held)))


async def give_back_scans(session: GuardedSession, scans: Mapping[int, str]) -> None:
    """Makes claimed domain scans pending again, by id and token: whose claim is gone stays as it is."""
    for scan_id, token in scans.items():
        await session.write(
            _released(DomainScan.id == scan_id, DomainScan.token == token),
        )


def _released(*which: Any) -> Any:
    return (
        update(DomainScan)
        .where(DomainScan.status == ScanStatus.RUNNING, *which)
        .values(status=ScanStatus.PENDING, token=None, owner=None, lease_until=None, started_at=None)
    )


async def close_if_done(session: GuardedSession, job_id: str) -> JobStatus | None:
    """Closes a queued job when its last domain scan has an outcome; returns the status it ended with, or None
    while something is left, or where it is closed. Of several that come to it at once, one does it. What is
    left of it in the queue goes as well: who committed it may have died before it could say so."""
    unfinished = exists().where(DomainScan.job_id == job_id, DomainScan.status.in_(UNFINISHED))
    if await session.scalar(select(unfinished)):
        return None
    held = await session.scalar(
        select(Job.id).where(Job.id == job_id, Job.owner == QUEUE_OWNER).with_for_update()
    )
    # asked again under the lock: what was committed before it was given is seen now
    if held is None or await session.scalar(select(unfinished)):
        return None
    status = await finish_job(session, job_id, QUEUE_OWNER)
    await drop_job_entries(session, job_id, held=True)
    return status


async def leave_jobs(session: GuardedSession, jobs: Collection[str]) -> None:
    """A worker goes: jobs that nobody works on wait again, rather than seem to have died."""
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


async def reap_workers(
    session: GuardedSession, tenant: str, gone: Callable[[str | None], bool], *, own: str
) -> Sequence[str]:
    """Takes over from workers that are no more: their lease has run out, or `gone` knows it of their name.
    Returns their names. Who asks, `own`, is there."""
    everyone = select(_w.id, _w.owner, (_w.lease_until < utc_now()).label("late")).where(
        _w.tenant_id == tenant, _w.owner != own
    )
    dead = {row.id: row.owner for row in await session.execute(everyone) if row.late or gone(row.owner)}
    if not dead:
        return ()
    # before its row is asked for: it may have fallen asleep in the middle of a heartbeat
    await end_sessions(session, dead.values())
    # asked again under a lock: one of several buries it, and one that has just been heard of lives
    rows = await session.execute(everyone.where(_w.id.in_(dead)).with_for_update(skip_locked=True))
    mine = {row.id: row.owner for row in rows if row.late or gone(row.owner)}
    if mine:
        await release_workers(session, tenant, mine)
    return tuple(mine.values())


async def end_stale_sessions(
    session: GuardedSession, job_id: str, tenant: str, gone: Callable[[str | None], bool]
) -> None:
    """Ends what whoever held a job has open on a server, where they are no more: its run, or late workers
    where it is theirs. Who wants the job's rows next would wait for them."""
    held_by, alive = await holder(session, job_id, tenant=tenant)
    if held_by is None or (alive and not gone(held_by)):
        return
    owners = [held_by]
    if held_by == QUEUE_OWNER:
        late = select(_w.owner).where(_w.tenant_id == tenant, _w.lease_until < utc_now())
        owners = list(await session.scalars(late))
    await end_sessions(session, owners)


async def release_workers(session: GuardedSession, tenant: str, workers: Mapping[uuid.UUID, str]) -> None:
    """Takes away the rows of workers, names by id, that end or have ended; what they held waits again."""
    jobs = select(Job.id).where(
        Job.tenant_id == tenant, Job.owner == QUEUE_OWNER, Job.status == JobStatus.RUNNING
    )
    held = (
        select(DomainScan.id)
        .where(
            DomainScan.job_id.in_(jobs),
            DomainScan.status == ScanStatus.RUNNING,
            DomainScan.owner.in_(workers.values()),
        )
        .with_for_update(skip_locked=True)
    )
    await session.write(_released(DomainScan.id.in_(held)))
    await session.write(
        update(ENTRIES)
        .where(ENTRIES.c.queue_manager_id.in_(workers), ENTRIES.c.status == "picked")
        .values(status="queued", queue_manager_id=None, updated=func.now())
    )
    await session.write(delete(WORKERS).where(_w.id.in_(workers)))


async def reopen_scans(session: GuardedSession, job_id: str, *, failures: bool, gone: str | None) -> int:
    """Makes what a run might take up of a job pending, for the queue; `gone` is a run that has died. Returns
    how many wait then."""
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
    """Makes a job the queue's. One that workers are at work on stays as it is."""
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
