"""The output of `diff`: changes between two scans, written one by one."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import TextIO

from contentmap_cli.models.comparison import Change, Comparison, Counts, Kind, ScanPoint
from contentmap_cli.output.columns import Style, styled
from contentmap_cli.output.escape import csv_cell, terminal, url_text
from contentmap_cli.output.formats import DIFF_FORMATS, Format, marked, refusal
from contentmap_cli.output.number_format import moment, plural
from contentmap_cli.output.objects import SCHEMA, timestamp

_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
_STYLES = {Kind.ADDED: Style.GREEN, Kind.REMOVED: Style.RED, Kind.CHANGED: Style.YELLOW}
COLUMNS = ("domain", "what", "change", "url", "sitemap", "lastmod", "lastmod_before", "fields")
_DAY_ALONE = "T00:00:00Z"
_text = encode_basestring_ascii
_shared = lru_cache(maxsize=1_000)(json.dumps)


class DiffWriter:
    """Writes the changes of one domain after the other: `begin`, `change` for each, `end`; at last
    `finish`."""

    _pair: Comparison

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, pair: Comparison) -> None:
        """Begin a domain."""
        self._pair = pair

    def change(self, change: Change) -> None:
        """Write a change."""
        raise NotImplementedError

    def end(self, counts: Counts) -> None:
        """End the domain. A format without a line for the counts writes nothing."""

    def finish(self) -> None:
        """End the output."""
        self._out.flush()


def diff_writer(
    format: Format, out: TextIO, *, job_id: str | None, limit: int | None, color: bool = False
) -> DiffWriter:
    """Return the writer for `diff`, with `job_id` for all domains of a job.

    `limit` is the maximum number of table lines per domain, None for all. Raises UsageError for a format that
    `diff` does not have.
    """
    match format:
        case Format.TABLE:
            return _DiffTable(out, limit, color)
        case Format.JSON:
            return _DiffJson(out, job_id)
        case Format.NDJSON:
            return _DiffNdjson(out)
        case Format.CSV | Format.CSV_BOM:
            return _DiffCsv(marked(format, out))
        case Format.XLSX:
            return _DiffXlsx(out)
        case Format.TXT:
            return _DiffTxt(out)
        case _:
            raise refusal(format, DIFF_FORMATS)


def change_object(domain: str, change: Change) -> dict[str, object]:
    """Return the JSON object of a change.

    `what` is url or sitemap; the lastmods are UTC, or the published text if that is not a date.
    """
    return {
        "type": "change",
        "domain": domain,
        "what": _what(change),
        "change": change.kind.value,
        "url": change.url,
        "sitemap": change.sitemap,
        "lastmod": change.lastmod,
        "lastmod_before": change.lastmod_before,
        "fields": list(change.fields),
    }


def _change_json(domain: str, change: Change) -> str:
    """Return what `change_object` does as JSON: of a million, values that many share are encoded once."""
    return (
        f'{{"type": "change", "domain": {_shared(domain)}, "what": "{_what(change)}", '
        f'"change": "{change.kind.value}", "url": {_text(change.url)}, "sitemap": {_shared(change.sitemap)}, '
        f'"lastmod": {_shared(change.lastmod)}, "lastmod_before": {_shared(change.lastmod_before)}, '
        f'"fields": {_shared(change.fields)}}}'
    )


def diff_object(pair: Comparison, counts: Counts) -> dict[str, object]:
    """Return the JSON object with the compared scans and the number of changes.

    `from` is null for the first scan of a domain, and if the scan before was pruned.
    """
    return {
        "type": "diff",
        "schema": SCHEMA,
        "domain": pair.domain,
        "from": _point(pair.before) if pair.before else None,
        "to": _point(pair.after),
        "removals_withheld": pair.removals_withheld,
        "added": counts.added,
        "removed": counts.removed,
        "changed": counts.changed,
        "sitemaps_added": counts.sitemaps_added,
        "sitemaps_removed": counts.sitemaps_removed,
    }


def _point(point: ScanPoint) -> dict[str, object]:
    return {
        "job_id": point.job_id,
        "recorded_at": timestamp(point.recorded_at),
        "outcome": point.status.value,
        "complete": point.complete,
    }


def _what(change: Change) -> str:
    return "sitemap" if change.sitemap is None else "url"


class _DiffNdjson(DiffWriter):
    """One line per change, then one for the domain."""

    def change(self, change: Change) -> None:
        self._out.write(_change_json(self._pair.domain, change) + "\n")

    def end(self, counts: Counts) -> None:
        self._out.write(json.dumps(diff_object(self._pair, counts)) + "\n")


class _DiffJson(DiffWriter):
    """The domain's object with its `changes`; for a job an object with one of these per domain in
    `results`.

    `changes` come first: they are written as they are found, and the counts are known at the end.
    """

    def __init__(self, out: TextIO, job_id: str | None) -> None:
        super().__init__(out)
        self._job = job_id
        self._between = ""  # before the next domain
        self._before = ""  # before the next change
        if job_id is not None:
            head = json.dumps({"type": "job_diff", "schema": SCHEMA, "job_id": job_id})
            out.write(f'{head[:-1]}, "results": [')
            self._between = "\n"

    def begin(self, pair: Comparison) -> None:
        self._pair = pair
        self._out.write(f'{self._between}{{"changes": [')
        self._between, self._before = ",\n", "\n"

    def change(self, change: Change) -> None:
        self._out.write(self._before + _change_json(self._pair.domain, change))
        self._before = ",\n"

    def end(self, counts: Counts) -> None:
        self._out.write(f"], {json.dumps(diff_object(self._pair, counts))[1:]}")

    def finish(self) -> None:
        self._out.write("\n" if self._job is None else "]}\n")
        super().finish()


class _DiffCsv(DiffWriter):
    """A header and one line per change, safe for spreadsheets."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._csv = csv.writer(out, lineterminator="\n")
        self._csv.writerow(COLUMNS)

    def change(self, change: Change) -> None:
        row = (
            self._pair.domain,
            _what(change),
            change.kind.value,
            url_text(change.url),
            url_text(change.sitemap or ""),
            terminal(change.lastmod or ""),
            terminal(change.lastmod_before or ""),
            " ".join(change.fields),
        )
        self._csv.writerow([csv_cell(cell) for cell in row])


class _DiffXlsx(DiffWriter):
    """One row per change. Nothing is sent to the stream before the end."""

    def __init__(self, out: TextIO) -> None:
        from contentmap_cli.output.writers.xlsx import XlsxRows

        super().__init__(out)
        self._rows: XlsxRows[Change] = XlsxRows(out, tuple((name,) for name in COLUMNS), self._object)

    def change(self, change: Change) -> None:
        self._rows.write(change)

    def finish(self) -> None:
        self._rows.finish()

    def _object(self, change: Change) -> dict[str, object]:
        return {**change_object(self._pair.domain, change), "fields": " ".join(change.fields)}


class _DiffTxt(DiffWriter):
    """`+ URL`, `- URL` or `~ URL`, one per line, without sitemap files."""

    def change(self, change: Change) -> None:
        if change.sitemap is not None:
            self._out.write(f"{_SIGNS[change.kind]} {url_text(change.url)}\n")


class _DiffTable(DiffWriter):
    """A table: the compared scans, one line per change up to a limit, and the counts."""

    def __init__(self, out: TextIO, limit: int | None, color: bool) -> None:
        super().__init__(out)
        self._limit = limit
        self._color = color
        self._shown = 0
        self._domains = 0

    def begin(self, pair: Comparison) -> None:
        self._out.write("\n" if self._domains else "")
        self._domains += 1
        self._shown = 0
        name = styled(terminal(pair.domain), Style.BOLD, self._color)
        first = "pruned" if pair.pruned else "none: this is the first scan"
        old = _when(pair.before) if pair.before else first
        self._out.write(f"{name}\n")
        for word, text in (("from", old), ("to", _when(pair.after))):
            self._out.write(f"{styled(f'{word:<4}', Style.DIM, self._color)}  {text}\n")
        if pair.removals_withheld:
            self._out.write(f"{styled(pair.why_withheld, Style.YELLOW, self._color)}\n")
        self._out.write("\n")

    def change(self, change: Change) -> None:
        self._shown += 1
        if self._limit is not None and self._shown > self._limit:
            return
        sign = styled(_SIGNS[change.kind], _STYLES[change.kind], self._color)
        noun = "sitemap " if change.sitemap is None else ""
        details = styled(_details(change), Style.DIM, self._color)
        self._out.write(f"{sign} {noun}{url_text(change.url)}{details}\n")

    def end(self, counts: Counts) -> None:
        left = self._shown - self._limit if self._limit is not None else 0
        if left > 0:
            self._out.write(f"… and {left:,} more (--limit N shows more, --format ndjson all)\n")
        self._out.write("\n" if self._shown else "")
        urls = f"{plural(counts.added, 'url')} added, {counts.removed:,} removed, {counts.changed:,} changed"
        files = ""
        if counts.sitemaps_added or counts.sitemaps_removed:
            files = f"; {plural(counts.sitemaps_added, 'sitemap')} added, {counts.sitemaps_removed:,} removed"
        self._out.write(f"{urls if counts.total else 'no differences'}{files}\n")


def _when(point: ScanPoint) -> str:
    state = point.status.value if point.complete else f"{point.status.value}, not complete"
    return f"{moment(point.recorded_at)} UTC  {point.job_id}  {state}"


def _details(change: Change) -> str:
    if change.kind is not Kind.CHANGED:
        return ""
    parts = []
    for field in change.fields:
        if field == "lastmod":
            parts.append(f"lastmod {_date(change.lastmod_before)} → {_date(change.lastmod)}")
        else:
            parts.append(field)
    return f"  {', '.join(parts)}"


def _date(lastmod: str | None) -> str:
    return terminal(lastmod.removesuffix(_DAY_ALONE)) if lastmod else "none"
