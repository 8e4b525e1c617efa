"""CSV for spreadsheets and data frames: RFC 4180 with a header line, lines ended by a line feed.

Columns are the keys of the JSON objects. Keys of nested objects are joined (`error_code`), a list is its
length, null is an empty cell. Text is escaped: no cell is a formula, no cell spans lines.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import TextIO, TypeVar

from contentmap_cli.models import DomainSummary, JobSummary, ScanStatus
from contentmap_cli.output.escape import csv_cell, terminal, url_text
from contentmap_cli.output.rows import RowWriter

Row = TypeVar("Row")
Path = tuple[str, ...]


def _paths(names: str) -> tuple[Path, ...]:
    return tuple(tuple(name.split(".")) for name in names.split())


DOMAIN = _paths(
    "job_id domain outcome sitemaps sitemaps_failed urls added removed changed fetched_bytes requests seconds"
    " error.code error.message sitemaps_not_selected"
)
JOB = (
    *_paths("job_id status tenant created_at started_at finished_at progress domains.total"),
    *(("domains", status.value) for status in ScanStatus),
    *_paths("sitemaps urls added removed changed error"),
)
STORED_DOMAIN = _paths("domain outcome sitemaps urls first_seen scanned_at job_id error.code error.message")
TENANT = _paths("tenant domains jobs urls scanned_at")
FILE = _paths(
    "url status discovered_by sitemap_type parent status_code url_count size_bytes response_time_ms"
    " is_gzipped has_lastmod has_priority has_changefreq last_modified generator content_type"
    " fetched_at first_seen removed_at error.code error.message problems"
)
ENTRY = _paths(
    "type url lastmod lastmod_precision lastmod_text changefreq priority sitemap discovered_by"
    " images videos news alternates in_scope repaired page_type first_seen removed_at domain"
)
ROBOTS = _paths(
    "domain version state url final_url status_code size_bytes digest first_seen last_seen problems"
)
VERDICT = _paths("url agent allowed group line rule")
SECTION = _paths(
    "url depth urls share newest undated lastmod_trust.score lastmod_trust.level lastmod_trust.reason"
)

URL_COLUMNS = frozenset({"url", "final_url", "sitemap", "parent"})


def cells_of(
    columns: tuple[Path, ...], to_object: Callable[[Row], dict[str, object]]
) -> Callable[[Row], list[str]]:
    """Return a function that gives the escaped cells of a row, from its JSON object."""

    def cells(row: Row) -> list[str]:
        answer = to_object(row)
        return [_cell(answer, path) for path in columns]

    return cells


class CsvRows(RowWriter[Row]):
    """A header line, then one line per row. `to_cells` returns the cells of a row in the order of the
    columns."""

    def __init__(
        self, out: TextIO, columns: tuple[Path, ...], to_cells: Callable[[Row], Iterable[str]]
    ) -> None:
        super().__init__(out)
        self._to_cells = to_cells
        self._csv = csv.writer(out, lineterminator="\n")
        self._csv.writerow("_".join(path) for path in columns)

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the rows."""
        self._csv.writerows(map(self._to_cells, rows))


class ScanRows:
    """One row per domain as it is committed. The job has none."""

    def __init__(self, out: TextIO, rows: RowWriter[DomainSummary]) -> None:
        self._out = out
        self._rows = rows

    def domain(self, summary: DomainSummary) -> None:
        """Write the domain and flush."""
        self._rows.write(summary)
        self._out.flush()

    def finish(self, job: JobSummary) -> None:
        """Flush the stream."""
        self._rows.finish()


def _cell(answer: dict[str, object], path: Path) -> str:
    value: object = answer
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        return csv_cell(url_text(value) if path[-1] in URL_COLUMNS else terminal(value))
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return str(len(value))
    return str(value)
