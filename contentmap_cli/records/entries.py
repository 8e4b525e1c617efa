"""A domain's entries: what this scan read, merged into what is recorded, writing only what differs.

A file that is new goes in whole. A file that was there before is walked beside its rows, both in the
order of the key, and only new, changed, returned and missing URLs are written. A URL that another
file of the domain lists as well, or that moved between files, is neither added nor removed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import bindparam, func, select, update

from contentmap_cli.records.bulk import Place, insert_rows
from contentmap_cli.records.claims import Claim
from contentmap_cli.records.distinct import DistinctCounter
from contentmap_cli.records.files import forget_validators
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SITEMAP_URLS, SitemapFile
from contentmap_cli.records.types import iso_text
from contentmap_cli.rows import COLUMNS, EXTRA_COLUMNS, LASTMOD, URL, Row, RowBatch, lengthened

_T = SITEMAP_URLS.c
T = TypeVar("T")
_CHUNK = 500
_COUNTED_HERE = 5_000
_CONTENT_COLUMNS = (*COLUMNS[LASTMOD:], *EXTRA_COLUMNS)


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


@dataclass(slots=True)
class _Diff:
    """What must be written for one known file."""

    file_id: int
    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    returned: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    withheld: bool = False  # URLs are missing, and an incomplete scan may not say that they are gone


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

    diffs = [await _compare(session, claim, file, removals=removals) for file in files]
    if removals:
        for file_id in vanished:
            missing = await _live_urls(session, claim.domain_id, file_id)
            diffs.append(_Diff(file_id, missing=missing))
    added, removed, changed = await _weigh(session, claim.domain_id, diffs)
    for diff in diffs:
        await _write(session, claim, diff)
    await forget_validators(session, [diff.file_id for diff in diffs if diff.withheld])
    urls = await _count_live(session, claim.domain_id)
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


async def _compare(session: GuardedSession, claim: Claim, file: FileEntries, *, removals: bool) -> _Diff:
    diff = _Diff(file.file_id)
    fresh = chain.from_iterable(file.batches())
    if not file.known:
        diff.new = list(fresh)
        return diff
    row = next(fresh, None)
    async for old in await session.stream(_recorded(claim.domain_id, file.file_id)):
        while row is not None and row[URL] < old.url:
            diff.new.append(row)
            row = next(fresh, None)
        if row is not None and row[URL] == old.url:
            if old.removed_scan_id is not None:
                diff.returned.append(row)
            elif _content(old) != lengthened(row)[LASTMOD:]:
                diff.changed.append(row)
            row = next(fresh, None)
        elif old.removed_scan_id is None:
            if removals and file.whole:
                diff.missing.append(old.url)
            else:
                diff.withheld = True
    while row is not None:
        diff.new.append(row)
        row = next(fresh, None)
    return diff


def _recorded(domain_id: int, file_id: int) -> Any:
    columns = [_T.url, _T.removed_scan_id, *(_T[name] for name in _CONTENT_COLUMNS)]
    return (
        select(*columns)
        .where(_T.domain_id == domain_id, _T.sitemap_file_id == file_id)
        .order_by(_T.url)
        .execution_options(yield_per=2000)
    )


def _content(old: Any) -> Row:
    return (iso_text(old.lastmod) if old.lastmod else None, *old[3:])


async def _weigh(session: GuardedSession, domain_id: int, diffs: Sequence[_Diff]) -> tuple[int, int, int]:
    """URLs added, removed and changed as the domain sees it, before anything is written."""
    came = Counter(row[URL] for diff in diffs for row in (*diff.new, *diff.returned))
    went = Counter(url for diff in diffs for url in diff.missing)
    touched = sorted({*came, *went})
    # by file, as the key has it: by domain alone each chunk would read all of the domain's rows
    files = list(await session.scalars(select(SitemapFile.id).where(SitemapFile.domain_id == domain_id)))
    live: Counter[str] = Counter()
    for start in range(0, len(touched), _CHUNK):
        found = await session.execute(
            select(_T.url, func.count())
            .where(
                _T.domain_id == domain_id,
                _T.sitemap_file_id.in_(files),
                _T.url.in_(touched[start : start + _CHUNK]),
                _T.removed_scan_id.is_(None),
            )
            .group_by(_T.url)
        )
        live.update({row[0]: row[1] for row in found})
    added = sum(1 for url in came if not live[url])
    removed = sum(1 for url in went if live[url] and live[url] + came[url] - went[url] <= 0)
    changed = len({row[URL] for diff in diffs for row in diff.changed})
    return added, removed, changed


async def _write(session: GuardedSession, claim: Claim, diff: _Diff) -> None:
    if diff.new:
        await insert_rows(
            session, Place(claim.domain_id, diff.file_id, claim.scan_id), map(RowBatch.of, _slices(diff.new))
        )
    for rows, returned in ((diff.changed, False), (diff.returned, True)):
        if rows:
            await _update(session, claim, diff.file_id, rows, returned=returned)
    for chunk in _slices(diff.missing):
        await session.write(
            update(SITEMAP_URLS)
            .where(_T.domain_id == claim.domain_id, _T.sitemap_file_id == diff.file_id, _T.url.in_(chunk))
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


async def _live_urls(session: GuardedSession, domain_id: int, file_id: int) -> list[str]:
    found = await session.scalars(
        select(_T.url).where(
            _T.domain_id == domain_id, _T.sitemap_file_id == file_id, _T.removed_scan_id.is_(None)
        )
    )
    return list(found)


async def _count_live(session: GuardedSession, domain_id: int) -> int:
    counted = await session.scalar(
        select(func.count(_T.url.distinct())).where(_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    )
    return int(counted or 0)


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
