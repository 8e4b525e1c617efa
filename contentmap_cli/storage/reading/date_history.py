"""Read what the entries of a domain said in its scans, for the trust in their dates. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import select

from contentmap_cli.models.lastmod.trust_counter import ScanTime, UrlDates, Version
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.jobs.jobs import selected_files
from contentmap_cli.storage.reading.comparison import history
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, URL_CHANGES, DomainScan

MOST_URLS: Final = 5_000
"""URLs whose history is read: of a larger site, some of each part of its files."""
_MOST_ROWS: Final = 50_000  # previous versions, estimated
_MOST_DAYS: Final = 30
_KEYS_A_QUERY: Final = 500
_LOOKUPS_A_QUERY: Final = 2_500
_COARSE: Final = frozenset({"year", "month", "day"})
_SAID: Final = ("lastmod", "lastmod_precision", "changefreq", "priority", "extras")
_T, _C = SITEMAP_URLS.c, URL_CHANGES.c

Key = tuple[int, str]
"""A sitemap file, and a URL that it lists."""


class Sample:
    """Chooses at most MOST_URLS of the rows of `dated_urls`, at equal distances."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._step = 1
        self._skip = 0  # rows until the next one

    def add(self, rows: Sequence[Any]) -> None:
        """Take the next rows: URL, lastmod and file."""
        self.keys += [(row[2], row[0]) for row in rows[self._skip :: self._step]]
        self._skip = (self._skip - len(rows)) % self._step
        while len(self.keys) > MOST_URLS:
            # every second one remains: the next is `step` rows after the last, or twice as many
            self._skip += self._step * (len(self.keys) % 2)
            self.keys = self.keys[::2]
            self._step *= 2


async def date_histories(
    session: GuardedSession, domain_id: int, keys: Sequence[Key]
) -> tuple[list[ScanTime], list[UrlDates]]:
    """Return the last scans of a domain, the oldest first, and what these entries said in them."""
    scans = await _scans(session, domain_id, len(keys))
    ranks = {scan_id: rank for rank, scan_id in enumerate(scans)}
    found: list[UrlDates] = []
    for some in _chunks(sorted(keys)):
        found += await _histories(session, domain_id, some, ranks)
    return list(scans.values()), found


async def _scans(session: GuardedSession, domain_id: int, urls: int) -> dict[int, ScanTime]:
    """Return the newest scans of at most 30 days whose changes were not pruned, by id, the oldest first;
    fewer where they changed very much. One that selected files says nothing about the others."""
    facts = await session.execute(
        select(
            *(DomainScan.id, DomainScan.started_at, DomainScan.changed, DomainScan.urls),
            selected_files().label("selected"),
        ).where(DomainScan.domain_id == domain_id)
    )
    known = {row.id: row for row in facts}
    chosen: dict[int, ScanTime] = {}
    expected = 0.0
    days = set()
    for point in reversed(await history(session, domain_id)):
        row, end = known[point.scan_id], point.recorded_at
        days.add(end.date())
        expected += urls * min(1.0, row.changed / max(row.urls, 1))
        if not point.comparable or (chosen and (len(days) > _MOST_DAYS or expected > _MOST_ROWS)):
            break
        # the row of a resumed scan has the start of its last part
        begin = min(row.started_at or end, end)
        chosen[point.scan_id] = ScanTime(begin, end, point.complete and not row.selected)
    return dict(reversed(chosen.items()))


def _chunks(keys: Sequence[Key]) -> Iterator[set[Key]]:
    """Yield keys in sets of few files, as a statement looks up each URL in each of the files: SQLite has no
    index for pairs."""
    chunk: set[Key] = set()
    files: set[int] = set()
    for key in keys:
        files.add(key[0])
        chunk.add(key)
        if len(chunk) == _KEYS_A_QUERY or len(files) * len(chunk) > _LOOKUPS_A_QUERY:
            yield chunk
            chunk, files = set(), set()
    if chunk:
        yield chunk


async def _histories(
    session: GuardedSession, domain_id: int, keys: set[Key], ranks: dict[int, int]
) -> list[UrlDates]:
    files, urls = {key[0] for key in keys}, {key[1] for key in keys}
    changes: dict[Key, list[tuple[int, Any]]] = {}
    if len(ranks) > 1:
        query = select(
            *(_C.sitemap_file_id, _C.url, _C.scan_id, *raw_columns(session, URL_CHANGES, _SAID)),
            _C.removed_scan_id,
        ).where(
            *(_C.domain_id == domain_id, _C.sitemap_file_id.in_(files), _C.url.in_(urls)),
            _C.scan_id >= min(ranks),
        )
        for row in await session.execute(query):
            if row[2] in ranks:
                changes.setdefault((row[0], row[1]), []).append((ranks[row[2]], row))
    query = select(
        *(_T.sitemap_file_id, _T.url, _T.first_scan_id, *raw_columns(session, SITEMAP_URLS, _SAID))
    ).where(_T.domain_id == domain_id, _T.sitemap_file_id.in_(files), _T.url.in_(urls))
    return [
        UrlDates(row[1], row[0], _versions(row, changes.get((row[0], row[1]), ()), ranks))
        for row in await session.execute(query)
        if (row[0], row[1]) in keys
    ]


def _versions(row: Any, changes: Iterable[tuple[int, Any]], ranks: dict[int, int]) -> list[Version]:
    """Return the versions of an entry: a change holds what its scan has replaced."""
    scan, returned = ranks.get(row[2]), False
    versions = []
    for rank, change in sorted(changes, key=itemgetter(0)):
        versions.append(_version(scan, change[3:8], returned))
        scan, returned = rank, change[8] is not None
    return [*versions, _version(scan, row[3:8], returned)]


def _version(scan: int | None, said: Sequence[Any], returned: bool) -> Version:
    lastmod, precision, *others = said
    return Version(scan, lastmod, precision in _COARSE, tuple(others), returned)
