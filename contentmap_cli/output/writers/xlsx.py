"""Excel workbooks in constant memory. Needs XlsxWriter, the extra `xlsx`.

Columns are those of the CSV. Text is always text: no formulas, no links. Numbers are numbers and times are
dates in UTC. A sheet has a frozen header with a filter; rows beyond its limit are in further sheets.

XlsxWriter writes the workbook. The rows are written here (ECMA-376 part 1, section 18.3.1.73): its cells take
five times as long, and a temporary file of all rows as XML.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TextIO, TypeVar

from contentmap_cli.output.escape import terminal, url_text, xml_text
from contentmap_cli.output.rows import RowWriter
from contentmap_cli.output.writers.csv import URL_COLUMNS

Row = TypeVar("Row")
Path = tuple[str, ...]

SHEET_ROWS = 1_048_575
"""Rows of a sheet below its header."""
SHEET_BYTES: Final = 1 << 30
"""Bytes of a sheet as XML: readers of larger ones need 64-bit extensions of zip."""
CELL: Final = 32_767
"""Characters of a cell, in UTF-16 units."""
CUT: Final = " [cut]"
_BUFFER: Final = 1 << 18
_FIRST: Final = ("_rels/.rels", "docProps/core.xml", "xl/styles.xml")
_BOLD, _DATE = 1, 2  # cell formats, in the order of their first use
_WIDTHS: Final = {"url": 60, "sitemap": 50, "file": 50, "message": 50, "value": 40, "why": 60, "link": 40}
_DATES: Final = frozenset(
    {"created_at", "started_at", "finished_at", "scanned_at", "fetched_at", "first_seen", "last_seen"}
    | {"removed_at", "lastmod", "lastmod_before", "newest"}
)
_EPOCH: Final = datetime(1899, 12, 30, tzinfo=UTC)
_FIRST_YEAR: Final = 1901  # Excel has no earlier dates, and none that are right in early 1900
_DIMENSION: Final = re.compile("<dimension[^>]*>")
_ESCAPE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")  # Excel takes `_x0041_` for `A`


class Workbook:
    """A workbook, which is sent to `out` when it is closed."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the workbook
        self._zip = zipfile.ZipFile(self._spool, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._sheets: list[tuple[str, Sequence[str], int]] = []
        self._sheet: Any = None

    def open_sheet(self, name: str, titles: Sequence[str]) -> Callable[[bytes], int]:
        """Begin a sheet. Return the function that writes the XML of its rows."""
        self._sheets.append((name, titles, 1))
        if self._sheet is None:  # programs that look for a workbook look at the first parts
            self._copy(lambda part: part in _FIRST)
        self._sheet = self._zip.open(f"xl/worksheets/sheet{len(self._sheets)}.xml", "w")
        head = self._frame().partition("<sheetData")[0]
        self._sheet.write(f"{_DIMENSION.sub('', head)}<sheetData>".encode())
        write: Callable[[bytes], int] = self._sheet.write
        return write

    def close_sheet(self, rows: int) -> None:
        """End the sheet with this number of rows below its header."""
        self._sheets[-1] = (*self._sheets[-1][:2], rows)
        self._sheet.write(f"</sheetData>{self._frame().partition('</sheetData>')[2]}".encode())
        self._sheet.close()

    def close(self) -> None:
        """Write the workbook."""
        self._copy(lambda part: part not in _FIRST and not part.startswith("xl/worksheets/"))
        self._zip.close()
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._out.buffer)
        self._out.flush()

    def __del__(self) -> None:
        """Close the temporary file, also where the workbook was not closed."""
        for each in (self._sheet, self._zip, self._spool):
            with contextlib.suppress(Exception):
                each.close()

    def _copy(self, is_wanted: Callable[[str], bool]) -> None:
        """Add parts of the workbook."""
        with self._book() as book:
            for name in filter(is_wanted, book.namelist()):
                self._zip.writestr(zipfile.ZipInfo(name), book.read(name), zipfile.ZIP_DEFLATED)

    def _frame(self) -> str:
        """Return the XML of the last sheet without its rows."""
        with self._book() as book:
            return book.read(f"xl/worksheets/sheet{len(self._sheets)}.xml").decode()

    def _book(self) -> zipfile.ZipFile:
        """Return the workbook with one cell of each format in a sheet."""
        import xlsxwriter

        data = io.BytesIO()
        book: Any = xlsxwriter.Workbook(data, {"in_memory": True})
        bold = book.add_format({"bold": True})
        date = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for name, titles, rows in self._sheets:
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            for column, title in enumerate(titles):
                sheet.set_column(column, column, _WIDTHS.get(title, 18 if title in _DATES else 14))
            sheet.write_blank(0, 0, None, bold)
            sheet.write_blank(1, 0, None, date)
            sheet.autofilter(0, 0, rows, len(titles) - 1)
        book.close()
        return zipfile.ZipFile(data)


class Sheets:
    """A sheet, and further ones where it is full. Columns are paths of keys in the objects that are added."""

    def __init__(self, book: Workbook, name: str, columns: tuple[Path, ...]) -> None:
        self._book = book
        self._name = name
        self._titles = ["_".join(path) for path in columns]
        self._columns = [
            (f'<c r="{_letters(number)}', path[0], path[1:], _CELLS.get(path[-1], _text_cell))
            for number, path in enumerate(columns)
        ]
        self._number = 0
        self._next()

    def _next(self) -> None:
        self._number += 1
        name = self._name if self._number == 1 else f"{self._name} {self._number}"
        self._write = self._book.open_sheet(name, self._titles)
        self._rows = self._bytes = self._size = 0
        cells = [
            f'<c r="{_letters(number)}1" s="{_BOLD}"{_string(title)}'
            for number, title in enumerate(self._titles)
        ]
        self._text = [f'<row r="1">{"".join(cells)}</row>']

    def add(self, answer: dict[str, Any]) -> None:
        """Write the next row."""
        if self._rows == SHEET_ROWS or self._bytes > SHEET_BYTES:
            self.finish()
            self._next()
        self._rows += 1
        row = self._rows + 1
        cells = [f'<row r="{row}">']
        for start, key, keys, to_cell in self._columns:
            value: Any = answer.get(key)
            for each in keys:
                value = value.get(each) if isinstance(value, dict) else None
            if value is None:
                continue
            kind = type(value)
            if kind is str:
                cells.append(f'{start}{row}"{to_cell(value)}')
            elif kind is bool:
                cells.append(f'{start}{row}" t="b"><v>{value:d}</v></c>')
            else:
                number = len(value) if kind is list or kind is dict else value
                cells.append(f'{start}{row}"><v>{number}</v></c>')
        cells.append("</row>")
        text = "".join(cells)
        self._text.append(text)
        self._size += len(text)
        if self._size > _BUFFER:
            self._flush()

    def finish(self) -> None:
        """End the last sheet."""
        self._flush()
        self._book.close_sheet(self._rows)

    def _flush(self) -> None:
        self._bytes += self._write("".join(self._text).encode())
        self._text, self._size = [], 0


class XlsxRows(RowWriter[Row]):
    """A row for each object that `to_object` returns, with the cells of the CSV's `columns`."""

    def __init__(
        self, out: TextIO, columns: tuple[Path, ...], to_object: Callable[[Row], dict[str, Any]]
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


def _letters(column: int) -> str:
    """Return the name of a column, `A` for 0."""
    return ("" if column < 26 else _letters(column // 26 - 1)) + chr(ord("A") + column % 26)


def _string(text: str) -> str:
    """Return the rest of a cell of text after its reference: the text is cut to the length of a cell."""
    if len(text) > CELL // 2 and len(units := text.encode("utf-16-le")) > 2 * CELL:
        text = units[: 2 * (CELL - len(CUT))].decode("utf-16-le", "ignore") + CUT
    space = ' xml:space="preserve"' if text[:1] == " " or text[-1:] == " " else ""
    if "_x" in text:
        text = _ESCAPE.sub("_x005F_", text)
    return f' t="inlineStr"><is><t{space}>{xml_text(text)}</t></is></c>'


def _url_cell(url: str) -> str:
    return _string(url_text(url))


@lru_cache(maxsize=1_000)  # most values are those of many rows
def _text_cell(text: str) -> str:
    return _string(terminal(text))


@lru_cache(maxsize=1_000)
def _date_cell(text: str) -> str:
    """Return an ISO 8601 time as days since Excel's epoch, as text if it is not one that Excel has."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _text_cell(text)
    if moment.year < _FIRST_YEAR or moment.tzinfo is None:
        return _text_cell(text)
    return f' s="{_DATE}"><v>{(moment - _EPOCH) / timedelta(days=1)}</v></c>'


_CELLS: Final[dict[str, Callable[[str], str]]] = {
    **dict.fromkeys(_DATES, _date_cell),
    **dict.fromkeys(URL_COLUMNS, lru_cache(maxsize=1_000)(_url_cell)),
    "url": _url_cell,
}
