"""The queue: domain scans that wait for a worker, in the engine's tables.

The engine is pgqueuer, an extra. It takes in and gives out: by priority, then in the order they came, each
to one worker at a time. Who may record a domain is decided by its claim and fence all the same: any queue
that takes back what it has lost sight of may give it out twice.

All of it runs on the session's own connection, inside the transaction its owner began: an entry stands in
the queue if and only if its domain scan does. A tenant has an entrypoint of its own, so that no worker
crosses tenants.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, ColumnElement, Text, cast, delete, exists, func, or_, select, text, update

from contentmap_cli.errors import TransactionRuleBroken, UsageError
from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.queue.queue_tables import ENTRIES, LOG, PREFIX, STATUS, WORKERS
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import DomainScan, Job

if TYPE_CHECKING:
    from pgqueuer.queries import Queries

STALE_SECONDS: Final = 60.0
"""An entry whose worker has not been heard of for so long is given out again."""

SOON_SECONDS: Final = 20.0
"""What waits for longer than that is not waited for by a worker that empties the queue."""

_CHUNK: Final = 5000  # entries of one statement
_e = ENTRIES.c


def default_priority(domains: int) -> int:
    """The priority of a job of so many domains, so that a small one is not stuck behind a million: 60 for up
    to nine, 10 less for each further digit. The larger goes first."""
    return max(0, 70 - 10 * len(str(domains)))


def require_engine() -> None:
    """Raises UsageError, with what to do, where the extra is not installed."""
    try:
        import pgqueuer  # noqa: F401 - whether it is there
    except ImportError:
        raise UsageError(
            "the queue needs the extra `workers`", hint="pip install 'contentmap-cli[workers]'"
        ) from None


def _entrypoint(tenant: str) -> str:
    return f"scan:{tenant}"


@asynccontextmanager
async def _engine(session: GuardedSession) -> AsyncIterator[Queries]:
    """The engine on the session's connection, in its transaction. The session does not see it pass: what
    fails here is told to it, so that it cannot commit half of it."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.domain.settings import DBSettings, Durability
    from pgqueuer.queries import Queries

    await session.execute(text("SELECT 1"))  # BEGIN is sent with the first statement
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    if not driver.is_in_transaction():  # pragma: no cover - it was begun above
        raise TransactionRuleBroken("the queue was asked before the transaction's first statement")
    # each name said, so that nothing in the environment speaks for another installation
    settings = DBSettings(
        prefix=PREFIX,
        db_schema=None,
        queue_table=ENTRIES.name,
        queue_table_log=LOG.name,
        queue_status_type=STATUS,
        durability=Durability.balanced,
    )
    queries = Queries(
        AsyncpgDriver(driver), qb.QueryBuilderEnvironment(settings), qb.QueryQueueBuilder(settings)
    )
    try:
        yield queries
    except BaseException as error:
        session.mark_failed(error)
        raise


async def enqueue_scans(
    session: GuardedSession,
    job_id: str,
    tenant: str,
    priority: int,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Puts a job's pending domain scans into the queue, in their order, and returns how many it has. One that
    waits or is being worked on is left as it is. `progress` is told how many are done."""
    await session.write(update(Job).where(Job.id == job_id).values(priority=priority))
    last, done = 0, 0
    async with _engine(session) as engine:
        while True:
            scans = await session.scalars(
                select(DomainScan.id)
                .where(
                    DomainScan.job_id == job_id,
                    DomainScan.status == ScanStatus.PENDING,
                    DomainScan.id > last,
                )
                .order_by(DomainScan.id)
                .limit(_CHUNK)
            )
            keys = [str(scan) for scan in scans]
            if not keys:
                break
            await engine.enqueue(
                [_entrypoint(tenant)] * len(keys),
                [key.encode() for key in keys],
                [priority] * len(keys),
                dedupe_key=list(keys),
                on_conflict="skip",
            )
            last, done = int(keys[-1]), done + len(keys)
            progress(done)
    session.note("queue.filled", entries=done)
    return done


async def take_entries(session: GuardedSession, tenant: str, worker: uuid.UUID, count: int) -> dict[int, int]:
    """Gives up to `count` entries of a tenant to a worker: domain scan ids by entry. Those of a worker that
    has not been heard of for long are among them."""
    from pgqueuer.ports.repository import EntrypointExecutionParameter
    from pgqueuer.types import QueueEntrypoint, QueueManagerId

    async with _engine(session) as engine:
        taken = await engine.dequeue(
            batch_size=count,
            entrypoints={QueueEntrypoint(_entrypoint(tenant)): EntrypointExecutionParameter(0)},
            queue_manager_id=QueueManagerId(worker),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=STALE_SECONDS),
        )
    return {int(entry.id): int(entry.payload or b"0") for entry in taken}


async def renew_entries(session: GuardedSession, entries: Collection[int]) -> None:
    """Tells the engine that these are still being worked on."""
    from pgqueuer.types import JobId

    async with _engine(session) as engine:
        await engine.update_heartbeat([JobId(entry) for entry in entries])


def _mine(worker: uuid.UUID, entries: Collection[int]) -> ColumnElement[bool]:
    """Entries that are still this worker's: what was given to another one meanwhile is the other's."""
    return _e.id.in_(entries) & (_e.queue_manager_id == worker)


async def settle_entries(session: GuardedSession, worker: uuid.UUID, entries: Collection[int]) -> None:
    """Takes entries whose domain scans have an outcome out of the queue, and out of the engine's diary. Those
    whose domain scans were opened again in between wait again: no other entry was made for them. Who calls
    this holds the jobs, so that none is opened at this moment."""
    waits = exists().where(
        DomainScan.id == cast(_e.dedupe_key, BigInteger),
        DomainScan.status.in_((ScanStatus.PENDING, ScanStatus.RUNNING)),
        Job.id == DomainScan.job_id,
        Job.owner == QUEUE_OWNER,
    )
    await _take_out(session, _mine(worker, entries) & ~waits)
    await put_back_entries(session, worker, entries)


async def put_back_entries(
    session: GuardedSession, worker: uuid.UUID, entries: Collection[int], *, seconds: float = 0.0
) -> None:
    """Hands entries back: others may take them, `seconds` from now."""
    await session.write(
        update(ENTRIES)
        .where(_mine(worker, entries))
        .values(
            status="queued",
            queue_manager_id=None,
            updated=func.now(),
            # the engine gives out what is earlier than now
            execute_after=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds - 0.001),
        )
    )


async def drop_job_entries(session: GuardedSession, job_id: str, *, held: bool = False) -> None:
    """Takes what waits of a job out of the queue, and out of the engine's diary. What a worker holds is the
    worker's to settle, unless it is to go as well (`held`): the job has ended, and the worker may have."""
    state = _e.status.in_(("queued", "picked")) if held else _e.status == "queued"
    entries = (
        select(_e.id)
        .where(
            state,
            _e.dedupe_key.in_(select(cast(DomainScan.id, Text)).where(DomainScan.job_id == job_id)),
        )
        .with_for_update(skip_locked=True)  # who is taking one waits for the job, which the caller has locked
    )
    await _take_out(session, _e.id.in_(entries))


async def _take_out(session: GuardedSession, which: ColumnElement[bool]) -> None:
    """Deletes entries and what the engine's diary says of them: nobody else ever empties it."""
    gone = delete(ENTRIES).where(which).returning(_e.id).cte("gone")
    await session.write(delete(LOG).where(LOG.c.job_id.in_(select(gone.c.id))))


async def anything_left(session: GuardedSession, tenant: str, worker: uuid.UUID) -> bool:
    """Whether something of a tenant waits that may soon be taken, or is held by a worker that is gone. Who
    asks has nothing: what stands under its name was given to it when the connection broke, and it never
    heard of it."""
    alive = select(WORKERS.c.id).where(WORKERS.c.lease_until > utc_now(), WORKERS.c.id != worker)
    waits = (_e.status == "queued") & (_e.execute_after < utc_now(SOON_SECONDS))
    lost = (_e.status == "picked") & _e.queue_manager_id.not_in(alive)
    query = select(_e.id).where(_e.entrypoint == _entrypoint(tenant), or_(waits, lost)).limit(1)
    return await session.scalar(query) is not None


async def repair_queue(session: GuardedSession, tenant: str) -> int:
    """Puts back what a queue that is empty should hold: pending domain scans of jobs that were handed to it.
    Returns how many. Only a table that was emptied by hand, or by a downgrade, makes that necessary."""
    some = select(_e.id).where(_e.entrypoint == _entrypoint(tenant)).limit(1)
    if await session.scalar(some) is not None:
        return 0
    waiting = await session.execute(
        select(Job.id, Job.total_domains, Job.priority)
        .where(
            Job.tenant_id == tenant,
            Job.owner == QUEUE_OWNER,
            Job.status.in_((JobStatus.PENDING, JobStatus.RUNNING)),
        )
        .order_by(Job.created_at)
    )
    added = 0
    for job in waiting.all():
        priority = default_priority(job.total_domains) if job.priority is None else job.priority
        added += await enqueue_scans(session, job.id, tenant, priority)
    return added
