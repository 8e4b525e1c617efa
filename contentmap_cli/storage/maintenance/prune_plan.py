"""Find what is too old to keep. `prune` deletes it.

A job is pruned first, as a whole: from then on it is not listed, resumed or compared. The rest is cleaning
up, which may be interrupted and repeated. From the first scan of a domain that can be compared on, all scans
are kept, with all that a comparison of any two of them needs. Of the older ones, these are kept: the first
scans of URLs that are kept, the first scan of the domain, and the first that found a sitemap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import aliased

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.claims import RESUMABLE
from contentmap_cli.storage.jobs.jobs import PRUNED, QUEUE_OWNER, first_comparable, history_job, history_time
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import (
    CHANGE_FEED,
    FILE_CHANGES,
    SITEMAP_URLS,
    URL_CHANGES,
    Domain,
    DomainScan,
    Job,
)
from contentmap_cli.storage.tables import SitemapFile as File

_HISTORY: Final = (
    *("domain_scans", "sitemap_files", "sitemap_file_changes", "sitemap_urls", "sitemap_url_changes"),
    "change_feed",
)
TABLES: Final = ("jobs", *_HISTORY, "page_runs", "pages")
"""The tables whose deleted rows are counted."""

_ENDED: Final = (JobStatus.COMPLETE, JobStatus.PARTIAL, JobStatus.FAILED)
_CHUNK: Final = 500  # rows of one statement
_T, _C, _F, _P = SITEMAP_URLS.c, URL_CHANGES.c, FILE_CHANGES.c, CHANGE_FEED.c


@dataclass(frozen=True, slots=True)
class Retention:
    """Which jobs are too old: those of a tenant that ended before a time. `unfinished`: also those that
    `resume` could finish."""

    tenant: str
    before: datetime
    unfinished: bool = False

    def too_old(self) -> ColumnElement[bool]:
        """The condition for jobs to prune. Never one that is running or waits for a worker."""
        ended = and_(Job.status.in_(_ENDED), ~_has_scans(DomainScan.status.in_(sorted(RESUMABLE))))
        if self.unfinished:
            idle = or_(Job.lease_until.is_(None), Job.lease_until < utc_now())
            ended = or_(ended, and_(Job.owner.is_distinct_from(QUEUE_OWNER), idle, ~_has_scans(leased())))
        return and_(self.old(), ended)

    def old(self) -> ColumnElement[bool]:
        """The condition for jobs whose last activity was before the time. Never the latest of the tenant."""
        listed = aliased(Job)
        latest = select(func.max(listed.created_at)).where(
            listed.tenant_id == self.tenant, listed.job_type != PRUNED
        )
        heard = func.coalesce(Job.finished_at, Job.heartbeat_at, Job.created_at, type_=Job.created_at.type)
        return and_(
            Job.tenant_id == self.tenant,
            Job.job_type != PRUNED,
            heard < self.before,
            Job.created_at < latest.scalar_subquery(),
        )

    def pruned(self) -> ColumnElement[bool]:
        """The condition for jobs that were pruned, now or before."""
        return and_(Job.tenant_id == self.tenant, Job.job_type == PRUNED)


def _has_scans(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(DomainScan.id).where(DomainScan.job_id == Job.id, *which))


def leased() -> ColumnElement[bool]:
    """The condition for domain scans that a live run holds."""
    return and_(
        DomainScan.status == ScanStatus.RUNNING, func.coalesce(DomainScan.lease_until > utc_now(), False)
    )


@dataclass(slots=True)
class Leftovers:
    """What may be deleted of one domain, and the first of its scans that can be compared."""

    domain_id: int
    horizon: tuple[datetime, int] | None  # time and id; None where no scan is pruned
    urls: int = 0
    url_changes: int = 0
    files: dict[int, int] = field(default_factory=dict)  # each with the number of its appearances
    file_changes: list[tuple[int, int]] = field(default_factory=list)  # file, scan
    scans: list[int] = field(default_factory=list)
    feed: int = 0
    baseline: int | None = None  # id of a row of the change feed

    def count(self) -> dict[str, int]:
        """Return the number of rows by table."""
        file_changes = len(self.file_changes) + sum(self.files.values())
        counts = (len(self.scans), len(self.files), file_changes, self.urls, self.url_changes, self.feed)
        return dict(zip(_HISTORY, counts, strict=True))

    def kept(self) -> Select[int]:
        """Select the scans of the domain that can be compared."""
        at, scan_id = self.horizon or (None, 0)
        seen = history_time()
        since = true() if at is None else or_(seen > at, and_(seen == at, DomainScan.id >= scan_id))
        return select(DomainScan.id).where(DomainScan.domain_id == self.domain_id, since)


# -- jobs


async def hide_jobs(session: GuardedSession, rule: Retention) -> int:
    """Mark some jobs that are too old as pruned and return their number; 0 where none is left."""
    found = select(Job.id).where(rule.too_old()).limit(_CHUNK).with_for_update(skip_locked=True)
    hidden = update(Job).where(Job.id.in_(found), Job.job_type != PRUNED)
    return await session.write(hidden.values(job_type=PRUNED, owner=None, lease_until=None, options={}))


async def count_jobs(session: GuardedSession, rule: Retention) -> tuple[int, int]:
    """Return the number of jobs that are too old, and of those that are kept only because they are
    unfinished."""
    count = select(func.count()).select_from(Job)
    old = int(await session.scalar(count.where(rule.old())) or 0)
    pruned = int(await session.scalar(count.where(rule.too_old())) or 0)
    return pruned, old - pruned


async def drop_empty_jobs(session: GuardedSession, rule: Retention) -> int:
    """Delete some pruned jobs without domain scans and return their number."""
    part = exists(select(DomainScan.id).where(DomainScan.resumed_job_id == Job.id))
    empty = select(Job.id).where(rule.pruned(), ~_has_scans(), ~part).limit(_CHUNK)
    return await session.write(delete(Job).where(Job.id.in_(empty)))


# -- domains


async def domains_with_leftovers(
    session: GuardedSession, rule: Retention, pruned: ColumnElement[bool], *, after: int, limit: int
) -> list[int]:
    """Return the ids of the next domains that a pruned job has scanned. `pruned` is the condition for such
    jobs."""
    jobs = select(Job.id).where(pruned)
    scanned = exists(select(DomainScan.id).where(DomainScan.domain_id == Domain.id, history_job().in_(jobs)))
    query = select(Domain.id).where(Domain.tenant_id == rule.tenant, Domain.id > after, scanned)
    return list(await session.scalars(query.order_by(Domain.id).limit(limit)))


async def find_leftovers(
    session: GuardedSession, domain_ids: Sequence[int], pruned: ColumnElement[bool]
) -> list[Leftovers]:
    """Return what may be deleted of each of these domains. Reads all rows of a domain once."""
    jobs = select(Job.id).where(pruned)
    rows = await session.execute(
        select(
            DomainScan.id,
            DomainScan.domain_id,
            history_time().label("recorded_at"),
            DomainScan.sitemaps,
            history_job().in_(jobs).label("pruned"),
        )
        .where(DomainScan.domain_id.in_(domain_ids))
        .order_by(history_time(), DomainScan.id)
    )
    scans: dict[int, list[Any]] = {domain_id: [] for domain_id in domain_ids}
    for row in rows:
        scans[row.domain_id].append(row)
    last_scans = await session.execute(
        select(Domain.id, Domain.last_scan_id).where(Domain.id.in_(domain_ids))
    )
    last = {row.id: row.last_scan_id for row in last_scans}
    return [await _leftovers(session, each, scans[each], last.get(each)) for each in domain_ids]


async def _leftovers(
    session: GuardedSession, domain_id: int, scans: Sequence[Any], last_scan: int | None
) -> Leftovers:
    recorded = [scan for scan in scans if scan.recorded_at is not None]
    first = first_comparable([scan.pruned for scan in recorded])
    needed = {last_scan}
    horizon = (recorded[first].recorded_at, recorded[first].id) if first else None
    left = Leftovers(domain_id, horizon)
    if first:
        needed |= {recorded[0].id, next((scan.id for scan in recorded if scan.sitemaps), None)}
        needed |= await _count_rows(session, left, {scan.id for scan in recorded[first:]})
        await count_feed(session, left)
        left.files = dict.fromkeys(await session.scalars(_files_that_are_gone(left)), 0)
        await _find_file_changes(session, left, [scan.id for scan in recorded], first)
    old = [*recorded[:first], *(scan for scan in scans if scan.recorded_at is None and scan.pruned)]
    left.scans = sorted(scan.id for scan in old if scan.id not in needed)
    return left


async def _count_rows(session: GuardedSession, left: Leftovers, kept: Collection[int]) -> set[int]:
    """Count the rows to delete, and return the first scans of the URLs that are kept."""
    rows = await session.execute(
        select(_T.first_scan_id, _T.removed_scan_id, func.count())
        .where(_T.domain_id == left.domain_id)
        .group_by(_T.first_scan_id, _T.removed_scan_id)
    )
    needed = set()
    for first, removed, count in rows:
        if removed is None or removed in kept:
            needed.add(first)
        else:
            left.urls += count
    written = await session.execute(
        select(_C.scan_id, func.count()).where(_C.domain_id == left.domain_id).group_by(_C.scan_id)
    )
    left.url_changes = sum(count for scan, count in written if scan not in kept)
    return needed


async def count_feed(session: GuardedSession, left: Leftovers) -> None:
    """Note which rows of a domain are to be deleted: their number, and the baseline."""
    mine = _P.domain_id == left.domain_id
    old = select(func.max(_P.id)).where(mine, _P.scan_id.not_in(left.kept()))
    left.baseline = await session.scalar(old)
    if left.baseline is None:
        return
    below = select(func.count()).where(mine, _P.id < left.baseline)
    left.feed = int(await session.scalar(below) or 0)


def _files_that_are_gone(left: Leftovers) -> Select[int]:
    """Select files that were removed before all that can be compared. The newest file of a domain is kept:
    without one the domain would seem never to have been scanned."""
    newest = select(func.max(File.id)).where(File.domain_id == left.domain_id).scalar_subquery()
    row = and_(_T.domain_id == File.domain_id, _T.sitemap_file_id == File.id)
    change = and_(_C.domain_id == File.domain_id, _C.sitemap_file_id == File.id)
    return (
        select(File.id)
        .where(
            File.domain_id == left.domain_id,
            File.removed_at.is_not(None),
            File.id < newest,
            ~exists().where(row, or_(_T.removed_scan_id.is_(None), _T.removed_scan_id.in_(left.kept()))),
            ~exists().where(change, _C.scan_id.in_(left.kept())),
            ~exists().where(_F.sitemap_file_id == File.id, _F.scan_id.in_(left.kept())),
        )
        .order_by(File.id)
    )


async def _find_file_changes(
    session: GuardedSession, left: Leftovers, recorded: Sequence[int], first: int
) -> None:
    """Find the appearances of files that are not needed: all before the first scan that can be compared,
    except the removal of a file, which is deleted with the file."""
    ranks = {scan: rank for rank, scan in enumerate(recorded)}
    events: dict[int, list[tuple[int, int, bool]]] = {}
    for row in await session.execute(
        select(FILE_CHANGES).join(File, File.id == _F.sitemap_file_id).where(File.domain_id == left.domain_id)
    ):
        event = (ranks.get(row.scan_id, -1), row.scan_id, row.gone)
        events.setdefault(row.sitemap_file_id, []).append(event)
    for file_id, some in events.items():
        some.sort()
        if some[-1][2]:
            some.pop()
            if file_id in left.files:
                left.files[file_id] = 1
        left.file_changes += [(file_id, scan) for rank, scan, _ in some if rank < first]
