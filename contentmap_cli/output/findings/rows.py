"""The report of a check as JSON, NDJSON, CSV and XLSX, written as the occurrences are read."""

from __future__ import annotations

import json
from typing import Final, TextIO

from contentmap_cli.models.findings import CheckReport, Finding, Occurrence
from contentmap_cli.output.findings.objects import (
    broken_rules,
    check_object,
    finding_object,
    listed,
    occurrence_object,
    ordered,
)
from contentmap_cli.output.objects import to_json
from contentmap_cli.output.writers.csv import CsvRows, cells_of

COLUMNS: Final = ("severity", "rule", "target", "file", "line", "url", "value", "message")
_SUMMARY: Final = ("severity", "rule", "target", "file", "line", "count", "message", "why", "link")


def write_json(out: TextIO, report: CheckReport) -> None:
    """Write one document: the summary with the violated `rules`, and `findings`, an object per occurrence."""
    head = {**check_object(report.summary), "rules": broken_rules(report)}
    out.write(json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}") + ',\n  "findings": [')
    comma = "\n"
    for each in listed(report):
        out.write(f"{comma}    {to_json(occurrence_object(*each))}")
        comma = ",\n"
    out.write("]\n}\n" if comma == "\n" else "\n  ]\n}\n")


def write_ndjson(out: TextIO, report: CheckReport) -> None:
    """Write a line per occurrence, then one for the whole check."""
    out.writelines(to_json(occurrence_object(*each)) + "\n" for each in listed(report))
    out.write(to_json({**check_object(report.summary), "rules": broken_rules(report)}) + "\n")


def write_csv(out: TextIO, report: CheckReport) -> None:
    """Write a line per occurrence."""
    columns = tuple((name,) for name in COLUMNS)
    cells = cells_of(columns, _row)
    rows: CsvRows[tuple[Finding, Occurrence]] = CsvRows(out, columns, cells)
    rows.write_all(listed(report))
    rows.finish()


def write_xlsx(out: TextIO, report: CheckReport) -> None:
    """Write a workbook with a sheet of the findings, and one or more with all occurrences."""
    from contentmap_cli.output.writers.xlsx import Sheets, Workbook

    book = Workbook(out)
    for name, columns, objects in (
        ("Findings", _SUMMARY, map(finding_object, ordered(report))),
        ("Occurrences", COLUMNS, map(_row, listed(report))),
    ):
        sheets = Sheets(book, name, tuple((column,) for column in columns))
        for each in objects:
            sheets.add(each)
        sheets.finish()
    book.close()


def _row(row: tuple[Finding, Occurrence]) -> dict[str, object]:
    return occurrence_object(*row)
