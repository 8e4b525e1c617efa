"""States and kinds as enumerations: of scans, jobs, files and documents."""

from __future__ import annotations

from enum import StrEnum


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
