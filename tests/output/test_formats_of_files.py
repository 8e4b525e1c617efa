"""The suffix of an output file names the format."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from contentmap_cli.commands.interface.options import chosen
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import (
    CHECK_FORMATS,
    DIFF_FORMATS,
    DOCTOR_FORMATS,
    ENTRY_FORMATS,
    LIST_FORMATS,
    PARSE_FORMATS,
    SCAN_FORMATS,
    Format,
)
from contentmap_cli.output.suffixes import SUFFIXES

UNDERSTOOD = {
    SCAN_FORMATS: "json ndjson jsonl csv xlsx txt=table xml=junit",
    LIST_FORMATS: "json ndjson jsonl csv xlsx txt=table",
    ENTRY_FORMATS: "json ndjson jsonl csv xlsx txt=txt xml=xml parquet",
    DIFF_FORMATS: "json ndjson jsonl csv xlsx txt=txt",
    PARSE_FORMATS: "json ndjson jsonl csv xlsx txt=txt xml=xml parquet",
    CHECK_FORMATS: "json ndjson jsonl csv xlsx txt=table xml=junit sarif",
    DOCTOR_FORMATS: "json txt=table",
    (Format.HTML,): "html htm=html",
}
"""The suffixes of the commands, with the format where the name is another."""


@pytest.mark.parametrize("allowed", UNDERSTOOD, ids="-".join)
def test_every_suffix_of_a_command(allowed: tuple[Format, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its case does not matter, nor does compression, except of what is compressed already; any other suffix
    is refused with those that are understood."""
    monkeypatch.setattr("contentmap_cli.commands.interface.answer_format.require", lambda format: None)
    pairs = [name.split("=") for name in UNDERSTOOD[allowed].split()]
    formats = {f".{name}": (other or [name.replace("jsonl", "ndjson")])[0] for name, *other in pairs}
    for suffix, format in formats.items():
        assert chosen(None, False, allowed, f"out.d/v1.2{suffix}") == format
        assert chosen(None, False, allowed, f"OUT{suffix.upper()}") == format
        for compression in (".gz", ".zst", ".GZ"):
            if format in ("xlsx", "parquet"):
                with pytest.raises(UsageError, match="compressed already") as caught:
                    chosen(None, False, allowed, f"out{suffix}{compression}")
                assert caught.value.hint == f"use -o out{suffix}"
            else:
                assert chosen(None, False, allowed, f"out{suffix}{compression}") == format
    for suffix in {*SUFFIXES, ".bz2", ".csv.bz2", ".pdf", ".7z", ".gz.gz"} - {*formats}:
        with pytest.raises(UsageError, match="names no format of this command") as caught:
            chosen(None, False, allowed, f"out{suffix}")
        hint = str(caught.value.hint)
        assert all(each in hint for each in formats) and ("--format" in hint) is (len(allowed) > 1)
        assert ("contentmap report" in hint) is (suffix in (".html", ".htm"))
    for name in (None, "-", "v1.2/out", "/dev/stdout", "out.d/", "out.gz"):
        assert chosen(None, False, allowed, name) is allowed[0]


def test_options_come_before_the_suffix(caplog: pytest.LogCaptureFixture) -> None:
    """--format, --json and --csv-bom decide whatever the file is called, and exclude each other. A suffix of
    another format is said, and refused with --csv-bom."""
    ndjson, csv, table = ({"format": each} for each in (Format.NDJSON, Format.CSV, Format.TABLE))
    assert chosen(ndjson, False, LIST_FORMATS, "urls.csv") is Format.NDJSON
    assert chosen(None, True, LIST_FORMATS, "urls.csv") is Format.JSON
    assert chosen(table, False, LIST_FORMATS, "urls.xlsx") is Format.TABLE
    assert caplog.messages.pop() == "urls.xlsx contains table, although its name ends with .xlsx"
    assert len(caplog.messages) == 3
    caplog.clear()
    assert chosen(table, False, LIST_FORMATS, "urls.pdf") is Format.TABLE
    assert chosen(table, False, LIST_FORMATS, "urls.txt.gz") is Format.TABLE
    assert chosen(csv, False, LIST_FORMATS, "urls.txt") is Format.CSV
    assert chosen({"format": Format.SARIF}, False, CHECK_FORMATS, "findings.json") is Format.SARIF
    bom: dict[str, Any] = {"csv_bom": True}
    for given in (bom, csv, {"format": Format.CSV_BOM}):
        assert chosen(given, False, LIST_FORMATS, "urls.CSV.gz") in (Format.CSV, Format.CSV_BOM)
    assert chosen(bom, False, LIST_FORMATS, "urls") is Format.CSV_BOM
    assert caplog.messages == []
    for given in (bom, bom | csv):
        with pytest.raises(UsageError, match=r"--csv-bom is for CSV, not \.json"):
            chosen(given, False, LIST_FORMATS, "urls.json.gz")
    for given in ({}, csv, {"format": Format.CSV_BOM}):
        assert chosen(given | {"csv_bom": True}, False, LIST_FORMATS) is Format.CSV_BOM
    for given, as_json in ((csv, True), (ndjson | {"csv_bom": True}, False), ({"csv_bom": True}, True)):
        with pytest.raises(UsageError, match="exclude each other"):
            chosen(given, as_json, LIST_FORMATS)
    with pytest.raises(UsageError) as caught:
        chosen({"format": Format.HTML}, False, LIST_FORMATS)
    assert caught.value.hint == "--format is one of table, json, ndjson, csv, xlsx"


def test_what_cannot_be_written_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, and without the package."""

    def refused(format: Format, output: str | None) -> UsageError:
        with pytest.raises(UsageError) as caught:
            chosen({"format": format}, False, (format,), output)
        return caught.value

    given: dict[str, Any] = {Format.XLSX: "xlsxwriter", Format.PARQUET: "pyarrow", Format.HTML: None}
    for format, package in given.items():
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        for name in (None, "-"):
            error = refused(format, name)
            assert (error.message, error.hint) == (
                f"{format} is not written to a terminal",
                "name a file with -o",
            )
        if package is not None:
            monkeypatch.setitem(sys.modules, package, None)  # what an import finds where it is not installed
            error = refused(format, "x")
            assert "not installed" in error.message
            assert error.hint == f"pip install 'contentmap-cli[{format}]'"
