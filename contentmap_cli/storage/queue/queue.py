"""The queue: one entry per domain scan that waits for a worker, in the tables of pgqueuer, an extra.

pgqueuer's runner takes entries, dispatches, heartbeats, retries and completes them (`queue_run`). This
module adds and deletes entries on a session's own connection, in its transaction, so that an entry exists if
and only if its domain scan is pending. The claim decides which worker may record a domain, since any queue
may give out an entry twice. Each tenant has an entrypoint of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, cast, delete, func, or_, select, text, update

from contentmap_cli.batches import batched
from contentmap_cli.errors import TransactionRuleBroken, UsageError
from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.queue.queue_tables import ENTRIES, LOG, PREFIX, STATISTICS, STATUS
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import DomainScan, Job

if TYPE_CHECKING:
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.queries import Queries
    from pgqueuer.types import JobId

_CHUNK: Final = 5000  # entries of one statement
_NOTIFIED: Final = 500  # entries of one NOTIFY, whose payload has at most 8000 bytes
_e = ENTRIES.c


def default_priority(domains: int) -> int:
    """Return the priority of a job with this many domains, so that a small one is not stuck behind a million:
    60 for up to nine, 10 less for each further digit. The larger goes first."""
    return max(0, 70 - 10 * len(str(domains)))


def require_engine() -> None:
    """Raise UsageError, with what to do, where the extra is not installed."""
    try:
        import pgqueuer  # noqa: F401 - whether it is there
    except ImportError:
        raise UsageError(
            "the queue needs the extra `workers`", hint="pip install 'contentmap-cli[workers]'"
        ) from None


def entrypoint_of(tenant: str) -> str:
    """Return the engine's entrypoint for a tenant."""
    return f"scan:{tenant}"


@cache
def engine_settings() -> DBSettings:
    """Return the engine's names for its tables. Each is given, so that nothing in the environment applies."""
    from pgqueuer.domain.settings import DBSettings, Durability
    from pgqueuer.domain.types import Channel

    return DBSettings(
        prefix=PREFIX,
        db_schema=None,
        channel=Channel(f"{PREFIX}pgqueuer"),
        queue_table=ENTRIES.name,
        queue_table_log=LOG.name,
        statistics_table=STATISTICS.name,
        queue_status_type=STATUS,
        durability=Durability.balanced,
    )


@asynccontextmanager
async def engine_on(session: GuardedSession) -> AsyncIterator[Queries]:
    """Give the engine on the session's connection, in its transaction. What fails in it is reported to the
    session, which does not see the driver's errors, so that it cannot commit half of it."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.queries import Queries

    await session.execute(text("SELECT 1"))  # BEGIN is sent with the first statement
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    if not driver.is_in_transaction():  # pragma: no cover - it was begun above
        raise TransactionRuleBroken("the queue was asked before the transaction's first statement")
    settings = engine_settings()
    try:
        yield Queries(
            AsyncpgDriver(driver), qb.QueryBuilderEnvironment(settings), qb.QueryQueueBuilder(settings)
        )
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
    """Add an entry for each pending domain scan of a job that has none, in order, and store the job's
    priority. Return the number of added entries; `progress` is called with the number so far."""
    await session.write(update(Job).where(Job.id == job_id).values(priority=priority))
    lost = and_(DomainScan.status == ScanStatus.RUNNING, DomainScan.lease_until < utc_now())
    last, done = 0, 0
    async with engine_on(session) as engine:
        while True:
            scans = await session.scalars(
                select(DomainScan.id)
                .where(
                    DomainScan.job_id == job_id,
                    or_(DomainScan.status == ScanStatus.PENDING, lost),
                    DomainScan.id > last,
                )
                .order_by(DomainScan.id)
                .limit(_CHUNK)
            )
            keys = [str(scan) for scan in scans]
            if not keys:
                break
            added = await engine.enqueue(
                [entrypoint_of(tenant)] * len(keys),
                [key.encode() for key in keys],
                [priority] * len(keys),
                dedupe_key=list(keys),
                on_conflict="skip",
            )
            last, done = int(keys[-1]), done + sum(entry is not None for entry in added)
            progress(done)
        if done:
            await _wake_workers(engine)
    session.note("queue.filled", entries=done)
    return done


async def _wake_workers(engine: Queries) -> None:
    """Notify idle workers when this transaction commits. The engine's own trigger would notify all workers
    of each completed entry as well."""
    channel = engine_settings().channel
    event = {"type": "table_changed_event", "operation": "insert", "table": ENTRIES.name, "channel": channel}
    await engine.driver.notify(channel, json.dumps(event | {"sent_at": datetime.now(UTC).isoformat()}))


async def drop_picked_entries(session: GuardedSession, job_id: str) -> None:
    """Delete entries of a job's pending domain scans that a worker has taken: the worker has recorded them
    and is about to complete the entries, or was killed. New entries can be added afterwards."""
    pending = select(cast(DomainScan.id, Text)).where(
        DomainScan.job_id == job_id, DomainScan.status == ScanStatus.PENDING
    )
    await session.write(delete(ENTRIES).where(_e.status != "queued", _e.dedupe_key.in_(pending)))


async def drop_job_entries(session: GuardedSession, job_id: str, *, cancel: bool = True) -> None:
    """Delete a job's entries. With `cancel`, workers that have taken some of them are notified to cancel them
    when this transaction commits."""
    scans = select(cast(DomainScan.id, Text)).where(DomainScan.job_id == job_id)
    which = delete(ENTRIES).where(_e.dedupe_key.in_(scans))
    if not cancel:
        await session.write(which)
        return
    gone = which.returning(_e.id, _e.queue_manager_id).cte("gone")
    picked = await session.scalars(select(gone.c.id).where(gone.c.queue_manager_id.is_not(None)))
    entries: list[JobId] = list(picked)
    if entries:
        async with engine_on(session) as engine:
            for some in batched(entries, _NOTIFIED):
                await engine.notify_job_cancellation(some)


async def count_entries(session: GuardedSession, tenant: str) -> dict[str, int]:
    """Return the number of a tenant's entries by status: `queued`, `picked`."""
    found = await session.execute(
        select(cast(_e.status, Text), func.count())
        .where(_e.entrypoint == entrypoint_of(tenant))
        .group_by(_e.status)
    )
    return {str(status): int(number) for status, number in found}


async def repair_queue(session: GuardedSession, tenant: str) -> int:
    """Add entries for the pending domain scans of a tenant's queued jobs if the queue is empty. Return the
    number of added entries. This is only necessary if the tables were emptied by hand or by a downgrade."""
    some = select(_e.id).where(_e.entrypoint == entrypoint_of(tenant)).limit(1)
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
