"""Excel workbooks in constant memory. Needs XlsxWriter, the extra `xlsx`.

Columns are those of the CSV. Text is always text: no formulas, no links. Numbers are numbers and times are
dates in UTC. A sheet has a frozen header with a filter; rows beyond its limit are in further sheets.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

from contentmap_cli.output.escape import terminal, url_text
from contentmap_cli.output.rows import RowWriter
from contentmap_cli.output.writers.csv import URL_COLUMNS

Row = TypeVar("Row")

SHEET_ROWS = 1_048_575
"""Rows of a sheet below its header."""
CELL: Final = 32_767
"""Characters of a cell, in UTF-16 units."""
CUT: Final = " [cut]"
_WIDTHS: Final = {"url": 60, "sitemap": 50, "file": 50, "message": 50, "value": 40, "why": 60, "link": 40}
_DATES: Final = frozenset(
    {"created_at", "started_at", "finished_at", "scanned_at", "fetched_at", "first_seen", "last_seen"}
    | {"removed_at", "lastmod", "lastmod_before", "newest"}
)
_EPOCH: Final = datetime(1899, 12, 30, tzinfo=UTC)
_FIRST_YEAR: Final = 1901  # Excel has no earlier dates, and none that are right in early 1900


class Workbook:
    """A workbook, which is sent to `out` when it is closed."""

    def __init__(self, out: TextIO) -> None:
        import xlsxwriter

        self._out = out
        self._folder = tempfile.mkdtemp(prefix="contentmap-")
        self._file = Path(self._folder, "book.xlsx")
        options = {"constant_memory": True, "tmpdir": self._folder}
        self.book: Any = xlsxwriter.Workbook(str(self._file), options)
        weakref.finalize(self, _discard, self.book, self._folder)
        self.book.use_zip64()
        self.bold = self.book.add_format({"bold": True})
        self.date = self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

    def close(self) -> None:
        """Write the workbook."""
        self.book.close()
        with self._file.open("rb") as source:
            shutil.copyfileobj(source, self._out.buffer)
        self._out.flush()


def _discard(book: Any, folder: str) -> None:
    """Delete the temporary files, also those of a workbook that was not closed."""
    for sheet in book.worksheets():
        with contextlib.suppress(OSError):  # full disk
            sheet.row_data_fh.close()
    shutil.rmtree(folder, ignore_errors=True)


class Sheets:
    """A sheet, and further ones where it is full. Columns are paths of keys in the objects that are added."""

    def __init__(self, book: Workbook, name: str, columns: tuple[tuple[str, ...], ...]) -> None:
        self._book = book
        self._name = name
        self._columns = [(number, path, path[-1] in _DATES) for number, path in enumerate(columns)]
        self._titles = ["_".join(path) for path in columns]
        self._number = 0
        self._next()

    def _next(self) -> None:
        self._number += 1
        name = self._name if self._number == 1 else f"{self._name} {self._number}"
        self._sheet: Any = self._book.book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(self._titles):
            self._sheet.set_column(column, column, _WIDTHS.get(title, 18 if title in _DATES else 14))
            self._sheet.write_string(0, column, title, self._book.bold)
        self._row = 0

    def add(self, answer: dict[str, Any]) -> None:
        """Write the next row."""
        if self._row == SHEET_ROWS:
            self.finish()
            self._next()
        self._row += 1
        row, sheet = self._row, self._sheet
        for column, path, is_date in self._columns:
            value: Any = answer
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is None:
                continue
            if isinstance(value, str):  # write() would look for the type
                if is_date and (days := excel_date(value)) is not None:
                    sheet.write_number(row, column, days, self._book.date)
                else:
                    sheet.write_string(row, column, cell_text(value, is_url=path[-1] in URL_COLUMNS))
            elif isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            else:
                sheet.write_number(row, column, len(value) if isinstance(value, dict | list) else value)

    def finish(self) -> None:
        """End the last sheet."""
        self._sheet.autofilter(0, 0, self._row, len(self._titles) - 1)


class XlsxRows(RowWriter[Row]):
    """A row for each object that `to_object` returns, with the cells of the CSV's `columns`."""

    def __init__(
        self, out: TextIO, columns: tuple[tuple[str, ...], ...], to_object: Callable[[Row], dict[str, Any]]
    ) -> None:
        super().__init__(out)
        self._to_object = to_object
        self._book = Workbook(out)
        self._sheets = Sheets(self._book, "contentmap", columns)

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the rows."""
        for row in rows:
            self._sheets.add(self._to_object(row))

    def finish(self) -> None:
        """Write the file."""
        self._sheets.finish()
        self._book.close()


@lru_cache(maxsize=1_000)
def excel_date(text: str) -> float | None:
    """Return an ISO 8601 time as days since Excel's epoch, None if it is not one that Excel has."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year < _FIRST_YEAR or moment.tzinfo is None:
        return None
    return (moment - _EPOCH) / timedelta(days=1)


def cell_text(text: str, *, is_url: bool = False) -> str:
    """Return the text of a cell, escaped as in CSV, and cut to the length of a cell."""
    text = url_text(text) if is_url else terminal(text)
    if len(text) > CELL // 2 and len(units := text.encode("utf-16-le")) > 2 * CELL:
        text = units[: 2 * (CELL - len(CUT))].decode("utf-16-le", "ignore") + CUT
    if text.startswith("<r>"):  # XlsxWriter would write it as XML, not as text
        text = f" {text}"
    return text
