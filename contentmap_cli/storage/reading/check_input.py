"""What the store knows of a domain's files, as the rules want to see them. Reads only."""

from __future__ import annotations

from sqlalchemy import select

from contentmap_cli.errors import Failure
from contentmap_cli.models import DiscoveryMethod, DocumentKind, Problem
from contentmap_cli.models.findings import CheckedFile
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SitemapFile


async def recorded_files(session: GuardedSession, domain_id: int) -> list[tuple[CheckedFile, str | None]]:
    """A domain's files that are not gone, in the order of their entries, each with its index's lastmod."""
    rows = await session.scalars(
        select(SitemapFile)
        .where(SitemapFile.domain_id == domain_id, SitemapFile.removed_at.is_(None))
        .order_by(SitemapFile.id)
    )
    return [(_file(row), row.lastmod) for row in rows]


def _file(row: SitemapFile) -> CheckedFile:
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
