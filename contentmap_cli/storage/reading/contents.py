"""Read the sitemap files and entries of a domain, streamed. One tenant at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, exists, func, select, tuple_

from contentmap_cli.batches import batched
from contentmap_cli.errors import Failure, NotFound
from contentmap_cli.models import (
    DiscoveryMethod,
    DocumentKind,
    Entry,
    FileStatus,
    Problem,
    StoredEntry,
    StoredFile,
)
from contentmap_cli.models.entry_rows import read_extras, read_lastmod
from contentmap_cli.storage.column_types import iso_text
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, URL_CHANGES, Domain, DomainScan, SitemapFile
from contentmap_cli.storage.writing.row_diff import PUBLISHED

if TYPE_CHECKING:
    from contentmap_cli.models.findings import CheckedFile

_T, _C = SITEMAP_URLS.c, URL_CHANGES.c
_KEY_COLUMNS = (_T.sitemap_file_id, _T.url)
_KEY = tuple_(*_KEY_COLUMNS)
_ROWS_A_FETCH = 5_000
_FILES_A_QUERY = 500
_READ = (
    *("sitemap_file_id", "first_scan_id", "removed_scan_id", "page_type", "extras"),
    *("url", "lastmod", "lastmod_precision", "lastmod_text"),
    *("changefreq", "priority", "in_scope", "repaired"),
)
_URL = _READ.index("url")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of a domain to read. A value that is not given does not filter."""

    sitemap: str | None = None  # only those this file lists
    match: str | None = None  # a glob over the whole URL: * and ?
    since: datetime | None = None  # first seen since
    changed_after: datetime | None = None  # lastmod after
    removed: bool = False  # removed entries instead of live ones
    distinct: bool = False  # of the files that list a URL, only the first
    limit: int | None = None


def was_scanned() -> ColumnElement[bool]:
    """The condition for domains that a job has scanned or will. Of others, only pages were checked."""
    return exists(select(DomainScan.id).where(DomainScan.domain_id == Domain.id).correlate(Domain))


async def find_domain(session: GuardedSession, tenant: str, name: str, *, scanned: bool = True) -> int | None:
    """Return the id of a domain of the tenant, or None where it was never scanned. Without `scanned`, also
    of one whose pages were checked."""
    query = select(Domain.id).where(Domain.tenant_id == tenant, Domain.name == name)
    found = await session.scalar(query.where(was_scanned()) if scanned else query)
    return int(found) if found is not None else None


async def known_domains(
    session: GuardedSession, tenant: str, *, begin: str = "", limit: int | None = 1000
) -> list[str]:
    """Return the names of a tenant's domains that start with `begin`, the last scanned first."""
    found = await session.scalars(
        select(Domain.name)
        .where(Domain.tenant_id == tenant, Domain.name.startswith(begin, autoescape=True), was_scanned())
        .order_by(Domain.last_scanned_at.desc(), Domain.name)
        .limit(limit)
    )
    return list(found)


class FilePages:
    """Reads the sitemap files of a domain in the order they were first found, in pages; each may be read in a
    transaction of its own and shows the files as they are then."""

    def __init__(self, domain_id: int, *, removed: bool = False) -> None:
        self._after = 0
        self._query = select(SitemapFile).where(SitemapFile.domain_id == domain_id)
        if not removed:
            self._query = self._query.where(SitemapFile.removed_at.is_(None))

    async def next(self, session: GuardedSession) -> list[StoredFile]:
        """Return the next files, none at the end."""
        query = self._query.where(SitemapFile.id > self._after).order_by(SitemapFile.id)
        rows = (await session.scalars(query.limit(_FILES_A_QUERY))).all()
        if rows:
            self._after = rows[-1].id
        return [_stored_file(row) for row in rows]


async def stored_files(
    session: GuardedSession, domain_id: int, *, removed: bool = False
) -> AsyncIterator[StoredFile]:
    """Yield the sitemap files of a domain as FilePages does, in the session's transaction."""
    pages = FilePages(domain_id, removed=removed)
    while page := await pages.next(session):
        for file in page:
            yield file


def _stored_file(row: SitemapFile) -> StoredFile:
    return StoredFile(
        url=row.url,
        status=FileStatus(row.status),
        discovered_by=DiscoveryMethod(row.discovery_method),
        sitemap_type=row.sitemap_type,
        parent=row.parent,
        status_code=row.status_code,
        url_count=row.url_count,
        size_bytes=row.size_bytes,
        response_time_ms=row.response_time_ms,
        is_gzipped=row.is_gzipped,
        has_lastmod=row.has_lastmod,
        has_priority=row.has_priority,
        has_changefreq=row.has_changefreq,
        last_modified=row.last_modified,
        generator=row.generator,
        content_type=row.content_type,
        fetched_at=row.fetched_at,
        first_seen=row.first_seen,
        removed_at=row.removed_at,
        error=Failure(row.error_code, row.error_message or "") if row.error_code else None,
        problems=tuple(Problem(**problem) for problem in row.problems),
    )


class EntryPages:
    """Reads the entries of a domain by file, and by URL within a file, in pages of some thousands.

    `next` may be called in a transaction of its own each time, however late. All pages show the domain after
    the scan that was the last one at the first page: what later scans add is left out, and what they change
    or remove is read from the recorded previous values. One row at a time would cost a context switch each.
    What many rows share, their file and their scans, is looked up once instead of joined.
    """

    def __init__(self, domain_id: int, wanted: EntryFilter) -> None:
        self._domain_id = domain_id
        self._wanted = wanted
        self._left = wanted.limit
        self._after: tuple[int, str] | None = None
        self._scans: dict[int | None, datetime | None] | None = None
        self._files: dict[int, tuple[str, DiscoveryMethod]] = {}
        self._seen: set[int] | None = None
        self._ended = False

    async def next(self, session: GuardedSession) -> list[StoredEntry]:
        """Return the next entries, none at the end. Raise NotFound if the domain was removed meanwhile."""
        newer = await self._newer_scans(session)
        entries: list[StoredEntry] = []
        while not entries and not self._ended:
            rows = await self._rows(session, newer)
            await self._read_files(session, {row[0] for row in rows})
            if self._seen is not None:
                rows = _not_seen(rows, self._seen)
            entries = _stored(rows[: self._left], self._files, self._scans or {})
        if self._left is not None:
            self._left -= len(entries)
            self._ended = self._ended or not self._left
        return entries

    async def _newer_scans(self, session: GuardedSession) -> dict[int, int]:
        """Return the scans that were recorded since the first page, each with its rank."""
        query = (
            select(DomainScan.id, DomainScan.recorded_at)
            .where(DomainScan.domain_id == self._domain_id, DomainScan.recorded_at.is_not(None))
            .order_by(DomainScan.recorded_at, DomainScan.id)
        )
        scans = (await session.execute(query)).all()
        found: dict[int | None, datetime | None] = {row.id: row.recorded_at for row in scans}
        if self._scans is None:
            self._scans = found
            if self._wanted.distinct and await _lists_urls_twice(session, self._domain_id, self._wanted):
                self._seen = set()
        elif self._scans and not found:
            raise NotFound("the domain was removed while its URLs were read")
        return {each: rank for rank, each in enumerate(found) if each is not None and each not in self._scans}

    async def _rows(self, session: GuardedSession, newer: Mapping[int, int]) -> Sequence[Any]:
        """Read the next rows of the key, as they were before the scans in `newer`."""
        wanted, limit = self._wanted, _ROWS_A_FETCH
        query = select(*raw_columns(session, SITEMAP_URLS, _READ)).where(_T.domain_id == self._domain_id)
        if self._after is not None:
            query = query.where(tuple_(*self._after) < _KEY)
        if wanted.sitemap is not None:
            files = select(SitemapFile.id).where(
                SitemapFile.domain_id == self._domain_id, SitemapFile.url == wanted.sitemap
            )
            query = query.where(_T.sitemap_file_id.in_(files))
        if wanted.match is not None:
            query = query.where(_matches(session, wanted.match))
        if wanted.since is not None:
            scans = select(DomainScan.id).where(
                DomainScan.domain_id == self._domain_id, DomainScan.recorded_at >= wanted.since
            )
            query = query.where(_T.first_scan_id.in_(scans))
        if not newer:
            removed = _T.removed_scan_id
            query = query.where(removed.is_not(None) if wanted.removed else removed.is_(None))
            if wanted.changed_after is not None:
                query = query.where(_T.lastmod > wanted.changed_after)
            if self._left is not None and self._seen is None:
                limit = min(limit, self._left)
        rows = (await session.execute(query.order_by(*_KEY_COLUMNS).limit(limit))).all()
        self._ended = len(rows) < limit
        if rows:
            self._after = rows[-1][0], rows[-1][_URL]
        return await self._as_before(session, rows, newer) if newer and rows else rows

    async def _as_before(
        self, session: GuardedSession, rows: Sequence[Any], newer: Mapping[int, int]
    ) -> list[Any]:
        """Return rows with the values from before the scans in `newer`."""
        first, last = (tuple_(row[0], row[_URL]) for row in (rows[0], rows[-1]))
        key = tuple_(_C.sitemap_file_id, _C.url)
        changes = await session.execute(
            select(
                *(_C.sitemap_file_id, _C.url, _C.scan_id, _C.removed_scan_id),
                *raw_columns(session, URL_CHANGES, PUBLISHED),
            ).where(_C.domain_id == self._domain_id, _C.scan_id.in_(newer), key >= first, key <= last)
        )
        was: dict[tuple[int, str], Any] = {}
        for change in sorted(changes, key=lambda change: newer[change[2]], reverse=True):
            was[change[0], change[1]] = change  # the first one replaced what was there before all
        after = self._wanted.changed_after
        before = []
        for row in rows:
            values = dict(zip(_READ, row, strict=True))
            if values["first_scan_id"] in newer:
                continue
            old = was.get((row[0], row[_URL]))
            if old is not None:
                values |= zip(("removed_scan_id", *PUBLISHED), old[3:], strict=True)
            if values["removed_scan_id"] in newer:
                values["removed_scan_id"] = None
            gone = values["removed_scan_id"] is not None
            fits = after is None or (values["lastmod"] or "") > iso_text(after)
            if fits and gone == self._wanted.removed:
                before.append(tuple(values.values()))
        return before

    async def _read_files(self, session: GuardedSession, ids: set[int]) -> None:
        for some in batched(ids - self._files.keys(), _FILES_A_QUERY):
            files = await session.execute(
                select(SitemapFile.id, SitemapFile.url, SitemapFile.discovery_method).where(
                    SitemapFile.id.in_(some)
                )
            )
            self._files |= {row.id: (row.url, DiscoveryMethod(row.discovery_method)) for row in files}


def _not_seen(rows: Iterable[Any], seen: set[int]) -> list[Any]:
    """Return the rows of URLs that were not seen; as in DistinctCounter, the 64-bit hash is the URL."""
    new = []
    for row in rows:
        number = hash(row[_URL])
        if number not in seen:
            seen.add(number)
            new.append(row)
    return new


async def stored_batches(
    session: GuardedSession, domain_id: int, wanted: EntryFilter
) -> AsyncIterator[list[StoredEntry]]:
    """Yield the entries of a domain as EntryPages does, in the session's transaction."""
    pages = EntryPages(domain_id, wanted)
    while page := await pages.next(session):
        yield page


async def _lists_urls_twice(session: GuardedSession, domain_id: int, wanted: EntryFilter) -> bool:
    """Return whether several files may list the same URL."""
    if wanted.sitemap is not None:
        return False
    # rows are counted, not the entries of the files: a truncated file still lists what it listed before
    listed = await session.scalar(
        select(func.count())
        .select_from(SITEMAP_URLS)
        .where(_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    )
    different = await session.scalar(select(Domain.url_count).where(Domain.id == domain_id))
    return wanted.removed or listed != different


def _stored(
    rows: Iterable[Any],
    files: Mapping[int, tuple[str, DiscoveryMethod]],
    scans: Mapping[int | None, datetime | None],
) -> list[StoredEntry]:
    entries = []
    for row in rows:
        file_id, first, removed, page_type, extras, url, moment, precision, text, *plain = row
        changefreq, priority, in_scope, repaired = plain
        media: dict[str, Any] = read_extras(extras) if extras else {}
        lastmod = read_lastmod(moment, precision, text)
        entry = Entry(url, lastmod, changefreq, priority, bool(in_scope), bool(repaired), **media)
        sitemap, method = files[file_id]
        entries.append(StoredEntry(entry, sitemap, method, page_type, scans.get(first), scans.get(removed)))
    return entries


def _matches(session: GuardedSession, glob: str) -> ColumnElement[bool]:
    """Return the condition that a URL matches a glob of * and ?, case-sensitive; LIKE of SQLite ignores
    case."""
    if session.get_bind().dialect.name == "sqlite":
        return _T.url.op("GLOB")(glob.replace("[", "[[]"))
    return like_glob(_T.url, glob)


def like_glob(column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
    """Return the condition that a text matches a glob of * and ? by LIKE, which ignores case on SQLite."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


async def dated_urls(
    session: GuardedSession, domain_id: int
) -> AsyncIterator[Sequence[tuple[str, str | None, int]]]:
    """Yield every URL of a domain with its lastmod as ISO 8601 text in UTC and a file that lists it, in lists
    of some thousands.

    A URL that several files list is yielded once, with its latest date.
    """
    now = (_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    url, lastmod, file_id = raw_columns(session, SITEMAP_URLS, ("url", "lastmod", "sitemap_file_id"))
    query = select(url, lastmod, file_id).where(*now)
    if await _lists_urls_twice(session, domain_id, EntryFilter()):  # grouping takes three times as long
        query = select(url, func.max(lastmod), func.min(file_id)).where(*now).group_by(_T.url)
    query = query.execution_options(yield_per=2 * _ROWS_A_FETCH)
    async for some in (await session.stream(query)).partitions():
        yield cast("Sequence[Any]", some)


async def recorded_files(session: GuardedSession, domain_id: int) -> list[tuple[CheckedFile, str | None]]:
    """Return the live files of a domain in the order of their rows, each with the lastmod of its index."""
    rows = await session.scalars(
        select(SitemapFile)
        .where(SitemapFile.domain_id == domain_id, SitemapFile.removed_at.is_(None))
        .order_by(SitemapFile.id)
    )
    return [(_checked_file(row), row.lastmod) for row in rows]


def _checked_file(row: SitemapFile) -> CheckedFile:
    from contentmap_cli.models.findings import CheckedFile

    return CheckedFile(
        name=row.url,
        kind=DocumentKind(row.sitemap_type) if row.sitemap_type else None,
        entries=row.url_count,
        problems=tuple(Problem(**problem) for problem in row.problems),
        failure=Failure(row.error_code, row.error_message or "") if row.error_code else None,
        url=row.url,
        final_url=row.final_url,
        discovered_by=DiscoveryMethod(row.discovery_method),
        parent=row.parent,
        content_type=row.content_type,
        encoding=row.encoding,
        is_gzipped=row.is_gzipped,
        decoded_bytes=row.decoded_bytes,
        has_lastmod=row.has_lastmod,
        read_at=row.fetched_at,
    )
