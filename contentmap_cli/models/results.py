"""Results of domains and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contentmap_cli.errors import Failure
from contentmap_cli.models.evidence import Source, SourceKind
from contentmap_cli.models.statuses import JobStatus, MessageStatus, NotifyOn, ScanStatus


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """The result of one domain scan: one NDJSON line of `scan`."""

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
    retries: int = 0  # requests after a failed one
    seconds: float = 0.0
    error: Failure | None = None
    discovery_methods: Mapping[str, int] = field(default_factory=dict)
    sitemap_types: Mapping[str, int] = field(default_factory=dict)
    evidence: tuple[Source, ...] = ()  # how its sources ended, see `evidence.worth_recording`
    robots_problems: int = 0  # problems of its robots.txt that have an effect
    withheld: int = 0  # URLs that are no longer listed and were kept because of --max-drop
    unexpected: str | None = None  # how its number of URLs differs from --expect-urls

    @property
    def sitemaps_not_selected(self) -> int:
        """The number of sitemap files that --include, --exclude and --lastmod-after did not select."""
        return sum(source.entries for source in self.evidence if source.kind is SourceKind.SELECTION)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The domains of a job with one error code: their number, and the names of the first."""

    code: str
    domains: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as `status` shows it: sums over its domain scans, current while it runs."""

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
    alive: bool = False  # a run holds it and its lease is valid
    owner: str | None = None  # the name of that run
    workers: int | None = None  # number of live workers, if it is queued
    rate: float | None = None  # domains per second in the last minute
    estimated_end: datetime | None = None

    @property
    def total(self) -> int:
        """The number of domains."""
        return sum(self.domains.values())

    @property
    def finished(self) -> int:
        """The number of domains with an outcome; an interrupted one is still to be scanned."""
        return sum(
            count
            for status, count in self.domains.items()
            if status.finished and status is not ScanStatus.INTERRUPTED
        )

    @property
    def progress(self) -> float:
        """The share of domains with an outcome, 0 to 1."""
        return self.finished / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class StoredDomain:
    """A recorded domain with the outcome of its last scan; `outcome` is None where none has ended."""

    domain: str
    outcome: ScanStatus | None
    sitemaps: int
    urls: int
    first_seen: datetime
    scanned_at: datetime | None
    job_id: str | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """A tenant with the numbers of what is recorded for it."""

    tenant: str
    domains: int
    jobs: int
    urls: int
    scanned_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The end of a job's run: the sums over the job, and the domains that failed or changed, the failed ones
    first.

    `total` is the number of these domains, `domains` has the first ones; `unexpected` is the number of
    domains of the run that miss --expect-urls."""

    job: JobSummary
    domains: tuple[DomainSummary, ...]
    total: int
    unexpected: int = 0

    def matters(self, when: NotifyOn) -> bool:
        """Return whether a notification is wanted."""
        failed = self.job.status is not JobStatus.COMPLETE or self.unexpected > 0
        changes = self.job.added + self.job.removed + self.job.changed
        return failed or when is NotifyOn.ALWAYS or (when is NotifyOn.CHANGE and changes > 0)


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that one process may send while its token is valid."""

    key: int
    message_id: str
    payload: str
    attempts: int  # this one included
    created_at: datetime
    token: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A recorded message."""

    message_id: str
    job_id: str
    target: str
    label: str
    status: MessageStatus
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    error: str | None
