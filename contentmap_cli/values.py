"""The nouns: frozen values that travel from stage to stage.

    Target -> FetchedFile -> Document + entries -> rows -> DomainSummary -> JobSummary

Nothing here does I/O and nothing here knows HTTP libraries or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contentmap_cli.errors import Failure
from contentmap_cli.sources import Source

Attributes = Mapping[str, str]
"""The attributes of one image, video, news item or alternate, as published: `{"loc": …, "title": …}`."""


class ScanStatus(StrEnum):
    """Where one domain's part of one job stands. All but the first two are outcomes."""

    PENDING = "pending"  # committed, not yet taken
    RUNNING = "running"  # taken by a live run
    OK = "ok"  # URLs are listed, and everything that was named was read whole
    EMPTY = "empty"  # it is proven that the site has no sitemap: not an error
    PARTIAL = "partial"  # something was recorded, and something failed or hit a limit
    FAILED = "failed"  # nothing was recorded
    DEFERRED = "deferred"  # the site asked to come back later than this run lasts
    INTERRUPTED = "interrupted"  # the run was told to stop
    SKIPPED = "skipped"  # another run is scanning the same domain

    @property
    def finished(self) -> bool:
        """Whether this is an outcome, rather than work still to be done."""
        return self not in (ScanStatus.PENDING, ScanStatus.RUNNING)

    @property
    def clean(self) -> bool:
        """Whether it is an outcome that nobody needs to look at."""
        return self in (ScanStatus.OK, ScanStatus.EMPTY)


class JobStatus(StrEnum):
    """Where a whole job stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"  # every domain ok or empty
    PARTIAL = "partial"  # finished, some domain not clean
    FAILED = "failed"  # finished, every domain failed
    INTERRUPTED = "interrupted"  # stopped before its end: `resume` goes on


class FileStatus(StrEnum):
    """What became of one sitemap file in one scan."""

    OK = "ok"
    PARTIAL = "partial"  # read, and its end or something on the way is missing
    FAILED = "failed"  # could not be fetched or held no sitemap
    UNCHANGED = "unchanged"  # the server or the digest says: as it was last time


class DiscoveryMethod(StrEnum):
    """How a sitemap file was found."""

    GIVEN = "given"  # the user named it
    ROBOTS = "robots"  # a Sitemap line of robots.txt
    KNOWN_PATH = "known_path"  # a well-known path answered
    HTML_LINK = "html_link"  # linked from the home page
    FEED_LINK = "feed_link"  # an RSS or Atom rel=alternate of the home page
    INDEX = "index"  # a child of a sitemap index
    REMEMBERED = "remembered"  # found by an earlier scan


class DocumentKind(StrEnum):
    """What a document turned out to be, by its content alone."""

    URLSET = "urlset"
    INDEX = "index"
    TEXT = "text"
    RSS = "rss"
    ATOM = "atom"
    JSON_FEED = "json_feed"
    ROBOTS = "robots"
    HTML = "html"
    EMPTY = "empty"
    UNKNOWN = "unknown"

    @property
    def is_sitemap(self) -> bool:
        """Whether a document of this kind lists pages or sitemaps in a form the protocol names."""
        return self in SITEMAP_KINDS


class Severity(StrEnum):
    """How much a finding matters. The order of the members is that of their weight, the heaviest first."""

    ERROR = "error"  # the protocol forbids it: readers refuse the file, the entry or the value
    WARNING = "warning"  # allowed or read all the same, and it costs trust or coverage
    INFO = "info"  # worth knowing

    @property
    def weight(self) -> int:
        """2 for an error, 1 for a warning, 0 for information."""
        return {"error": 2, "warning": 1, "info": 0}[self.value]


FEED_KINDS = frozenset({DocumentKind.RSS, DocumentKind.ATOM, DocumentKind.JSON_FEED})
SITEMAP_KINDS = frozenset({DocumentKind.URLSET, DocumentKind.INDEX, DocumentKind.TEXT}) | FEED_KINDS


@dataclass(frozen=True, slots=True)
class Target:
    """One site to scan, from one or more lines of what the user typed.

    `domain` is its name in every table and answer: lower case, A-labels, no `www.`, with the port if it
    is not the scheme's own. `origins` are asked in order (`https://example.com`, …). `sitemaps` are
    sitemap URLs given outright. `path` is the folder to search below, `/` for the whole site, and
    `more_paths` are the folders that further lines of the same site named.
    """

    domain: str
    origins: tuple[str, ...]
    sitemaps: tuple[str, ...] = ()
    path: str = "/"
    more_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a document that is not as the protocol has it, and what was done about it.

    `line` counts from 1 and is None where no line applies. `count` is how often the same thing happened;
    the first few are listed one by one, the rest are folded into the last.
    """

    code: str
    line: int | None
    message: str
    count: int = 1


class Lastmod(NamedTuple):
    """A W3C date-time or RSS date as published.

    `utc` is `YYYY-MM-DDTHH:MM:SSZ` (a date alone means midnight UTC), or None where the text cannot be
    understood. `precision` is year, month, day, minute, second or fraction, None likewise.
    """

    utc: str | None
    precision: str | None
    text: str


class Entry(NamedTuple):
    """One entry of a sitemap: a page, or (`type` is "sitemap") another sitemap. Always recordable:
    whatever a database could refuse was refused before, with a Problem."""

    url: str
    lastmod: Lastmod | None = None
    changefreq: str | None = None
    priority: float | None = None
    in_scope: bool = True
    repaired: bool = False
    images: tuple[Attributes, ...] = ()
    videos: tuple[Attributes, ...] = ()
    news: tuple[Attributes, ...] = ()
    alternates: tuple[Attributes, ...] = ()
    type: str = "url"


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser says of one document once it has read it (its entries went to the sink).

    `losses` counts entries that may have named a page or a sitemap and were not read. `next_url` is the page
    of a paged feed that follows (RFC 5005), as an absolute http or https URL.
    """

    kind: DocumentKind
    entries: int
    complete: bool  # False when something is missing at the end, or was lost on the way
    encoding: str | None = None
    problems: tuple[Problem, ...] = ()
    failure: Failure | None = None  # why it could not be read whole, or at all
    digest: str | None = None  # blake2b-128 of the decoded body, hexadecimal
    decoded_bytes: int = 0
    is_gzipped: bool = False
    has_lastmod: bool = False
    has_priority: bool = False
    has_changefreq: bool = False
    generator: str | None = None
    root: str | None = None  # the start tag of an XML document, as published, at most 2,000 characters
    losses: int = 0
    next_url: str | None = None
    # all its entries were read as plain ones and none stands there twice (see `parsing.pieces`): how it was
    # read is not what it is
    plain: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class CrawledFile:
    """One sitemap file as one scan found it. Its entries are in the crawl's spool, under its index."""

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
    lastmod: str | None = None  # what the index that names it says of it, as published

    @property
    def is_absent(self) -> bool:
        """Whether the server says that it does not exist (404 or 410)."""
        return self.status is FileStatus.FAILED and self.http_status in (404, 410)


@dataclass(frozen=True, slots=True)
class RememberedFile:
    """What an earlier scan recorded of a sitemap file, so that this one can ask cheaply."""

    url: str
    discovered_by: DiscoveryMethod
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    kind: DocumentKind | None = None
    lastmod: str | None = None
    entries: int | None = None  # how many it listed when it was read
    unnamed_scans: int = 0  # whole scans in a row in which nothing named it


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """What one domain's part of a job came to. One NDJSON line of `scan`."""

    job_id: str
    domain: str
    status: ScanStatus
    sitemaps: int = 0
    sitemaps_failed: int = 0
    urls: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    fetched_bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    error: Failure | None = None
    discovery_methods: Mapping[str, int] = field(default_factory=dict)
    sitemap_types: Mapping[str, int] = field(default_factory=dict)
    evidence: tuple[Source, ...] = ()  # how its sources ended, see `evidence.worth_recording`
    robots_problems: int = 0  # lines of its robots.txt that other crawlers may read otherwise
    unexpected: str | None = None  # in what its count of URLs is not what the caller expects


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Domains of a job that have one error: how many, and the names of the first."""

    code: str
    domains: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A whole job, as `status` shows it: sums over its domain scans, live while it runs."""

    job_id: str
    status: JobStatus
    tenant: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    domains: Mapping[ScanStatus, int]
    sitemaps: int = 0
    urls: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    discovery_methods: Mapping[str, int] = field(default_factory=dict)
    sitemap_types: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    heartbeat_at: datetime | None = None
    alive: bool = False  # a run holds it and its lease has not run out
    owner: str | None = None  # the name of that run
    workers: int | None = None  # alive, where it was handed to workers
    rate: float | None = None  # domains a second that they did in the last minute
    estimated_end: datetime | None = None

    @property
    def total(self) -> int:
        """How many domains the job has."""
        return sum(self.domains.values())

    @property
    def finished(self) -> int:
        """How many of them have an outcome; an interrupted one is still to be done."""
        return sum(
            count
            for status, count in self.domains.items()
            if status.finished and status is not ScanStatus.INTERRUPTED
        )

    @property
    def progress(self) -> float:
        """The share of its domains that have an outcome, 0 to 1."""
        return self.finished / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A sitemap file as the database has it. One line of `sitemaps`."""

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
    """An entry as the database has it. One line of `urls`."""

    entry: Entry
    sitemap: str
    discovered_by: DiscoveryMethod
    page_type: str | None
    first_seen: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a crawl: each an option, each reported when hit, what was read is kept.

    Times in seconds, sizes in bytes.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 15.0
    request_timeout: float = 60.0
    slow_after: float = 10.0  # from then on a body must come at `slow_rate` at least
    slow_rate: int = 1024
    domain_time: float = 900.0
    body_bytes: int = 50 * 1024 * 1024  # decoded, a file
    domain_bytes: int = 5 * 1024**3
    domain_urls: int = 5_000_000
    file_urls: int = 50_000  # the protocol's own: more is a problem, not a cut
    file_urls_hard: int = 1_000_000
    url_length: int = 2048
    index_depth: int = 5
    domain_files: int = 50_000
    robots_bytes: int = 512 * 1024
    redirects: int = 5
    gzip_layers: int = 2
    gzip_members: int = 64
    xml_depth: int = 256
    xml_token_bytes: int = 2 * 1024 * 1024


class Probe(StrEnum):
    """Whether the well-known paths are asked for."""

    AUTO = "auto"  # only when nothing else names a sitemap that works
    ALWAYS = "always"
    NEVER = "never"
