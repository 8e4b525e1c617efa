"""Compare two scans of a domain, from the current rows and their recorded previous values. Only reads.

The state of a row after a scan S: absent before the scan that first saw it; otherwise the values that the
first scan after S replaced; otherwise the current values. Scans are in the order in which they were first
recorded, or failed. A resumed scan remains one scan.

Some pruned scans are kept as the first scans of URLs. They are older than all that can be compared, and so is
a scan that was deleted.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, or_, select, union

from contentmap_cli.models import ScanStatus
from contentmap_cli.models.comparison import Change, Comparison, Kind, ScanPoint
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.jobs.jobs import PRUNED, first_comparable, history_time
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import (
    FILE_CHANGES,
    SITEMAP_URLS,
    URL_CHANGES,
    Domain,
    DomainScan,
    Job,
    SitemapFile,
)
from contentmap_cli.storage.writing.row_diff import PUBLISHED

_ROWS_A_FETCH: Final = 5_000
_T, _C = SITEMAP_URLS.c, URL_CHANGES.c
_NEVER: Final = -1  # before the first known scan
_NOT_YET: Final = 1 << 62
_LASTMODS: Final = 3  # the number of columns of PUBLISHED that make up a lastmod
_CHANGEFREQ, _PRIORITY, _EXTRAS = 3, 4, 5

Said = tuple[Any, ...]
_url_of = itemgetter(0)
_file_of = itemgetter(1)


async def history(session: GuardedSession, domain_id: int) -> list[ScanPoint]:
    """Return the scans of a domain that have an outcome, the oldest first."""
    rows = await session.execute(
        select(
            DomainScan.id,
            DomainScan.job_id,
            DomainScan.status,
            DomainScan.complete,
            history_time().label("recorded_at"),
            DomainScan.sitemaps,
            (Job.job_type == PRUNED).label("pruned"),
        )
        .join(Job, Job.id == DomainScan.job_id)
        .where(DomainScan.domain_id == domain_id, history_time().is_not(None))
        .order_by(history_time(), DomainScan.id)
    )
    found = rows.all()
    first = first_comparable([row.pruned for row in found])
    return [
        ScanPoint(
            row.id,
            row.job_id,
            ScanStatus(row.status),
            row.complete,
            row.recorded_at,
            row.sitemaps,
            comparable=rank >= first,
        )
        for rank, row in enumerate(found)
    ]


async def scanned_domains(session: GuardedSession, job_id: str) -> list[tuple[int, str]]:
    """Return id and name of the domains that have an outcome in a job, in the order given."""
    found = await session.execute(
        select(Domain.id, Domain.name)
        .join(DomainScan, DomainScan.domain_id == Domain.id)
        .where(DomainScan.job_id == job_id, history_time().is_not(None))
        .order_by(DomainScan.id)
    )
    return [(row.id, row.name) for row in found]


async def changes_between(
    session: GuardedSession, domain_id: int, points: Sequence[ScanPoint], pair: Comparison
) -> AsyncIterator[Change]:
    """Yield every difference: sitemap files first, then URLs in the order of their code points.

    `points` is the whole history of the domain. URLs are compared for the whole domain, so one that moved
    between files with the same values is no difference.
    """
    ranks = {point.scan_id: rank for rank, point in enumerate(points)}
    after = ranks[pair.after.scan_id]
    # without a scan to compare with: the state before, which is nothing or a pruned scan
    before = ranks[pair.before.scan_id] if pair.before else after - 1
    files = {
        row.id: row.url
        for row in await session.execute(
            select(SitemapFile.id, SitemapFile.url).where(SitemapFile.domain_id == domain_id)
        )
    }
    for change in await _file_changes(session, domain_id, points, files, before, after):
        yield change
    if before == after:
        return
    earlier, later = sorted((before, after))
    low, high = points[earlier] if earlier > _NEVER else None, points[later]
    query = _rows(session, domain_id, low, high)
    async for url, rows in _by_url(session, query):
        was: dict[int, Said] = {}
        now: dict[int, Said] = {}
        for file_id, some in groupby(rows, key=_file_of):
            states = _states(list(some), ranks)
            for rank, listed in ((before, was), (after, now)):
                said = states(rank)
                if said is not None:
                    listed[file_id] = said
        found = _judged(url, was, now, files)
        if found is not None:
            yield found


def _rows(
    session: GuardedSession, domain_id: int, low: ScanPoint | None, high: ScanPoint
) -> Select[Any, bool]:
    """Select every row of every URL that a scan later than `low` and not later than `high` changed."""
    join = and_(_C.domain_id == _T.domain_id, _C.sitemap_file_id == _T.sitemap_file_id, _C.url == _T.url)
    query: Select[Any, bool] = (
        select(
            _T.url,
            _T.sitemap_file_id,
            _T.first_scan_id,
            _T.removed_scan_id,
            _C.scan_id,
            _C.removed_scan_id.label("gone"),
            *raw_columns(session, SITEMAP_URLS, PUBLISHED),
            *(column.label(f"was_{name}") for name, column in _was(session)),
        )
        .select_from(SITEMAP_URLS.outerjoin(URL_CHANGES, join))
        .where(_T.domain_id == domain_id)
        .order_by(_T.url, _T.sitemap_file_id)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    if low is None:
        return query  # every URL that was ever recorded
    scans = select(DomainScan.id).where(DomainScan.domain_id == domain_id, _later(low), ~_later(high))
    touched = union(
        select(_T.url).where(
            _T.domain_id == domain_id, or_(_T.first_scan_id.in_(scans), _T.removed_scan_id.in_(scans))
        ),
        select(_C.url).where(
            _C.domain_id == domain_id, or_(_C.scan_id.in_(scans), _C.removed_scan_id.in_(scans))
        ),
    )
    return query.where(_T.url.in_(touched))


def _was(session: GuardedSession) -> Iterator[tuple[str, ColumnElement[Any]]]:
    yield from zip(PUBLISHED, raw_columns(session, URL_CHANGES, PUBLISHED), strict=True)


def _later(point: ScanPoint) -> ColumnElement[bool]:
    return or_(
        history_time() > point.recorded_at,
        and_(history_time() == point.recorded_at, DomainScan.id > point.scan_id),
    )


async def _by_url(session: GuardedSession, query: Select[Any, bool]) -> AsyncIterator[tuple[str, list[Any]]]:
    """Yield the rows of each URL together."""
    held: list[Any] = []
    async for some in (await session.stream(query)).partitions():
        for url, rows in groupby(some, key=_url_of):
            if held and held[0][0] != url:
                yield held[0][0], held
                held = []
            held.extend(rows)
    if held:
        yield held[0][0], held


def _states(rows: Sequence[Any], ranks: Mapping[int, int]) -> Callable[[int], Said | None]:
    """Return a function from the rank of a scan to the values that a file listed for a URL after it; None
    where the file did not list it."""
    _, _, first, removed, *_ = rows[0]
    content = tuple(rows[0][6:12])
    since = ranks.get(first, _NEVER)
    until = _NOT_YET if removed is None else ranks.get(removed, _NEVER)
    written = [
        (
            ranks.get(row[4], _NEVER),
            _NOT_YET if row[5] is None else ranks.get(row[5], _NEVER),
            tuple(row[12:18]),
        )
        for row in rows
        if row[4] is not None
    ]
    written.sort(key=itemgetter(0))

    def state(rank: int) -> Said | None:
        if since > rank:
            return None
        for when, gone, said in written:
            if when > rank:
                return said if gone > rank else None
        return content if until > rank else None

    return state


def _judged(
    url: str, was: Mapping[int, Said], now: Mapping[int, Said], files: Mapping[int, str]
) -> Change | None:
    if not was and not now:
        return None
    if not was:
        file_id, said = next(iter(now.items()))
        return Change(Kind.ADDED, url, files[file_id], _lastmod(said))
    if not now:
        file_id, said = next(iter(was.items()))
        return Change(Kind.REMOVED, url, files[file_id], None, _lastmod(said))
    for file_id, said in now.items():
        if said != was[file_id] if file_id in was else said not in was.values():
            old = was[file_id] if file_id in was else next(iter(was.values()))
            return Change(
                Kind.CHANGED, url, files[file_id], _lastmod(said), _lastmod(old), tuple(_fields(old, said))
            )
    return None


def _lastmod(said: Said) -> str | None:
    """Return the lastmod in UTC, or its text where it was not understood."""
    moment, _, text = said[:_LASTMODS]
    return str(moment) if moment is not None else text


def _fields(old: Said, new: Said) -> Iterator[str]:
    if old[:_LASTMODS] != new[:_LASTMODS]:
        yield "lastmod"
    if old[_CHANGEFREQ] != new[_CHANGEFREQ]:
        yield "changefreq"
    if old[_PRIORITY] != new[_PRIORITY]:
        yield "priority"
    if old[_EXTRAS] != new[_EXTRAS]:
        before, after = (json.loads(said[_EXTRAS]) if said[_EXTRAS] else {} for said in (old, new))
        yield from (
            name for name in ("images", "videos", "news", "alternates") if before.get(name) != after.get(name)
        )


async def _file_changes(
    session: GuardedSession,
    domain_id: int,
    points: Sequence[ScanPoint],
    files: Mapping[int, str],
    before: int,
    after: int,
) -> list[Change]:
    ranks = {point.scan_id: rank for rank, point in enumerate(points)}
    start = next((rank for rank, point in enumerate(points) if point.sitemaps), 0)
    events: dict[int, list[tuple[int, bool]]] = {}
    for row in await session.execute(
        select(FILE_CHANGES)
        .join(SitemapFile, SitemapFile.id == FILE_CHANGES.c.sitemap_file_id)
        .where(SitemapFile.domain_id == domain_id)
    ):
        events.setdefault(row.sitemap_file_id, []).append((ranks.get(row.scan_id, _NEVER), row.gone))

    def there(file_id: int, rank: int) -> bool:
        known = sorted(events.get(file_id, ()))
        past = [gone for when, gone in known if when <= rank]
        if past:
            return not past[-1]
        # its first event tells its state before that
        return rank >= start and (not known or known[0][1])

    changes = []
    for file_id, url in sorted(files.items(), key=itemgetter(1)):
        was, now = there(file_id, before), there(file_id, after)
        if was != now:
            changes.append(Change(Kind.ADDED if now else Kind.REMOVED, url))
    return changes
