"""Sitemap files: as a crawl requested them, and as they are stored with their entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Document, Entry, Problem
from contentmap_cli.models.entry_rows import (
    CANONICAL,
    encoded_extras,
    lastmod_columns,
    read_extras,
    read_lastmod,
)
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
    domain: str = ""
    sitemaps: tuple[str, ...] = ()  # where each URL was asked for once: all files that list it

    @property
    def url(self) -> str:
        """The URL of the entry."""
        return self.entry.url


class Shared(NamedTuple):
    """What many rows of a page have in common."""

    domain: str
    sitemap: str
    discovered_by: DiscoveryMethod
    precision: str | None
    changefreq: str | None
    priority: float | None
    page_type: str | None
    in_scope: bool
    repaired: bool
    first_seen: datetime | None
    removed_at: datetime | None
    sitemaps: tuple[str, ...] = ()

    @property
    def canonical(self) -> tuple[int | None, str]:
        """How many characters of the UTC time the canonical spelling of a lastmod has, None for all, and what
        follows them."""
        return CANONICAL.get(self.precision or "", (None, ""))


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Recorded entries by column: an object for each of a million would take most of the time. Iterate to get
    them as StoredEntry.

    `lastmods` are UTC, `texts` and `extras` as a row stores them (see `entry_rows`), and `keys` lead to the
    values in `shared`.
    """

    urls: Sequence[str]
    lastmods: Sequence[str | None]
    texts: Sequence[str | None]
    extras: Sequence[str | None]
    keys: Sequence[Any]
    shared: Mapping[Any, Shared]

    @classmethod
    def of(cls, rows: Iterable[StoredEntry | Entry]) -> EntryPage:
        """Return a page of these entries; what is only known of recorded ones is None."""
        urls, lastmods, texts, media = list[str](), list[Any](), list[Any](), list[Any]()
        shared = []
        for row in rows:
            entry = row.entry if isinstance(row, StoredEntry) else row
            lastmod, precision, text = lastmod_columns(entry.lastmod)
            extras = encoded_extras(entry.images, entry.videos, entry.news, entry.alternates)
            urls.append(entry.url)
            lastmods.append(lastmod)
            texts.append(text)
            media.append(extras)
            of_entry = (precision, entry.changefreq, entry.priority)
            if isinstance(row, StoredEntry):
                before: tuple[Any, ...] = (row.domain, row.sitemap, row.discovered_by)
                after: tuple[Any, ...] = (row.first_seen, row.removed_at, row.sitemaps)
                page_type = row.page_type
            else:
                before, after, page_type = (None,) * 3, (None, None, ()), None
            scope = (page_type, entry.in_scope, entry.repaired)
            shared.append(Shared._make((*before, *of_entry, *scope, *after)))
        return cls(urls, lastmods, texts, media, range(len(shared)), dict(enumerate(shared)))

    def __len__(self) -> int:
        return len(self.urls)

    def __iter__(self) -> Iterator[StoredEntry]:
        columns = (self.urls, self.lastmods, self.texts, self.extras, self.keys)
        for url, moment, text, extras, key in zip(*columns, strict=True):
            same = self.shared[key]
            media: dict[str, Any] = read_extras(extras) if extras else {}
            entry = Entry(
                url,
                read_lastmod(moment, same.precision, text),
                same.changefreq,
                same.priority,
                same.in_scope,
                same.repaired,
                **media,
            )
            yield StoredEntry(
                entry,
                same.sitemap,
                same.discovered_by,
                same.page_type,
                same.first_seen,
                same.removed_at,
                same.domain,
                same.sitemaps,
            )
