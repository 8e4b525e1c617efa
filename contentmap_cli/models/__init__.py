"""Frozen values that every package may use.

The most common ones are importable from here, the others from their modules: `sources`, `evidence`,
`findings`, `robots`, `entry_rows`, `sections`, `comparison`, `hosts`.
"""

from __future__ import annotations

from contentmap_cli.models.entries import Attributes, Document, Entry, Lastmod, Problem
from contentmap_cli.models.files import CrawledFile, RememberedFile, StoredEntry, StoredFile
from contentmap_cli.models.results import DomainSummary, ErrorGroup, JobSummary, StoredDomain, StoredTenant
from contentmap_cli.models.statuses import (
    FEED_KINDS,
    SITEMAP_KINDS,
    DiscoveryMethod,
    DocumentKind,
    FileStatus,
    JobStatus,
    ScanStatus,
    Severity,
)
from contentmap_cli.models.targets import Limits, Probe, Target

__all__ = [
    "FEED_KINDS",
    "SITEMAP_KINDS",
    "Attributes",
    "CrawledFile",
    "DiscoveryMethod",
    "Document",
    "DocumentKind",
    "DomainSummary",
    "Entry",
    "ErrorGroup",
    "FileStatus",
    "JobStatus",
    "JobSummary",
    "Lastmod",
    "Limits",
    "Probe",
    "Problem",
    "RememberedFile",
    "ScanStatus",
    "Severity",
    "StoredDomain",
    "StoredEntry",
    "StoredFile",
    "StoredTenant",
    "Target",
]
