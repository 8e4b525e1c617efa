"""Queries about jobs and their domain scans. They only read, and only one tenant."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, or_, select
from sqlalchemy.engine import Row

from contentmap_cli.errors import Failure
from contentmap_cli.models import DomainSummary, ErrorGroup, JobStatus, JobSummary, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.jobs import (
    PRUNED,
    RunCheck,
    first_comparable,
    history_time,
    is_alive,
    unknown_run,
)
from contentmap_cli.storage.jobs.packing import unpack_evidence
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Job

_ROWS_A_FETCH: Final = 1_000
_SUMS: Final = ("sitemaps", "urls", "added", "removed", "changed")
_RESULT: Final = tuple(
    getattr(DomainScan, name)
    for name in (
        *("job_id", "status", "sitemaps", "sitemaps_failed", "urls", "added", "removed", "changed"),
        *("withheld", "fetched_bytes", "requests", "retries", "seconds", "evidence"),
        *("error_code", "error_message"),
    )
)


async def latest_job_id(session: GuardedSession, tenant: str) -> str | None:
    """Return the id of the newest job of a tenant, or None."""
    found = await session.scalar(
        select(Job.id).where(*_listed(tenant)).order_by(Job.created_at.desc(), Job.id).limit(1)
    )
    return str(found) if found is not None else None


async def job_ids(session: GuardedSession, tenant: str, *, prefix: str, limit: int) -> list[str]:
    """Return at most `limit` ids of a tenant's jobs that begin with `prefix`, newest first."""
    query = select(Job.id).where(*_listed(tenant), Job.id.startswith(prefix, autoescape=True))
    return list(await session.scalars(query.order_by(Job.created_at.desc(), Job.id).limit(limit)))


async def job_summary(
    session: GuardedSession, job_id: str, tenant: str, *, running: RunCheck = unknown_run
) -> JobSummary | None:
    """Return a job with the sums over its domain scans as they are now, or None where the tenant has no such
    job.

    `running` says of a run id whether its process certainly runs (see `is_alive`).
    """
    found = (await session.execute(_jobs(tenant).where(Job.id == job_id))).one_or_none()
    if found is None:
        return None
    return (await _summarise(session, [found], (Job.id == job_id,), running))[0]


async def list_jobs(
    session: GuardedSession,
    tenant: str,
    *,
    limit: int,
    since: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    statuses: Collection[JobStatus] | None = None,
    domain: str | None = None,
    running: RunCheck = unknown_run,
) -> list[JobSummary]:
    """Return the newest jobs first: those created since a time, those that follow the job with a time of
    creation and id, those with a recorded status, or those that scanned a domain. Two statements, however
    many jobs there are."""
    which = list(_listed(tenant))
    if since is not None:
        which.append(Job.created_at >= since)
    if before is not None:
        at, job_id = before
        which.append(or_(Job.created_at < at, and_(Job.created_at == at, Job.id > job_id)))
    if statuses is not None:
        which.append(Job.status.in_(sorted(statuses)))
    if domain is not None:
        which.append(
            Job.id.in_(
                select(DomainScan.job_id)
                .join(Domain, Domain.id == DomainScan.domain_id)
                .where(Domain.tenant_id == tenant, Domain.name == domain)
            )
        )
    query = _jobs(tenant).where(*which).order_by(Job.created_at.desc(), Job.id).limit(limit)
    rows = (await session.execute(query)).all()
    if not rows:
        return []
    which.append(Job.created_at.between(rows[-1][0].created_at, rows[0][0].created_at))
    return await _summarise(session, rows, which, running)


class ResultPages:
    """Reads the domain scans of a job in the order given, in pages of at most `size`; each may be read in a
    transaction of its own and shows them as they are then. The discovery methods are left out: the job has
    them."""

    def __init__(
        self,
        job_id: str,
        tenant: str,
        *,
        statuses: frozenset[ScanStatus] | None = None,
        size: int = _ROWS_A_FETCH,
    ) -> None:
        self._after, self._size = 0, size
        self._query = (
            select(DomainScan.id, *_RESULT, Domain.name)
            .join(Domain, Domain.id == DomainScan.domain_id)
            .where(DomainScan.job_id == job_id, Domain.tenant_id == tenant)
            .order_by(DomainScan.id)
            .limit(size)
        )
        if statuses is not None:
            self._query = self._query.where(DomainScan.status.in_(statuses))

    async def next(self, session: GuardedSession) -> list[DomainSummary]:
        """Return the next domain scans, none at the end."""
        rows = (await session.execute(self._query.where(DomainScan.id > self._after))).all()
        if rows:
            self._after = rows[-1].id
        return [_summary(row, row.name) for row in rows]


async def domain_results(
    session: GuardedSession, job_id: str, tenant: str, *, statuses: frozenset[ScanStatus] | None = None
) -> AsyncIterator[DomainSummary]:
    """Yield the domain scans of a job as ResultPages does, in the session's transaction."""
    pages = ResultPages(job_id, tenant, statuses=statuses)
    while page := await pages.next(session):
        for row in page:
            yield row


async def error_groups(session: GuardedSession, job_id: str, *, named: int) -> list[ErrorGroup]:
    """Return the errors of a job by code, the most frequent first, each with the names of its first `named`
    domains."""
    code = DomainScan.error_code
    numbered = (
        select(
            code.label("code"),
            DomainScan.domain_id,
            func.count().over(partition_by=code).label("domains"),
            func.row_number().over(partition_by=code, order_by=DomainScan.id).label("number"),
        )
        .where(DomainScan.job_id == job_id, code.is_not(None))
        .subquery()
    )
    first = await session.execute(
        select(numbered.c.code, numbered.c.domains, Domain.name)
        .join(Domain, Domain.id == numbered.c.domain_id)
        .where(numbered.c.number <= named)
        .order_by(numbered.c.domains.desc(), numbered.c.code, numbered.c.number)
    )
    groups: dict[str, ErrorGroup] = {}
    for row in first:
        known = groups[row.code].first if row.code in groups else ()
        groups[row.code] = ErrorGroup(row.code, row.domains, (*known, row.name))
    return list(groups.values())


def summary_of(scan: DomainScan, name: str) -> DomainSummary:
    """Return a row of `domain_scans` as a DomainSummary."""
    return replace(
        _summary(scan, name), discovery_methods=scan.discovery_methods, sitemap_types=scan.sitemap_types
    )


def _summary(scan: Any, name: str) -> DomainSummary:
    return DomainSummary(
        job_id=scan.job_id,
        domain=name,
        status=ScanStatus(scan.status),
        sitemaps=scan.sitemaps,
        sitemaps_failed=scan.sitemaps_failed,
        urls=scan.urls,
        added=scan.added,
        removed=scan.removed,
        changed=scan.changed,
        withheld=scan.withheld,
        fetched_bytes=scan.fetched_bytes,
        requests=scan.requests,
        retries=scan.retries,
        seconds=scan.seconds,
        error=Failure(scan.error_code, scan.error_message or "") if scan.error_code else None,
        evidence=unpack_evidence(scan.evidence or ()),
    )


async def last_scan(session: GuardedSession, domain_id: int) -> DomainSummary | None:
    """Return the summary of the last finished scan of a domain, or None."""
    found = (
        await session.execute(
            select(DomainScan, Domain.name)
            .join(Domain, Domain.last_scan_id == DomainScan.id)
            .where(Domain.id == domain_id)
        )
    ).one_or_none()
    return summary_of(found[0], found[1]) if found is not None else None


async def recorded_scans(
    session: GuardedSession, domain_id: int, *, limit: int
) -> list[tuple[datetime, DomainSummary]]:
    """Return the newest scans of a domain that recorded something and were not pruned, each with the time of
    recording; the oldest of them first."""
    at = history_time()
    rows = await session.execute(
        select(DomainScan, Domain.name, at.label("at"), (Job.job_type == PRUNED).label("pruned"))
        .join(Domain, Domain.id == DomainScan.domain_id)
        .join(Job, Job.id == DomainScan.job_id)
        .where(DomainScan.domain_id == domain_id, at.is_not(None))
        .order_by(at.desc(), DomainScan.id.desc())
        .limit(limit)
    )
    found = rows.all()[::-1]
    return [
        (at, summary_of(scan, name))
        for scan, name, at, _ in found[first_comparable([row.pruned for row in found]) :]
        if at is not None
    ]


async def last_scanned_at(session: GuardedSession, domain_id: int) -> datetime | None:
    """Return when the last scan of a domain finished, or None."""
    found: datetime | None = await session.scalar(
        select(Domain.last_scanned_at).where(Domain.id == domain_id)
    )
    return found


def _jobs(tenant: str) -> Select[Job, bool]:
    alive: ColumnElement[bool] = func.coalesce(Job.lease_until > utc_now(), False)
    return select(Job, alive.label("alive")).where(*_listed(tenant))


def _listed(tenant: str) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the jobs of a tenant that were not pruned."""
    return Job.tenant_id == tenant, Job.job_type != PRUNED


@dataclass(slots=True)
class _Sums:
    """The sums over the domain scans of a job."""

    totals: Counter[str] = field(default_factory=Counter)
    states: dict[ScanStatus, int] = field(default_factory=lambda: dict.fromkeys(ScanStatus, 0))
    methods: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)


async def _summarise(
    session: GuardedSession,
    rows: Sequence[Row[Job, bool]],
    which: Sequence[ColumnElement[bool]],
    running: RunCheck,
) -> list[JobSummary]:
    """Return jobs with the sums over their domain scans; `which` are conditions that all of them meet."""
    found = {job.id: _Sums() for job, _ in rows}
    # JSON as text: most domains have one of a few values, which the database groups and counts
    found_by, kinds = (
        cast(column, Text) for column in (DomainScan.discovery_methods, DomainScan.sitemap_types)
    )
    sums = [func.sum(getattr(DomainScan, name)).label(name) for name in _SUMS]
    grouped = await session.stream(
        select(DomainScan.job_id, DomainScan.status, found_by, kinds, func.count(), *sums)
        .where(DomainScan.job_id.in_(select(Job.id).where(*which)))
        .group_by(DomainScan.job_id, DomainScan.status, found_by, kinds)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    async for some in grouped.partitions():
        for job_id, state, methods_text, types_text, scans, *counts in some:
            each = found.get(job_id)
            if each is None:
                continue
            each.states[ScanStatus(state)] += scans
            for name, count in zip(_SUMS, counts, strict=True):
                each.totals[name] += int(count)
            for counter, said in ((each.methods, methods_text), (each.types, types_text)):
                for name, count in json.loads(said).items():
                    counter[name] += count * scans
    return [_job_summary(session, job, bool(leased), found[job.id], running) for job, leased in rows]


def _job_summary(
    session: GuardedSession, job: Job, leased: bool, sums: _Sums, running: RunCheck
) -> JobSummary:
    alive = is_alive(session, job.owner, leased=leased, running=running)
    status, error = _live_status(job, alive)
    return JobSummary(
        job_id=job.id,
        status=status,
        tenant=job.tenant_id,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        domains=sums.states,
        sitemaps=sums.totals["sitemaps"],
        urls=sums.totals["urls"],
        added=sums.totals["added"],
        removed=sums.totals["removed"],
        changed=sums.totals["changed"],
        discovery_methods=dict(sorted(sums.methods.items())),
        sitemap_types=dict(sorted(sums.types.items())),
        error=error,
        heartbeat_at=job.heartbeat_at,
        alive=alive,
        owner=job.owner,
    )


def _live_status(job: Job, alive: bool) -> tuple[JobStatus, str | None]:
    """Return the status and error of a job. One that is still recorded as running, but whose run is not
    alive, is interrupted."""
    status = JobStatus(job.status)
    if status is JobStatus.RUNNING and not alive:
        heard = job.heartbeat_at.strftime("%Y-%m-%d %H:%M:%S UTC") if job.heartbeat_at else "never"
        return JobStatus.INTERRUPTED, f"the run ended unexpectedly; last heartbeat {heard}"
    return status, job.error
