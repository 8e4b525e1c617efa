"""Recorded entries as JSON and CSV lines, a page at a time.

What many rows share is formatted once for each page. The result equals that of `any_entry_object`, but for
the blanks within images, videos, news and alternates; a test compares them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from json.decoder import JSONDecoder
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NamedTuple, TextIO

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.models.entry_rows import MEDIA, UTC_OFFSET
from contentmap_cli.models.files import EntryPage, Shared
from contentmap_cli.output.escape import csv_cell, terminal, url_text
from contentmap_cli.output.objects import any_entry_object, timestamp, to_json
from contentmap_cli.output.rows import EntryWriter
from contentmap_cli.output.writers.csv import ENTRY, cells_of

_text: Final = encode_basestring_ascii
_scan: Final[Any] = JSONDecoder().scan_once  # type: ignore[attr-defined]
_ESCAPED = re.compile(r"[^ -~]+")
# a quote inside of a JSON string follows a backslash
_LISTS = re.compile(rf'[{{,]"({"|".join(MEDIA)})":(?=\[)')
_CELLS: Final = cells_of(ENTRY, any_entry_object)


class _Pieces(NamedTuple):
    """The text between the values of a row."""

    precision: str  # between lastmod and its text
    details: str  # after the text
    rest: str  # after images, videos, news and alternates
    cut: int | None
    zone: str


class _EntryLines(EntryWriter):
    """Renders pages of recorded entries as lines, and other entries one by one."""

    start: str
    after_url: str
    quote: str  # around a lastmod and its text
    undated: str  # instead of a lastmod, up to its text
    no_text: str
    no_media: str

    def pieces(self, shared: Shared) -> _Pieces:
        """Return the text between the values of the rows that share these."""
        raise NotImplementedError

    def urls(self, urls: Sequence[str]) -> Iterable[str]:
        """Return the URLs as they are written."""
        raise NotImplementedError

    def text(self, text: str) -> str:
        """Return a published lastmod as it is written, without the quotes around it."""
        raise NotImplementedError

    def media(self, extras: str) -> str:
        """Return images, videos, news and alternates as they are written."""
        raise NotImplementedError

    def lines(self, page: EntryPage) -> list[str]:
        """Return a line for each entry."""
        pieces = {}
        for key, shared in page.shared.items():
            some = self.pieces(shared)
            pieces[key] = (
                some.precision,
                some.cut,
                f"{some.zone}{some.details}{self.no_media}{some.rest}",
                some,
            )
        start, after_url = self.start, self.after_url + self.quote
        lines: list[str] = []
        add = lines.append
        columns = (self.urls(page.urls), page.lastmods, page.texts, page.extras, page.keys)
        for url, moment, text, extras, key in zip(*columns, strict=True):
            precision, cut, tail, some = pieces[key]
            if text is None and extras is None and moment is not None:
                add(f"{start}{url}{after_url}{moment}{precision}{moment[:cut]}{tail}")
                continue
            media = self.no_media if extras is None else self.media(extras)
            tail = f"{some.details}{media}{some.rest}"
            if moment is None:
                said = self.no_text if text is None else f"{self.quote}{self.text(text)}{self.quote}"
                tail = tail[len(self.quote) :]
                add(f"{start}{url}{self.after_url}{self.undated}{said}{tail}")
            else:
                if text is None:
                    said = moment[:cut] + some.zone
                else:
                    said = moment[:19] + UTC_OFFSET if text == UTC_OFFSET else self.text(text)
                add(f"{start}{url}{after_url}{moment}{precision}{said}{tail}")
        return lines


class NdjsonEntries(_EntryLines):
    """One object per entry and line."""

    start, after_url, quote = '{"type": "url", "url": ', ', "lastmod": ', '"'
    undated, no_text = 'null, "lastmod_precision": null, "lastmod_text": ', "null"
    no_media = ", ".join(f'"{name}": []' for name in MEDIA)

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write the entries."""
        if lines := self.objects(rows):
            self._out.write("\n".join(lines))
            self._out.write("\n")

    def objects(self, rows: Iterable[StoredEntry | Entry]) -> list[str]:
        """Return the object of each entry."""
        if isinstance(rows, EntryPage):
            return self.lines(rows)
        return [to_json(any_entry_object(row)) for row in rows]

    def pieces(self, shared: Shared) -> _Pieces:
        """Return the text between the values of the rows that share these."""
        cut, zone = shared.canonical
        details = {
            "changefreq": shared.changefreq,
            "priority": shared.priority,
            "sitemap": shared.sitemap,
            "discovered_by": shared.discovered_by.value,
        }
        rest: dict[str, object] = {
            "in_scope": shared.in_scope,
            "repaired": shared.repaired,
            "page_type": shared.page_type,
            "first_seen": timestamp(shared.first_seen),
            "removed_at": timestamp(shared.removed_at),
            "domain": shared.domain,
        }
        if shared.sitemaps:
            rest["sitemaps"] = shared.sitemaps
        return _Pieces(
            f'", "lastmod_precision": {to_json(shared.precision)}, "lastmod_text": "',
            f'", {to_json(details)[1:-1]}, ',
            f", {to_json(rest)[1:]}",
            cut,
            zone,
        )

    def urls(self, urls: Sequence[str]) -> Iterable[str]:
        """Return the URLs as JSON strings."""
        return map(_text, urls)

    def text(self, text: str) -> str:
        """Return the content of a JSON string."""
        return _text(text)[1:-1]

    def media(self, extras: str) -> str:
        """Return the fields. Their lists are those of the row, with other than ASCII characters escaped."""
        parts = _LISTS.split(_ESCAPED.sub(_escaped, extras[:-1]))
        found = dict(zip(parts[1::2], parts[2::2], strict=True))
        return ", ".join([f'"{name}": {found.get(name, "[]")}' for name in MEDIA])


class JsonEntries(NdjsonEntries):
    """An array with one object per entry and line."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._before = "[\n"

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write the entries."""
        if lines := self.objects(rows):
            self._out.write(self._before)
            self._out.write(",\n".join(lines))
            self._before = ",\n"

    def finish(self) -> None:
        """Close the array."""
        self._out.write("\n]\n" if self._before.startswith(",") else "[]\n")
        super().finish()


class CsvEntries(_EntryLines):
    """A header line, then one line per entry."""

    start, after_url, quote = "url,", ",", ""
    undated, no_text = ",,", ""
    no_media = ",".join("0" for _ in MEDIA)

    def __init__(self, out: TextIO, *, with_files: bool = False) -> None:
        super().__init__(out)
        self._csv = csv.writer(out, lineterminator="\n")
        self._with_files = with_files
        columns = ("_".join(path) for path in ENTRY)
        self._csv.writerow((*columns, *(("sitemaps",) if with_files else ())))

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Write the entries."""
        if isinstance(rows, EntryPage):
            self._out.write("".join(self.lines(rows)))
        else:
            self._csv.writerows(map(_CELLS, rows))

    def pieces(self, shared: Shared) -> _Pieces:
        """Return the text between the values of the rows that share these."""
        cut, zone = shared.canonical
        details = (
            *(_cell(shared.changefreq), "" if shared.priority is None else str(shared.priority)),
            *(_quoted(csv_cell(url_text(shared.sitemap))), shared.discovered_by.value),
        )
        rest = (
            *("true" if shared.in_scope else "false", "true" if shared.repaired else "false"),
            *(
                _cell(shared.page_type),
                timestamp(shared.first_seen) or "",
                timestamp(shared.removed_at) or "",
            ),
            _cell(shared.domain),
            *([_quoted(csv_cell(" ".join(map(url_text, shared.sitemaps))))] if self._with_files else ()),
        )
        return _Pieces(
            f",{_cell(shared.precision)},", f",{','.join(details)},", f",{','.join(rest)}\n", cut, zone
        )

    def urls(self, urls: Sequence[str]) -> Iterable[str]:
        """Return the URLs as cells."""
        text = "\n" + "\n".join(urls)
        whole = text.count("\n") == text.count("\nhttp") == len(urls)
        if whole and text.isascii() and '"' not in text and text.replace("\n", "").isprintable():
            return [f'"{url}"' if "," in url else url for url in urls] if "," in text else urls
        return [_quoted(csv_cell(url_text(url))) for url in urls]

    def text(self, text: str) -> str:
        """Return a cell."""
        return _cell(text)

    def media(self, extras: str) -> str:
        """Return how many of each there are."""
        found, _ = _scan(extras, 0)
        return ",".join([str(len(found[name])) if name in found else "0" for name in MEDIA])


def _escaped(match: re.Match[str]) -> str:
    return _text(match[0])[1:-1]


def _cell(text: str | None) -> str:
    return _quoted(csv_cell(terminal(text))) if text else ""


def _quoted(cell: str) -> str:
    """Return the cell in quotes where it needs them. It has no line break."""
    return '"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell else cell
