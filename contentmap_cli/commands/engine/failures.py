"""What an exception means for a domain: its outcome, and how it is logged."""

from __future__ import annotations

import logging

from contentmap_cli.batches import disk_full_message
from contentmap_cli.commands.engine.domain_scan import DomainFailed
from contentmap_cli.errors import (
    Code,
    ContentMapError,
    DatabaseUnavailable,
    Failure,
    LeaseLost,
    SystemLimit,
    is_out_of_threads,
)
from contentmap_cli.models import DomainSummary, ScanStatus
from contentmap_cli.models.robots import relevant_problems
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs.claims import Claim

log = logging.getLogger("contentmap.run")


def describe(error: Exception, database: str) -> Failure:
    """Return the code and message of an exception. `database` is the address shown in messages."""
    if isinstance(error, DomainFailed):
        return error.failure
    known = storage_error(error, database)
    if known is not None:
        return Failure(Code.STORAGE_ERROR, known.message)
    if isinstance(error, ContentMapError):
        return Failure(error.code, error.message)
    if is_out_of_threads(error):
        return Failure(Code.SYSTEM_LIMIT, SystemLimit().message)
    if (full := disk_full_message(error)) is not None:
        return Failure(Code.STORAGE_ERROR, full)
    return Failure(Code.INTERNAL_ERROR, f"a bug in ContentMap: {type(error).__name__}")


def failed_summary(claim: Claim, error: Exception, database: str) -> DomainSummary:
    """Return the outcome of a domain whose scan raised `error`: skipped where another run holds the domain,
    interrupted where the database is unavailable, otherwise what the crawl says or failed."""
    failure = describe(error, database)
    if isinstance(error, LeaseLost):
        return summary_of(claim, ScanStatus.SKIPPED, failure)
    if isinstance(storage_error(error, database), DatabaseUnavailable):
        return summary_of(claim, ScanStatus.INTERRUPTED, failure)
    if not isinstance(error, DomainFailed):
        return summary_of(claim, ScanStatus.FAILED, failure)
    crawl = error.crawl
    return DomainSummary(
        claim.job_id,
        claim.domain,
        crawl.status,
        fetched_bytes=crawl.fetched_bytes,
        requests=crawl.requests,
        retries=crawl.retries,
        seconds=round(error.seconds, 3),
        error=failure,
        evidence=crawl.evidence,
        robots_problems=relevant_problems(crawl.robots_file.problems) if crawl.robots_file is not None else 0,
    )


def summary_of(claim: Claim, status: ScanStatus, failure: Failure) -> DomainSummary:
    """Return an outcome with a status and its reason only."""
    return DomainSummary(claim.job_id, claim.domain, status, error=failure)


def log_outcome(level: int, action: str, summary: DomainSummary, error: Exception | None = None) -> None:
    """Log a domain's outcome; the traceback of `error` only where debug messages are logged."""
    failure = summary.error
    log.log(
        level,
        "%s %s",
        action,
        failure.message if failure else "",
        extra={
            "action": action,
            "job": summary.job_id,
            "domain": summary.domain,
            "code": failure.code if failure else None,
        },
        exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
    )
