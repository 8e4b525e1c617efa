"""A domain's entries: what this scan read, merged into what is recorded, writing only what differs.

A file that is new goes in whole. A file that was there before is walked beside its rows, both in the
order of the key, and only new, changed, returned and missing URLs are written.

What a scan did is counted by URL, as the domain sees it. A URL that another file of the domain lists
as well, or that moved between files, is neither added nor removed. It is changed if it was there and
still is, and a file that lists it says something else of it than before, or a file that lists it anew
says what no file of the domain said before. What is said of a URL is what the site publishes of it;
a page type, for instance, is our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select, update

from contentmap_cli.batches import cut
from contentmap_cli.records.bulk import Place, insert_rows
from contentmap_cli.records.claims import Claim, Standing, standing_of
from contentmap_cli.records.differences import CHUNK, Difference, Differences, Part, Weight, put_listed
from contentmap_cli.records.distinct import DistinctCounter
from contentmap_cli.records.files import forget_validators, known_files
from contentmap_cli.records.history import log_urls
from contentmap_cli.records.raw import raw_columns
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SITEMAP_URLS, SitemapFile
from contentmap_cli.rows import COLUMNS, EXTRA_COLUMNS, LASTMOD, URL, Row, RowBatch, lengthened

_T = SITEMAP_URLS.c
T = TypeVar("T")
_COUNTED_HERE = 5_000
_CONTENT_COLUMNS = (*COLUMNS[LASTMOD:], *EXTRA_COLUMNS)
PUBLISHED = ("lastmod", "lastmod_precision", "lastmod_text", "changefreq", "priority", "extras")
"""What the site itself says of a URL."""
_published = itemgetter(*map(_CONTENT_COLUMNS.index, PUBLISHED))
_ROWS_A_FETCH = 5_000
_FILES_A_QUERY = 10_000  # a statement takes 32,767 parameters
_PROBES_A_ROW = 3  # so many look-ups by key take as long as reading one row after the other


@dataclass(frozen=True, slots=True)
class FileEntries:
    """One file's entries, ready to be merged. `known`: rows of it may be there from an earlier scan. A file
    that has no row yet has no `file_id`: it can be compared, and not be written."""

    file_id: int | None
    known: bool
    batches: Callable[[], Iterable[RowBatch]]  # in the order of their URLs, one for each
    whole: bool  # read to its end, with nothing lost: what it does not list is gone from it

    def place(self, claim: Claim) -> Place:
        """Where its rows belong."""
        return _place(claim, self.file_id)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a scan did to a domain: distinct URLs now, and how many came, went or changed."""

    urls: int
    added: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What a scan must write of a domain, found before its turn to write; it holds while `standing` does."""

    standing: Standing
    differences: Differences
    weight: Weight


async def compare_ahead(
    session: GuardedSession,
    claim: Claim,
    files: Mapping[str, FileEntries],
    met: Collection[str],
    differences: Differences,
    *,
    removals: bool,
) -> Compared:
    """Compares a scan's files with what is recorded, in a session that only reads: no lock is held meanwhile.

    `files` are those whose entries were read, by URL; what is recorded of them is looked up here. `met` are
    the URLs of all that the scan met. What is found goes into `differences`, and with `merge_entries`.
    """
    # first of all: what is read after it may be newer than it says, never older
    standing = await standing_of(session, claim)
    known = await known_files(session, claim.domain_id)
    of_known = [
        replace(file, file_id=known[url][0], known=True) if url in known else file
        for url, file in files.items()
    ]
    vanished = [file_id for url, (file_id, there) in known.items() if there and url not in met]
    weight = await _compare_all(
        session, claim, of_known, vanished if removals else (), differences, removals=removals
    )
    session.note("entries.compared", files=len(of_known))
    return Compared(standing, differences, weight)


async def merge_entries(
    session: GuardedSession,
    claim: Claim,
    files: Sequence[FileEntries],
    vanished: Sequence[int],
    *,
    first_scan: bool,
    removals: bool,
    ahead: Compared | None = None,
) -> Changes:
    """Writes a scan's entries and says what changed. Call `fence` first.

    `vanished` are files that this scan did not meet: with `removals` (the scan was complete) their URLs
    are gone. `first_scan` says that nothing of the domain is recorded, so that nothing is compared. `ahead`
    is what `compare_ahead` found for the same files. Where another run has recorded the domain since, it is
    worth nothing, and all is compared again.
    """
    if first_scan:
        urls = await _insert_all(session, claim, files)
        session.note("entries.saved", urls=urls)
        return Changes(urls, urls, 0, 0)

    standing = await standing_of(session, claim)
    if ahead is not None and ahead.standing == standing:
        for difference, file in zip(ahead.differences.files, files, strict=False):  # then those that vanished
            difference.file_id = file.file_id
        return await _write_all(session, claim, standing, ahead.differences, ahead.weight)
    if ahead is not None:
        session.note("entries.compared_again")
    with Differences() as differences:
        weight = await _compare_all(
            session, claim, files, vanished if removals else (), differences, removals=removals
        )
        return await _write_all(session, claim, standing, differences, weight)


async def _compare_all(
    session: GuardedSession,
    claim: Claim,
    files: Sequence[FileEntries],
    vanished: Sequence[int],
    differences: Differences,
    *,
    removals: bool,
) -> Weight:
    """Finds what must be written of each file and what it comes to. Writes nothing."""
    for file in files:
        await _compare(session, claim, file, differences.of(file.file_id), removals=removals)
    for file_id in vanished:
        await _take_live_urls(session, claim.domain_id, differences.of(file_id))
    return await _weigh(session, claim.domain_id, differences)


async def _write_all(
    session: GuardedSession, claim: Claim, standing: Standing, differences: Differences, weight: Weight
) -> Changes:
    for difference in differences.files:
        await _write(session, claim, difference)
    withheld = [each.file_id for each in differences.files if each.withheld and each.file_id is not None]
    await forget_validators(session, withheld)
    added, removed, changed = weight
    urls = standing.urls + added - removed
    session.note("entries.merged", urls=urls, added=added, removed=removed, changed=changed)
    return Changes(urls, added, removed, changed)


def _place(claim: Claim, file_id: int | None) -> Place:
    assert file_id is not None  # noqa: S101 - it has been saved by now
    return Place(claim.domain_id, file_id, claim.scan_id)


async def _insert_all(session: GuardedSession, claim: Claim, files: Sequence[FileEntries]) -> int:
    """Inserts a first scan's entries and returns how many distinct URLs they are."""
    with DistinctCounter() as counter:

        def counted(batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
            for batch in batches:
                counter.add(batch.urls)
                yield batch

        for file in files:
            await insert_rows(session, file.place(claim), counted(file.batches()))
        if counter.added <= _COUNTED_HERE:
            return counter.count()
        return await asyncio.to_thread(counter.count)


async def _compare(
    session: GuardedSession, claim: Claim, file: FileEntries, diff: Difference, *, removals: bool
) -> None:
    fresh = chain.from_iterable(file.batches())
    if not file.known or file.file_id is None:
        for each in fresh:
            diff.new.append(each)
        return
    row: Row | None = next(fresh, None)
    async for url, gone, was in _recorded(session, claim.domain_id, file.file_id):
        while row is not None and row[URL] < url:
            diff.new.append(row)
            row = next(fresh, None)
        if row is not None and row[URL] == url:
            if gone is not None:
                diff.returned.append(row)
                diff.was.append((url, gone, *_published(was)))
            elif was != (now := lengthened(row)[LASTMOD:]):
                diff.changed.append(row)
                if _published(was) != _published(now):
                    diff.restated.append(url)
                    diff.was.append((url, None, *_published(was)))
            row = next(fresh, None)
        elif gone is None:
            if removals and file.whole:
                diff.missing.append(url)
            else:
                diff.withheld = True
    while row is not None:
        diff.new.append(row)
        row = next(fresh, None)


async def _recorded(
    session: GuardedSession, domain_id: int, file_id: int
) -> AsyncIterator[tuple[str, int | None, Row]]:
    """What is recorded of a file in the order of its URLs: each URL, the scan that saw it go, its content."""
    query = (
        select(_T.url, _T.removed_scan_id, *_contents(session))
        .where(_T.domain_id == domain_id, _T.sitemap_file_id == file_id)
        .order_by(_T.url)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    # row by row would cost a switch of contexts for each
    async for some in (await session.stream(query)).partitions():
        for old in some:
            yield old[0], old[1], old[2:]


def _contents(session: GuardedSession, names: Sequence[str] = _CONTENT_COLUMNS) -> list[ColumnElement[Any]]:
    """Columns unconverted: to convert each costs more than to compare it."""
    return raw_columns(session, SITEMAP_URLS, names)


async def _weigh(session: GuardedSession, domain_id: int, differences: Differences) -> Weight:
    """URLs added, removed and changed as the domain sees it, before anything is written."""
    parts = differences.parts(lambda row: _published(lengthened(row)[LASTMOD:]))
    await _find_listed(session, domain_id, parts)
    weights = [part.weigh() for part in parts]
    return Weight(*(sum(column) for column in zip(*weights, strict=True)))


async def _find_listed(session: GuardedSession, domain_id: int, parts: Sequence[Part]) -> None:
    """Puts into the parts what the domain's files say now of their URLs that came or went."""
    files = select(SitemapFile.id, SitemapFile.url_count).where(SitemapFile.domain_id == domain_id)
    sizes = {row.id: row.url_count for row in await session.execute(files)}
    query = select(_T.url, *_contents(session, PUBLISHED)).where(
        _T.domain_id == domain_id, _T.removed_scan_id.is_(None)
    )
    touched = parts[0].touched() if len(parts) == 1 else None
    if touched is None or len(touched) * len(sizes) > _PROBES_A_ROW * sum(sizes.values()):
        found = await session.stream(query.execution_options(yield_per=_ROWS_A_FETCH))
        async for rows in found.partitions():
            put_listed(parts, rows if touched is None else [row for row in rows if row[0] in touched])
        return
    # by file, as the key has it: by domain alone each chunk would read all of the domain's rows
    for some in cut(sizes, _FILES_A_QUERY):
        of_files = query.where(_T.sitemap_file_id.in_(some))
        for chunk in cut(sorted(touched), CHUNK):
            put_listed(parts, await session.execute(of_files.where(_T.url.in_(chunk))))


async def _write(session: GuardedSession, claim: Claim, diff: Difference) -> None:
    place = _place(claim, diff.file_id)
    for was in diff.was.chunks():
        await log_urls(session, claim, place.sitemap_file_id, was)
    if len(diff.new):
        await insert_rows(session, place, map(RowBatch.of, diff.new.chunks()))
    for rows, returned in ((diff.changed, False), (diff.returned, True)):
        for some in rows.chunks():
            await _update(session, place, some, returned=returned)
    for urls in diff.missing.chunks():
        await session.write(
            update(SITEMAP_URLS)
            .where(
                _T.domain_id == claim.domain_id, _T.sitemap_file_id == place.sitemap_file_id, _T.url.in_(urls)
            )
            .values(removed_scan_id=claim.scan_id)
        )


async def _update(session: GuardedSession, place: Place, rows: Sequence[Row], *, returned: bool) -> None:
    """Writes the content of rows that are there. As the driver takes it: SQLAlchemy's way costs three times
    as much, while all others wait."""
    connection = await session.connection()
    postgresql = connection.dialect.name == "postgresql"
    places = _Places("$" if postgresql else "?")
    values = ", ".join(f"{name} = {places.next()}" for name in _CONTENT_COLUMNS)
    values += ", removed_scan_id = NULL" if returned else ""
    key = " AND ".join(f"{name} = {places.next()}" for name in ("domain_id", "sitemap_file_id", "url"))
    await connection.exec_driver_sql(
        f"UPDATE {SITEMAP_URLS.name} SET {values} WHERE {key}",  # noqa: S608 - names of ours
        [_parameters(row, place, moments=postgresql) for row in rows],
    )


class _Places:
    """Numbered places for a statement's parameters."""

    def __init__(self, sign: str) -> None:
        self._sign = sign
        self._number = 0

    def next(self) -> str:
        self._number += 1
        return f"{self._sign}{self._number}"


def _parameters(row: Row, place: Place, *, moments: bool) -> tuple[Any, ...]:
    lastmod, *others = lengthened(row)[LASTMOD:]
    if moments and lastmod is not None:
        lastmod = datetime.fromisoformat(lastmod)
    return (lastmod, *others, place.domain_id, place.sitemap_file_id, row[URL])


async def _take_live_urls(session: GuardedSession, domain_id: int, diff: Difference) -> None:
    """All that a file still lists is missing: the file itself is gone."""
    query = select(_T.url).where(
        _T.domain_id == domain_id, _T.sitemap_file_id == diff.file_id, _T.removed_scan_id.is_(None)
    )
    found = await session.stream_scalars(query.execution_options(yield_per=_ROWS_A_FETCH))
    async for some in found.partitions():
        for url in some:
            diff.missing.append(url)
