"""Streams for binary formats, and workbooks as a spreadsheet program reads them."""

from __future__ import annotations

import io
from typing import Any

import python_calamine

from contentmap_cli.output.formats import Format


class Output(io.TextIOWrapper):
    """A text stream over bytes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

    @property
    def data(self) -> bytes:
        return self.buffer.getvalue()  # type: ignore[attr-defined,no-any-return]

    def text(self, format: Format) -> str:
        return text_of(format, self.data)


def text_of(format: Format, data: bytes) -> str:
    """What was written as text; of a workbook the cells, by sheet and row."""
    return repr(sheets(data)) if format is Format.XLSX else data.decode()


def sheets(data: bytes) -> dict[str, list[list[Any]]]:
    """The rows of a workbook by the name of the sheet: text, numbers, truth values and times; empty is ""."""
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
