"""JSON objects: the contract with scripts.

Keys have the documented order and are always present. Times are UTC, ISO 8601, with a `Z`; unknown values are
null, never "".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import JSONEncoder
from typing import Final

from contentmap_cli.errors import ContentMapError, Failure
from contentmap_cli.models import (
    Document,
    DomainSummary,
    Entry,
    JobSummary,
    Problem,
    ScanStatus,
    StoredDomain,
    StoredEntry,
    StoredFile,
    StoredTenant,
)
from contentmap_cli.models.evidence import Source
from contentmap_cli.models.robots import RobotsVerdict, RobotsVersion
from contentmap_cli.output.escape import redact

SCHEMA = 1
"""The version of these objects. A key may be added without a new one; none is renamed or removed."""

to_json: Final = JSONEncoder(allow_nan=False).encode
"""An object as JSON on one line, ASCII only: `json.dumps` would build an encoder for each."""


def timestamp(moment: datetime | None) -> str | None:
    """Return `2026-11-23T20:06:57Z`, with six decimals if there is a fraction. A naive time is UTC."""
    if moment is None:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def domain_object(summary: DomainSummary) -> dict[str, object]:
    """Return a domain scan: a line of `scan --format ndjson`, an element of `results`.

    `unexpected` is only present if the number of URLs differs from --expect-urls.
    """
    answer: dict[str, object] = {
        "type": "domain",
        "schema": SCHEMA,
        "job_id": summary.job_id,
        "domain": summary.domain,
        "outcome": summary.status.value,
        "sitemaps": summary.sitemaps,
        "sitemaps_failed": summary.sitemaps_failed,
        "urls": summary.urls,
        "added": summary.added,
        "removed": summary.removed,
        "changed": summary.changed,
        "fetched_bytes": summary.fetched_bytes,
        "requests": summary.requests,
        "retries": summary.retries,
        "seconds": round(summary.seconds, 3),
        "error": _failure(summary.error),
        "evidence": [source_object(source) for source in summary.evidence],
        "sitemaps_not_selected": summary.sitemaps_not_selected,
        "withheld": summary.withheld,
    }
    return answer if summary.unexpected is None else answer | {"unexpected": summary.unexpected}


def source_object(source: Source) -> dict[str, object]:
    """Return how a source of a domain ended: an element of `evidence`."""
    return {
        "source": source.kind.value,
        "url": source.url,
        "state": source.state.value,
        "error": _failure(source.failure),
    }


def job_object(job: JobSummary) -> dict[str, object]:
    """Return a job: the last line of NDJSON, the head of the JSON document."""
    return {
        "type": "job",
        "schema": SCHEMA,
        "job_id": job.job_id,
        "status": job.status.value,
        "tenant": job.tenant,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "finished_at": timestamp(job.finished_at),
        "progress": round(job.progress, 4),
        "domains": {"total": job.total} | {status.value: job.domains.get(status, 0) for status in ScanStatus},
        "sitemaps": job.sitemaps,
        "urls": job.urls,
        "added": job.added,
        "removed": job.removed,
        "changed": job.changed,
        "discovery_methods": _counts(job.discovery_methods),
        "sitemap_types": _counts(job.sitemap_types),
        "error": redact(job.error) if job.error else None,
        "queue": _queue(job),
    }


def stored_domain_object(row: StoredDomain) -> dict[str, object]:
    """Return a recorded domain with the outcome of its last scan."""
    return {
        "type": "stored_domain",
        "domain": row.domain,
        "outcome": row.outcome.value if row.outcome else None,
        "sitemaps": row.sitemaps,
        "urls": row.urls,
        "first_seen": timestamp(row.first_seen),
        "scanned_at": timestamp(row.scanned_at),
        "job_id": row.job_id,
        "error": _failure(row.error),
    }


def stored_tenant_object(row: StoredTenant) -> dict[str, object]:
    """Return a tenant with the numbers of what is recorded for it."""
    return {
        "type": "tenant",
        "tenant": row.tenant,
        "domains": row.domains,
        "jobs": row.jobs,
        "urls": row.urls,
        "scanned_at": timestamp(row.scanned_at),
    }


def entry_object(
    entry: Entry, *, sitemap: str | None = None, discovered_by: str | None = None
) -> dict[str, object]:
    """Return an entry of a sitemap. `lastmod` is the time in UTC, `lastmod_text` the published text."""
    lastmod = entry.lastmod
    return {
        "type": entry.type,
        "url": entry.url,
        "lastmod": lastmod.utc if lastmod else None,
        "lastmod_precision": lastmod.precision if lastmod else None,
        "lastmod_text": lastmod.text if lastmod else None,
        "changefreq": entry.changefreq,
        "priority": entry.priority,
        "sitemap": sitemap,
        "discovered_by": discovered_by,
        "images": [dict(image) for image in entry.images],
        "videos": [dict(video) for video in entry.videos],
        "news": [dict(item) for item in entry.news],
        "alternates": [dict(alternate) for alternate in entry.alternates],
        "in_scope": entry.in_scope,
        "repaired": entry.repaired,
    }


def stored_entry_object(stored: StoredEntry) -> dict[str, object]:
    """Return a recorded entry: also its page type, and when it was first seen and removed."""
    return {
        **entry_object(stored.entry, sitemap=stored.sitemap, discovered_by=stored.discovered_by.value),
        "page_type": stored.page_type,
        "first_seen": timestamp(stored.first_seen),
        "removed_at": timestamp(stored.removed_at),
        "domain": stored.domain,
        **({"sitemaps": list(stored.sitemaps)} if stored.sitemaps else {}),
    }


def any_entry_object(entry: StoredEntry | Entry) -> dict[str, object]:
    """Return an entry, recorded or as parsed."""
    return stored_entry_object(entry) if isinstance(entry, StoredEntry) else entry_object(entry)


def document_object(document: Document) -> dict[str, object]:
    """Return a document of `parse`, without its entries."""
    return {
        "type": "document",
        "kind": document.kind.value,
        "entries": document.entries,
        "complete": document.complete,
        "encoding": document.encoding,
        "problems": [_problem(problem) for problem in document.problems],
        "error": _failure(document.failure),
    }


def file_object(file: StoredFile) -> dict[str, object]:
    """Return a recorded sitemap file. Sizes in bytes as transferred, times in milliseconds."""
    return {
        "type": "sitemap_file",
        "url": file.url,
        "status": file.status.value,
        "discovered_by": file.discovered_by.value,
        "sitemap_type": file.sitemap_type,
        "parent": file.parent,
        "status_code": file.status_code,
        "url_count": file.url_count,
        "size_bytes": file.size_bytes,
        "response_time_ms": file.response_time_ms,
        "is_gzipped": file.is_gzipped,
        "has_lastmod": file.has_lastmod,
        "has_priority": file.has_priority,
        "has_changefreq": file.has_changefreq,
        "last_modified": file.last_modified,
        "generator": file.generator,
        "content_type": file.content_type,
        "fetched_at": timestamp(file.fetched_at),
        "first_seen": timestamp(file.first_seen),
        "removed_at": timestamp(file.removed_at),
        "error": _failure(file.error),
        "problems": [_problem(problem) for problem in file.problems],
    }


def robots_object(domain: str, robots: RobotsVersion) -> dict[str, object]:
    """Return a version of a domain's robots.txt. Size in bytes, decoded."""
    return {
        "type": "robots",
        "schema": SCHEMA,
        "domain": domain,
        "version": robots.number,
        "state": robots.state.value,
        "url": robots.url,
        "final_url": robots.final_url,
        "status_code": robots.http_status,
        "size_bytes": len(robots.body or b""),
        "digest": robots.digest,
        "first_seen": timestamp(robots.first_seen),
        "last_seen": timestamp(robots.last_seen),
        "problems": [_problem(problem) for problem in robots.problems],
    }


def verdict_object(verdict: RobotsVerdict) -> dict[str, object]:
    """Return whether a robots.txt allows a URL, and which of its lines decides."""
    return {
        "type": "robots_test",
        "schema": SCHEMA,
        "url": verdict.url,
        "agent": verdict.agent,
        "allowed": verdict.allowed,
        "group": verdict.group,
        "line": verdict.line,
        "rule": verdict.rule,
    }


def error_object(error: ContentMapError) -> dict[str, object]:
    """Return the error that ended a command, as `--json` writes it to stderr."""
    return {
        "error": {
            "code": str(error.code),
            "message": redact(error.message),
            "hint": redact(error.hint) if error.hint else None,
        }
    }


def _failure(failure: Failure | None) -> dict[str, object] | None:
    return {"code": str(failure.code), "message": redact(failure.message)} if failure else None


def _queue(job: JobSummary) -> dict[str, object] | None:
    """Return the state of a queued job; None for one that is not queued or has ended."""
    if job.workers is None:
        return None
    return {
        "workers": job.workers,
        "waiting": job.domains.get(ScanStatus.PENDING, 0),
        "domains_per_second": None if job.rate is None else round(job.rate, 2),
        "estimated_end": timestamp(job.estimated_end),
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "code": str(problem.code),
        "line": problem.line,
        "message": redact(problem.message),
        "count": problem.count,
    }


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    # the most frequent first, then by name
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {str(key): count for key, count in ordered}
