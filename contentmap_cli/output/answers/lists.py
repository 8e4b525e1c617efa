"""Tables of jobs, sitemap files and entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TextIO, TypeVar

from contentmap_cli.models import (
    Entry,
    FileStatus,
    JobSummary,
    Lastmod,
    Problem,
    StoredDomain,
    StoredEntry,
    StoredFile,
    StoredTenant,
)
from contentmap_cli.models.robots import DomainRobots
from contentmap_cli.output.columns import Cell, Column, Line, Style, styled, write_table
from contentmap_cli.output.escape import redact, terminal, url_text
from contentmap_cli.output.number_format import duration, moment, number, size
from contentmap_cli.output.outcomes import SCAN_STYLES, elapsed, failure_text, job_status
from contentmap_cli.output.rows import EntryWriter, RowWriter

Row = TypeVar("Row")
_JOBS = (
    Column("JOB"),
    Column("STATUS"),
    Column("DOMAINS", right=True),
    Column("SITEMAPS", right=True, spare=3),
    Column("URLS", right=True, spare=1),
    Column("TIME", right=True, spare=2),
    Column("CREATED (UTC)"),
)
_FILES = (
    Column("STATUS"),
    Column("TYPE"),
    Column("FOUND BY"),
    Column("HTTP", right=True, spare=2),
    Column("URLS", right=True),
    Column("SIZE", right=True, spare=1),
    Column("TIME", right=True, spare=3),
    Column("SITEMAP", fit=44),
)
_FILE_STYLES = {
    FileStatus.OK: Style.GREEN,
    FileStatus.PARTIAL: Style.YELLOW,
    FileStatus.FAILED: Style.RED,
    FileStatus.UNCHANGED: Style.DIM,
}
_MAX_PROBLEMS = 3  # per file; other formats have all of them


class Aligned(RowWriter[Row]):
    """Collects rows until the end, since columns are aligned over all of them."""

    columns: ClassVar[tuple[Column, ...]]
    note: ClassVar[str] = ""

    def __init__(self, out: TextIO, *, width: int | None, color: bool) -> None:
        super().__init__(out)
        self._width = width
        self._color = color
        self.lines: list[Line] = []

    def finish(self) -> None:
        """Write the table."""
        write_table(self._out, self.columns, self.lines, width=self._width, color=self._color, note=self.note)
        super().finish()


class JobsTable(Aligned[JobSummary]):
    """One row per job."""

    columns = _JOBS

    def write(self, row: JobSummary) -> None:
        """Collect the row."""
        took = elapsed(row)
        status = job_status(row)
        done = number(row.total) if row.finished == row.total else f"{row.finished:,}/{row.total:,}"
        self.lines.append(
            Line(
                (
                    Cell(row.job_id),
                    Cell(status.text.partition(",")[0], status.style),
                    Cell(done),
                    Cell(number(row.sitemaps)),
                    Cell(number(row.urls)),
                    Cell(duration(took) if took is not None else "", Style.DIM),
                    Cell(moment(row.created_at), Style.DIM),
                )
            )
        )


class DomainsTable(Aligned[StoredDomain]):
    """One row per recorded domain, with the error of its last scan."""

    columns = (
        Column("OUTCOME"),
        Column("SITEMAPS", right=True, spare=1),
        Column("URLS", right=True),
        Column("SCANNED (UTC)"),
        Column("DOMAIN", fit=44),
    )
    note = "ERROR"

    def write(self, row: StoredDomain) -> None:
        """Collect the row."""
        outcome = row.outcome
        self.lines.append(
            Line(
                (
                    Cell(outcome.value, SCAN_STYLES[outcome]) if outcome else Cell(""),
                    Cell(number(row.sitemaps)),
                    Cell(number(row.urls)),
                    Cell(moment(row.scanned_at) if row.scanned_at else "", Style.DIM),
                    Cell(terminal(row.domain)),
                ),
                Cell(failure_text(row.error) if row.error else "", Style.DIM),
            )
        )


class TenantsTable(Aligned[StoredTenant]):
    """One row per tenant."""

    columns = (
        Column("DOMAINS", right=True),
        Column("JOBS", right=True),
        Column("URLS", right=True),
        Column("SCANNED (UTC)"),
        Column("TENANT", fit=20),
    )

    def write(self, row: StoredTenant) -> None:
        """Collect the row."""
        counts = (Cell(number(count)) for count in (row.domains, row.jobs, row.urls))
        scanned = Cell(moment(row.scanned_at) if row.scanned_at else "", Style.DIM)
        self.lines.append(Line((*counts, scanned, Cell(terminal(row.tenant)))))


class FilesTable(Aligned[StoredFile | DomainRobots]):
    """One row per sitemap file, with its error or its first problems."""

    columns = _FILES
    note = "PROBLEMS"

    def __init__(self, out: TextIO, *, width: int | None, color: bool) -> None:
        super().__init__(out, width=width, color=color)
        self._robots = ""

    def write(self, row: StoredFile | DomainRobots) -> None:
        """Collect the row."""
        if isinstance(row, DomainRobots):
            self._robots = robots_note(row)
            return
        status = Cell(row.status.value, _FILE_STYLES[row.status])
        if row.removed_at is not None:
            status = Cell("removed", Style.DIM)
        took = "" if row.response_time_ms is None else duration(row.response_time_ms / 1000)
        self.lines.append(
            Line(
                (
                    status,
                    Cell(terminal(row.sitemap_type or "")),
                    Cell(row.discovered_by.value),
                    Cell("" if row.status_code is None else str(row.status_code)),
                    Cell(number(row.url_count), Style.PLAIN if row.url_count else Style.DIM),
                    Cell(size(row.size_bytes), Style.DIM),
                    Cell(took, Style.DIM),
                    Cell(url_text(row.url)),
                ),
                Cell(file_note(row), Style.DIM),
            )
        )

    def finish(self) -> None:
        """Write the table, and the problems of robots.txt below it."""
        super().finish()
        if self._robots:
            self._out.write(f"{self._robots}\n")
            self._out.flush()


class EntriesTable(EntryWriter):
    """One row per entry, written at once: the columns before the URL have fixed widths."""

    def __init__(self, out: TextIO, *, width: int | None, color: bool) -> None:
        super().__init__(out)
        self._color = color
        self._off_terminal = width is None
        self._blank = "-" if width is None else ""
        self._has_heading = False

    def write(self, row: StoredEntry | Entry) -> None:
        """Write the row, after the heading if it is the first."""
        if not self._has_heading:
            self._has_heading = True
            heading = f"{'LASTMOD':<16}  {'CHANGEFREQ':<10}  {'PRIORITY':>8}  URL"
            self._out.write(styled(heading, Style.DIM, self._color) + "\n")
        entry, removed = (row.entry, row.removed_at) if isinstance(row, StoredEntry) else (row, None)
        lastmod = terminal(_lastmod(entry.lastmod)) or self._blank
        lastmod = lastmod if self._off_terminal else lastmod[:16]
        changefreq = terminal(entry.changefreq or "") or self._blank
        priority = self._blank if entry.priority is None else str(entry.priority)
        text = f"{lastmod:<16}  {changefreq:<10}  {priority:>8}  {url_text(entry.url)}"
        if removed is not None:
            text = styled(f"{text}  removed {moment(removed)[:10]}", Style.DIM, self._color)
        self._out.write(text + "\n")


def _lastmod(lastmod: Lastmod | None) -> str:
    """Return `2026-11-23`, `2026-11-23 20:06`, or `?` and the published text if that is not a date."""
    if lastmod is None:
        return ""
    if lastmod.utc is None:
        return f"?{lastmod.text}"
    length = {"year": 4, "month": 7, "day": 10}.get(lastmod.precision or "", 16)
    return lastmod.utc[:length].replace("T", " ")


def file_note(row: StoredFile) -> str:
    """Return the error or the first problems of a file, escaped, on one line."""
    codes = {problem.code for problem in row.problems}
    if row.error is None or row.error.code in codes:  # the problem has the line, too
        return problems_text(row.problems)
    problems = problems_text(row.problems, _MAX_PROBLEMS - 1)
    return f"{failure_text(row.error)}; {problems}" if problems else failure_text(row.error)


def problem_text(problem: Problem) -> str:
    """Return a problem with its line and count, escaped."""
    line = f"line {problem.line}: " if problem.line is not None else ""
    times = f" ({problem.count:,} times)" if problem.count > 1 else ""
    return terminal(redact(f"{problem.code}: {line}{problem.message}{times}"))


def problems_text(problems: Sequence[Problem], limit: int = _MAX_PROBLEMS) -> str:
    """Return the first problems on one line, escaped."""
    parts = [problem_text(problem) for problem in problems[:limit]]
    left = sum(problem.count for problem in problems[limit:])
    return "; ".join([*parts, f"and {left:,} more"] if left else parts)


def robots_note(row: DomainRobots) -> str:
    """Return the problems of a robots.txt, escaped, on one line; empty if there are none."""
    problems = problems_text(row.version.problems)
    return f"{url_text(row.version.url)}: {problems}" if problems else ""
