"""Tables of a job. Rows that need attention come last, nearest to the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from contentmap_cli.models import DomainSummary, ErrorGroup, JobSummary, ScanStatus
from contentmap_cli.output.columns import Cell, Column, Line, Style, styled, write_table
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.number_format import changes, duration, moment, number, plural
from contentmap_cli.output.outcomes import SCAN_STYLES, elapsed, job_status, outcome_note

# from top to bottom: rows that need attention are nearest to the prompt
_ORDER = (
    ScanStatus.PENDING,
    ScanStatus.RUNNING,
    ScanStatus.OK,
    ScanStatus.EMPTY,
    ScanStatus.SKIPPED,
    ScanStatus.DEFERRED,
    ScanStatus.INTERRUPTED,
    ScanStatus.PARTIAL,
    ScanStatus.FAILED,
)
_DOMAINS = (
    Column("DOMAIN", cut=True, fit=30),
    Column("OUTCOME"),
    Column("SITEMAPS", right=True),
    Column("URLS", right=True),
    Column("CHANGES", spare=1),
    Column("TIME", right=True, spare=2),
)
MAX_NAMES = 3
"""Domains that are named for each error code."""


class TableScan:
    """One row per domain with its error, then three lines about the job."""

    def __init__(self, out: TextIO, *, width: int | None, color: bool) -> None:
        self._out = out
        self._width = width
        self._color = color
        self._results: list[DomainSummary] = []

    def domain(self, summary: DomainSummary) -> None:
        """Collect the domain, since columns are aligned over all rows."""
        self._results.append(summary)

    def finish(self, job: JobSummary) -> None:
        """Write the table and the job."""
        write_domains(self._out, self._results, width=self._width, color=self._color)
        if self._results:
            self._out.write("\n")
        took = elapsed(job)
        heading = _domain_total(job) + (f" in {duration(took)}" if took is not None else "")
        counts = _outcomes(job, self._color)
        self._out.write(f"{heading}: {counts}\n" if counts else f"{heading}\n")
        self._out.write(f"{_totals(job)}\n")
        status = job_status(job)
        self._out.write(f"job {job.job_id} {styled(status.text, status.style, self._color)}\n")
        if job.error:
            self._out.write(f"{styled(terminal(redact(job.error)), Style.RED, self._color)}\n")
        self._out.flush()


class TableStatus:
    """One row for each domain it is given, then the facts of the job and its errors by code."""

    def __init__(self, out: TextIO, job: JobSummary, *, width: int | None, color: bool) -> None:
        self._out = out
        self._job = job
        self._width = width
        self._color = color
        self._rows: list[DomainSummary] = []

    def domain(self, summary: DomainSummary) -> None:
        """Collect the domain, since columns are aligned over all rows."""
        self._rows.append(summary)

    def finish(self, errors: Sequence[ErrorGroup] = (), left_out: int = 0) -> None:
        """Write the table, the facts and the errors."""
        write_domains(self._out, self._rows, width=self._width, color=self._color)
        if left_out:
            more = f"{plural(left_out, 'more domain')}: `--format csv` or `ndjson` lists them all"
            self._out.write(f"{styled(more, Style.DIM, self._color)}\n")
        if self._rows or left_out:
            self._out.write("\n")
        for name, value in _facts(self._job, self._color):
            self._out.write(f"{styled(f'{name:<10}', Style.DIM, self._color)}{value}\n")
        self._errors(errors)
        self._out.flush()

    def _errors(self, errors: Sequence[ErrorGroup]) -> None:
        if not errors:
            return
        self._out.write("\n")
        columns = (Column("ERROR"), Column("DOMAINS", right=True), Column("WHERE", fit=MAX_NAMES * 16))
        lines = []
        for group in errors:
            names = ", ".join(terminal(name) for name in group.first[:MAX_NAMES])
            more = f" and {group.domains - MAX_NAMES:,} more" if group.domains > MAX_NAMES else ""
            lines.append(Line((Cell(terminal(group.code)), Cell(number(group.domains)), Cell(names + more))))
        write_table(self._out, columns, lines, width=self._width or 0, color=self._color)


def write_domains(out: TextIO, results: Iterable[DomainSummary], *, width: int | None, color: bool) -> None:
    """Write one row per domain: those without errors first, then by name."""
    ordered = sorted(results, key=lambda row: (_ORDER.index(row.status), row.domain))
    notes = any(row.status.clean and _note(row) for row in ordered)
    note = "NOTE" if notes or all(row.status.clean for row in ordered) else "ERROR"
    write_table(out, _DOMAINS, [_line(row) for row in ordered], width=width, color=color, note=note)


def _line(row: DomainSummary) -> Line:
    return Line(
        (
            Cell(terminal(row.domain)),
            Cell(row.status.value, SCAN_STYLES[row.status]),
            _count(row.sitemaps),
            _count(row.urls),
            Cell(changes(row.added, row.removed, row.changed)),
            Cell(duration(row.seconds), Style.DIM),
        ),
        Cell(_note(row), Style.DIM),
    )


def _note(row: DomainSummary) -> str:
    failed = row.sitemaps_failed
    sitemaps = f"{plural(failed, 'sitemap')} failed" if failed else ""
    return "; ".join(part for part in (row.unexpected, outcome_note(row), sitemaps) if part)


def _count(value: int) -> Cell:
    return Cell(number(value), Style.PLAIN if value else Style.DIM)


def _domain_total(job: JobSummary) -> str:
    if job.finished < job.total:
        return f"{job.finished:,} of {plural(job.total, 'domain')}"
    return plural(job.total, "domain")


def _outcomes(job: JobSummary, color: bool) -> str:
    counts = ((status, job.domains.get(status, 0)) for status in ScanStatus)
    return ", ".join(
        styled(f"{count:,} {status.value}", SCAN_STYLES[status], color) for status, count in counts if count
    )


def _totals(job: JobSummary) -> str:
    changed = changes(job.added, job.removed, job.changed)
    found = f"{plural(job.sitemaps, 'sitemap')}, {plural(job.urls, 'url')}"
    return f"{found} ({changed})" if changed else found


def _facts(job: JobSummary, color: bool) -> Iterator[tuple[str, str]]:
    status = job_status(job)
    yield "job", job.job_id
    yield "status", styled(status.text, status.style, color)
    times = f"{moment(job.created_at)} UTC"
    took = elapsed(job)
    yield "created", f"{times}, took {duration(took)}" if took is not None else times
    share = "" if job.finished == job.total else f", {job.progress:.0%}"
    done = number(job.total) if job.finished == job.total else f"{job.finished:,} of {job.total:,}"
    yield "domains", f"{done}{share}  {_outcomes(job, color)}".rstrip()
    yield "sitemaps", f"{number(job.sitemaps)}{_split(job.sitemap_types)}"
    yield "found by", _split(job.discovery_methods).strip() or "-"
    changed = changes(job.added, job.removed, job.changed)
    yield "urls", f"{number(job.urls)}  {changed}".rstrip()
    if job.workers is not None:
        yield "queue", _queue(job, job.workers)
    if job.error:
        yield "error", styled(terminal(redact(job.error)), Style.RED, color)


def _queue(job: JobSummary, workers: int) -> str:
    parts = [f"{plural(workers, 'worker')} alive", f"{job.domains.get(ScanStatus.PENDING, 0):,} waiting"]
    if job.rate is not None:
        parts.append(f"{job.rate:,.1f} domains a second")
    if job.estimated_end is not None:
        parts.append(f"done at about {moment(job.estimated_end)} UTC")
    return ", ".join(parts)


def _split(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    text = ", ".join(f"{count:,} {terminal(str(name))}" for name, count in ordered)
    return f"  {text}" if text else ""
