"""Write the sitemap files of a domain: the results of this scan over those of the last one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Table, insert, select, update

from contentmap_cli.batches import batched
from contentmap_cli.models import CrawledFile, DiscoveryMethod, DocumentKind, FileStatus, RememberedFile
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SitemapFile
from contentmap_cli.storage.writing.history import log_files

_FILES: Final = cast("Table", SitemapFile.__table__)
_READ: Final = frozenset({FileStatus.OK, FileStatus.UNCHANGED})
_NAMED: Final = frozenset({DiscoveryMethod.ROBOTS, DiscoveryMethod.INDEX})
_NOT_MODIFIED: Final = 304  # RFC 9110 section 15.4.5
_INSERT: Final = insert(_FILES).returning(_FILES.c.id, _FILES.c.url)
_BLANK: Final[dict[str, Any]] = {column.name: None for column in _FILES.c if column.name != "id"} | {
    "discovery_method": DiscoveryMethod.REMEMBERED,
    "size_bytes": 0,
    "decoded_bytes": 0,
    "is_gzipped": False,
    "has_lastmod": False,
    "has_priority": False,
    "has_changefreq": False,
    "url_count": 0,
    "unnamed_scans": 0,
    "problems": [],
}


SLICE = 500
"""Rows that are prepared and written at a time."""


class SavedFiles(NamedTuple):
    """The rows of a scan's files: an id for each crawled file, and which rows existed before."""

    ids: tuple[int | None, ...]  # by position in the crawl; None for a second mention of a file
    methods: tuple[str, ...]  # by position: how it was first found
    types: tuple[str | None, ...]  # by position: its type, also where it did not change and was not read
    known: frozenset[int]
    vanished: tuple[int, ...]  # recorded earlier, not found by this scan
    absent: tuple[int, ...]  # recorded earlier and still named, but answered with 404 or 410
    kept: int = 0  # recorded earlier and not selected by this scan


async def save_files(
    session: GuardedSession,
    claim: Claim,
    files: Sequence[CrawledFile],
    *,
    whole: bool,
    first_scan: bool = False,
    not_selected: Collection[str] = (),
) -> SavedFiles:
    """Write one row per file. The row of a failed file keeps what an earlier scan read, and the row of an
    unchanged file is not written: a rescan costs as much as what changed.

    `whole`: every source of the domain was read whole or is absent. Only then are files counted that
    robots.txt or an index named before and names no longer. `first_scan`: nothing of the domain is recorded,
    and nothing is looked up. The rows of files that are `not_selected` stay as they are.
    """
    now = datetime.now(UTC)
    first_mention: dict[str, CrawledFile] = {}
    for file in files:
        first_mention.setdefault(file.url, file)
    before = {} if first_scan else await _recorded(session, claim)
    new_files = [file for url, file in first_mention.items() if url not in before]
    ids = {url: row.id for url, row in before.items()}
    for some in batched(new_files, SLICE):  # an index may name fifty thousand
        new = [
            _BLANK
            | {"domain_id": claim.domain_id, "url": file.url, "first_seen": now}
            | _facts(claim, file, now)
            for file in some
        ]
        # matched by URL, not by order: so one statement inserts all of them
        ids |= {row.url: row.id for row in await session.execute(_INSERT, new)}
    came = [ids[file.url] for file in new_files] if before or claim.part_id else []
    for url, row in before.items():
        if url in first_mention:
            if row.removed_at is not None:
                came.append(row.id)
            file = first_mention[url]
            stands = file.status is FileStatus.UNCHANGED and row.status in _READ and row.removed_at is None
            unnamed = _unnamed_scans(file, row, whole=whole and not not_selected)  # before the update below
            for name, value in (_asked(file) if stands else _facts(claim, file, now)).items():
                setattr(row, name, value)
            row.unnamed_scans = unnamed
    if before:
        await session.flush()
    if came:
        await log_files(session, claim, came, gone=False)
    session.note("files.saved", files=len(first_mention))
    unseen = [row for url, row in before.items() if url not in first_mention and row.removed_at is None]
    vanished = tuple(row.id for row in unseen if row.url not in not_selected)
    return SavedFiles(
        tuple(ids[file.url] if first_mention[file.url] is file else None for file in files),
        tuple(_method(file, before.get(file.url)) for file in files),
        tuple(_type(file, before.get(file.url)) for file in files),
        frozenset(row.id for row in before.values()),
        vanished,
        tuple(row.id for url, row in before.items() if url in first_mention and first_mention[url].is_absent),
        len(unseen) - len(vanished),
    )


def _unnamed_scans(file: CrawledFile, row: SitemapFile, *, whole: bool) -> int:
    """Return the number of consecutive whole scans in which nothing named a file that was named before."""
    if file.discovered_by is not DiscoveryMethod.REMEMBERED or row.discovery_method not in _NAMED:
        return 0
    return row.unnamed_scans + whole


def _method(file: CrawledFile, row: SitemapFile | None) -> str:
    return row.discovery_method if row is not None else file.discovered_by


def _type(file: CrawledFile, row: SitemapFile | None) -> str | None:
    if file.document is not None and file.status is not FileStatus.FAILED:
        return file.document.kind
    return row.sitemap_type if row is not None else None


async def _recorded(session: GuardedSession, claim: Claim) -> dict[str, SitemapFile]:
    rows = await session.scalars(select(SitemapFile).where(SitemapFile.domain_id == claim.domain_id))
    return {row.url: row for row in rows}


def _asked(file: CrawledFile) -> dict[str, Any]:
    """Return what changed about a file whose content did not: its validators, and what named it."""
    facts: dict[str, Any] = {"lastmod": file.lastmod, "etag": file.etag, "last_modified": file.last_modified}
    if file.http_status is None or file.http_status == _NOT_MODIFIED:
        # not sent: values that are missing now remain valid
        facts = {name: value for name, value in facts.items() if value is not None}
    facts["parent"] = file.parent
    if file.discovered_by is not DiscoveryMethod.REMEMBERED:
        facts["discovery_method"] = file.discovered_by
    return facts


def _facts(claim: Claim, file: CrawledFile, now: datetime) -> dict[str, Any]:
    """Return the results of this scan for a file, by column."""
    facts: dict[str, Any] = {
        "last_scan_id": claim.history_id,
        "removed_at": None,
        "status": file.status,
        "parent": file.parent,
        "final_url": file.final_url,
        "status_code": file.http_status,
        "response_time_ms": file.response_ms,
        "fetched_at": now,
        "error_code": file.error.code if file.error else None,
        "error_message": file.error.message if file.error else None,
    }
    if file.discovered_by is not DiscoveryMethod.REMEMBERED:
        # a remembered file keeps its first discovery method
        facts["discovery_method"] = file.discovered_by
    if file.status is FileStatus.UNCHANGED:
        return facts
    # validators are kept only for a body that was read whole: otherwise the next scan must request it again
    whole = file.status is FileStatus.OK
    document = file.document
    facts |= {
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "etag": file.etag if whole else None,
        "last_modified": file.last_modified if whole else None,
        "lastmod": file.lastmod if whole else None,
        "digest": document.digest if whole and document else None,
    }
    if document is not None:
        facts |= {
            "problems": [asdict(problem) for problem in document.problems],
            "decoded_bytes": document.decoded_bytes,
            "is_gzipped": document.is_gzipped,
            "encoding": document.encoding,
        }
        if file.status is not FileStatus.FAILED:
            facts |= {
                "sitemap_type": document.kind,
                "url_count": document.entries,
                "has_lastmod": document.has_lastmod,
                "has_priority": document.has_priority,
                "has_changefreq": document.has_changefreq,
                "generator": document.generator,
            }
    return facts


async def drop_files(session: GuardedSession, claim: Claim, file_ids: Sequence[int]) -> None:
    """Mark files as removed. Only a complete scan may do that."""
    await log_files(session, claim, file_ids, gone=True)
    for some in batched(file_ids, SLICE):
        await session.write(
            update(SitemapFile).where(SitemapFile.id.in_(some)).values(removed_at=datetime.now(UTC))
        )


async def forget_validators(session: GuardedSession, file_ids: Sequence[int]) -> None:
    """Remove the validators of files, so that the next scan reads them again even if they do not change: this
    scan saw URLs missing and must not remove them."""
    for some in batched(file_ids, SLICE):
        await session.write(
            update(SitemapFile)
            .where(SitemapFile.id.in_(some))
            .values(etag=None, last_modified=None, digest=None, lastmod=None)
        )


class KnownFile(NamedTuple):
    """A recorded file: the id of its row, whether the last complete scan found it, the digest of its body."""

    id: int
    met: bool
    digest: str | None


async def known_files(session: GuardedSession, domain_id: int) -> dict[str, KnownFile]:
    """Return the recorded files of a domain by URL, in the order of their rows."""
    rows = await session.execute(
        select(SitemapFile.url, SitemapFile.id, SitemapFile.removed_at, SitemapFile.digest)
        .where(SitemapFile.domain_id == domain_id)
        .order_by(SitemapFile.id)
    )
    return {row.url: KnownFile(row.id, row.removed_at is None, row.digest) for row in rows}


async def remembered_files(
    session: GuardedSession, domain_ids: Sequence[int]
) -> dict[int, list[RememberedFile]]:
    """Return the recorded files of these domains that are requested first, with their validators."""
    rows = await session.execute(
        select(
            SitemapFile.domain_id,
            SitemapFile.url,
            SitemapFile.discovery_method,
            SitemapFile.final_url,
            SitemapFile.etag,
            SitemapFile.last_modified,
            SitemapFile.digest,
            SitemapFile.lastmod,
            SitemapFile.sitemap_type,
            SitemapFile.url_count,
            SitemapFile.unnamed_scans,
            SitemapFile.parent,
        )
        .where(
            SitemapFile.domain_id.in_(domain_ids),
            SitemapFile.removed_at.is_(None),
            SitemapFile.sitemap_type.is_not(None),
        )
        .order_by(SitemapFile.id)
    )
    found: dict[int, list[RememberedFile]] = {}
    for row in rows:
        found.setdefault(row.domain_id, []).append(
            RememberedFile(
                url=row.url,
                discovered_by=DiscoveryMethod(row.discovery_method),
                final_url=row.final_url,
                etag=row.etag,
                last_modified=row.last_modified,
                digest=row.digest,
                lastmod=row.lastmod,
                kind=DocumentKind(row.sitemap_type),
                entries=row.url_count,
                unnamed_scans=row.unnamed_scans,
                parent=row.parent,
            )
        )
    return found
