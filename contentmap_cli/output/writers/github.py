"""GitHub Actions workflow commands: an annotation for each domain with errors, and one for the job."""

from __future__ import annotations

from typing import TextIO

from contentmap_cli.models import DomainSummary, JobSummary, ScanStatus
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.number_format import changes, plural

_LEVELS = {
    ScanStatus.FAILED: "error",
    ScanStatus.PARTIAL: "warning",
    ScanStatus.DEFERRED: "warning",
    ScanStatus.INTERRUPTED: "warning",
}


class GithubScan:
    """`failed` and an unexpected number of URLs are errors, `partial`, `deferred` and `interrupted` are
    warnings, the job is a notice."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def domain(self, summary: DomainSummary) -> None:
        """Write the annotation, if there is one, and flush."""
        level = "error" if summary.unexpected else _LEVELS.get(summary.status)
        if level is None:
            return
        message = f"{plural(summary.sitemaps, 'sitemap')}, {plural(summary.urls, 'url')}"
        if summary.error:
            message = f"{summary.error.code}: {summary.error.message} ({message})"
        if summary.unexpected:
            message = f"{summary.unexpected}; {message}"
        self._command(level, f"{summary.domain} {summary.status.value}", message)

    def finish(self, job: JobSummary) -> None:
        """Write the notice."""
        counts = ", ".join(
            f"{count:,} {status.value}" for status in ScanStatus if (count := job.domains.get(status, 0))
        )
        message = f"{plural(job.total, 'domain')}: {counts}" if counts else plural(job.total, "domain")
        message += f"; {plural(job.sitemaps, 'sitemap')}, {plural(job.urls, 'url')}"
        changed = changes(job.added, job.removed, job.changed)
        if changed:
            message += f" ({changed})"
        self._command("notice", f"{job.job_id} {job.status.value}", message)

    def _command(self, level: str, title: str, message: str) -> None:
        self._out.write(workflow_command(level, title, message))
        self._out.flush()


def workflow_command(level: str, title: str, message: str, more: str = "") -> str:
    """Return one annotation; `more` are further properties, escaped, each after a comma."""
    return f"::{level} title={annotation_property(title)}{more}::{_data(message)}\n"


def _data(text: str) -> str:
    # first as for a terminal, then the runner's own escapes (@actions/core, command.ts)
    return terminal(redact(text)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def annotation_property(text: str) -> str:
    """Return a value escaped for a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
