"""Texts and colours of outcomes, failures and jobs."""

from __future__ import annotations

from datetime import UTC, datetime

from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DomainSummary, JobStatus, JobSummary, ScanStatus
from contentmap_cli.models.evidence import SourceKind
from contentmap_cli.output.columns import Cell, Style
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.number_format import moment, plural

SCAN_STYLES = {
    ScanStatus.PENDING: Style.DIM,
    ScanStatus.RUNNING: Style.CYAN,
    ScanStatus.OK: Style.GREEN,
    ScanStatus.EMPTY: Style.DIM,
    ScanStatus.PARTIAL: Style.YELLOW,
    ScanStatus.FAILED: Style.RED,
    ScanStatus.DEFERRED: Style.YELLOW,
    ScanStatus.INTERRUPTED: Style.YELLOW,
    ScanStatus.SKIPPED: Style.DIM,
}
JOB_STYLES = {
    JobStatus.PENDING: Style.DIM,
    JobStatus.RUNNING: Style.CYAN,
    JobStatus.COMPLETE: Style.GREEN,
    JobStatus.PARTIAL: Style.YELLOW,
    JobStatus.FAILED: Style.RED,
    JobStatus.INTERRUPTED: Style.YELLOW,
}


def failure_text(failure: Failure) -> str:
    """Return `http_500: https://shop.example/sitemap.xml answered 500`, escaped and without secrets."""
    return terminal(redact(f"{failure.code}: {failure.message}" if failure.message else failure.code))


def outcome_note(summary: DomainSummary) -> str:
    """Return why a domain has errors, that nothing was removed if so, and how many sitemaps were not
    selected, escaped."""
    parts = [failure_text(summary.error)] if summary.error is not None else []
    if any(not source.state.is_proof for source in summary.evidence):
        parts.append("nothing was removed")
    if selected := selection_note(summary):
        parts.append(selected)
    return "; ".join(parts)


_SOURCES = {
    SourceKind.ROBOTS: "robots.txt",
    SourceKind.HOME_PAGE: "home page",
    SourceKind.KNOWN_PATHS: "known paths",
    SourceKind.SITEMAP: "sitemap",
}


def selection_note(summary: DomainSummary) -> str:
    """Return how many sitemaps were not selected, `11 of 14 sitemaps not selected`; empty for none, and where
    the error says so."""
    failed = summary.error is not None and summary.error.code == Code.NOT_SELECTED
    skipped = 0 if failed else summary.sitemaps_not_selected
    return f"{skipped:,} of {plural(skipped + summary.sitemaps, 'sitemap')} not selected" if skipped else ""


def evidence_lines(summary: DomainSummary) -> list[str]:
    """Return a line for each source that proves nothing: what it is, how it ended, where and why."""
    lines = []
    for source in summary.evidence:
        if source.state.is_proof:
            continue
        why = ""
        if source.failure is not None:
            message = source.failure.message.removeprefix(f"{source.url}: ")
            why = f" ({message})"
        lines.append(
            terminal(redact(f"{_SOURCES[source.kind]} {source.url}: {source.state.replace('_', ' ')}{why}"))
        )
    return lines


def job_status(job: JobSummary) -> Cell:
    """Return the status of a job; `ended unexpectedly` if its run has not recorded its end."""
    if job.status is JobStatus.RUNNING and not job.alive:
        last = f"; last heartbeat {moment(job.heartbeat_at)} UTC" if job.heartbeat_at else ""
        return Cell(f"ended unexpectedly{last}", Style.RED)
    return Cell(job.status.value, JOB_STYLES[job.status])


def elapsed(job: JobSummary) -> float | None:
    """Return the duration of a job in seconds; None if it has not ended."""
    if job.started_at is None or job.finished_at is None:
        return None
    return max((_utc(job.finished_at) - _utc(job.started_at)).total_seconds(), 0.0)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value
