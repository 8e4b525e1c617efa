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
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, bindparam, select, update

from contentmap_cli.batches import cut
from contentmap_cli.records.bulk import Place, insert_rows
from contentmap_cli.records.claims import Claim
from contentmap_cli.records.differences import CHUNK, Difference, Differences, Part, Weight, put_listed
from contentmap_cli.records.distinct import DistinctCounter
from contentmap_cli.records.files import forget_validators
from contentmap_cli.records.history import log_urls
from contentmap_cli.records.raw import raw_columns
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SITEMAP_URLS, Domain, SitemapFile
from contentmap_cli.rows import COLUMNS, EXTRA_COLUMNS, LASTMOD, URL, Row, RowBatch, lengthened

_T = SITEMAP_URLS.c
T = TypeVar("T")
_COUNTED_HERE = 5_000
_CONTENT_COLUMNS = (*COLUMNS[LASTMOD:], *EXTRA_COLUMNS)
PUBLISHED = ("lastmod", "lastmod_precision", "lastmod_text", "changefreq", "priority", "extras")
"""What the site itself says of a URL."""
_published = itemgetter(*map(_CONTENT_COLUMNS.index, PUBLISHED))
_ROWS_A_FETCH = 5_000
_PROBES_A_ROW = 3  # so many look-ups by key take as long as reading one row after the other


@dataclass(frozen=True, slots=True)
class FileEntries:
    """One file's entries, ready to be merged. `known`: rows of it may be there from an earlier scan."""

    file_id: int
    known: bool
    batches: Callable[[], Iterable[RowBatch]]  # in the order of their URLs, one for each
    whole: bool  # read to its end, with nothing lost: what it does not list is gone from it

    def place(self, claim: Claim) -> Place:
        """Where its rows belong."""
        return Place(claim.domain_id, self.file_id, claim.scan_id)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a scan did to a domain: distinct URLs now, and how many came, went or changed."""

    urls: int
    added: int
    removed: int
    changed: int


async def merge_entries(
    session: GuardedSession,
    claim: Claim,
    files: Sequence[FileEntries],
    vanished: Sequence[int],
    *,
    first_scan: bool,
    removals: bool,
) -> Changes:
    """Writes a scan's entries and says what changed.

    `vanished` are files that this scan did not meet: with `removals` (the scan was complete) their URLs
    are gone. `first_scan` says that nothing of the domain is recorded, so that nothing is compared.
    """
    if first_scan:
        urls = await _insert_all(session, claim, files)
        session.note("entries.saved", urls=urls)
        return Changes(urls, urls, 0, 0)

    with Differences() as differences:
        for file in files:
            await _compare(session, claim, file, differences.of(file.file_id), removals=removals)
        for file_id in vanished if removals else ():
            await _take_live_urls(session, claim.domain_id, differences.of(file_id))
        added, removed, changed = await _weigh(session, claim.domain_id, differences)
        for difference in differences.files:
            await _write(session, claim, difference)
        withheld = [difference.file_id for difference in differences.files if difference.withheld]
    await forget_validators(session, withheld)
    before = await session.scalar(select(Domain.url_count).where(Domain.id == claim.domain_id))
    urls = int(before or 0) + added - removed
    session.note("entries.merged", urls=urls, added=added, removed=removed, changed=changed)
    return Changes(urls, added, removed, changed)


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
    if not file.known:
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
        async for some in found.partitions():
            put_listed(parts, some if touched is None else [row for row in some if row[0] in touched])
        return
    # by file, as the key has it: by domain alone each chunk would read all of the domain's rows
    query = query.where(_T.sitemap_file_id.in_(sizes))
    for chunk in cut(sorted(touched), CHUNK):
        put_listed(parts, await session.execute(query.where(_T.url.in_(chunk))))


async def _write(session: GuardedSession, claim: Claim, diff: Difference) -> None:
    for was in diff.was.chunks():
        await log_urls(session, claim, diff.file_id, was)
    if len(diff.new):
        place = Place(claim.domain_id, diff.file_id, claim.scan_id)
        await insert_rows(session, place, map(RowBatch.of, diff.new.chunks()))
    for rows, returned in ((diff.changed, False), (diff.returned, True)):
        for some in rows.chunks():
            await _update(session, claim, diff.file_id, some, returned=returned)
    for urls in diff.missing.chunks():
        await session.write(
            update(SITEMAP_URLS)
            .where(_T.domain_id == claim.domain_id, _T.sitemap_file_id == diff.file_id, _T.url.in_(urls))
            .values(removed_scan_id=claim.scan_id)
        )


async def _update(
    session: GuardedSession, claim: Claim, file_id: int, rows: Sequence[Row], *, returned: bool
) -> None:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CONTENT_COLUMNS}
    if returned:
        values["removed_scan_id"] = None
    connection = await session.connection()
    await connection.execute(
        update(SITEMAP_URLS)
        .where(
            _T.domain_id == claim.domain_id,
            _T.sitemap_file_id == file_id,
            _T.url == bindparam("old_url"),
        )
        .values(**values),
        [_parameters(row) for row in rows],
    )


def _parameters(row: Row) -> dict[str, Any]:
    values = {
        f"new_{name}": value for name, value in zip(_CONTENT_COLUMNS, lengthened(row)[LASTMOD:], strict=True)
    }
    if values["new_lastmod"] is not None:
        values["new_lastmod"] = datetime.fromisoformat(values["new_lastmod"])
    values["old_url"] = row[URL]
    return values


async def _take_live_urls(session: GuardedSession, domain_id: int, diff: Difference) -> None:
    """All that a file still lists is missing: the file itself is gone."""
    query = select(_T.url).where(
        _T.domain_id == domain_id, _T.sitemap_file_id == diff.file_id, _T.removed_scan_id.is_(None)
    )
    found = await session.stream_scalars(query.execution_options(yield_per=_ROWS_A_FETCH))
    async for some in found.partitions():
        for url in some:
            diff.missing.append(url)
