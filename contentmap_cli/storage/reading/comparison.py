"""Compare two scans of a domain, from the current rows and their recorded previous values. Only reads.

The state of a row after a scan S: absent before the scan that first saw it; otherwise the values that the
first scan after S replaced; otherwise the current values. Scans are in the order in which they were
recorded, or failed. Each part of a resumed scan is one.

Some pruned scans are kept as the first scans of URLs. They are older than all that can be compared, and so is
a scan that was deleted.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_, union

from contentmap_cli.models import ScanStatus
from contentmap_cli.models.comparison import Change, Comparison, Kind, ScanPoint
from contentmap_cli.models.entry_rows import MEDIA
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.jobs.jobs import PRUNED, first_comparable, history_job, history_time
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
NOTHING: Final = -2  # before everything, also before scans that are not known any more
_NOT_YET: Final = 1 << 62
_LASTMODS: Final = 3  # the number of columns of PUBLISHED that make up a lastmod
_CHANGEFREQ, _PRIORITY, _EXTRAS = 3, 4, 5

Said = tuple[Any, ...]
# the columns of `_rows`
_DOMAIN, _URL, _FILE, _WRITTEN, _GONE = 0, 1, 2, 5, 6
_SCANS, _NOW, _WAS = slice(3, 7), slice(7, 13), slice(13, 19)


async def history(session: GuardedSession, domain_id: int) -> list[ScanPoint]:
    """Return the scans of a domain that have an outcome, the oldest first."""
    return (await histories(session, [domain_id]))[domain_id]


async def histories(session: GuardedSession, domain_ids: Collection[int]) -> dict[int, list[ScanPoint]]:
    """Return the history of each of these domains."""
    rows = await session.execute(
        select(
            DomainScan.domain_id,
            DomainScan.id,
            history_job().label("job_id"),
            DomainScan.status,
            DomainScan.complete,
            history_time().label("recorded_at"),
            DomainScan.sitemaps,
            DomainScan.withheld,
            (Job.job_type == PRUNED).label("pruned"),
        )
        .join(Job, Job.id == history_job())
        .where(DomainScan.domain_id.in_(domain_ids), history_time().is_not(None))
        .order_by(DomainScan.domain_id, history_time(), DomainScan.id)
    )
    found: dict[int, list[ScanPoint]] = {domain_id: [] for domain_id in domain_ids}
    for domain_id, scans in groupby(rows, key=itemgetter(0)):
        found[domain_id] = _points(list(scans))
    return found


def _points(found: Sequence[Any]) -> list[ScanPoint]:
    last = {row.job_id: row.id for row in found}  # an earlier part was not complete, whatever the row says
    first = first_comparable([row.pruned for row in found])
    return [
        ScanPoint(
            row.id,
            row.job_id,
            ScanStatus(row.status) if row.id == last[row.job_id] else ScanStatus.PARTIAL,
            row.complete and row.id == last[row.job_id],
            row.recorded_at,
            row.sitemaps,
            comparable=rank >= first,
            withheld=row.withheld,
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
    # without a scan to compare with: the state before the first, which is nothing or a pruned scan
    first = next(rank for rank, point in enumerate(points) if point.comparable)
    before = ranks[pair.before.scan_id] if pair.before else first - 1
    for change in await _file_changes(session, domain_id, points, before, after):
        yield change
    async for change in url_changes(session, domain_id, points, before, after):
        yield change


async def url_changes(
    session: GuardedSession, domain_id: int, points: Sequence[ScanPoint], before: int, after: int
) -> AsyncIterator[Change]:
    """Yield the differences of URLs between the states after two scans, which are named by their rank in the
    history. -1 is the state before all of them, NOTHING that of a domain without URLs."""
    if before == after:
        return
    ranks = {point.scan_id: rank for rank, point in enumerate(points)}
    files = await _file_urls(session, [domain_id])
    earlier, later = sorted((before, after))
    scans: Select[int] | None = None  # every URL that was ever recorded
    if earlier > _NEVER:
        between = (_later(points[earlier]), ~_later(points[later]))
        scans = select(DomainScan.id).where(DomainScan.domain_id == domain_id, *between)
    async for rows in _by_url(session, _rows(session, [domain_id], scans)):
        if len(rows) == 1:  # nearly every URL
            found = _judged_row(rows[0], ranks, before, after, files)
        else:
            found = _judged(rows[0][_URL], _by_file(rows, ranks), before, after, files)
        if found is not None:
            yield found


async def scan_changes(session: GuardedSession, scans: Mapping[int, int]) -> dict[int, list[Change]]:
    """Return the differences of URLs between some scans and the scan before each: small ones, by their id.
    `scans` are the domains of the scans. It is one query, however many scans and domains there are."""
    domains = sorted(set(scans.values()))
    points = await histories(session, domains)
    ranks = {point.scan_id: rank for some in points.values() for rank, point in enumerate(some)}
    files = await _file_urls(session, domains)
    found: dict[int, list[Change]] = {scan: [] for scan in scans}
    async for rows in _by_url(session, _rows(session, domains, sorted(scans))):
        states = _by_file(rows, ranks)
        for scan in {scan for row in rows for scan in row[_SCANS]} & scans.keys():
            change = _judged(rows[0][_URL], states, ranks[scan] - 1, ranks[scan], files)
            if change is not None:
                found[scan].append(change)
    return found


async def _file_urls(session: GuardedSession, domains: Collection[int]) -> dict[int, str]:
    files = select(SitemapFile.id, SitemapFile.url).where(SitemapFile.domain_id.in_(domains))
    return {row.id: row.url for row in await session.execute(files)}


def _rows(
    session: GuardedSession, domains: Collection[int], scans: Select[int] | Collection[int] | None
) -> Select[Any]:
    """Select every row of every URL of the domains that one of the scans changed, None: of every URL."""
    join = and_(_C.domain_id == _T.domain_id, _C.sitemap_file_id == _T.sitemap_file_id, _C.url == _T.url)
    query: Select[Any] = (
        select(
            _T.domain_id,
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
        .where(_T.domain_id.in_(domains))
        .order_by(_T.domain_id, _T.url, _T.sitemap_file_id)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    if scans is None:
        return query
    touched = union(
        select(_T.domain_id, _T.url).where(
            _T.domain_id.in_(domains), or_(_T.first_scan_id.in_(scans), _T.removed_scan_id.in_(scans))
        ),
        select(_C.domain_id, _C.url).where(
            _C.domain_id.in_(domains), or_(_C.scan_id.in_(scans), _C.removed_scan_id.in_(scans))
        ),
    )
    return query.where(tuple_(_T.domain_id, _T.url).in_(touched))


def _was(session: GuardedSession) -> Iterator[tuple[str, ColumnElement[Any]]]:
    yield from zip(PUBLISHED, raw_columns(session, URL_CHANGES, PUBLISHED), strict=True)


def _later(point: ScanPoint) -> ColumnElement[bool]:
    return or_(
        history_time() > point.recorded_at,
        and_(history_time() == point.recorded_at, DomainScan.id > point.scan_id),
    )


async def _by_url(session: GuardedSession, query: Select[Any]) -> AsyncIterator[list[Any]]:
    """Yield the rows of each URL of a domain together."""
    held: list[Any] = []
    async for some in (await session.stream(query)).partitions():
        for key, rows in groupby(some, key=itemgetter(_DOMAIN, _URL)):
            if held and (held[0][_DOMAIN], held[0][_URL]) != key:
                yield held
                held = []
            held.extend(rows)
    if held:
        yield held


State = Callable[[int], "Said | None"]
"""From the rank of a scan to the values that a file listed for a URL after it; None: it did not list it."""


def _by_file(rows: Sequence[Any], ranks: Mapping[int, int]) -> dict[int, State]:
    """Return the states of a URL by file."""
    return {file_id: _states(list(some), ranks) for file_id, some in groupby(rows, key=itemgetter(_FILE))}


def _states(rows: Sequence[Any], ranks: Mapping[int, int]) -> State:
    """Return the states of a URL in one file."""
    first, removed, *_ = rows[0][_SCANS]
    content = tuple(rows[0][_NOW])
    since = ranks.get(first, _NEVER)
    until = _NOT_YET if removed is None else ranks.get(removed, _NEVER)
    written = [
        (
            ranks.get(row[_WRITTEN], _NEVER),
            _NOT_YET if row[_GONE] is None else ranks.get(row[_GONE], _NEVER),
            tuple(row[_WAS]),
        )
        for row in rows
        if row[_WRITTEN] is not None
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
    url: str, states: Mapping[int, State], before: int, after: int, files: Mapping[int, str]
) -> Change | None:
    was, now = (
        {file_id: said for file_id, state in states.items() if (said := state(rank)) is not None}
        for rank in (before, after)
    )
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


def _judged_row(
    row: Any, ranks: Mapping[int, int], before: int, after: int, files: Mapping[int, str]
) -> Change | None:
    """Return what `_judged` does for a URL of one file that one scan at most has written over."""
    first, removed, written, gone = row[_SCANS]
    since = ranks.get(first, _NEVER)
    until = _NOT_YET if removed is None else ranks.get(removed, _NEVER)
    when = _NEVER if written is None else ranks.get(written, _NEVER)
    gone = _NOT_YET if gone is None else ranks.get(gone, _NEVER)
    was: Any
    now: Any
    was, now = (
        None
        if since > rank
        else row[_WAS]
        if when > rank and gone > rank
        else row[_NOW]
        if when <= rank and until > rank
        else None
        for rank in (before, after)
    )
    if was == now:
        return None
    url, sitemap = row[_URL], files[row[_FILE]]
    if was is None:
        return Change(Kind.ADDED, url, sitemap, _lastmod(now))
    if now is None:
        return Change(Kind.REMOVED, url, sitemap, None, _lastmod(was))
    return Change(Kind.CHANGED, url, sitemap, _lastmod(now), _lastmod(was), tuple(_fields(was, now)))


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
        yield from (name for name in MEDIA if before.get(name) != after.get(name))


async def _file_changes(
    session: GuardedSession,
    domain_id: int,
    points: Sequence[ScanPoint],
    before: int,
    after: int,
) -> list[Change]:
    ranks = {point.scan_id: rank for rank, point in enumerate(points)}
    files = await _file_urls(session, [domain_id])
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
