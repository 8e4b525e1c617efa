"""Jobs and their domain scans: created, claimed, fenced, finished.

Services: each takes a session inside its owner's block and never begins, commits or rolls back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Text, case, cast, false, func, insert, or_, select, update

from contentmap_cli.batches import batched
from contentmap_cli.errors import Code
from contentmap_cli.models import JobStatus, ScanStatus, Target
from contentmap_cli.models.evidence import SourceState
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS
from contentmap_cli.storage.jobs.packing import pack_target
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Job

JOB_TYPE: Final = "sitemap_scan"
PRUNED: Final = "pruned"
"""The type of a pruned job: it is not listed, resumed or compared. Its row is kept only while its domain
scans are needed as the first scans of URLs."""

QUEUE_OWNER: Final = "queue"
"""The owner of a job that was handed to the workers. The id of a run has colons."""

ALWAYS_COMPARABLE: Final = 2
"""The number of a domain's last scans that can be compared whatever was pruned; `diff` compares two by
default."""

_CHUNK = 500

RunCheck = Callable[[str | None], bool]
"""Says of a run id whether its process certainly runs on this machine."""

T = TypeVar("T")


def new_job_id() -> str:
    """Return `sitemap_` and 32 random hexadecimal digits."""
    return f"sitemap_{uuid.uuid4().hex}"


async def create_job(
    session: GuardedSession,
    job_id: str,
    tenant: str,
    targets: Sequence[Target],
    options: Mapping[str, Any],
    owner: str | None,
) -> None:
    """Write the job, its new domains, and a pending domain scan for each target."""
    now = datetime.now(UTC)
    session.add(
        Job(
            id=job_id,
            tenant_id=tenant,
            job_type=JOB_TYPE,
            status=JobStatus.PENDING,
            total_domains=len(targets),
            options=dict(options),
            created_at=now,
            owner=owner,
        )
    )
    await session.flush()
    ids: dict[str, int] = {}
    for chunk in batched(sorted(target.domain for target in targets), _CHUNK):
        ids |= await domain_ids(session, tenant, chunk, now)
    for scans in batched(targets, _CHUNK):
        await session.execute(
            insert(DomainScan),
            [
                {
                    "job_id": job_id,
                    "domain_id": ids[target.domain],
                    "status": ScanStatus.PENDING,
                    "target": pack_target(target),
                }
                for target in scans
            ],
        )
    session.note("job.created", domains=len(targets))


async def domain_ids(
    session: GuardedSession, tenant: str, names: Sequence[str], now: datetime
) -> dict[str, int]:
    """Return the ids of domains, and insert those that are new. The caller passes all names in one order, so
    that two jobs never deadlock. No domain can be removed until the transaction ends."""
    ids: dict[str, int] = {}
    insert_new = insert_for(session)(Domain).on_conflict_do_nothing()
    while missing := [name for name in names if name not in ids]:  # again if one is removed in between
        rows = [
            {"tenant_id": tenant, "name": name, "created_at": now, "sitemap_count": 0, "url_count": 0}
            for name in missing
        ]
        await session.execute(insert_new, rows)
        found = select(Domain.name, Domain.id).where(Domain.tenant_id == tenant, Domain.name.in_(missing))
        locked = await session.execute(found.with_for_update(read=True, key_share=True))
        ids |= {row.name: row.id for row in locked}
    return ids


def insert_for(session: GuardedSession) -> Any:
    """Return the INSERT that supports ON CONFLICT. A dialect is imported on use, as the import is slow."""
    return import_module(f"sqlalchemy.dialects.{session.dialect.name}").insert


async def find_job(session: GuardedSession, job_id: str, tenant: str, *, lock: bool = False) -> Job | None:
    """Return a job of the tenant, or None where there is none or it was pruned. `lock`: lock its row until
    the transaction ends."""
    job = await session.get(Job, job_id, with_for_update=lock)
    return job if job is not None and (job.tenant_id, job.job_type) == (tenant, JOB_TYPE) else None


def history_time() -> ColumnElement[datetime | None]:
    """Return the time of a domain scan in the history of its domain: the first commit of its entries, or the
    end of a scan that failed without any. NULL for scans without an outcome."""
    failed = DomainScan.status.in_((ScanStatus.FAILED, ScanStatus.DEFERRED))
    return func.coalesce(DomainScan.recorded_at, case((failed, DomainScan.finished_at)))


def history_job() -> ColumnElement[str]:
    """Return the job of a domain scan in the history of its domain, also of a later part of a resumed one."""
    return func.coalesce(DomainScan.job_id, DomainScan.resumed_job_id)


def selected_files() -> ColumnElement[bool]:
    """Return whether a domain scan did not read every file, as its evidence says: --include, --exclude or
    --lastmod-after selected some."""
    evidence = cast(DomainScan.evidence, Text)
    return func.coalesce(evidence.contains(f'"{SourceState.NOT_SELECTED}"'), false())


def first_comparable(pruned: Sequence[bool]) -> int:
    """Return the index of the first scan that can be compared, of the scans of a domain that recorded
    something, the oldest first. `pruned` says of each whether its job was pruned. All later scans can be
    compared too."""
    last = max(len(pruned) - ALWAYS_COMPARABLE, 0)
    return next((rank for rank in range(last) if not pruned[rank]), last)


async def hold_job(session: GuardedSession, job_id: str, owner: str) -> bool:
    """Make `owner` the live run of the job, with a new lease. Returns False where another live run holds
    it."""
    took = await session.write(
        update(Job)
        .where(
            Job.id == job_id,
            Job.job_type == JOB_TYPE,
            or_(
                Job.lease_until.is_(None),
                Job.lease_until < utc_now(),
                Job.owner == owner,
                Job.status.not_in((JobStatus.RUNNING, JobStatus.PENDING)),
            ),
        )
        .values(
            status=JobStatus.RUNNING,
            owner=owner,
            started_at=func.coalesce(Job.started_at, utc_now()),
            finished_at=None,
            error=None,
            heartbeat_at=utc_now(),
            lease_until=utc_now(LEASE_SECONDS),
        )
    )
    session.note("job.held" if took else "job.refused", owner=owner)
    return took == 1


async def renew_job(session: GuardedSession, job_id: str, owner: str) -> bool:
    """Renew the lease of a job. Returns False where another run holds it by now."""
    renewed = await session.write(
        update(Job)
        .where(Job.id == job_id, Job.owner == owner)
        .values(heartbeat_at=utc_now(), lease_until=utc_now(LEASE_SECONDS))
    )
    return renewed == 1


async def renew_scans(session: GuardedSession, job_id: str, owner: str) -> None:
    """Renew the leases of a run's domain scans, except those that are being recorded: their fence has renewed
    them, and waiting for one would delay all others."""
    mine = (
        select(DomainScan.id)
        .where(
            DomainScan.job_id == job_id, DomainScan.owner == owner, DomainScan.status == ScanStatus.RUNNING
        )
        .with_for_update(skip_locked=True)
    )
    await session.write(
        update(DomainScan).where(DomainScan.id.in_(mine)).values(lease_until=utc_now(LEASE_SECONDS))
    )


def unknown_run(owner: str | None) -> bool:
    """Return False: nothing is known of the process of this run."""
    return False


def is_alive(session: GuardedSession, owner: str | None, *, leased: bool, running: RunCheck) -> bool:
    """Return whether a run is alive: its lease has not expired, or `running` says that its process runs.

    The process counts on SQLite only. There a heartbeat waits behind the transaction that is being written,
    and a transaction may take longer than a lease."""
    return leased or (session.dialect.name == "sqlite" and running(owner))


async def holder(
    session: GuardedSession,
    job_id: str,
    *,
    tenant: str | None = None,
    shared: bool = False,
    running: RunCheck = unknown_run,
) -> tuple[str | None, bool]:
    """Return the owner of a job, of this `tenant` if one is given, and whether that run is alive (see
    `is_alive`). `shared`: lock the row in share mode until the transaction ends."""
    query = select(Job.owner, func.coalesce(Job.lease_until > utc_now(), False)).where(Job.id == job_id)
    if tenant is not None:
        query = query.where(Job.tenant_id == tenant)
    found = (await session.execute(query.with_for_update(read=True) if shared else query)).one_or_none()
    if found is None:
        return None, False
    return found[0], is_alive(session, found[0], leased=bool(found[1]), running=running)


def interruption(reason: str) -> dict[str, Any]:
    """Return the columns of a domain scan that was taken from its run, or was never started, and can be
    resumed."""
    return {
        "status": ScanStatus.INTERRUPTED,
        "token": None,
        "owner": None,
        "lease_until": None,
        "finished_at": utc_now(),
        "error_code": Code.INTERRUPTED,
        "error_message": reason,
    }


async def _give_back(session: GuardedSession, job_id: str, owner: str, reason: str) -> None:
    """Set the running domain scans of this run to `interrupted`."""
    await session.write(
        update(DomainScan)
        .where(
            DomainScan.job_id == job_id, DomainScan.owner == owner, DomainScan.status == ScanStatus.RUNNING
        )
        .values(**interruption(reason))
    )


async def interrupt(session: GuardedSession, job_id: str, owner: str, reason: str) -> None:
    """Set a job and its running domain scans to `interrupted`, if the run holds it."""
    await _give_back(session, job_id, owner, reason)
    await session.write(
        update(Job)
        .where(Job.id == job_id, Job.owner == owner)
        .values(
            status=JobStatus.INTERRUPTED, finished_at=utc_now(), owner=None, lease_until=None, error=reason
        )
    )
    session.note("job.interrupted", reason=reason)


async def finish_job(session: GuardedSession, job_id: str, owner: str) -> JobStatus:
    """Close a job according to its domain scans, and return its status. A domain whose outcome could not be
    recorded becomes `interrupted`, so that `resume` need not wait for its lease."""
    await _give_back(session, job_id, owner, "its outcome could not be recorded")
    counted = await session.execute(
        select(DomainScan.status, func.count()).where(DomainScan.job_id == job_id).group_by(DomainScan.status)
    )
    status = judge_job({ScanStatus(state): count for state, count in counted})
    await session.write(
        update(Job)
        .where(Job.id == job_id, Job.owner == owner)
        .values(
            status=status,
            finished_at=case((Job.finished_at.is_(None), utc_now()), else_=Job.finished_at),
            owner=None,
            lease_until=None,
        )
    )
    session.note("job.finished", status=str(status))
    return status


def judge_job(domains: Mapping[ScanStatus, int]) -> JobStatus:
    """Return the status of a job with these numbers of outcomes: unfinished work makes it interrupted,
    failures alone failed."""
    total = sum(domains.values())
    if (
        domains.get(ScanStatus.PENDING)
        or domains.get(ScanStatus.RUNNING)
        or domains.get(ScanStatus.INTERRUPTED)
    ):
        return JobStatus.INTERRUPTED
    clean = domains.get(ScanStatus.OK, 0) + domains.get(ScanStatus.EMPTY, 0)
    if clean == total:
        return JobStatus.COMPLETE
    return JobStatus.FAILED if domains.get(ScanStatus.FAILED) == total else JobStatus.PARTIAL
