"""The report of a check as an Excel workbook. Needs XlsxWriter, the extra `xlsx`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, TextIO

from contentmap_cli.errors import UsageError
from contentmap_cli.models.findings import CheckReport
from contentmap_cli.output.escape import terminal
from contentmap_cli.output.findings.objects import finding_object, listed, occurrence_object, ordered
from contentmap_cli.output.findings.rows import COLUMNS

SHEET_ROWS = 1_048_575
"""Rows of a sheet below its header; further ones are in another sheet."""
_CELL: Final = 32_767  # characters
_SUMMARY: Final = ("severity", "rule", "target", "file", "line", "count", "message", "why", "link")
_WIDTHS: Final = {"url": 60, "file": 50, "message": 50, "value": 40, "why": 60, "link": 40}


def write_xlsx(out: TextIO, report: CheckReport) -> None:
    """Write a sheet with the findings, and one or more with all occurrences, in constant memory.

    Raises UsageError if XlsxWriter is not installed or `out` is a terminal.
    """
    try:
        import xlsxwriter
    except ImportError:
        raise UsageError(
            "xlsx needs XlsxWriter, which is not installed", hint="pip install 'contentmap-cli[xlsx]'"
        ) from None
    if out.isatty():
        raise UsageError("a workbook cannot be written to a terminal", hint="name a file with -o")
    texts = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book: Any = xlsxwriter.Workbook(out.buffer, {"constant_memory": True, **texts})
    bold = book.add_format({"bold": True})
    _sheet(book, bold, "Findings", _SUMMARY, map(finding_object, ordered(report)))
    rows = (occurrence_object(*each) for each in listed(report))
    number = 1
    while _sheet(book, bold, f"Occurrences {number}", COLUMNS, islice(rows, SHEET_ROWS)) == SHEET_ROWS:
        number += 1
    book.close()


def _sheet(
    book: Any, bold: Any, name: str, columns: tuple[str, ...], objects: Iterable[dict[str, object]]
) -> int:
    """Write a sheet with a header and one row per object. Return the number of objects."""
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    for column, title in enumerate(columns):
        sheet.set_column(column, column, _WIDTHS.get(title, 16))
    sheet.write_row(0, 0, columns, bold)
    count = 0
    for count, each in enumerate(objects, start=1):
        for column, key in enumerate(columns):
            value = each[key]
            if isinstance(value, str):  # faster than write(), which looks for the type
                sheet.write_string(count, column, terminal(value)[:_CELL])
            elif value is not None:
                sheet.write_number(count, column, value)
    sheet.autofilter(0, 0, count, len(columns) - 1)
    return count
