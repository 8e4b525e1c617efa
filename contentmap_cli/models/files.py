"""Sitemap files: as a crawl requested them, and as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Document, Entry, Problem
from contentmap_cli.models.statuses import DiscoveryMethod, DocumentKind, FileStatus


@dataclass(frozen=True, slots=True)
class CrawledFile:
    """One sitemap file as one scan found it. Its entries are in the crawl's spool, at the same index."""

    url: str
    status: FileStatus
    discovered_by: DiscoveryMethod
    parent: str | None = None  # the index that names it
    final_url: str | None = None  # after redirects
    document: Document | None = None
    error: Failure | None = None
    http_status: int | None = None
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None  # the header, as sent (RFC 9110 section 8.8.2)
    size_bytes: int = 0  # as transferred
    response_ms: int | None = None  # to the last byte, of the last request
    lastmod: str | None = None  # its lastmod in the index that names it, as published

    @property
    def is_absent(self) -> bool:
        """Whether the server says that it does not exist (404 or 410)."""
        return self.status is FileStatus.FAILED and self.http_status in (404, 410)


@dataclass(frozen=True, slots=True)
class RememberedFile:
    """What an earlier scan recorded of a sitemap file, for conditional requests."""

    url: str
    discovered_by: DiscoveryMethod
    final_url: str | None = None  # that gave the validators; None if it is `url`
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    kind: DocumentKind | None = None
    lastmod: str | None = None
    entries: int | None = None  # number of entries when it was last read
    unnamed_scans: int = 0  # complete scans in a row in which nothing named it
    parent: str | None = None  # the index that named it


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A sitemap file in the database: one line of `sitemaps`."""

    url: str
    status: FileStatus
    discovered_by: DiscoveryMethod
    sitemap_type: str | None
    parent: str | None
    status_code: int | None
    url_count: int
    size_bytes: int
    response_time_ms: int | None
    is_gzipped: bool
    has_lastmod: bool
    has_priority: bool
    has_changefreq: bool
    last_modified: str | None
    generator: str | None
    content_type: str | None
    fetched_at: datetime | None
    first_seen: datetime | None
    removed_at: datetime | None
    error: Failure | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry in the database: one line of `urls`."""

    entry: Entry
    sitemap: str
    discovered_by: DiscoveryMethod
    page_type: str | None
    first_seen: datetime | None
    removed_at: datetime | None

    @property
    def url(self) -> str:
        """The URL of the entry."""
        return self.entry.url
