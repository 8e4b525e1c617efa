"""Read the rows of a list: CSV in any common dialect, text, access logs, spreadsheets, gzip and zip."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, NamedTuple, cast

from contentmap_cli.errors import UsageError

Row = tuple[int, list[str]]
"""The number of a row's first line, and its cells."""

_SAMPLE = 256 * 1024
_SAMPLE_LINES = 100
_LONGEST = 20_000
_DELIMITERS = "\t,;|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ONE_URL = re.compile(r"(?:https?://|/)\S*", re.IGNORECASE)
_REQUEST = re.compile(r'"([A-Z]+) (\S+)(?: HTTP/[\d.]+)?" (\d{3}) ')
_LOGGED = (200, 304)
_OLE, _ZIP, _GZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x1f\x8b"


class Table(NamedTuple):
    """A table of a file. `rows` reads it from the start. `is_log`: the only column is the path of a page."""

    name: str
    rows: Callable[[], Iterator[Row]]
    is_log: bool = False


def tables(stream: BinaryIO, name: str) -> list[Table]:
    """Return the tables of a seekable file; several of a spreadsheet or a zip archive.

    Raises UsageError for a file that cannot be read.
    """
    start = _start(stream)
    if start.startswith(_GZIP):
        stream.seek(0)
        return tables(cast("BinaryIO", gzip.GzipFile(fileobj=stream)), name)
    if start.startswith(_OLE):
        return _sheets(stream, name)
    if not start.startswith(_ZIP):
        return [_text(stream, name)]
    try:
        archive = zipfile.ZipFile(stream)
        members = [each for each in archive.namelist() if not each.endswith("/") and "__MACOSX" not in each]
        if "[Content_Types].xml" in members or "mimetype" in members:
            return _sheets(stream, name)
        found: list[Table] = []
        for member in members:
            found += tables(cast("BinaryIO", archive.open(member)), member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"cannot read {name}: {error}", hint="unpack it and name the file in it") from error
    return found


def _start(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read(_SAMPLE)


def _sheets(stream: BinaryIO, name: str) -> list[Table]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise UsageError(
            f"{name} is a spreadsheet, which needs python-calamine",
            hint="install contentmap-cli[xlsx], or save the list as CSV",
        ) from None
    stream.seek(0)
    try:
        workbook = CalamineWorkbook.from_filelike(stream)
        found = workbook.sheet_names
    except (CalamineError, OSError) as error:
        raise UsageError(f"cannot read {name}: {error}", hint="save the list as CSV") from error

    def reader(sheet: str) -> Callable[[], Iterator[Row]]:
        def rows() -> Iterator[Row]:
            try:
                table = workbook.get_sheet_by_name(sheet)
                first = (table.start or (0, 0))[0]
                for number, row in enumerate(table.iter_rows(), first + 1):
                    yield number, [_cell(value) for value in row]
            except CalamineError as error:
                raise UsageError(f"cannot read {name}: {error}", hint="save the list as CSV") from error

        return rows

    return [Table(f"{name}: {sheet}", reader(sheet)) for sheet in found]


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _text(stream: BinaryIO, name: str) -> Table:
    start = _start(stream)
    encoding = _encoding(start)
    sample = start.decode(encoding, "replace")
    if sample.lstrip("\ufeff \t\r\n").startswith("<"):
        raise UsageError(f"{name} is HTML or XML, not a list", hint="name a CSV, text or XLSX file")
    lines = sample.splitlines()
    lines = [line for line in (lines if len(start) < _SAMPLE else lines[:-1]) if line.strip()][:_SAMPLE_LINES]

    if lines and 2 * sum(1 for line in lines if _REQUEST.search(line)) > len(lines):
        return Table(name, lambda: _logged(_lines(stream, encoding)), is_log=True)
    single = all(_ONE_URL.fullmatch(line.strip()) for line in lines)
    if single and not any("\t" in line for line in lines):
        return Table(
            name,
            lambda: ((number, [line.strip()]) for number, line in enumerate(_lines(stream, encoding), 1)),
        )
    delimiter = _delimiter(lines)

    def rows() -> Iterator[Row]:
        reader = csv.reader(_lines(stream, encoding), delimiter=delimiter)
        line = 1
        try:
            for cells in reader:
                if not (line == 1 and cells[:1] and cells[0].startswith("sep=")):
                    yield line, [cell.strip() for cell in cells]
                line = reader.line_num + 1
        except csv.Error as error:
            raise UsageError(f"cannot read {name}: line {line}: {error}", hint="write it as CSV") from error

    return Table(name, rows)


def _lines(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of a text from its start, and leave the stream open."""
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding, "replace", newline="")
    try:
        for line in text:  # noqa: UP028 - `yield from` closes it
            yield line
    finally:
        with suppress(ValueError):  # the stream has been closed
            text.detach()


def _encoding(start: bytes) -> str:
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    if b"\0" in start[:200]:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(lines: Sequence[str]) -> str:
    """Return the character that splits most lines into the same number of cells, more than one."""

    def regularity(delimiter: str) -> tuple[float, int]:
        widths = [
            len(cells) for cells in csv.reader((line[:_LONGEST] for line in lines), delimiter=delimiter)
        ]
        several = [width for width in widths if width > 1]
        if not several:
            return 0.0, 0
        usual = max(set(several), key=several.count)
        return several.count(usual) / len(widths), usual

    named = re.match(r"sep=(.)", lines[0]) if lines else None
    return named[1] if named is not None else max(_DELIMITERS, key=regularity)


def _logged(lines: Iterator[str]) -> Iterator[Row]:
    """Yield the paths that were requested with GET and served, from a common or combined log."""
    for number, line in enumerate(lines, 1):
        match = _REQUEST.search(line)
        if match is not None and match[1] == "GET" and int(match[3]) in _LOGGED:
            yield number, [match[2]]
