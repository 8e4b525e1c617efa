"""JUnit XML for build servers: a suite for the job, a test case per domain."""

from __future__ import annotations

from typing import TextIO

from contentmap_cli.models import DomainSummary, JobSummary, ScanStatus
from contentmap_cli.output.escape import redact, xml_text
from contentmap_cli.output.objects import timestamp
from contentmap_cli.output.writers.deferred_buffer import DeferredText

_FAILURES = (ScanStatus.FAILED, ScanStatus.PARTIAL)


class JunitScan:
    """`failed`, `partial` and an unexpected number of URLs are failures; `ok` and `empty` pass; others are
    skipped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._cases = DeferredText()
        self._tests = self._failures = self._skipped = 0
        self._seconds = 0.0

    def domain(self, summary: DomainSummary) -> None:
        """Buffer the domain, since the suite's counts come before its cases."""
        self._cases.write(_case(summary))
        self._tests += 1
        self._failures += _fails(summary)
        self._skipped += not (summary.status in _FAILURES or summary.status.clean)
        self._seconds += summary.seconds

    def finish(self, job: JobSummary) -> None:
        """Write the suite. Its counts are those of its cases."""
        attributes = {
            "name": f"contentmap {job.job_id}",
            "tests": str(self._tests),
            "failures": str(self._failures),
            "errors": "0",
            "skipped": str(self._skipped),
            # the sum of the cases, as readers expect; domains are scanned concurrently
            "time": f"{self._seconds:.3f}",
            "timestamp": timestamp(job.started_at or job.created_at) or "",
        }
        self._out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        self._out.write(f"<testsuite{attributes_text(attributes)}>\n")
        for piece in self._cases.pieces():
            self._out.write(piece)
        self._out.write("</testsuite>\n")
        self._out.flush()


def _case(row: DomainSummary) -> str:
    attributes = {"classname": "contentmap.scan", "name": row.domain, "time": f"{row.seconds:.3f}"}
    head = f"  <testcase{attributes_text(attributes)}"
    if row.status.clean and not row.unexpected:
        return f"{head}/>\n"
    message = _message(row)
    if not _fails(row):
        return f"{head}><skipped{attributes_text({'message': message})}/></testcase>\n"
    kind = "unexpected_urls" if row.unexpected else str(row.error.code) if row.error else row.status.value
    detail = (
        f"{row.domain} is {row.status.value}: {row.sitemaps} sitemaps ({row.sitemaps_failed} failed), "
        f"{row.urls} urls\n{message}"
    )
    failure = f"<failure{attributes_text({'type': kind, 'message': message})}>{xml_text(detail)}</failure>"
    return f"{head}>{failure}</testcase>\n"


def _fails(row: DomainSummary) -> bool:
    return row.status in _FAILURES or row.unexpected is not None


def _message(row: DomainSummary) -> str:
    error = redact(f"{row.error.code}: {row.error.message}") if row.error is not None else None
    return "; ".join(part for part in (row.unexpected, error) if part) or row.status.value


def attributes_text(attributes: dict[str, str]) -> str:
    """Return attributes as in a start tag, each after a space."""
    return "".join(f' {name}="{xml_text(value)}"' for name, value in attributes.items())
