"""The output of `changes`: the change feed, one change after the other."""

from __future__ import annotations

import csv
from json.encoder import encode_basestring_ascii as quoted
from typing import TextIO

from contentmap_cli.models.feed import FeedChange, FeedRow
from contentmap_cli.output.escape import csv_cell, terminal, url_text
from contentmap_cli.output.formats import CHANGES_FORMATS, Format, marked, refusal
from contentmap_cli.output.objects import SCHEMA, timestamp, to_json

COLUMNS = (
    *("cursor", "type", "domain", "change", "url", "sitemap", "lastmod", "lastmod_before", "fields"),
    *("job_id", "scanned_at"),
)


class ChangesWriter:
    """Writes changes as they come; a reader may stop after any."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, change: FeedChange) -> None:
        """Write a change."""
        raise NotImplementedError

    def position(self, cursor: str) -> None:
        """Write a cursor that no change has. A format without objects writes nothing."""

    def finish(self, cursor: str) -> None:
        """End the output with the cursor to go on with."""


def changes_writer(format: Format, out: TextIO) -> ChangesWriter:
    """Return the writer for `changes`. Raise UsageError for a format that it does not have."""
    match format:
        case Format.NDJSON:
            return _Ndjson(out)
        case Format.JSON:
            return _Json(out)
        case Format.CSV | Format.CSV_BOM:
            return _Csv(marked(format, out))
        case _:
            raise refusal(format, CHANGES_FORMATS)


class ChangeText:
    """Makes the JSON object of a change. What all changes of a scan share is made once."""

    def __init__(self) -> None:
        self._row: FeedRow | None = None
        self._domain = self._tail = ""

    def of(self, found: FeedChange) -> str:
        """Return the object, in the order of `docs/answers.md`."""
        row, change = found.row, found.change
        if row is not self._row:
            self._row, self._domain = row, quoted(row.domain)
            self._tail = f'"job_id": {_text(row.job_id)}, "scanned_at": {_text(timestamp(row.at))}}}'
        if change is None:
            return (
                f'{{"type": "domain_removed", "schema": {SCHEMA}, "cursor": "{found.cursor}",'
                f' "domain": {self._domain}, "removed_at": {_text(timestamp(row.at))}}}'
            )
        fields = to_json(change.fields) if change.fields else "[]"
        return (
            f'{{"type": "change", "schema": {SCHEMA}, "cursor": "{found.cursor}", "domain": {self._domain},'
            f' "change": "{change.kind.value}", "url": {quoted(change.url)},'
            f' "sitemap": {_text(change.sitemap)}, "lastmod": {_text(change.lastmod)},'
            f' "lastmod_before": {_text(change.lastmod_before)}, "fields": {fields}, {self._tail}'
        )


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


class _Ndjson(ChangesWriter):
    """One object per line."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._text = ChangeText()

    def write(self, change: FeedChange) -> None:
        self._out.write(f"{self._text.of(change)}\n")

    def position(self, cursor: str) -> None:
        self._out.write(f"{to_json({'type': 'cursor', 'schema': SCHEMA, 'cursor': cursor})}\n")


class _Json(ChangesWriter):
    """One object with all `changes`, and the cursor after them."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._text = ChangeText()
        out.write(f'{{"type": "changes", "schema": {SCHEMA}, "changes": [')
        self._before = "\n"

    def write(self, change: FeedChange) -> None:
        self._out.write(self._before + self._text.of(change))
        self._before = ",\n"

    def finish(self, cursor: str) -> None:
        self._out.write(f'], "cursor": "{cursor}"}}\n')


class _Csv(ChangesWriter):
    """A header and one line per change, safe for spreadsheets."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._csv = csv.writer(out, lineterminator="\n")
        self._csv.writerow(COLUMNS)

    def write(self, change: FeedChange) -> None:
        row, what = change.row, change.change
        cells = [change.cursor, "change" if what else "domain_removed", row.domain]
        if what:
            urls = (url_text(what.url), url_text(what.sitemap or ""))
            dates = (terminal(what.lastmod or ""), terminal(what.lastmod_before or ""))
            cells += [what.kind.value, *urls, *dates, " ".join(what.fields)]
        else:
            cells += [""] * 6
        cells += [row.job_id or "", timestamp(row.at) or ""]
        self._csv.writerow([csv_cell(cell) for cell in cells])
