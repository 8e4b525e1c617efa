"""Compare the entries of one file with its recorded rows.

Both are in the order of the key, and are merged in one pass. Where only the changed part of a file was read,
only the rows of that part are looked up, provided that the recorded rows are the state the change starts
from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, true

from contentmap_cli.batches import batched
from contentmap_cli.models.entry_rows import (
    COLUMNS,
    EXTRA_COLUMNS,
    LASTMOD,
    URL,
    Row,
    RowBatch,
    RowDelta,
    with_extra_columns,
)
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS
from contentmap_cli.storage.writing.change_set import CHUNK, FileChanges
from contentmap_cli.threads import run_in_thread

CONTENT_COLUMNS: Final = (*COLUMNS[LASTMOD:], *EXTRA_COLUMNS)
PUBLISHED: Final = ("lastmod", "lastmod_precision", "lastmod_text", "changefreq", "priority", "extras")
"""The columns that the site publishes. The others are derived."""
ROWS_A_FETCH: Final = 5_000

_T = SITEMAP_URLS.c
published = itemgetter(*map(CONTENT_COLUMNS.index, PUBLISHED))


@dataclass(frozen=True, slots=True)
class FileEntries:
    """The entries of one file.

    `known`: an earlier scan may have recorded rows of it. A file without a row has no `file_id`: it can be
    compared, but not be written. With `delta`, `batches` reads the whole file first, which is slow.
    """

    file_id: int | None
    known: bool
    batches: Callable[[], Iterable[RowBatch]]  # in the order of their URLs, one for each
    whole: bool  # read to its end, with nothing lost: what it does not list is gone from it
    delta: RowDelta | None = None  # what changed since a scan that may be the one recorded

    async def all_batches(self) -> Iterable[RowBatch]:
        """Return all rows of the file without blocking the event loop."""
        return self.batches() if self.delta is None else await run_in_thread(self.batches)


async def compare_rows(
    session: GuardedSession, claim: Claim, file: FileEntries, diff: FileChanges, *, removals: bool
) -> None:
    """Compare all rows of a file with those recorded, and add the differences to `diff`."""
    fresh = chain.from_iterable(await file.all_batches())
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
            _add_recorded(diff, row, gone, was)
            row = next(fresh, None)
        elif gone is None:
            _add_missing(diff, url, removable=removals and file.whole)
    while row is not None:
        diff.new.append(row)
        row = next(fresh, None)


async def compare_delta(
    session: GuardedSession,
    claim: Claim,
    file: FileEntries,
    digest: str | None,
    diff: FileChanges,
    *,
    removals: bool,
) -> bool:
    """Compare the changed part of a file with its recorded rows; `digest` is the recorded one.

    Returns False, with nothing added to `diff`, where the recorded rows are not the state that the change
    starts from, or a URL is listed twice now. The whole file must be compared then.
    """
    delta = file.delta
    assert delta is not None  # noqa: S101 - the caller asked
    if delta.digest != digest or not await _is_recorded(session, claim, file, delta):
        return False
    added = ((row[URL], row) for row in chain.from_iterable(delta.come()))
    gone = ((url, None) for url in delta.gone())
    touched = groupby(merge(added, gone, key=itemgetter(0)), key=itemgetter(0))
    changes = ((url, [*both]) for url, both in touched)
    query = select(_T.url, _T.removed_scan_id, *contents(session)).where(
        _T.domain_id == claim.domain_id, _T.sitemap_file_id == file.file_id
    )
    for some in batched(changes, CHUNK):
        urls = [url for url, _ in some]
        found = {old[0]: old for old in await session.execute(query.where(_T.url.in_(urls)))}
        for url, both in some:
            row = next((row for _, row in both if row is not None), None)
            there = len(both) - (row is not None)  # among those that are gone
            old = found.get(url)
            if bool(there) != (old is not None and old[1] is None):
                diff.clear()
                return False
            if row is None:
                _add_missing(diff, url, removable=removals and file.whole)
            elif old is None:
                diff.new.append(row)
            else:
                _add_recorded(diff, row, old[1], tuple(old[2:]))
    return True


async def _is_recorded(session: GuardedSession, claim: Claim, file: FileEntries, delta: RowDelta) -> bool:
    """Return whether the file has as many live rows as the earlier body had entries."""
    counted = await session.execute(
        select(func.count(), func.count().filter(_T.in_scope == true())).where(
            _T.domain_id == claim.domain_id,
            _T.sitemap_file_id == file.file_id,
            _T.removed_scan_id.is_(None),
        )
    )
    return tuple(counted.one()) == (delta.entries, delta.entries)


def _add_recorded(diff: FileChanges, row: Row, gone: int | None, was: Row) -> None:
    """Add a row that is recorded, where it differs."""
    url = row[URL]
    if gone is not None:
        diff.returned.append(row)
        diff.was.append((url, gone, *published(was)))
    elif was != (now := with_extra_columns(row)[LASTMOD:]):
        diff.changed.append(row)
        if published(was) != published(now):
            diff.restated.append(url)
            diff.was.append((url, None, *published(was)))


def _add_missing(diff: FileChanges, url: str, *, removable: bool) -> None:
    """Add a URL that is recorded and no longer listed; `removable`: the scan may remove it."""
    if removable:
        diff.missing.append(url)
    else:
        diff.withheld = True


async def _recorded(
    session: GuardedSession, domain_id: int, file_id: int
) -> AsyncIterator[tuple[str, int | None, Row]]:
    """Yield the recorded rows of a file in URL order: the URL, the scan that removed it, its content."""
    query = (
        select(_T.url, _T.removed_scan_id, *contents(session))
        .where(_T.domain_id == domain_id, _T.sitemap_file_id == file_id)
        .order_by(_T.url)
        .execution_options(yield_per=ROWS_A_FETCH)
    )
    # in batches: one row at a time would cost a context switch each
    async for some in (await session.stream(query)).partitions():
        for old in some:
            yield old[0], old[1], old[2:]


def contents(session: GuardedSession, names: Sequence[str] = CONTENT_COLUMNS) -> list[ColumnElement[Any]]:
    """Return columns without conversion, which costs more than the comparison."""
    return raw_columns(session, SITEMAP_URLS, names)
