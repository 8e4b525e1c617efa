"""Exported entries are read by other programs."""

from __future__ import annotations

import csv
import gc
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contentmap_cli.models import DiscoveryMethod, Entry, Lastmod, ScanStatus, StoredEntry
from contentmap_cli.models.comparison import Change, Comparison, Kind, ScanPoint
from contentmap_cli.output.answers.diff import change_object, diff_writer
from contentmap_cli.output.formats import Format, entries_writer
from contentmap_cli.output.objects import any_entry_object, timestamp, to_json
from contentmap_cli.output.writers.csv import ENTRY

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
    Entry("https://a.example/child.xml", type="sitemap"),
    *(
        StoredEntry(entry, "https://a.example/s.xml", DiscoveryMethod.INDEX, "page", SEEN, None)
        for entry in PLAIN
    ),
    StoredEntry(PLAIN[0], "=s", DiscoveryMethod.ROBOTS, None, None, SEEN),
]


def parquet(tmp_path: Path) -> Path:
    """The rows as a file."""
    pytest.importorskip("pyarrow")
    file = tmp_path / "urls.parquet"
    with file.open("w", encoding="utf-8") as out:
        writer = entries_writer(Format.PARQUET, out)
        writer.write_all(ROWS)
        writer.finish()
    return file


def test_parquet_has_every_value(tmp_path: Path) -> None:
    """What the API gives, with media as lists of maps."""
    rows = pytest.importorskip("pyarrow.parquet").read_table(parquet(tmp_path)).to_pylist()
    assert list(rows[0]) == ["_".join(path) for path in ENTRY]
    for row, stored in zip(rows, ROWS, strict=True):
        unknown = {} if isinstance(stored, StoredEntry) else dict.fromkeys(row)
        expected = unknown | any_entry_object(stored)
        for name in ("images", "videos", "news", "alternates"):
            row[name] = [dict(item) for item in row[name]]
        for name in ("lastmod", "first_seen", "removed_at"):
            row[name] = timestamp(row[name])
        assert row == expected


def test_pandas_opens_parquet_and_csv(tmp_path: Path) -> None:
    """Dates are dates, numbers numbers, and no row is lost."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(parquet(tmp_path))
    assert list(frame.columns) == ["_".join(path) for path in ENTRY]
    assert list(frame["url"]) == [row["url"] for row in map(any_entry_object, ROWS)]
    assert frame["lastmod"][0] == pandas.Timestamp("2026-03-01", tz="UTC")
    assert frame["priority"][0] == 0.1
    assert [dict(item) for item in frame["images"][2]] == [{"loc": "i"}]
    out = io.StringIO()
    entries_writer(Format.CSV, out).write_all(ROWS)
    assert len(pandas.read_csv(io.StringIO(out.getvalue()))) == len(ROWS)


def test_duckdb_opens_parquet(tmp_path: Path) -> None:
    """As it is, by its name."""
    duckdb = pytest.importorskip("duckdb")
    query = f"SELECT count(*), count(lastmod), max(images[1]['loc']) FROM '{parquet(tmp_path)}'"
    assert duckdb.connect().execute(query).fetchall() == [(len(ROWS), 3, "i")]


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


def test_changes_are_their_objects() -> None:
    """What `diff` writes equals the object of each change, whatever the texts hold."""
    changes = [
        Change(
            Kind.ADDED, 'https://a.example/ü"\x7f\u202e', "https://a.example/s.xml", "2026-01-01T00:00:00Z"
        ),
        Change(Kind.CHANGED, "https://a.example/", "=s", None, "yester\nday", ("lastmod", "images")),
        Change(Kind.REMOVED, "https://a.example/s.xml"),
    ]
    scan = ScanPoint(1, "sitemap_1", ScanStatus.OK, True, SEEN, 1)
    writer = diff_writer(Format.NDJSON, out := io.StringIO(), job_id=None, limit=None)
    writer.begin(Comparison("a.example", None, scan))
    for change in changes:
        writer.change(change)
    assert out.getvalue().splitlines() == [to_json(change_object("a.example", change)) for change in changes]
