"""Enumerations: statuses of scans and jobs, kinds of files and documents."""

from __future__ import annotations

from enum import StrEnum


class ScanStatus(StrEnum):
    """The status of a domain scan. All but the first two are outcomes."""

    PENDING = "pending"  # recorded, not yet claimed
    RUNNING = "running"  # claimed by a live run
    OK = "ok"  # URLs are listed, and everything that was named was read whole
    EMPTY = "empty"  # it is proven that the site has no sitemap: not an error
    PARTIAL = "partial"  # something was recorded, and something failed or hit a limit
    FAILED = "failed"  # nothing was recorded
    DEFERRED = "deferred"  # the site asked to retry later than the run lasts (Retry-After)
    INTERRUPTED = "interrupted"  # the run was stopped
    SKIPPED = "skipped"  # another run is scanning the same domain

    @property
    def finished(self) -> bool:
        """Whether this is an outcome."""
        return self not in (ScanStatus.PENDING, ScanStatus.RUNNING)

    @property
    def clean(self) -> bool:
        """Whether this is an outcome without errors: `ok` or `empty`."""
        return self in (ScanStatus.OK, ScanStatus.EMPTY)


class JobStatus(StrEnum):
    """The status of a job."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"  # every domain ok or empty
    PARTIAL = "partial"  # finished, some domains have errors
    FAILED = "failed"  # finished, every domain failed
    INTERRUPTED = "interrupted"  # stopped before its end; `resume` continues it


class NotifyOn(StrEnum):
    """Which ends of a job are notified."""

    FAILURE = "failure"  # the job is not `complete`
    CHANGE = "change"  # a failure, or URLs were added, removed or changed
    ALWAYS = "always"


class MessageStatus(StrEnum):
    """The status of a message."""

    PENDING = "pending"  # to be delivered
    DELIVERED = "delivered"
    GONE = "gone"  # the receiver answered 410
    FAILED = "failed"  # given up


class FileStatus(StrEnum):
    """The result of one sitemap file in one scan."""

    OK = "ok"
    PARTIAL = "partial"  # read, but cut off or with losses
    FAILED = "failed"  # could not be fetched, or is no sitemap
    UNCHANGED = "unchanged"  # by the server's answer (304) or by its digest


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
    """The kind of a document, by its content alone."""

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
        """Whether a document of this kind lists pages or sitemaps in a form that the protocol allows."""
        return self in SITEMAP_KINDS


class Severity(StrEnum):
    """The severity of a finding, the highest first."""

    ERROR = "error"  # violates the protocol: readers refuse the file, the entry or the value
    WARNING = "warning"  # allowed or tolerated, but harms trust or coverage
    INFO = "info"  # worth knowing

    @property
    def weight(self) -> int:
        """2 for an error, 1 for a warning, 0 for information."""
        return {"error": 2, "warning": 1, "info": 0}[self.value]


FEED_KINDS = frozenset({DocumentKind.RSS, DocumentKind.ATOM, DocumentKind.JSON_FEED})


SITEMAP_KINDS = frozenset({DocumentKind.URLSET, DocumentKind.INDEX, DocumentKind.TEXT}) | FEED_KINDS


class Grouping(StrEnum):
    """The order of findings."""

    FILE = "file"
    RULE = "rule"
    URL = "url"
