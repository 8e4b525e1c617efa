"""What an exception means for a domain: its outcome and its code."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from contentmap_cli.commands.engine.domain_scan import DomainFailed
from contentmap_cli.commands.engine.failures import failed_summary
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.errors import Code, Failure, JobHeld, LeaseLost
from contentmap_cli.models import Target
from contentmap_cli.storage.jobs.claims import Claim

TIMEOUT = Failure(Code.TIMEOUT, "no answer")


def _full_database() -> Exception:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    return OperationalError("INSERT", {}, full)


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (DomainFailed(DomainCrawl.failed("a.test", TIMEOUT), TIMEOUT, 1.5), "failed", "timeout"),
        (LeaseLost("another run has it"), "skipped", "lease_lost"),
        (JobHeld("another run holds the job"), "failed", "job_held"),
        (_full_database(), "interrupted", "storage_error"),  # not the domain's fault: `resume` scans it again
        (OSError(errno.ENOSPC, "No space left on device"), "failed", "storage_error"),
        (RuntimeError("can't start new thread"), "failed", "system_limit"),
        (KeyError("x"), "failed", "internal_error"),
    ],
)
def test_an_exception_has_an_outcome_and_a_code(error: Exception, outcome: str, code: str) -> None:
    """Change this table where the record of a failed domain changes."""
    claim = Claim(1, 1, "sitemap_0", "a.test", Target("a.test", ("https://a.test",)), "token")
    summary = failed_summary(claim, error, "map.db")
    assert (summary.domain, summary.status) == ("a.test", outcome)
    assert summary.error is not None
    assert summary.error.code == code
    assert "KeyError" in summary.error.message or not isinstance(error, KeyError)
