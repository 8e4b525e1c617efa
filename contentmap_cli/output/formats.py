"""Output formats, and the choice of a writer.

A writer is given rows one by one, then `finish` is called. A new format is a module in `writers` and its
entries here (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib import import_module
from typing import Protocol, TextIO, TypeVar

from contentmap_cli.errors import UsageError
from contentmap_cli.models import (
    DomainSummary,
    Entry,
    ErrorGroup,
    JobSummary,
    StoredDomain,
    StoredEntry,
    StoredFile,
    StoredTenant,
)
from contentmap_cli.models.robots import DomainRobots
from contentmap_cli.output.rows import EntryWriter, RowWriter

Row = TypeVar("Row")


class Format(StrEnum):
    """An output format."""

    TABLE = "table"  # for people
    JSON = "json"  # one document
    NDJSON = "ndjson"  # one object per line, each as soon as it is known
    CSV = "csv"  # RFC 4180 with a header line
    CSV_BOM = "csv-bom"  # CSV after a byte order mark, for spreadsheets
    JUNIT = "junit"  # XML for a build server's test view
    GITHUB = "github"  # GitHub Actions workflow commands
    TXT = "txt"  # URLs only, one per line
    XML = "xml"  # a sitemap
    SARIF = "sarif"  # SARIF 2.1.0 for code scanning
    HTML = "html"  # a page for browsers
    XLSX = "xlsx"  # an Excel workbook, with the extra of that name
    PARQUET = "parquet"  # Apache Parquet, with the extra of that name


CSV_FORMATS = (Format.CSV, Format.CSV_BOM)
BINARY = (Format.XLSX, Format.PARQUET, Format.HTML)
"""Formats that are not written to a terminal."""
ROW_FORMATS = (*CSV_FORMATS, Format.XLSX)
"""Formats with rows of the same columns and nothing else."""

_PLAIN = (Format.TABLE, Format.JSON, Format.NDJSON, *ROW_FORMATS)
SCAN_FORMATS = (*_PLAIN, Format.JUNIT, Format.GITHUB)
"""The formats of `scan` and `status`."""

LIST_FORMATS = _PLAIN
"""The formats of `jobs`, `sitemaps`, `map` and `robots`."""

ENTRY_FORMATS = (*LIST_FORMATS, Format.TXT, Format.XML, Format.PARQUET)
"""The formats of `urls`."""

DIFF_FORMATS = (*LIST_FORMATS, Format.TXT)
"""The formats of `diff`."""

CHANGES_FORMATS = (Format.NDJSON, Format.JSON, *CSV_FORMATS)
"""The formats of `changes`."""

PARSE_FORMATS = (
    *(Format.NDJSON, Format.TABLE, Format.JSON, *ROW_FORMATS, Format.TXT, Format.XML, Format.PARQUET),
)
"""The formats of `parse`."""

RULE_FORMATS = (Format.TABLE, Format.JSON, Format.NDJSON)
"""The formats of `check --list-rules`."""

DOCTOR_FORMATS = (Format.TABLE, Format.JSON)
"""The formats of `doctor` and `config`."""

CHECK_FORMATS = (*LIST_FORMATS, Format.JUNIT, Format.SARIF, Format.GITHUB)
"""The formats of `check`."""


class ScanWriter(Protocol):
    """Writes the domains of a job, then the job."""

    def domain(self, summary: DomainSummary) -> None:
        """Write a domain, when it is committed."""

    def finish(self, job: JobSummary) -> None:
        """Write the job and end the output."""


class StatusWriter(Protocol):
    """Writes a known job, in constant memory where the format allows it."""

    def domain(self, summary: DomainSummary) -> None:
        """Write the next domain."""

    def finish(self, errors: Sequence[ErrorGroup] = (), left_out: int = 0) -> None:
        """End the output. A table shows the errors, and how many domains were left out."""


def marked(format: Format, out: TextIO) -> TextIO:
    """Write a byte order mark for `csv-bom`, without which spreadsheets take the text for another encoding.
    Return `out`."""
    if format is Format.CSV_BOM:
        out.write("\ufeff")
    return out


def scan_writer(format: Format, out: TextIO, *, width: int | None = None, color: bool = False) -> ScanWriter:
    """Return the writer for `scan`.

    `width` is that of the terminal in columns, or None if `out` is not a terminal: then a table is plain text
    with complete values. Raises UsageError for a format that `scan` does not have.
    """
    match format:
        case Format.TABLE:
            from contentmap_cli.output.answers.tables import TableScan

            return TableScan(out, width=width, color=color)
        case Format.JSON:
            from contentmap_cli.output.writers.json import JsonScan

            return JsonScan(out)
        case Format.NDJSON:
            from contentmap_cli.output.writers.ndjson import NdjsonScan

            return NdjsonScan(out)
        case Format.CSV | Format.CSV_BOM | Format.XLSX:
            from contentmap_cli.output.objects import domain_object
            from contentmap_cli.output.writers.csv import DOMAIN, ScanRows

            return ScanRows(out, objects_writer(format, out, domain_object, DOMAIN, SCAN_FORMATS))
        case Format.JUNIT:
            from contentmap_cli.output.writers.junit import JunitScan

            return JunitScan(out)
        case Format.GITHUB:
            from contentmap_cli.output.writers.github import GithubScan

            return GithubScan(out)
        case _:
            raise refusal(format, SCAN_FORMATS)


def status_writer(
    format: Format, out: TextIO, job: JobSummary, *, width: int | None = None, color: bool = False
) -> StatusWriter:
    """Return the writer for `status`: the same objects as for `scan`, and a table with more about the job."""
    match format:
        case Format.TABLE:
            from contentmap_cli.output.answers.tables import TableStatus

            return TableStatus(out, job, width=width, color=color)
        case Format.JSON:
            from contentmap_cli.output.writers.json import JsonStatus

            return JsonStatus(out, job)
        case _:
            return _Replay(scan_writer(format, out), job)


class _Replay:
    """Writes a known job with a ScanWriter."""

    def __init__(self, writer: ScanWriter, job: JobSummary) -> None:
        self._writer = writer
        self._job = job

    def domain(self, summary: DomainSummary) -> None:
        """Write the next domain."""
        self._writer.domain(summary)

    def finish(self, errors: Sequence[ErrorGroup] = (), left_out: int = 0) -> None:
        """Write the job. Each domain has its own error."""
        self._writer.finish(self._job)


def jobs_writer(
    format: Format, out: TextIO, *, width: int | None = None, color: bool = False
) -> RowWriter[JobSummary]:
    """Return the writer for `jobs`. Parameters and errors as for `scan_writer`."""
    if format is Format.TABLE:
        from contentmap_cli.output.answers.lists import JobsTable

        return JobsTable(out, width=width, color=color)
    from contentmap_cli.output.objects import job_object
    from contentmap_cli.output.writers.csv import JOB

    return objects_writer(format, out, job_object, JOB, LIST_FORMATS)


def domains_writer(
    format: Format, out: TextIO, *, width: int | None = None, color: bool = False
) -> RowWriter[StoredDomain]:
    """Return the writer for `domains`. Parameters and errors as for `scan_writer`."""
    if format is Format.TABLE:
        from contentmap_cli.output.answers.lists import DomainsTable

        return DomainsTable(out, width=width, color=color)
    from contentmap_cli.output.objects import stored_domain_object
    from contentmap_cli.output.writers.csv import STORED_DOMAIN

    return objects_writer(format, out, stored_domain_object, STORED_DOMAIN, LIST_FORMATS)


def tenants_writer(
    format: Format, out: TextIO, *, width: int | None = None, color: bool = False
) -> RowWriter[StoredTenant]:
    """Return the writer for `tenants`. Parameters and errors as for `scan_writer`."""
    if format is Format.TABLE:
        from contentmap_cli.output.answers.lists import TenantsTable

        return TenantsTable(out, width=width, color=color)
    from contentmap_cli.output.objects import stored_tenant_object
    from contentmap_cli.output.writers.csv import TENANT

    return objects_writer(format, out, stored_tenant_object, TENANT, LIST_FORMATS)


def files_writer(
    format: Format, out: TextIO, *, width: int | None = None, color: bool = False
) -> RowWriter[StoredFile | DomainRobots]:
    """Return the writer for `sitemaps`: files, then the robots.txt if it has problems (not in CSV).

    Parameters and errors as for `scan_writer`.
    """
    if format is Format.TABLE:
        from contentmap_cli.output.answers.lists import FilesTable

        return FilesTable(out, width=width, color=color)
    from contentmap_cli.output.objects import file_object, robots_object
    from contentmap_cli.output.writers.csv import FILE

    def to_object(row: StoredFile | DomainRobots) -> dict[str, object]:
        return file_object(row) if isinstance(row, StoredFile) else robots_object(*row)

    return objects_writer(format, out, to_object, FILE, LIST_FORMATS)


def entries_writer(
    format: Format,
    out: TextIO,
    *,
    width: int | None = None,
    color: bool = False,
    with_files: bool = False,
) -> EntryWriter:
    """Return the writer for `urls`, in constant memory for every format.

    `with_files` adds all files that list a URL. Other parameters and errors as for `scan_writer`.
    """
    match format:
        case Format.TABLE:
            from contentmap_cli.output.answers.lists import EntriesTable

            return EntriesTable(out, width=width, color=color)
        case Format.TXT:
            from contentmap_cli.output.writers.txt import TxtEntries

            return TxtEntries(out)
        case Format.XML:
            from contentmap_cli.output.writers.sitemap_xml import SitemapEntries

            return SitemapEntries(out)
        case Format.PARQUET:
            from contentmap_cli.output.writers.parquet import ParquetEntries

            return ParquetEntries(out, with_files=with_files)
        case Format.JSON:
            from contentmap_cli.output.writers.entry_lines import JsonEntries

            return JsonEntries(out)
        case Format.NDJSON:
            from contentmap_cli.output.writers.entry_lines import NdjsonEntries

            return NdjsonEntries(out)
        case Format.CSV | Format.CSV_BOM:
            from contentmap_cli.output.writers.entry_lines import CsvEntries

            return CsvEntries(marked(format, out), with_files=with_files)
        case Format.XLSX:
            from contentmap_cli.output.objects import any_entry_object
            from contentmap_cli.output.writers.csv import ENTRY

            def to_object(row: StoredEntry | Entry) -> dict[str, object]:
                files = {"sitemaps": " ".join(row.sitemaps)} if isinstance(row, StoredEntry) else {}
                return any_entry_object(row) | files

            columns = (*ENTRY, ("sitemaps",)) if with_files else ENTRY
            return objects_writer(format, out, to_object, columns, ENTRY_FORMATS)
        case _:
            raise refusal(format, ENTRY_FORMATS)


def objects_writer(
    format: Format,
    out: TextIO,
    to_object: Callable[[Row], dict[str, object]],
    columns: tuple[tuple[str, ...], ...],
    known: tuple[Format, ...],
) -> RowWriter[Row]:
    """Return the writer for rows as JSON objects, CSV lines or rows of a workbook.

    Raises UsageError for a format not in `known`.
    """
    from contentmap_cli.output.objects import to_json

    match format:
        case Format.JSON:
            from contentmap_cli.output.writers.json import JsonRows

            return JsonRows(out, lambda row: to_json(to_object(row)))
        case Format.NDJSON:
            from contentmap_cli.output.writers.ndjson import NdjsonRows

            return NdjsonRows(out, lambda row: to_json(to_object(row)))
        case Format.CSV | Format.CSV_BOM:
            from contentmap_cli.output.writers.csv import CsvRows, cells_of

            return CsvRows(marked(format, out), columns, cells_of(columns, to_object))
        case Format.XLSX:
            from contentmap_cli.output.writers.xlsx import XlsxRows

            return XlsxRows(out, columns, to_object)
        case _:
            raise refusal(format, known)


def refusal(format: Format, known: tuple[Format, ...]) -> UsageError:
    """Return the error for a format that a command does not have."""
    return UsageError(
        f"{format.value} is not a format of this command",
        hint=f"--format is one of {names_of(known)}",
    )


def names_of(formats: Sequence[Format], separator: str = ", ") -> str:
    """Return the names of the formats, without the former name of `--csv-bom`."""
    return separator.join(each for each in formats if each is not Format.CSV_BOM)


def require(format: Format) -> None:
    """Raise UsageError if the package is missing that writes the format."""
    package = {Format.XLSX: "xlsxwriter", Format.PARQUET: "pyarrow"}.get(format)
    try:
        if package is not None:
            import_module(package)
    except ImportError:
        name = "XlsxWriter" if format is Format.XLSX else package
        raise UsageError(
            f"{format.value} needs {name}, which is not installed",
            hint=f"pip install 'contentmap-cli[{format.value}]'",
        ) from None
