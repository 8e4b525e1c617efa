"""What is too old to keep: found by reading, and removed in pieces, each in a transaction of the caller's.

    jobs out of sight → URLs that are gone, what was written over → files that are gone → domain scans → jobs

A job is pruned whole and first of all: from then on nobody lists, resumes or compares it, and the rest is
clearing up, which may end anywhere and begin again. Of a domain's scans those from the first on that can be
compared stay, with all that a comparison of any two of them needs. Of those before it a few stay too: that
first saw a URL which is still there, the domain's first, and the first that found a sitemap.

Nothing is removed of a domain that is being scanned: its scan may have compared itself with it already.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from contentmap_cli.batches import cut
from contentmap_cli.records.claims import RESUMABLE
from contentmap_cli.records.jobs import PRUNED, QUEUE_OWNER, first_comparable
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import FILE_CHANGES, SITEMAP_URLS, URL_CHANGES, Domain, DomainScan, Job
from contentmap_cli.records.tables import SitemapFile as File
from contentmap_cli.records.types import utc_now
from contentmap_cli.values import JobStatus, ScanStatus

TABLES: Final = (
    *("jobs", "domain_scans", "sitemap_files", "sitemap_file_changes", "sitemap_urls", "sitemap_url_changes"),
)
"""What is counted of what is removed, by table."""

_ENDED: Final = (JobStatus.COMPLETE, JobStatus.PARTIAL, JobStatus.FAILED)
_CHUNK: Final = 500  # rows of one statement
_T, _C, _F = SITEMAP_URLS.c, URL_CHANGES.c, FILE_CHANGES.c


@dataclass(frozen=True, slots=True)
class Retention:
    """What is too old: jobs of a tenant that ended before a moment. `unfinished`: also those that were left
    before their end, whom `resume` could still take up."""

    tenant: str
    before: datetime
    unfinished: bool = False

    def too_old(self) -> ColumnElement[bool]:
        """Jobs that are to be pruned. Never one that is being run, or waits for a worker."""
        ended = and_(Job.status.in_(_ENDED), ~_has_scans(DomainScan.status.in_(sorted(RESUMABLE))))
        if self.unfinished:
            idle = or_(Job.lease_until.is_(None), Job.lease_until < utc_now())
            ended = or_(ended, and_(Job.owner.is_distinct_from(QUEUE_OWNER), idle, ~_has_scans(_leased())))
        return and_(self.old(), ended)

    def old(self) -> ColumnElement[bool]:
        """Jobs that were last heard of before the moment. The tenant's latest never is."""
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
        """Jobs that were pruned, now or before."""
        return and_(Job.tenant_id == self.tenant, Job.job_type == PRUNED)


def _has_scans(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(DomainScan.id).where(DomainScan.job_id == Job.id, *which))


def _leased() -> ColumnElement[bool]:
    leased = DomainScan.lease_until > utc_now()
    return and_(DomainScan.status == ScanStatus.RUNNING, func.coalesce(leased, False))


class Key(NamedTuple):
    """A row of the large tables within its domain. `scan_id` is 0 for a URL."""

    sitemap_file_id: int
    url: str
    scan_id: int = 0


@dataclass(slots=True)
class Leftovers:
    """What may be removed of one domain, and which of its scans is the first that can be compared."""

    domain_id: int
    horizon: tuple[datetime, int] | None  # recorded_at and id; None where no scan is pruned
    urls: int = 0
    url_changes: int = 0
    files: dict[int, int] = field(default_factory=dict)  # with each, so many of its changes
    file_changes: list[tuple[int, int]] = field(default_factory=list)  # file, scan
    scans: list[int] = field(default_factory=list)

    def count(self) -> dict[str, int]:
        """How much it is, by table."""
        file_changes = len(self.file_changes) + sum(self.files.values())
        counts = (len(self.scans), len(self.files), file_changes, self.urls, self.url_changes)
        return dict(zip(TABLES[1:], counts, strict=True))

    def kept(self) -> Select[int]:
        """The scans of the domain that can be compared."""
        at, scan_id = self.horizon or (None, 0)
        seen = DomainScan.recorded_at
        since = true() if at is None else or_(seen > at, and_(seen == at, DomainScan.id >= scan_id))
        return select(DomainScan.id).where(DomainScan.domain_id == self.domain_id, since)


# -- jobs


async def hide_jobs(session: GuardedSession, rule: Retention) -> int:
    """Takes some jobs out of sight that are too old, and returns how many; 0 where none is left."""
    found = select(Job.id).where(rule.too_old()).limit(_CHUNK).with_for_update(skip_locked=True)
    hidden = update(Job).where(Job.id.in_(found), Job.job_type != PRUNED)
    return await session.write(hidden.values(job_type=PRUNED, owner=None, lease_until=None, options={}))


async def count_jobs(session: GuardedSession, rule: Retention) -> tuple[int, int]:
    """How many jobs are too old, and how many are only kept since they have not come to their end."""
    count = select(func.count()).select_from(Job)
    old = int(await session.scalar(count.where(rule.old())) or 0)
    pruned = int(await session.scalar(count.where(rule.too_old())) or 0)
    return pruned, old - pruned


async def drop_empty_jobs(session: GuardedSession, rule: Retention) -> int:
    """Removes some pruned jobs of which no domain scan is left, and returns how many."""
    empty = select(Job.id).where(rule.pruned(), ~_has_scans()).limit(_CHUNK)
    return await session.write(delete(Job).where(Job.id.in_(empty)))


# -- what is left over of domains


async def domains_with_leftovers(
    session: GuardedSession, rule: Retention, pruned: ColumnElement[bool], *, after: int, limit: int
) -> list[int]:
    """The next domains that a pruned job has scanned, by id. `pruned` says which jobs are."""
    jobs = select(Job.id).where(pruned)
    scanned = exists(
        select(DomainScan.id).where(DomainScan.domain_id == Domain.id, DomainScan.job_id.in_(jobs))
    )
    query = select(Domain.id).where(Domain.tenant_id == rule.tenant, Domain.id > after, scanned)
    return list(await session.scalars(query.order_by(Domain.id).limit(limit)))


async def find_leftovers(
    session: GuardedSession, domain_ids: Sequence[int], pruned: ColumnElement[bool]
) -> list[Leftovers]:
    """What may be removed of each of these domains. Reads all rows of a domain once."""
    jobs = select(Job.id).where(pruned)
    rows = await session.execute(
        select(
            DomainScan.id,
            DomainScan.domain_id,
            DomainScan.recorded_at,
            DomainScan.sitemaps,
            DomainScan.job_id.in_(jobs).label("pruned"),
        )
        .where(DomainScan.domain_id.in_(domain_ids))
        .order_by(DomainScan.recorded_at, DomainScan.id)
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
        left.files = dict.fromkeys(await session.scalars(_files_that_are_gone(left)), 0)
        await _find_file_changes(session, left, [scan.id for scan in recorded], first)
    old = [*recorded[:first], *(scan for scan in scans if scan.recorded_at is None and scan.pruned)]
    left.scans = sorted(scan.id for scan in old if scan.id not in needed)
    return left


async def _count_rows(session: GuardedSession, left: Leftovers, kept: Collection[int]) -> set[int]:
    """Counts what goes, and returns the scans that first saw a URL which stays."""
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


def _files_that_are_gone(left: Leftovers) -> Select[int]:
    """Files that went before all that can be compared. The newest of a domain stays: one that had none
    would seem never to have been scanned."""
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
    """Finds what need not be known any more of how files came and went: all before the first that can be
    compared, but that a file is gone. That goes with the file."""
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


# -- removing


async def hold_domains(session: GuardedSession, domain_ids: Collection[int]) -> set[int]:
    """Those of these domains that nobody scans, kept from being claimed to the end of the transaction. A run
    that has slept past its lease loses its claim, as it would to one that resumes its job."""
    free = select(Domain.id).where(Domain.id.in_(domain_ids)).order_by(Domain.id)
    held = set(await session.scalars(free.with_for_update(skip_locked=True)))
    busy = select(DomainScan.domain_id).where(DomainScan.domain_id.in_(held), _leased())
    held -= set(await session.scalars(busy))
    asleep = and_(DomainScan.status == ScanStatus.RUNNING, DomainScan.token.is_not(None))
    await session.write(update(DomainScan).where(DomainScan.domain_id.in_(held), asleep).values(token=None))
    return held


async def url_keys(session: GuardedSession, left: Leftovers, *, after: Key | None, limit: int) -> list[Key]:
    """The next URLs of a domain that may be removed, in the order of the table's key."""
    query = select(_T.sitemap_file_id, _T.url).where(_T.domain_id == left.domain_id, *_gone_before(left))
    if after is not None:
        query = query.where(tuple_(_T.sitemap_file_id, _T.url) > tuple_(*after[:2]))
    rows = await session.execute(query.order_by(_T.sitemap_file_id, _T.url).limit(limit))
    return [Key(*row) for row in rows]


async def change_keys(
    session: GuardedSession, left: Leftovers, *, after: Key | None, limit: int
) -> list[Key]:
    """The next changes of a domain's URLs that may be removed, in the order of the table's key."""
    key = (_C.sitemap_file_id, _C.url, _C.scan_id)
    query = select(*key).where(_C.domain_id == left.domain_id, _C.scan_id.not_in(left.kept()))
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    return [Key(*row) for row in await session.execute(query.order_by(*key).limit(limit))]


async def drop_urls(session: GuardedSession, left: Leftovers, keys: Sequence[Key]) -> int:
    """Removes URLs, and returns how many. The domain must be held."""
    return await _drop(session, SITEMAP_URLS, left, keys, *_gone_before(left))


async def drop_changes(session: GuardedSession, left: Leftovers, keys: Sequence[Key]) -> int:
    """Removes what URLs were before, and returns how many rows. The domain must be held."""
    return await _drop(session, URL_CHANGES, left, keys, _C.scan_id.not_in(left.kept()))


async def _drop(
    session: GuardedSession, table: Table, left: Leftovers, keys: Sequence[Key], *which: ColumnElement[bool]
) -> int:
    """Removes rows of a large table by key, those of them for which `which` still holds."""
    key = table.c
    return sum(
        [
            await session.write(
                delete(table).where(
                    key.domain_id == left.domain_id,
                    key.sitemap_file_id == file_id,
                    key.url.in_(urls),
                    *which,
                )
            )
            for file_id, urls in _by_file(keys)
        ]
    )


def _gone_before(left: Leftovers) -> tuple[ColumnElement[bool], ...]:
    return _T.removed_scan_id.is_not(None), _T.removed_scan_id.not_in(left.kept())


def _by_file(keys: Sequence[Key]) -> list[tuple[int, list[str]]]:
    """Keys by file, in statements' sizes. Of a URL's several changes one is enough to name it."""
    files: dict[int, dict[str, None]] = {}
    for key in keys:
        files.setdefault(key.sitemap_file_id, {})[key.url] = None
    return [(file_id, urls) for file_id, some in files.items() for urls in cut(some, _CHUNK)]


async def drop_file_changes(session: GuardedSession, left: Leftovers) -> int:
    """Removes how files came and went, and returns how many rows. The domain must be held."""
    key = tuple_(_F.sitemap_file_id, _F.scan_id)
    return sum(
        [
            await session.write(delete(FILE_CHANGES).where(key.in_(some)))
            for some in cut(left.file_changes, _CHUNK)
        ]
    )


async def drop_files(session: GuardedSession, left: Leftovers, file_ids: Sequence[int]) -> tuple[int, int]:
    """Removes files of which no URL is left, with what says that they are gone. Returns how many rows of
    either. The domain must be held."""
    row = and_(_T.domain_id == left.domain_id, _T.sitemap_file_id == File.id)
    change = and_(_C.domain_id == left.domain_id, _C.sitemap_file_id == File.id)
    empty = select(File.id).where(
        File.domain_id == left.domain_id,
        File.removed_at.is_not(None),
        ~exists().where(row),
        ~exists().where(change),
    )
    files = changes = 0
    for some in cut(file_ids, _CHUNK):
        gone = list(await session.scalars(empty.where(File.id.in_(some))))
        changes += await session.write(delete(FILE_CHANGES).where(_F.sitemap_file_id.in_(gone)))
        files += await session.write(delete(File).where(File.id.in_(gone)))
    return files, changes


async def drop_scans(session: GuardedSession, left: Leftovers) -> int:
    """Removes domain scans of pruned jobs, and returns how many. The domain must be held."""
    return sum(
        [
            await session.write(
                delete(DomainScan).where(DomainScan.domain_id == left.domain_id, DomainScan.id.in_(some))
            )
            for some in cut(left.scans, _CHUNK)
        ]
    )
