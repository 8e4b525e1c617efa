"""Delete all rows of a domain, in small transactions of the caller.

The first one takes the domain away from its tenant: from then on nothing reads it, and a new scan of the name
starts from nothing. The rest may be interrupted and continued.

    domain scans, jobs without any → URLs, previous values, pages → appearances of files, files
    → robots.txt, runs of pages, domain
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import Table, and_, delete, exists, func, or_, select, tuple_, update

from contentmap_cli.batches import batched
from contentmap_cli.errors import JobHeld
from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.change_feed import log_removal
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER, RunCheck, is_alive
from contentmap_cli.storage.maintenance.prune import hold_domains
from contentmap_cli.storage.pages.runs import require_idle
from contentmap_cli.storage.reading.domains import REMOVED
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import (
    FILE_CHANGES,
    PAGES,
    SITEMAP_URLS,
    URL_CHANGES,
    Base,
    Domain,
    DomainScan,
    Job,
    PageRunRow,
    RobotsVersionRow,
    SitemapFile,
)

TABLES: Final = (
    *("jobs", "domain_scans", "sitemap_urls", "sitemap_url_changes", "sitemap_file_changes", "sitemap_files"),
    *("robots_versions", "page_runs", "pages", "change_feed"),
)
"""The tables whose deleted rows are counted."""

ROWS: Final = 5_000
"""Rows of a large table in one transaction."""

FILES: Final = 500
"""Files in one transaction; also ids in one statement."""

LARGE: Final = (SITEMAP_URLS, URL_CHANGES, PAGES)


async def count_rows(session: GuardedSession, domain_id: int) -> Counter[str]:
    """Return the number of rows of a domain by table; jobs are those that scanned nothing else."""
    files = select(SitemapFile.id).where(SitemapFile.domain_id == domain_id)
    scans = select(DomainScan.job_id).where(DomainScan.domain_id == domain_id)
    other = exists().where(DomainScan.job_id == Job.id, DomainScan.domain_id != domain_id)
    counts = {
        "jobs": select(func.count()).select_from(Job).where(Job.id.in_(scans), ~other),
        "sitemap_file_changes": select(func.count())
        .select_from(FILE_CHANGES)
        .where(FILE_CHANGES.c.sitemap_file_id.in_(files)),
    }
    small = ("domain_scans", "sitemap_files", "robots_versions", "page_runs", "change_feed")
    for table in (*LARGE, *(Base.metadata.tables[name] for name in small)):
        counts[table.name] = select(func.count()).select_from(table).where(table.c.domain_id == domain_id)
    return Counter({name: int(await session.scalar(query) or 0) for name, query in counts.items()})


async def take_away(
    session: GuardedSession, domain_id: int, tenant: str, name: str, dead: RunCheck, running: RunCheck
) -> Counter[str]:
    """Delete the scans of a domain and hand it to no tenant. Raise JobHeld where a run scans it or will, or
    asks its pages."""
    live = or_(Job.owner == QUEUE_OWNER, func.coalesce(Job.lease_until > utc_now(), False))
    waiting = DomainScan.status.in_((ScanStatus.PENDING, ScanStatus.RUNNING))
    held = await hold_domains(session, {domain_id})
    # wait for the jobs that are being created: they have locked its key
    await session.execute(select(Domain.id).where(Domain.id == domain_id).with_for_update())
    found = await session.execute(
        select(Job.id, Job.owner, live)
        .join(DomainScan, DomainScan.job_id == Job.id)
        .where(DomainScan.domain_id == domain_id, waiting)
    )
    busy = [job for job, owner, leased in found if is_alive(session, owner, leased=leased, running=running)]
    if not held or busy:
        raise JobHeld(
            f"{name} is being scanned" + (f" by {busy[0]}" if busy else ""),
            hint="wait until it has ended, or cancel it with `contentmap cancel JOB_ID`",
        )
    await require_idle(session, domain_id, name, dead=dead, running=running)
    mine = PageRunRow.domain_id == domain_id
    await session.write(update(PageRunRow).where(mine).values(token=None))  # of a run that was suspended
    scans = select(DomainScan.job_id).where(DomainScan.domain_id == domain_id, DomainScan.job_id.is_not(None))
    jobs = list(await session.scalars(scans))
    removed: Counter[str] = Counter()
    removed["domain_scans"] = await session.write(delete(DomainScan).where(DomainScan.domain_id == domain_id))
    for chunk in batched(jobs, FILES):
        some = Job.id.in_(chunk)
        scanned = exists().where(DomainScan.job_id == Job.id)
        removed["jobs"] += await session.write(delete(Job).where(some, ~scanned))
        await session.write(update(Job).where(some).values(total_domains=Job.total_domains - 1))
    await session.write(
        update(Domain)
        .where(Domain.id == domain_id)
        .values(tenant_id=REMOVED, name=removed_name(domain_id, tenant, name), last_scan_id=None)
    )
    # last: a transaction that has the lock of the feed must not wait for rows of jobs
    removed["change_feed"] = await log_removal(session, domain_id, tenant, name)
    return removed


def removed_name(domain_id: int, tenant: str, name: str) -> str:
    """Return the name of a domain whose removal has begun."""
    return f"{domain_id}:{tenant}:{name}"[:300]


async def taken_away(session: GuardedSession) -> dict[int, str]:
    """Return the names of the domains whose removal has begun (see `removed_name`) by id."""
    found = await session.execute(select(Domain.id, Domain.name).where(Domain.tenant_id == REMOVED))
    return {row.id: row.name for row in found}


async def drop_rows(session: GuardedSession, table: Table, domain_id: int) -> tuple[int, bool]:
    """Delete some rows of a large table. Return their number and whether rows may be left: a second process
    that removes the domain waits for these, and then deletes none of them."""
    key = tuple(column for column in table.primary_key if column.name in ("sitemap_file_id", "url"))
    mine = table.c.domain_id == domain_id
    last = (
        await session.execute(select(*key).where(mine).order_by(*key).offset(ROWS - 1).limit(1))
    ).one_or_none()
    upto = mine if last is None else and_(mine, tuple_(*key) <= tuple_(*last))
    return await session.write(delete(table).where(upto)), last is not None


async def files_left(session: GuardedSession, domain_id: int, limit: int) -> list[int]:
    """Return the ids of some files of the domain."""
    query = select(SitemapFile.id).where(SitemapFile.domain_id == domain_id).order_by(SitemapFile.id)
    return list(await session.scalars(query.limit(limit)))


async def drop_files(session: GuardedSession, file_ids: list[int]) -> Counter[str]:
    """Delete files with their appearances."""
    changes = await session.write(delete(FILE_CHANGES).where(FILE_CHANGES.c.sitemap_file_id.in_(file_ids)))
    files = await session.write(delete(SitemapFile).where(SitemapFile.id.in_(file_ids)))
    return Counter(sitemap_file_changes=changes, sitemap_files=files)


async def drop_domain(session: GuardedSession, domain_id: int) -> Counter[str]:
    """Delete what is left of a domain."""
    mine = RobotsVersionRow.domain_id == domain_id
    robots = await session.write(delete(RobotsVersionRow).where(mine))
    runs = await session.write(delete(PageRunRow).where(PageRunRow.domain_id == domain_id))
    await session.write(delete(Domain).where(Domain.id == domain_id, Domain.tenant_id == REMOVED))
    return Counter(robots_versions=robots, page_runs=runs)
