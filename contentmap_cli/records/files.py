"""Sitemap files of a domain: what this scan found, written over what the last one knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update

from contentmap_cli.records.claims import Claim
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import SitemapFile
from contentmap_cli.values import (
    CrawledFile,
    DiscoveryMethod,
    Document,
    DocumentKind,
    FileStatus,
    RememberedFile,
)


@dataclass(frozen=True, slots=True)
class SavedFiles:
    """Where the files of a scan stand: a row id for each crawled file, and which rows were there before."""

    ids: tuple[int | None, ...]  # by position in the crawl; None for a second mention of a file
    known: frozenset[int]
    vanished: tuple[int, ...]  # recorded earlier, not met by this scan


async def save_files(session: GuardedSession, claim: Claim, files: Sequence[CrawledFile]) -> SavedFiles:
    """Writes one row a file. A file that failed keeps what an earlier scan read of it."""
    now = datetime.now(UTC)
    before = {
        row.url: row
        for row in await session.scalars(select(SitemapFile).where(SitemapFile.domain_id == claim.domain_id))
    }
    known = frozenset(row.id for row in before.values())
    rows: list[SitemapFile | None] = []
    met: set[str] = set()
    for file in files:
        if file.url in met:
            rows.append(None)
            continue
        met.add(file.url)
        row = before.get(file.url)
        if row is None:
            row = _new(claim, file, now)
            session.add(row)
        _describe(row, claim, file, now)
        rows.append(row)
    await session.flush()
    vanished = tuple(row.id for url, row in before.items() if url not in met and row.removed_at is None)
    session.note("files.saved", files=len(met))
    return SavedFiles(tuple(row.id if row is not None else None for row in rows), known, vanished)


def _new(claim: Claim, file: CrawledFile, now: datetime) -> SitemapFile:
    return SitemapFile(
        domain_id=claim.domain_id,
        url=file.url,
        discovery_method=file.discovered_by,
        first_seen=now,
        decoded_bytes=0,
        is_gzipped=False,
        has_lastmod=False,
        has_priority=False,
        has_changefreq=False,
        url_count=0,
        problems=[],
    )


def _describe(row: SitemapFile, claim: Claim, file: CrawledFile, now: datetime) -> None:
    row.last_scan_id = claim.scan_id
    row.removed_at = None
    row.status = file.status
    if file.discovered_by is not DiscoveryMethod.REMEMBERED:
        row.discovery_method = file.discovered_by  # how a file was found is not forgotten by remembering it
    row.parent = file.parent
    row.final_url = file.final_url
    row.status_code = file.http_status
    row.response_time_ms = file.response_ms
    row.fetched_at = now
    row.error_code = file.error.code if file.error else None
    row.error_message = file.error.message if file.error else None
    if file.status is FileStatus.UNCHANGED:
        return
    row.content_type = file.content_type
    row.size_bytes = file.size_bytes
    # validators only stand for a body that was read whole: otherwise the next scan must ask for it again
    whole = file.status is FileStatus.OK
    row.etag = file.etag if whole else None
    row.last_modified = file.last_modified if whole else None
    row.lastmod = file.lastmod if whole else None
    row.digest = file.document.digest if whole and file.document else None
    if file.document is not None:
        _describe_document(row, file.document, read=file.status is not FileStatus.FAILED)


def _describe_document(row: SitemapFile, document: Document, *, read: bool) -> None:
    row.problems = [asdict(problem) for problem in document.problems]
    row.decoded_bytes = document.decoded_bytes
    row.is_gzipped = document.is_gzipped
    row.encoding = document.encoding
    if not read:
        return
    row.sitemap_type = document.kind
    row.url_count = document.entries
    row.has_lastmod = document.has_lastmod
    row.has_priority = document.has_priority
    row.has_changefreq = document.has_changefreq
    row.generator = document.generator


async def drop_files(session: GuardedSession, file_ids: Sequence[int]) -> None:
    """Marks files as gone. Only a complete scan may say so."""
    for start in range(0, len(file_ids), 500):
        await session.write(
            update(SitemapFile)
            .where(SitemapFile.id.in_(file_ids[start : start + 500]))
            .values(removed_at=datetime.now(UTC))
        )


async def remembered_files(session: GuardedSession, domain_id: int) -> list[RememberedFile]:
    """What earlier scans know of a domain's files: what to ask first, and with which validators."""
    rows = await session.scalars(
        select(SitemapFile)
        .where(SitemapFile.domain_id == domain_id, SitemapFile.removed_at.is_(None))
        .order_by(SitemapFile.id)
    )
    return [
        RememberedFile(
            url=row.url,
            discovered_by=DiscoveryMethod(row.discovery_method),
            etag=row.etag,
            last_modified=row.last_modified,
            digest=row.digest,
            lastmod=row.lastmod,
            kind=DocumentKind(row.sitemap_type) if row.sitemap_type else None,
        )
        for row in rows
        if row.sitemap_type is not None
    ]
