"""Results of a domain and of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contentmap_cli.errors import Failure
from contentmap_cli.models.evidence import Source
from contentmap_cli.models.statuses import JobStatus, ScanStatus


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
