"""Entries put together by hand are what the general way gives, and other programs read them."""

from __future__ import annotations

import csv
import gc
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contentmap_cli.models import DiscoveryMethod, Entry, Lastmod, StoredEntry
from contentmap_cli.output.formats import Format, entries_writer
from contentmap_cli.output.objects import any_entry_object
from contentmap_cli.output.writers.csv import ENTRY, CsvRows, cells_of
from contentmap_cli.output.writers.entry_text import entry_json

SEEN = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
PLAIN = [
    Entry(
        'https://a.example/=1+1?ü\u202e"', Lastmod("2026-03-01T00:00:00Z", "day", "2026-03-01"), "daily", 0.1
    ),
    Entry("https://a.example/odd", Lastmod(None, None, "=yesterday\n"), in_scope=False, repaired=True),
    Entry("https://a.example/media", images=({"loc": "i"},), alternates=({"hreflang": "de", "href": "x"},)),
]
ROWS = [
    *PLAIN,
    *(
        StoredEntry(entry, "https://a.example/s.xml", DiscoveryMethod.INDEX, "page", SEEN, None)
        for entry in PLAIN
    ),
    StoredEntry(PLAIN[0], "=s", DiscoveryMethod.ROBOTS, None, None, SEEN),
]


def test_the_short_way_writes_what_the_general_way_does() -> None:
    """To the last character, in JSON and CSV, one by one and at once."""
    assert [entry_json(row) for row in ROWS] == [json.dumps(any_entry_object(row)) for row in ROWS]
    general, short = io.StringIO(), io.StringIO()
    rows = CsvRows(general, ENTRY, cells_of(ENTRY, any_entry_object))
    for row in ROWS:
        rows.write(row)
    entries_writer(Format.CSV, short).write_all(ROWS)
    assert short.getvalue() == general.getvalue()


def parquet(tmp_path: Path) -> Path:
    """The rows as a file."""
    pytest.importorskip("pyarrow")
    file = tmp_path / "urls.parquet"
    with file.open("w", encoding="utf-8") as out:
        writer = entries_writer(Format.PARQUET, out)
        writer.write_all(ROWS)
        writer.finish()
    return file


def test_pandas_opens_parquet_and_csv(tmp_path: Path) -> None:
    """Dates are dates, numbers numbers, and no row is lost."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(parquet(tmp_path))
    assert list(frame.columns) == ["_".join(path) for path in ENTRY]
    assert list(frame["url"]) == [row["url"] for row in map(any_entry_object, ROWS)]
    assert frame["lastmod"][0] == pandas.Timestamp("2026-03-01", tz="UTC")
    assert (frame["priority"][0], frame["images"][2]) == (0.1, 1)
    out = io.StringIO()
    entries_writer(Format.CSV, out).write_all(ROWS)
    assert len(pandas.read_csv(io.StringIO(out.getvalue()))) == len(ROWS)


def test_duckdb_opens_parquet(tmp_path: Path) -> None:
    """As it is, by its name."""
    duckdb = pytest.importorskip("duckdb")
    query = f"SELECT count(*), count(lastmod) FROM '{parquet(tmp_path)}'"
    assert duckdb.connect().execute(query).fetchall() == [(len(ROWS), 3)]


def test_a_csv_survives_a_spreadsheet(tmp_path: Path) -> None:
    """Saved as a workbook and opened again, no cell is a formula."""
    openpyxl = pytest.importorskip("openpyxl")
    out = io.StringIO()
    entries_writer(Format.CSV, out).write_all(ROWS)
    book = openpyxl.Workbook()
    for row in csv.reader(io.StringIO(out.getvalue())):
        book.active.append(row)
    book.save(tmp_path / "urls.xlsx")
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "urls.xlsx").active for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f"]


@pytest.mark.parametrize("format", [Format.PARQUET, Format.XLSX])
def test_a_binary_file_that_is_left_early_says_nothing(
    format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where an export is stopped, or its disk is full, its own error is all there is to read, and no
    temporary file stays."""
    if format is Format.PARQUET:
        pytest.importorskip("pyarrow")
    gc.collect()  # what other tests have left
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (tmp_path / "urls").open("w", encoding="utf-8") as out:
        writer = entries_writer(format, out)
        writer.write_all(ROWS)
    del writer
    gc.collect()
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "urls"]
