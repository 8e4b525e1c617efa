"""Delete the data of pruned jobs, in small transactions of the caller.

    removed URLs, previous values → appearances of files, domain scans → removed files

Nothing is deleted of a domain that is being scanned: its scan may have been compared with the rows already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, delete, exists, select, tuple_, update

from contentmap_cli.batches import batched
from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.maintenance.prune_plan import Leftovers, leased
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import FILE_CHANGES, SITEMAP_URLS, URL_CHANGES, Domain, DomainScan
from contentmap_cli.storage.tables import SitemapFile as File

_CHUNK: Final = 500  # rows of one statement
_T, _C, _F = SITEMAP_URLS.c, URL_CHANGES.c, FILE_CHANGES.c

Key = tuple[Any, ...]
"""The key of a row of a large table within its domain: file, URL, and for a change its scan."""


@dataclass(frozen=True, slots=True)
class LargeTable:
    """A table that may have very many rows of a domain: which of them are deleted, and how many those are."""

    table: Table
    key: tuple[ColumnElement[Any], ...]
    gone: Callable[[Leftovers], ColumnElement[bool]]
    count: Callable[[Leftovers], int]


LARGE: Final = (
    LargeTable(
        SITEMAP_URLS,
        (_T.sitemap_file_id, _T.url),
        lambda left: and_(_T.removed_scan_id.is_not(None), _T.removed_scan_id.not_in(left.kept())),
        lambda left: left.urls,
    ),
    LargeTable(
        URL_CHANGES,
        (_C.sitemap_file_id, _C.url, _C.scan_id),
        lambda left: _C.scan_id.not_in(left.kept()),
        lambda left: left.url_changes,
    ),
)
"""The URLs and their previous values."""


async def hold_domains(session: GuardedSession, domain_ids: Collection[int]) -> set[int]:
    """Lock the domains that no run is scanning until the transaction ends, and return their ids. A run that
    was suspended past its lease loses its claim."""
    free = select(Domain.id).where(Domain.id.in_(domain_ids)).order_by(Domain.id)
    held = set(await session.scalars(free.with_for_update(skip_locked=True, key_share=True)))
    busy = select(DomainScan.domain_id).where(DomainScan.domain_id.in_(held), leased())
    held -= set(await session.scalars(busy))
    suspended = and_(DomainScan.status == ScanStatus.RUNNING, DomainScan.token.is_not(None))
    await session.write(
        update(DomainScan).where(DomainScan.domain_id.in_(held), suspended).values(token=None)
    )
    return held


async def next_keys(
    session: GuardedSession, large: LargeTable, left: Leftovers, *, after: Key | None, limit: int
) -> list[Key]:
    """Return the keys of the next rows of a domain that may be deleted, in the order of the key."""
    query = select(*large.key).where(large.table.c.domain_id == left.domain_id, large.gone(left))
    if after is not None:
        query = query.where(tuple_(*large.key) > tuple_(*after))
    return [tuple(row) for row in await session.execute(query.order_by(*large.key).limit(limit))]


async def drop_rows(session: GuardedSession, large: LargeTable, left: Leftovers, keys: Sequence[Key]) -> int:
    """Delete rows, if they may still be deleted, and return their number. The domain must be locked."""
    row = large.table.c
    return sum(
        [
            await session.write(
                delete(large.table).where(
                    row.domain_id == left.domain_id,
                    row.sitemap_file_id == file_id,
                    row.url.in_(urls),
                    large.gone(left),
                )
            )
            for file_id, urls in _by_file(keys)
        ]
    )


def _by_file(keys: Sequence[Key]) -> list[tuple[int, list[str]]]:
    """Return keys by file, in the size of a statement. One key is enough for several changes of a URL."""
    files: dict[int, dict[str, None]] = {}
    for file_id, url, *_ in keys:
        files.setdefault(file_id, {})[url] = None
    return [(file_id, urls) for file_id, some in files.items() for urls in batched(some, _CHUNK)]


async def drop_file_changes(session: GuardedSession, left: Leftovers) -> int:
    """Delete the recorded appearances of files and return their number. The domain must be locked."""
    key = tuple_(_F.sitemap_file_id, _F.scan_id)
    return sum(
        [
            await session.write(delete(FILE_CHANGES).where(key.in_(some)))
            for some in batched(left.file_changes, _CHUNK)
        ]
    )


async def drop_files(session: GuardedSession, left: Leftovers, file_ids: Sequence[int]) -> tuple[int, int]:
    """Delete removed files without URLs, with their appearances. Returns the number of each. The domain must
    be locked."""
    row = and_(_T.domain_id == left.domain_id, _T.sitemap_file_id == File.id)
    change = and_(_C.domain_id == left.domain_id, _C.sitemap_file_id == File.id)
    empty = select(File.id).where(
        File.domain_id == left.domain_id,
        File.removed_at.is_not(None),
        ~exists().where(row),
        ~exists().where(change),
    )
    files = changes = 0
    for some in batched(file_ids, _CHUNK):
        gone = list(await session.scalars(empty.where(File.id.in_(some))))
        changes += await session.write(delete(FILE_CHANGES).where(_F.sitemap_file_id.in_(gone)))
        files += await session.write(delete(File).where(File.id.in_(gone)))
    return files, changes


async def drop_scans(session: GuardedSession, left: Leftovers) -> int:
    """Delete domain scans of pruned jobs and return their number. The domain must be locked."""
    return sum(
        [
            await session.write(
                delete(DomainScan).where(DomainScan.domain_id == left.domain_id, DomainScan.id.in_(some))
            )
            for some in batched(left.scans, _CHUNK)
        ]
    )
