"""A list of URLs from another source: which table and column has them, and which rows are pages."""

from __future__ import annotations

import re
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO, NamedTuple

from contentmap_cli.commands.checking.tables import Row, Table, tables
from contentmap_cli.commands.interface.document_input import opened
from contentmap_cli.errors import UsageError
from contentmap_cli.models.findings import STANDARD_INPUT, ListedUrl
from contentmap_cli.output.escape import terminal

_SAMPLE_ROWS = 100
_SHOWN_COLUMNS = 20
_NAMES = (
    *("address", "url", "urls", "page url", "full url", "loc", "top pages", "pages", "page", "landing page"),
    *("page location", "page path", "page path and screen class", "landing page + query string", "adresse"),
    *("source url", "target url"),
)
"""Names of columns of URLs, the preferred first, where several columns have URLs."""
_STATUS = ("status code", "http status code", "http status", "http code", "statuscode", "status-code")
_INDEXABLE = ("indexability", "is indexable page", "is indexable", "indexable", "indexierbarkeit")
_WHY = ("indexability status", "indexierbarkeitsstatus", "indexability reason", "non-indexable page reason")
_TYPE = ("content type", "content-type", "content", "mime type", "mime-type", "inhaltstyp")
_NOT = re.compile(r"(?:non|not|nicht|no|false|0)\b", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?://\S+|//[\w.-]+\.[a-z]+/\S*", re.IGNORECASE)
_PATH = re.compile(r"/(?!/)\S*|(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE)
_HTML = re.compile(r"text/html|application/xhtml", re.IGNORECASE)
_RESOURCE = re.compile(
    r"\.(?:css|js|mjs|map|json|xml|txt|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|eot|mp[34]|webm|gz)"
    r"(?:\?|\Z)|/(?:wp-json|wp-admin|wp-content|wp-includes|cdn-cgi|_next)/",
    re.IGNORECASE,
)
"""Requests in a log that are no pages."""


class _Columns(NamedTuple):
    """Which cells of a row are read. `first` is the number of rows before the data, `header` in lower
    case."""

    url: int
    first: int
    name: str | None = None
    header: Sequence[str] = ()

    def place(self, names: Sequence[str]) -> int:
        """Return the index of the first of these columns, a large number if there is none."""
        return next((self.header.index(name) for name in names if name in self.header), sys.maxsize)


class UrlListFile:
    """A list of URLs in a file. `column` is the name or number of the column with them."""

    def __init__(self, name: str, table: Table, columns: _Columns) -> None:
        self.name = name
        self.column = columns.name
        self._table = table
        self._columns = columns

    def rows(self) -> Iterator[ListedUrl]:
        """Yield the rows that have a URL, each time from the start."""
        columns, is_log = self._columns, self._table.is_log
        facts = [columns.place(names) for names in (_STATUS, _INDEXABLE, _WHY, _TYPE)]
        for line, cells in islice(_read(self.name, self._table), columns.first, None):
            if columns.url >= len(cells) or not (url := cells[columns.url]):
                continue
            if is_log:
                yield ListedUrl(url, line, is_page=not _RESOURCE.search(url))
                continue
            status, indexable, why, kind = [cells[each] if each < len(cells) else "" for each in facts]
            is_page = not kind or _HTML.match(kind) is not None
            yield ListedUrl(url, line, _defect(status, indexable, why), is_page)


@contextmanager
def opened_list(
    file: str | None, column: str | None, targets: Sequence[str | None] = ()
) -> Iterator[UrlListFile | None]:
    """Open a list, None without a file; `-` is standard input.

    `column` names the column with the URLs, or is its number from 1. Raises UsageError for a file that cannot
    be read or has no such column, and for standard input that is among the `targets`.
    """
    if file is None:
        if column is not None:
            raise UsageError("--against-column requires --against", hint="add --against FILE")
        yield None
        return
    if file == "-" and "-" in targets:
        raise UsageError("standard input is named twice", hint="name it once")
    with opened(file, hint="name a CSV, text or XLSX file with --against") as stream:
        yield _list(stream, STANDARD_INPUT if file == "-" else file, column)


def _list(stream: BinaryIO, name: str, column: str | None) -> UrlListFile:
    headers: list[str] = []
    with _errors_of(name):
        found = tables(stream, name)
    for table in found:
        sample = list(islice(_read(name, table), _SAMPLE_ROWS))
        columns = _named(sample, column) if column is not None else _detected(sample)
        if columns is not None:
            _require_urls(name, columns, sample)
            return UrlListFile(name, table, columns)
        headers += [cell for cell in max((cells for _, cells in sample), key=len, default=[]) if cell]
    shown = ", ".join(terminal(header[:60]) for header in headers[:_SHOWN_COLUMNS])
    raise UsageError(
        f"no column {column!r} in {name}" if column is not None else f"no column with URLs in {name}",
        hint=f"name one with --against-column: {shown}" if shown else "name a list with a URL per line",
    )


def _read(name: str, table: Table) -> Iterator[Row]:
    with _errors_of(name):
        yield from table.rows()


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Turn what a damaged or truncated archive raises, wherever that is noticed, into a UsageError."""
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UsageError(f"cannot read {name}: {error}", hint="name another file with --against") from error


def _require_urls(name: str, columns: _Columns, sample: Sequence[Row]) -> None:
    """Raise UsageError for a column with text and no URL."""
    cells = [row[columns.url] for _, row in sample[columns.first :] if len(row) > columns.url]
    if any(cells) and not any(_is_url(cell) for cell in cells):
        first = terminal(next(filter(None, cells))[:60])
        raise UsageError(
            f"no URLs in column {columns.name} of {name}: {first}",
            hint="name another column with --against-column",
        )


def _is_url(cell: str) -> bool:
    return _ABSOLUTE.fullmatch(cell) is not None or _PATH.fullmatch(cell) is not None


def _named(sample: Sequence[Row], name: str) -> _Columns | None:
    for number, (_, cells) in enumerate(sample):
        header = [cell.casefold() for cell in cells]
        if name.casefold() in header:
            column = header.index(name.casefold())
            return _Columns(column, number + 1, cells[column], header)
    if name.isdecimal() and 0 < int(name) <= max((len(cells) for _, cells in sample), default=0):
        return _columns(sample, int(name) - 1)
    return None


def _detected(sample: Sequence[Row]) -> _Columns | None:
    """Return the column with URLs, or else with paths: from the first one on, half of its cells are."""
    width = max((len(cells) for _, cells in sample), default=0)
    for pattern in (_ABSOLUTE, _PATH):
        found = []
        for column in range(width):
            cells = [cells[column] for _, cells in sample if len(cells) > column and cells[column]]
            matching = [number for number, cell in enumerate(cells) if pattern.fullmatch(cell)]
            if (
                matching
                and 2 * len(matching) >= len(cells) - matching[0]
                and 10 * len(matching) >= len(cells)
            ):
                found.append(_columns(sample, column))
        if found:
            return min(found, key=_preference)
    for name in _NAMES:  # a list without rows
        columns = _named(sample, name)
        if columns is not None and columns.first == len(sample):
            return columns
    return None


def _preference(columns: _Columns) -> int:
    name = (columns.name or "").casefold()
    return _NAMES.index(name) if name in _NAMES else len(_NAMES)


def _columns(sample: Sequence[Row], column: int) -> _Columns:
    """Return the columns of a table whose header is the last row before the first URL."""
    for number, (_, cells) in enumerate(sample):
        cell = cells[column] if len(cells) > column else ""
        if _is_url(cell):
            before = [
                (place, row)
                for place, (_, row) in enumerate(sample[:number], 1)
                if len(row) > column and row[column]
            ]
            if not before:
                return _Columns(column, number, str(column + 1) if len(cells) > 1 else None)
            place, row = before[-1]
            return _Columns(column, place, row[column], [name.casefold() for name in row])
    return _Columns(column, 0, str(column + 1))


def _defect(status: str, indexable: str, why: str) -> str | None:
    """Return why the list does not take a row for a page to be indexed, None if it does."""
    if status.isdecimal() and not 200 <= int(status) < 300:
        return f"status {int(status)}"
    return (why or "not indexable") if indexable and _NOT.match(indexable) else None
