"""Workbooks as a spreadsheet program reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from workbooks import Output, sheets

from contentmap_cli.output.writers.xlsx import XlsxRows


def test_workbook_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text comes back as it was, escaped as in CSV, whatever a spreadsheet or XML makes of it; times that
    Excel has not are text; what is too long for a cell says so; a full sheet is followed by another."""
    texts = [
        "=1+1",
        "<r>x</r>",
        "_x0041_",
        " a ",
        "a&b<c>",
        "00123",
        "http://x",
        "\x00\ud800\ufffe",
        "x" * 40_000,
    ]
    shown = [texts[0], " <r>x</r>", *texts[2:7], "\\x00\\ud800_xFFFE_", "x" * 32_761 + " [cut]"]
    times = ["2026-03-01T12:00:00Z", "1900-12-31T00:00:00Z", "2026-02-30", "yesterday"]
    for limit, names in ((7, ["contentmap", "contentmap 2"]), (100, ["contentmap"])):
        monkeypatch.setattr("contentmap_cli.output.writers.xlsx.SHEET_ROWS", limit)
        out = Output()
        writer: XlsxRows[Any] = XlsxRows(out, (("text",), ("n", "m"), ("b",), ("l",)), lambda text: text)
        for text in texts:
            writer.write({"text": text, "n": {"m": 1.5}, "b": True, "l": [1, 2], "other": 1})
        writer.write({"text": "😀" * 16_384, "n": None})
        writer.finish()
        book = sheets(out.data)
        assert list(book) == names
        rows = [row for each in book.values() for row in each[1:]]
        assert rows[:-1] == [[text, 1.5, True, 2] for text in shown]
        assert rows[-1][0] == "😀" * 16_380 + " [cut]"
        assert {tuple(each[0]) for each in book.values()} == {("text", "n_m", "b", "l")}
    out = Output()
    writer = XlsxRows(out, (("lastmod",),), lambda text: {"lastmod": text})
    writer.write_all(times)
    writer.finish()
    (rows,) = sheets(out.data).values()
    assert rows == [["lastmod"], [datetime(2026, 3, 1, 12)], *([time] for time in times[1:])]  # noqa: DTZ001
