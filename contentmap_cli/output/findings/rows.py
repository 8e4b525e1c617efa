"""The report of a check as JSON, NDJSON and CSV, written as the occurrences are read."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any, Final, TextIO

from contentmap_cli.models.findings import CheckReport, Finding, Grouping, Occurrence
from contentmap_cli.output.escape import redact
from contentmap_cli.output.findings.objects import (
    check_object,
    finding_object,
    listed,
    occurrence_object,
    ordered,
    with_unnamed,
)
from contentmap_cli.output.objects import to_json
from contentmap_cli.output.writers.csv import CsvRows, cells_of

COLUMNS: Final = ("severity", "rule", "target", "file", "line", "url", "value", "message")
_OWN: Final = ("line", "url", "value", "message")


def write_json(out: TextIO, report: CheckReport) -> None:
    """Write one document: `findings` with their `occurrences`, or `urls` with theirs."""
    out.write(json.dumps(check_object(report.summary), indent=2, allow_nan=False).removesuffix("\n}"))
    by_url = report.by is Grouping.URL
    out.write(',\n  "urls": [' if by_url else ',\n  "findings": [')
    before = "\n"
    if by_url:
        for url, found in groupby(report.by_url(), key=lambda each: each[1].url):
            head = to_json({"url": redact(url) if url is not None else None})[:-1]
            objects = (to_json(occurrence_object(*each)) for each in found)
            before = _object(out, before, head, objects)
    else:
        for finding in ordered(report):
            head = to_json(finding_object(finding))[:-1]
            objects = (to_json(_own(finding, each)) for each in with_unnamed(finding))
            before = _object(out, before, head, objects)
    out.write("]\n}\n" if before == "\n" else "\n  ]\n}\n")


def write_ndjson(out: TextIO, report: CheckReport) -> None:
    """Write a line per finding (not by URL) and per occurrence, then one for the whole check."""
    if report.by is not Grouping.URL:
        for finding in ordered(report):
            out.write(to_json(finding_object(finding)) + "\n")
            for each in with_unnamed(finding):
                out.write(to_json(occurrence_object(finding, each)) + "\n")
    else:
        out.writelines(to_json(occurrence_object(*each)) + "\n" for each in report.by_url())
    out.write(to_json(check_object(report.summary)) + "\n")


def write_csv(out: TextIO, report: CheckReport) -> None:
    """Write a line per occurrence."""
    columns = tuple((name,) for name in COLUMNS)
    cells = cells_of(columns, _row)
    rows: CsvRows[tuple[Finding, Occurrence]] = CsvRows(out, columns, cells)
    rows.write_all(listed(report))
    rows.finish()


def _row(row: tuple[Finding, Occurrence]) -> dict[str, object]:
    return occurrence_object(*row)


def _object(out: TextIO, before: str, head: str, objects: Any) -> str:
    out.write(f'{before}    {head}, "occurrences": [')
    comma = "\n"
    for text in objects:
        out.write(f"{comma}      {text}")
        comma = ",\n"
    out.write("]}")
    return ",\n"


def _own(finding: Finding, occurrence: Occurrence) -> dict[str, object]:
    whole = occurrence_object(finding, occurrence)
    return {name: whole[name] for name in _OWN}
