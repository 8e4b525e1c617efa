"""A domain's entries: what this scan read, merged into what is recorded, writing only what differs.

A file that is new goes in whole. A file that was there before is compared with its rows (see `beside`), and
only new, changed, returned and missing URLs are written.

What a scan did is counted by URL, as the domain sees it. A URL that another file of the domain lists
as well, or that moved between files, is neither added nor removed. It is changed if it was there and
still is, and a file that lists it says something else of it than before, or a file that lists it anew
says what no file of the domain said before. What is said of a URL is what the site publishes of it;
a page type, for instance, is our own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select, update

from contentmap_cli.batches import cut
from contentmap_cli.models.entry_rows import LASTMOD, URL, Row, RowBatch, lengthened
from contentmap_cli.storage.jobs.claims import Claim, Standing, standing_of
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, SitemapFile
from contentmap_cli.storage.writing.bulk import Place, insert_rows
from contentmap_cli.storage.writing.change_set import CHUNK, ChangeSet, Difference, Part, Weight, put_listed
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
_COUNTED_HERE = 5_000
_FILES_A_QUERY = 10_000  # a statement takes 32,767 parameters
_PROBES_A_ROW = 3  # so many look-ups by key take as long as reading one row after the other


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
    differences: ChangeSet
    weight: Weight


class Unfit(Exception):
    """Only what changed in these files was read, and all of them must be."""

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
    """Compares a scan's files with what is recorded, in a session that only reads: no lock is held meanwhile.

    `files` are those whose entries were read, by URL; what is recorded of them is looked up here. `met` are
    the URLs of all that the scan met. What is found goes into `differences`, and with `merge_entries`.

    Raises Unfit where a file comes as a delta of something else than what is recorded.
    """
    # first of all: what is read after it may be newer than it says, never older
    standing = await standing_of(session, claim)
    known = await known_files(session, claim.domain_id)
    unfit = []
    for url, file in files.items():
        found = known.get(url)
        there = file if found is None else replace(file, file_id=found.id, known=True)
        difference = differences.of(there.file_id)
        if file.delta is None:
            await compare_rows(session, claim, there, difference, removals=removals)
        elif found is None or not await compare_delta(
            session, claim, there, found.digest, difference, removals=removals
        ):
            unfit.append(url)
    if unfit:
        session.note("entries.unfit", files=len(unfit))
        raise Unfit(unfit)
    vanished = [each.id for url, each in known.items() if each.met and url not in met]
    weight = await _compare_vanished(session, claim, vanished if removals else (), differences)
    session.note(
        "entries.compared", files=len(files), deltas=sum(file.delta is not None for file in files.values())
    )
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
    with ChangeSet() as differences:
        for file in files:
            await compare_rows(session, claim, file, differences.of(file.file_id), removals=removals)
        weight = await _compare_vanished(session, claim, vanished if removals else (), differences)
        return await _write_all(session, claim, standing, differences, weight)


async def _compare_vanished(
    session: GuardedSession, claim: Claim, vanished: Sequence[int], differences: ChangeSet
) -> Weight:
    """Finds what must be written of files that are gone, and what all differences come to. Writes nothing."""
    for file_id in vanished:
        await _take_live_urls(session, claim.domain_id, differences.of(file_id))
    return await _weigh(session, claim.domain_id, differences)


async def _write_all(
    session: GuardedSession, claim: Claim, standing: Standing, differences: ChangeSet, weight: Weight
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
            await insert_rows(session, file.place(claim), counted(await file.all_batches()))
        if counter.added <= _COUNTED_HERE:
            return counter.count()
        return await run_in_thread(counter.count)


async def _weigh(session: GuardedSession, domain_id: int, differences: ChangeSet) -> Weight:
    """URLs added, removed and changed as the domain sees it, before anything is written."""
    parts = differences.parts(lambda row: published(lengthened(row)[LASTMOD:]))
    await _find_listed(session, domain_id, parts)
    weights = [part.weigh() for part in parts]
    return Weight(*(sum(column) for column in zip(*weights, strict=True)))


async def _find_listed(session: GuardedSession, domain_id: int, parts: Sequence[Part]) -> None:
    """Puts into the parts what the domain's files say now of their URLs that came or went."""
    files = select(SitemapFile.id, SitemapFile.url_count).where(SitemapFile.domain_id == domain_id)
    sizes = {row.id: row.url_count for row in await session.execute(files)}
    query = select(_T.url, *contents(session, PUBLISHED)).where(
        _T.domain_id == domain_id, _T.removed_scan_id.is_(None)
    )
    touched = parts[0].touched() if len(parts) == 1 else None
    if touched is None or len(touched) * len(sizes) > _PROBES_A_ROW * sum(sizes.values()):
        found = await session.stream(query.execution_options(yield_per=ROWS_A_FETCH))
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
    values = ", ".join(f"{name} = {places.next()}" for name in CONTENT_COLUMNS)
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
    found = await session.stream_scalars(query.execution_options(yield_per=ROWS_A_FETCH))
    async for some in found.partitions():
        for url in some:
            diff.missing.append(url)
