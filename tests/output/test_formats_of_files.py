"""The suffix of an output file names the format."""

from __future__ import annotations

import pytest

from contentmap_cli.commands.interface.options import chosen
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import (
    CHECK_FORMATS,
    ENTRY_FORMATS,
    LIST_FORMATS,
    PARSE_FORMATS,
    SCAN_FORMATS,
    Format,
)


@pytest.mark.parametrize(
    ("file", "allowed", "format"),
    [
        ("urls.csv", ENTRY_FORMATS, Format.CSV),
        ("URLS.CSV", ENTRY_FORMATS, Format.CSV),
        ("out.d/urls.csv.gz", ENTRY_FORMATS, Format.CSV),
        ("urls.jsonl", ENTRY_FORMATS, Format.NDJSON),
        ("urls.parquet", ENTRY_FORMATS, Format.PARQUET),
        ("urls.xml", ENTRY_FORMATS, Format.XML),
        ("urls.txt", ENTRY_FORMATS, Format.TXT),
        ("files.txt", LIST_FORMATS, Format.TABLE),
        ("job.xml", SCAN_FORMATS, Format.JUNIT),
        ("findings.sarif", CHECK_FORMATS, Format.SARIF),
        ("v1.2/urls", ENTRY_FORMATS, Format.TABLE),
        ("/dev/stdout", ENTRY_FORMATS, Format.TABLE),
        ("sitemaps/", ENTRY_FORMATS, Format.TABLE),
        ("entries", PARSE_FORMATS, Format.NDJSON),
    ],
)
def test_the_suffix_names_the_format(file: str, allowed: tuple[Format, ...], format: Format) -> None:
    """Its case does not matter, nor does compression; a file without a suffix has the default format."""
    assert chosen(None, False, allowed, file) is format


@pytest.mark.parametrize("file", ["urls.xlsx", "urls.parquet", "urls.csv.bz2", "urls.sarif.gz"])
def test_a_suffix_that_names_no_format_of_the_command(file: str) -> None:
    """It is refused before anything is done, and --format is named."""
    with pytest.raises(UsageError) as caught:
        chosen(None, False, LIST_FORMATS, file)
    assert "--format" in str(caught.value.hint)


def test_options_come_before_the_suffix() -> None:
    """--format and --json decide whatever the file is called."""
    assert chosen(Format.NDJSON, False, LIST_FORMATS, "urls.csv") is Format.NDJSON
    assert chosen(None, True, LIST_FORMATS, "urls.csv") is Format.JSON
    assert chosen(Format.TABLE, False, LIST_FORMATS, "urls.xlsx") is Format.TABLE
    with pytest.raises(UsageError):
        chosen(Format.CSV, True, LIST_FORMATS)
