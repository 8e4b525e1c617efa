"""Read the sitemap files and entries of a domain, streamed. One tenant at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, func, select

from contentmap_cli.errors import Failure
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
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain, DomainScan, SitemapFile

if TYPE_CHECKING:
    from contentmap_cli.models.findings import CheckedFile

_T = SITEMAP_URLS.c
_ROWS_A_FETCH = 5_000
_READ = (
    *("sitemap_file_id", "first_scan_id", "removed_scan_id", "page_type", "extras"),
    *("url", "lastmod", "lastmod_precision", "lastmod_text"),
    *("changefreq", "priority", "in_scope", "repaired"),
)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of a domain to read. A value that is not given does not filter."""

    sitemap: str | None = None  # only those this file lists
    match: str | None = None  # a glob over the whole URL: * and ?
    since: datetime | None = None  # first seen since
    changed_after: datetime | None = None  # lastmod after
    removed: bool = False  # removed entries instead of live ones
    limit: int | None = None


async def find_domain(session: GuardedSession, tenant: str, name: str) -> int | None:
    """Return the id of a domain of the tenant, or None where it was never scanned."""
    found = await session.scalar(select(Domain.id).where(Domain.tenant_id == tenant, Domain.name == name))
    return int(found) if found is not None else None


async def known_domains(
    session: GuardedSession, tenant: str, *, begin: str = "", limit: int | None = 1000
) -> list[str]:
    """Return the names of a tenant's domains that start with `begin`, the last scanned first."""
    found = await session.scalars(
        select(Domain.name)
        .where(Domain.tenant_id == tenant, Domain.name.startswith(begin, autoescape=True))
        .order_by(Domain.last_scanned_at.desc(), Domain.name)
        .limit(limit)
    )
    return list(found)


async def stored_files(
    session: GuardedSession, domain_id: int, *, removed: bool = False
) -> AsyncIterator[StoredFile]:
    """Yield the sitemap files of a domain in the order they were first found."""
    query = (
        select(SitemapFile)
        .where(SitemapFile.domain_id == domain_id)
        .order_by(SitemapFile.id)
        .execution_options(yield_per=500)
    )
    if not removed:
        query = query.where(SitemapFile.removed_at.is_(None))
    async for row in await session.stream_scalars(query):
        yield StoredFile(
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


async def stored_batches(
    session: GuardedSession, domain_id: int, wanted: EntryFilter
) -> AsyncIterator[list[StoredEntry]]:
    """Yield the entries of a domain by file, and by URL within a file, in lists of some thousands; constant
    memory.

    One row at a time would cost a context switch each. What many rows share, their file and their scans, is
    looked up once instead of joined.
    """
    files = {
        row.id: (row.url, DiscoveryMethod(row.discovery_method))
        for row in await session.execute(
            select(SitemapFile.id, SitemapFile.url, SitemapFile.discovery_method).where(
                SitemapFile.domain_id == domain_id
            )
        )
    }
    scans = {
        row.id: row.recorded_at
        for row in await session.execute(
            select(DomainScan.id, DomainScan.recorded_at).where(DomainScan.domain_id == domain_id)
        )
    }
    query = (
        select(*raw_columns(session, SITEMAP_URLS, _READ))
        .where(_T.domain_id == domain_id)
        .order_by(_T.sitemap_file_id, _T.url)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    query = query.where(_T.removed_scan_id.isnot(None) if wanted.removed else _T.removed_scan_id.is_(None))
    if wanted.sitemap is not None:
        query = query.where(
            _T.sitemap_file_id.in_(
                select(SitemapFile.id).where(
                    SitemapFile.domain_id == domain_id, SitemapFile.url == wanted.sitemap
                )
            )
        )
    if wanted.match is not None:
        query = query.where(_matches(session, wanted.match))
    if wanted.since is not None:
        query = query.where(
            _T.first_scan_id.in_(
                select(DomainScan.id).where(
                    DomainScan.domain_id == domain_id, DomainScan.recorded_at >= wanted.since
                )
            )
        )
    if wanted.changed_after is not None:
        query = query.where(_T.lastmod > wanted.changed_after)
    if wanted.limit is not None:
        query = query.limit(wanted.limit)
    async for some in (await session.stream(query)).partitions():
        yield _stored(some, files, scans)


def _stored(
    rows: Iterable[Any],
    files: Mapping[int, tuple[str, DiscoveryMethod]],
    scans: Mapping[int | None, datetime | None],
) -> list[StoredEntry]:
    entries = []
    for row in rows:
        file_id, first, removed, page_type, extras, url, moment, precision, text, *plain = row
        changefreq, priority, in_scope, repaired = plain
        media: dict[str, Any] = dict(read_extras(extras)) if extras else {}
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
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return _T.url.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


async def dated_urls(
    session: GuardedSession, domain_id: int
) -> AsyncIterator[Sequence[tuple[str, str | None]]]:
    """Yield every URL of a domain with its lastmod as ISO 8601 text in UTC, in lists of some thousands.

    A URL that several files list is yielded once, with its latest date.
    """
    now = (_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    # rows are counted, not the entries of the files: a truncated file still lists what it listed before
    listed = await session.scalar(select(func.count()).select_from(SITEMAP_URLS).where(*now))
    different = await session.scalar(select(Domain.url_count).where(Domain.id == domain_id))
    url, lastmod = raw_columns(session, SITEMAP_URLS, ("url", "lastmod"))
    query = select(url, lastmod).where(*now)
    if listed != different:  # some are listed twice: grouping takes three times as long
        query = select(url, func.max(lastmod)).where(*now).group_by(_T.url)
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
