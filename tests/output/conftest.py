"""Values as the other wings hand them over, with one thing changed at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contentmap_cli.errors import Failure
from contentmap_cli.models import (
    DiscoveryMethod,
    DomainSummary,
    FileStatus,
    JobStatus,
    JobSummary,
    Problem,
    ScanStatus,
    StoredFile,
)

JOB_ID = "sitemap_00112233445566778899aabbccddeeff"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

MakeDomain = Callable[..., DomainSummary]
MakeJob = Callable[..., JobSummary]
MakeFile = Callable[..., StoredFile]


@pytest.fixture
def make_domain() -> MakeDomain:
    """A clean domain, with the fields given."""
    base = DomainSummary(JOB_ID, "shop.example", ScanStatus.OK, sitemaps=3, urls=1204, seconds=0.41)

    def make(
        domain: str = "shop.example", status: ScanStatus = ScanStatus.OK, **fields: object
    ) -> DomainSummary:
        return replace(base, domain=domain, status=status, **fields)

    return make


@pytest.fixture
def make_job() -> MakeJob:
    """The job of the domains given, which took 12.4 seconds."""

    def make(rows: Sequence[DomainSummary] = (), **fields: object) -> JobSummary:
        job = JobSummary(
            JOB_ID,
            JobStatus.PARTIAL,
            "default",
            created_at=START,
            started_at=START,
            finished_at=START + timedelta(seconds=12.4),
            domains=Counter(row.status for row in rows),
            sitemaps=sum(row.sitemaps for row in rows),
            urls=sum(row.urls for row in rows),
            added=sum(row.added for row in rows),
        )
        return replace(job, **fields)

    return make


@pytest.fixture
def make_file() -> MakeFile:
    """A sitemap file with a problem, with the fields given."""
    base = StoredFile(
        url="https://shop.example/sitemap.xml",
        status=FileStatus.PARTIAL,
        discovered_by=DiscoveryMethod.ROBOTS,
        sitemap_type="urlset",
        parent=None,
        status_code=200,
        url_count=1204,
        size_bytes=81_234,
        response_time_ms=140,
        is_gzipped=False,
        has_lastmod=True,
        has_priority=False,
        has_changefreq=False,
        last_modified=None,
        generator=None,
        content_type="application/xml",
        fetched_at=START,
        first_seen=START,
        removed_at=None,
        error=Failure("body_truncated", "the connection closed early"),
        problems=(Problem("bad_lastmod", 3, "'yesterday' is no date", 17),),
    )

    def make(**fields: object) -> StoredFile:
        return replace(base, **fields)

    return make
