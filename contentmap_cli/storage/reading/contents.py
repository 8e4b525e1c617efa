"""Read the sitemap files and entries of a domain, streamed. One tenant at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, exists, func, select

from contentmap_cli.errors import Failure
from contentmap_cli.models import (
    DiscoveryMethod,
    DocumentKind,
    FileStatus,
    Problem,
    StoredFile,
)
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain, DomainScan, SitemapFile

if TYPE_CHECKING:
    from contentmap_cli.models.findings import CheckedFile

_T = SITEMAP_URLS.c
_ROWS_A_FETCH = 5_000
_FILES_A_QUERY = 500


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


async def all_domains(session: GuardedSession, tenant: str) -> list[tuple[int, str]]:
    """Return id and name of a tenant's domains, in the order of their names."""
    found = await session.execute(
        select(Domain.id, Domain.name).where(Domain.tenant_id == tenant, was_scanned()).order_by(Domain.name)
    )
    return [(row.id, row.name) for row in found]


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


def like_glob(column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
    """Return the condition that a text matches a glob of * and ? by LIKE, which ignores case on SQLite."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


async def lists_urls_twice(session: GuardedSession, domain_id: int) -> bool:
    """Return whether several files list the same URL."""
    # rows are counted, not the entries of the files: a truncated file still lists what it listed before
    listed = await session.scalar(
        select(func.count())
        .select_from(SITEMAP_URLS)
        .where(_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    )
    different = await session.scalar(select(Domain.url_count).where(Domain.id == domain_id))
    return bool(listed != different)


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
    if await lists_urls_twice(session, domain_id):  # grouping takes three times as long
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
