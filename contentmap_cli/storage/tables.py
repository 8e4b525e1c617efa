"""The tables. `domains` and `sitemap_files` hold the current state, `jobs` and `domain_scans` what was done.

    jobs 1--* domain_scans *--1 domains 1--* sitemap_files 1--* sitemap_urls
                                      domains 1--* robots_versions
                                      domains 1--* page_runs, pages
    change_feed: the order in which domain scans were committed

`sitemap_url_changes` and `sitemap_file_changes` hold previous values, from which the state after any scan
follows.

Migrations in `migrations/` build the same schema; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from contentmap_cli.storage.column_types import BigId, UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The registry of every table."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {datetime: UtcDateTime(), dict[str, Any]: JSON(), list[Any]: JSON()}


class Job(Base):
    """One `scan`: many domains, one owner at a time."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "tenant_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    job_type: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    total_domains: Mapped[int] = mapped_column(Integer)
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(128))
    heartbeat_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    priority: Mapped[int | None] = mapped_column(Integer)  # in the queue, where it was handed to workers


class Domain(Base):
    """One site of one tenant, and the result of its last scan."""

    __tablename__ = "domains"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime]
    last_status: Mapped[str | None] = mapped_column(String(16))
    last_scan_id: Mapped[int | None] = mapped_column(BigInteger)
    last_scanned_at: Mapped[datetime | None]
    sitemap_count: Mapped[int] = mapped_column(Integer, default=0)
    url_count: Mapped[int] = mapped_column(Integer, default=0)


class DomainScan(Base):
    """One domain's part of one job: the unit that is claimed, fenced and committed whole."""

    __tablename__ = "domain_scans"
    __table_args__ = (
        UniqueConstraint("job_id", "domain_id"),
        Index(None, "job_id", "status"),
        Index(None, "domain_id", "status"),
        Index("ix_domain_scans_resumed_job_id", "resumed_job_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    # of a row without job_id: a later part of a domain scan of this job, which was resumed and recorded again
    resumed_job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16))
    target: Mapped[dict[str, Any]]
    token: Mapped[str | None] = mapped_column(String(32))
    owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]  # when its entries were first committed: their `first_seen`
    complete: Mapped[bool] = mapped_column(Boolean, default=False)
    sitemaps: Mapped[int] = mapped_column(Integer, default=0)
    sitemaps_failed: Mapped[int] = mapped_column(Integer, default=0)
    urls: Mapped[int] = mapped_column(Integer, default=0)
    added: Mapped[int] = mapped_column(Integer, default=0)
    removed: Mapped[int] = mapped_column(Integer, default=0)
    changed: Mapped[int] = mapped_column(Integer, default=0)
    withheld: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # kept by --max-drop
    fetched_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    requests: Mapped[int] = mapped_column(Integer, default=0)
    retries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    discovery_methods: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sitemap_types: Mapped[dict[str, Any]] = mapped_column(default=dict)
    limits: Mapped[list[Any]] = mapped_column(default=list)
    evidence: Mapped[list[Any] | None] = mapped_column(default=list)  # how its sources ended
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)


class SitemapFile(Base):
    """One sitemap file of one domain, with the result of the last scan that read it or failed to."""

    __tablename__ = "sitemap_files"
    __table_args__ = (UniqueConstraint("domain_id", "url"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(Text)
    final_url: Mapped[str | None] = mapped_column(Text)
    parent: Mapped[str | None] = mapped_column(Text)
    discovery_method: Mapped[str] = mapped_column(String(16))
    sitemap_type: Mapped[str | None] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    status_code: Mapped[int | None] = mapped_column(Integer)
    content_type: Mapped[str | None] = mapped_column(Text)
    encoding: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    decoded_bytes: Mapped[int] = mapped_column(BigInteger)
    response_time_ms: Mapped[int | None] = mapped_column(Integer)
    is_gzipped: Mapped[bool] = mapped_column(Boolean)
    has_lastmod: Mapped[bool] = mapped_column(Boolean)
    has_priority: Mapped[bool] = mapped_column(Boolean)
    has_changefreq: Mapped[bool] = mapped_column(Boolean)
    etag: Mapped[str | None] = mapped_column(Text)
    last_modified: Mapped[str | None] = mapped_column(Text)
    lastmod: Mapped[str | None] = mapped_column(Text)  # the lastmod in its index, as published
    digest: Mapped[str | None] = mapped_column(String(32))
    url_count: Mapped[int] = mapped_column(Integer)
    generator: Mapped[str | None] = mapped_column(Text)
    problems: Mapped[list[Any]]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    fetched_at: Mapped[datetime | None]
    first_seen: Mapped[datetime]
    last_scan_id: Mapped[int] = mapped_column(BigInteger)
    removed_at: Mapped[datetime | None]
    # consecutive whole scans in which nothing named it
    unnamed_scans: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")


class RobotsVersionRow(Base):
    """One version of a domain's robots.txt: a row for each one that differs from the previous one."""

    __tablename__ = "robots_versions"
    __table_args__ = (Index(None, "domain_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    url: Mapped[str] = mapped_column(Text)
    final_url: Mapped[str] = mapped_column(Text)
    http_status: Mapped[int | None] = mapped_column(Integer)
    digest: Mapped[str | None] = mapped_column(String(32))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    problems: Mapped[list[Any]]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]


class PageRunRow(Base):
    """One `check --pages` of a domain. It is claimed and fenced as a domain scan is."""

    __tablename__ = "page_runs"
    __table_args__ = (Index(None, "domain_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    wanted: Mapped[int | None] = mapped_column(Integer)  # --pages; NULL: all
    scope: Mapped[str | None] = mapped_column(String(32))  # digest of the only sitemaps that were read
    token: Mapped[str | None] = mapped_column(String(32))
    owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]  # NULL: the next run of the same selection continues it
    selected: Mapped[int] = mapped_column(Integer, default=0)
    asked: Mapped[int] = mapped_column(Integer, default=0)
    not_asked: Mapped[dict[str, Any]] = mapped_column(default=dict)  # number of pages by reason
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)


class Notification(Base):
    """One message to one target of --notify. The target is a secret: its digest says which one it is."""

    __tablename__ = "notifications"
    __table_args__ = (UniqueConstraint("message_id", "target"), Index(None, "tenant_id", "status", "id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[str] = mapped_column(String(40))  # the same in every attempt
    job_id: Mapped[str] = mapped_column(String(40))  # may have been pruned since
    target: Mapped[str] = mapped_column(String(64))  # its digest
    label: Mapped[str] = mapped_column(String(300))  # its scheme, of a webhook its host too
    payload: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


# COLLATE "C" sorts by code point, as Python and SQLite do: a merge needs one order on both sides.
Url = Text().with_variant(Text(collation="C"), "postgresql")

SITEMAP_URLS = Table(
    "sitemap_urls",
    Base.metadata,
    # One row per (sitemap file, URL). The key leads with the domain, so that a site's rows lie together
    # and inserting one more site costs the same at row 1 and at row 100,000,000.
    Column("domain_id", BigInteger, primary_key=True),  # no foreign key: its file references the domain
    Column(
        "sitemap_file_id", BigInteger, ForeignKey("sitemap_files.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("url", Url, primary_key=True),
    Column("lastmod", UtcDateTime("seconds")),
    Column("lastmod_precision", String(8)),
    Column("lastmod_text", Text),  # as published, where that says more; +00:00 alone: instead of Z
    Column("changefreq", String(8)),
    Column("priority", Float),
    Column("page_type", String(32)),
    Column("in_scope", Boolean, nullable=False, server_default=true()),
    Column("repaired", Boolean, nullable=False, server_default=false()),
    Column("image_count", SmallInteger, nullable=False, server_default="0"),
    Column("video_count", SmallInteger, nullable=False, server_default="0"),
    Column("news_count", SmallInteger, nullable=False, server_default="0"),
    Column("extras", Text),  # JSON: images, videos, news, alternates with their attributes
    Column("first_scan_id", BigInteger, nullable=False),  # domain_scans.id: when it was first seen
    Column("removed_scan_id", BigInteger),  # domain_scans.id: the complete scan that missed it
    sqlite_with_rowid=False,
)
"""The large table. It has no ORM class, as a million objects should never be loaded."""

URL_CHANGES = Table(
    "sitemap_url_changes",
    Base.metadata,
    # What a row of sitemap_urls held before a scan wrote over it. One that is new or goes needs none: its own
    # row says when. Of what a scan that is resumed writes over twice, the first stands.
    Column("domain_id", BigInteger, primary_key=True),
    Column(
        "sitemap_file_id", BigInteger, ForeignKey("sitemap_files.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("url", Url, primary_key=True),
    Column("scan_id", BigInteger, primary_key=True),  # domain_scans.id: the scan that wrote over it
    Column("removed_scan_id", BigInteger),  # it was gone until then, since this scan
    Column("lastmod", UtcDateTime("seconds")),
    Column("lastmod_precision", String(8)),
    Column("lastmod_text", Text),
    Column("changefreq", String(8)),
    Column("priority", Float),
    Column("extras", Text),
    sqlite_with_rowid=False,
)
"""The previous published values of URLs, and for returned URLs the scan that had removed them."""

FILE_CHANGES = Table(
    "sitemap_file_changes",
    Base.metadata,
    # Files of a domain's first scan that found any have come with it, and need no row.
    Column(
        "sitemap_file_id", BigInteger, ForeignKey("sitemap_files.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("scan_id", BigInteger, primary_key=True),
    Column("gone", Boolean, nullable=False),  # or it came
    sqlite_with_rowid=False,
)
"""Which sitemap files appeared and disappeared, by scan."""

CHANGE_FEED = Table(
    "change_feed",
    Base.metadata,
    # One row per recorded domain scan that changed URLs, in the order of the commits. What changed follows
    # from the history, and the rows outlive their domain: no foreign key.
    Column("id", BigId, primary_key=True),
    Column("position", BigInteger, unique=True),  # NULL: committed, not numbered yet (PostgreSQL)
    Column("tenant_id", String(64), nullable=False),
    Column("domain_id", BigInteger),  # NULL: not of a domain, or of one that was removed
    Column("domain", String(300)),
    Column("scan_id", BigInteger),  # domain_scans.id
    Column("kind", String(8), nullable=False),  # scan, baseline, removed or prune
    Column("changes", BigInteger, nullable=False, server_default="0"),  # URLs
    # of a baseline: the position of the row of kind prune that was written with it; 0: by the upgrade
    Column("pruned_at", BigInteger),
    Column("created_at", UtcDateTime(), nullable=False),
    Index(None, "tenant_id", "position"),
    Index(None, "domain_id", "position"),
    Index("ix_change_feed_pruned_at", "tenant_id", "pruned_at"),
)
"""The order in which scans were committed. A baseline stands for all that was pruned before it."""

PAGES = Table(
    "pages",
    Base.metadata,
    # The last answer to the request for each URL: listed pages, targets of redirects, made-up paths.
    Column("domain_id", BigInteger, ForeignKey("domains.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Url, primary_key=True),
    Column("run_id", BigInteger, nullable=False),  # page_runs.id: the run that asked
    Column("kind", String(8), nullable=False),  # listed, target (of a redirect) or probe
    Column("asked_at", UtcDateTime(), nullable=False),
    Column("status", Integer),  # of HTTP; NULL: no answer, or not requested because of robots.txt
    Column("etag", Text),
    Column("last_modified", Text),
    Column("facts", Text, nullable=False),  # JSON: what the answer said, without its body
    sqlite_with_rowid=False,
)
"""What pages answered. It may have as many rows as a site has pages."""
