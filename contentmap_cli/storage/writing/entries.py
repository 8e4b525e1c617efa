"""Write the entries of a scan to the recorded domain, only where they differ.

A new file is inserted whole. A recorded file is compared with its rows (see `row_diff`), and only new,
changed, returned and missing URLs are written.

Changes are counted by URL, for the whole domain. A URL that another file of the domain lists as well, or that
moved between files, is neither added nor removed. A URL is changed if it was and is listed, and a file that
lists it publishes other values than before, or a file that did not list it publishes values that no file
published before. Derived values, such as the page type, do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, not_, or_, select, true, update

from contentmap_cli.batches import batched
from contentmap_cli.models.entry_rows import LASTMOD, URL, Row, RowBatch, with_extra_columns
from contentmap_cli.storage.jobs.claims import Claim, LastResult, last_result
from contentmap_cli.storage.jobs.jobs import selected_files
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, DomainScan, SitemapFile
from contentmap_cli.storage.writing.bulk import SharedValues, insert_rows
from contentmap_cli.storage.writing.change_set import (
    CHUNK,
    ChangeCounts,
    ChangeSet,
    FileChanges,
    Part,
    add_listed,
)
from contentmap_cli.storage.writing.distinct_urls import DistinctCounter
from contentmap_cli.storage.writing.files import forget_validators, known_files
from contentmap_cli.storage.writing.history import log_urls
from contentmap_cli.storage.writing.row_diff import (
    CONTENT_COLUMNS,
    PUBLISHED,
    ROWS_A_FETCH,
    FileEntries,
    compare_delta,
    compare_rows,
    contents,
    published,
)
from contentmap_cli.threads import run_in_thread

_T = SITEMAP_URLS.c
T = TypeVar("T")
SMALL_DROP = 10  # fewer URLs than that are not kept by `max_drop`
_COUNTED_IN_LOOP = 5_000  # URLs; more are counted in a thread
_FILES_A_QUERY = 10_000  # a statement takes 32,767 parameters
_PROBES_A_ROW = 3  # look-ups by key that take as long as reading one row of a scan


@dataclass(frozen=True, slots=True)
class Changes:
    """The effect of a scan: distinct URLs now, and the numbers that were added, removed and changed.

    `withheld` is the number of URLs that would have been removed and were kept, see `max_drop`."""

    urls: int
    added: int
    removed: int
    changed: int
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """The changes to be written, found before the turn to write; valid while `last` is the last result."""

    last: LastResult
    differences: ChangeSet
    counts: ChangeCounts


class DeltaMismatch(Exception):
    """Only the changed parts of these files were read, and the whole files are needed."""

    def __init__(self, urls: Collection[str]) -> None:
        super().__init__(f"{len(urls)} files")
        self.urls = urls


async def compare_ahead(
    session: GuardedSession,
    claim: Claim,
    files: Mapping[str, FileEntries],
    met: Collection[str],
    differences: ChangeSet,
    *,
    removals: bool,
) -> Compared:
    """Compare the files of a scan with the recorded rows, in a session that only reads and holds no lock.

    `files` are those whose entries were read, by URL; `met` are the URLs of all files that the scan found.
    The changes are added to `differences`; the result is for `merge_entries`.

    Raises DeltaMismatch where a file was read as a delta of another state than the recorded one.
    """
    # first: rows that are read later may be newer than this result, never older
    last = await last_result(session, claim)
    known = await known_files(session, claim.domain_id)
    mismatched = []
    for url, file in files.items():
        found = known.get(url)
        there = file if found is None else replace(file, file_id=found.id, known=True)
        difference = differences.of(there.file_id)
        if file.delta is None:
            await compare_rows(session, claim, there, difference, removals=removals)
        elif found is None or not await compare_delta(
            session, claim, there, found.digest, difference, removals=removals
        ):
            mismatched.append(url)
    if mismatched:
        session.note("entries.delta_mismatch", files=len(mismatched))
        raise DeltaMismatch(mismatched)
    vanished = [each.id for url, each in known.items() if each.met and url not in met]
    counts = await _compare_vanished(session, claim, vanished if removals else (), differences)
    session.note(
        "entries.compared", files=len(files), deltas=sum(file.delta is not None for file in files.values())
    )
    return Compared(last, differences, counts)


async def merge_entries(
    session: GuardedSession,
    claim: Claim,
    files: Sequence[FileEntries],
    vanished: Sequence[int],
    *,
    first_scan: bool,
    removals: bool,
    ahead: Compared | None = None,
    max_drop: float | None = None,
    selected: bool = False,
) -> Changes:
    """Write the entries of a scan and return what changed. Call `fence` first.

    `vanished` are files that this scan did not find: with `removals` (the scan was complete) their URLs are
    removed. `first_scan`: nothing of the domain is recorded, and nothing is compared. `ahead` is the result
    of `compare_ahead` for the same files. If another run has recorded the domain since, it is discarded, and
    all is compared again. A scan that would remove more than `max_drop` percent of the domain's URLs removes
    none, unless it confirms an earlier one (see `_is_drop`). `selected`: it did not read every file.
    """
    if first_scan:
        urls = await _insert_all(session, claim, files)
        session.note("entries.saved", urls=urls)
        return Changes(urls, urls, 0, 0)

    last = await last_result(session, claim)
    if ahead is not None and ahead.last == last:
        # not strict: vanished files come after these
        for difference, file in zip(ahead.differences.files, files, strict=False):
            difference.file_id = file.file_id
        return await _write_all(
            session, claim, last, ahead.differences, ahead.counts, max_drop, selected=selected
        )
    if ahead is not None:
        session.note("entries.compared_again")
    with ChangeSet() as differences:
        for file in files:
            await compare_rows(session, claim, file, differences.of(file.file_id), removals=removals)
        counts = await _compare_vanished(session, claim, vanished if removals else (), differences)
        return await _write_all(session, claim, last, differences, counts, max_drop, selected=selected)


async def _compare_vanished(
    session: GuardedSession, claim: Claim, vanished: Sequence[int], differences: ChangeSet
) -> ChangeCounts:
    """Add the URLs of files that are gone, and count all changes. Writes nothing."""
    for file_id in vanished:
        await _take_live_urls(session, claim.domain_id, differences.of(file_id))
    return await _count(session, claim.domain_id, differences)


async def _write_all(
    session: GuardedSession,
    claim: Claim,
    last: LastResult,
    differences: ChangeSet,
    counts: ChangeCounts,
    max_drop: float | None,
    *,
    selected: bool,
) -> Changes:
    is_drop = await _is_drop(session, claim, last.urls, counts.removed, max_drop, selected=selected)
    kept = counts.removed if is_drop else 0
    if kept:
        for difference in differences.files:
            difference.withhold()
        counts = counts._replace(removed=0)
    for difference in differences.files:
        await _write(session, claim, difference)
    withheld = [each.file_id for each in differences.files if each.withheld and each.file_id is not None]
    await forget_validators(session, withheld)
    added, removed, changed = counts
    urls = last.urls + added - removed
    session.note("entries.merged", urls=urls, added=added, removed=removed, changed=changed)
    return Changes(urls, added, removed, changed, kept)


async def _is_drop(
    session: GuardedSession,
    claim: Claim,
    urls: int,
    removed: int,
    max_drop: float | None,
    *,
    selected: bool,
) -> bool:
    """Return whether the removal of this number of a domain's URLs waits for another scan.

    It does if it is more than `max_drop` percent, unless the last scan of another job that saw the whole
    domain kept URLs for that reason, and the domain has not dropped by as much again since. Few URLs are no
    drop as long as others are left.
    """
    left = urls - removed
    if max_drop is None or removed * 100 <= max_drop * urls or (removed < SMALL_DROP and left):
        return False
    seen = await _last_withheld(session, claim, selected=selected)
    return not seen or left * 100 < (100 - max_drop) * (urls - seen)


async def _last_withheld(session: GuardedSession, claim: Claim, *, selected: bool) -> int:
    """Return how many URLs the last scan of another job that saw the whole domain kept. For a scan
    of all files, one that is `selected` does not count: it may not have read what shrank."""
    found = await session.scalar(
        select(DomainScan.withheld)
        .where(
            DomainScan.domain_id == claim.domain_id,
            DomainScan.job_id != claim.job_id,
            DomainScan.recorded_at.is_not(None),
            or_(DomainScan.complete, DomainScan.withheld > 0),
            true() if selected else not_(selected_files()),
        )
        # one that was resumed and did not end has no end
        .order_by(func.coalesce(DomainScan.finished_at, DomainScan.recorded_at).desc(), DomainScan.id.desc())
        .limit(1)
    )
    return int(found or 0)


def _shared_values(claim: Claim, file_id: int | None) -> SharedValues:
    assert file_id is not None  # noqa: S101 - it has been saved by now
    return SharedValues(claim.domain_id, file_id, claim.history_id)


async def _insert_all(session: GuardedSession, claim: Claim, files: Sequence[FileEntries]) -> int:
    """Insert the entries of a first scan and return the number of distinct URLs."""
    with DistinctCounter() as counter:
        for file in files:
            batches = counter.counting(await file.all_batches())
            await insert_rows(session, _shared_values(claim, file.file_id), batches)
        if counter.added <= _COUNTED_IN_LOOP:
            return counter.count()
        return await run_in_thread(counter.count)


async def _count(session: GuardedSession, domain_id: int, differences: ChangeSet) -> ChangeCounts:
    """Count the URLs of the domain that are added, removed and changed. Before anything is written."""
    parts = differences.parts(lambda row: published(with_extra_columns(row)[LASTMOD:]))
    await _find_listed(session, domain_id, parts)
    all_counts = [part.count() for part in parts]
    return ChangeCounts(*(sum(column) for column in zip(*all_counts, strict=True)))


async def _find_listed(session: GuardedSession, domain_id: int, parts: Sequence[Part]) -> None:
    """Add to the parts what the domain's files list now of the URLs that appeared or disappeared."""
    files = select(SitemapFile.id, SitemapFile.url_count).where(SitemapFile.domain_id == domain_id)
    sizes = {row.id: row.url_count for row in await session.execute(files)}
    query = select(_T.url, *contents(session, PUBLISHED)).where(
        _T.domain_id == domain_id, _T.removed_scan_id.is_(None)
    )
    touched = parts[0].touched() if len(parts) == 1 else None
    if touched is None or len(touched) * len(sizes) > _PROBES_A_ROW * sum(sizes.values()):
        found = await session.stream(query.execution_options(yield_per=ROWS_A_FETCH))
        async for rows in found.partitions():
            add_listed(parts, rows if touched is None else [row for row in rows if row[0] in touched])
        return
    # by file, as the key is ordered: by domain alone each chunk would read all of the domain's rows
    for some in batched(sizes, _FILES_A_QUERY):
        of_files = query.where(_T.sitemap_file_id.in_(some))
        for chunk in batched(sorted(touched), CHUNK):
            add_listed(parts, await session.execute(of_files.where(_T.url.in_(chunk))))


async def _write(session: GuardedSession, claim: Claim, diff: FileChanges) -> None:
    shared = _shared_values(claim, diff.file_id)
    for was in diff.was.chunks():
        await log_urls(session, claim, shared.sitemap_file_id, was)
    if len(diff.new):
        await insert_rows(session, shared, map(RowBatch.of, diff.new.chunks()))
    for rows, returned in ((diff.changed, False), (diff.returned, True)):
        for some in rows.chunks():
            await _update(session, shared, some, returned=returned)
    for urls in diff.missing.chunks():
        await session.write(
            update(SITEMAP_URLS)
            .where(
                _T.domain_id == claim.domain_id,
                _T.sitemap_file_id == shared.sitemap_file_id,
                _T.url.in_(urls),
            )
            .values(removed_scan_id=claim.history_id)
        )


async def _update(
    session: GuardedSession, shared: SharedValues, rows: Sequence[Row], *, returned: bool
) -> None:
    """Update the content of recorded rows, by the driver: SQLAlchemy takes three times as long, under the
    write lock."""
    connection = await session.connection()
    postgresql = connection.dialect.name == "postgresql"
    marks = _Placeholders("$" if postgresql else "?")
    values = ", ".join(f"{name} = {marks.next()}" for name in CONTENT_COLUMNS)
    values += ", removed_scan_id = NULL" if returned else ""
    key = " AND ".join(f"{name} = {marks.next()}" for name in ("domain_id", "sitemap_file_id", "url"))
    await connection.exec_driver_sql(
        f"UPDATE {SITEMAP_URLS.name} SET {values} WHERE {key}",  # noqa: S608 - names of ours
        [_parameters(row, shared, moments=postgresql) for row in rows],
    )


class _Placeholders:
    """Numbered placeholders of a statement."""

    def __init__(self, sign: str) -> None:
        self._sign = sign
        self._number = 0

    def next(self) -> str:
        self._number += 1
        return f"{self._sign}{self._number}"


def _parameters(row: Row, shared: SharedValues, *, moments: bool) -> tuple[Any, ...]:
    lastmod, *others = with_extra_columns(row)[LASTMOD:]
    if moments and lastmod is not None:
        lastmod = datetime.fromisoformat(lastmod)
    return (lastmod, *others, shared.domain_id, shared.sitemap_file_id, row[URL])


async def _take_live_urls(session: GuardedSession, domain_id: int, diff: FileChanges) -> None:
    """Add all live URLs of a file as missing: the file itself is gone."""
    query = select(_T.url).where(
        _T.domain_id == domain_id, _T.sitemap_file_id == diff.file_id, _T.removed_scan_id.is_(None)
    )
    found = await session.stream_scalars(query.execution_options(yield_per=ROWS_A_FETCH))
    async for some in found.partitions():
        for url in some:
            diff.missing.append(url)
