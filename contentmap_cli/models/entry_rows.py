"""Entries as rows of the database, and back. Rows are made once, where a document is parsed.

A row is a plain tuple, which can be marshalled, sorted and passed to a database driver as it is. Nearly all
rows have the short form, COLUMNS; EXTRA_COLUMNS follow only if one of them differs from its default. The page
type of a URL is derived from its sitemap and its path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import eq, itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

from contentmap_cli.models.entries import Attributes, Entry, Lastmod
from contentmap_cli.models.entry_sink import PlainEntries

COLUMNS: Final = (
    "url",
    "lastmod",
    "lastmod_precision",
    "lastmod_text",
    "changefreq",
    "priority",
    "page_type",
)
EXTRA_COLUMNS: Final = ("in_scope", "repaired", "image_count", "video_count", "news_count", "extras")
ALL_COLUMNS: Final = COLUMNS + EXTRA_COLUMNS
DEFAULTS: Final = (True, False, 0, 0, 0, None)
"""The values of EXTRA_COLUMNS in a row of the short form."""

URL: Final = 0
LASTMOD: Final = 1

Row = tuple[Any, ...]
url_of: Final = itemgetter(URL)

# the values are strings: no circular references
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), default=dict
).encode
_SHORT: Final = len(COLUMNS)
_NEWS: Final = ALL_COLUMNS.index("news_count")
_SMALLINT_MAX: Final = 32_767
CANONICAL: Final = {
    "year": (4, ""),
    "month": (7, ""),
    "day": (10, ""),
    "minute": (16, "Z"),
    "second": (20, ""),
}
"""How many characters of a UTC time its canonical spelling has at each precision, and what follows them."""
UTC_OFFSET: Final = "+00:00"
"""What is stored of a published date where it only differs from the canonical one by this instead of Z."""
MEDIA: Final = ("images", "videos", "news", "alternates")
_LINE: Final = '{"line":'


def rows_of(entries: Iterable[Entry], page_type: Callable[[Entry], str | None]) -> list[Row]:
    """Return a row for each entry, in their order."""
    rows: list[Row] = []
    for entry in entries:
        url, lastmod, changefreq, priority, in_scope, repaired, images, videos, news, alternates, _, line = (
            entry
        )
        row: Row = (url, *lastmod_columns(lastmod), changefreq, priority, page_type(entry))
        if images or videos or news or alternates or repaired or not in_scope or line is not None:
            row += (
                in_scope,
                repaired,
                min(len(images), _SMALLINT_MAX),
                min(len(videos), _SMALLINT_MAX),
                min(len(news), _SMALLINT_MAX),
                encoded_extras(images, videos, news, alternates, line),
            )
        rows.append(row)
    return rows


def rows_of_plain(entries: PlainEntries, page_types: Iterable[str | None], *, in_scope: bool) -> list[Row]:
    """Return a row for each of these plain entries, with its page type."""
    urls, _, seconds, zones, dates, changefreqs, priorities, extras = entries
    rows: list[Row] = [
        (url, f"{moment}Z", "second", None if zone == "Z" else zone, changefreq, priority, kind)
        if moment
        else (url, *lastmod_columns(date), changefreq, priority, kind)
        for url, moment, zone, date, changefreq, priority, kind in zip(
            urls, seconds, zones, dates, changefreqs, priorities, page_types, strict=True
        )
    ]
    if in_scope and not extras:
        return rows
    bare: Row = () if in_scope else (False, *DEFAULTS[1:])
    return [
        (*row, in_scope, False, *more) if more else row + bare
        for row, more in zip(rows, extras or repeat(None, len(rows)), strict=True)
    ]


def count_extras(rows: Iterable[Row]) -> tuple[int, int]:
    """Return the number of characters in the rows' extensions, and how many of the rows carry news."""
    rich = [row for row in rows if len(row) != _SHORT]
    return sum(len(row[-1]) for row in rich if row[-1]), sum(row[_NEWS] > 0 for row in rich)


def sorted_unique(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in the order of their URLs' code points, the first one of each URL."""
    ordered = sorted(rows, key=url_of)  # stable: the first of equal ones stays first
    urls = [row[URL] for row in ordered]
    if any(map(eq, urls, islice(urls, 1, None))):
        unique = {row[URL]: row for row in reversed(ordered)}
        return [*reversed(unique.values())]
    return ordered


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of one form in one flat tuple, as database drivers take them; smaller than tuples of tuples.

    Iterate to get the rows. `columns` names their values.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> RowBatch:
        """Return the rows in the short form if all of them have it, otherwise in the long one."""
        lengths = set(map(len, rows))
        if len(lengths) > 1:
            rows = [*map(with_extra_columns, rows)]
        columns = ALL_COLUMNS if len(ALL_COLUMNS) in lengths else COLUMNS
        return cls(columns, tuple(chain.from_iterable(rows)))

    @classmethod
    def of_values(cls, width: int, values: tuple[Any, ...]) -> RowBatch:
        """Return a batch from the number of its columns and its flat values."""
        return cls(COLUMNS if width == _SHORT else ALL_COLUMNS, values)

    @property
    def urls(self) -> tuple[str, ...]:
        """The URL of each row."""
        return self.values[URL :: len(self.columns)]

    def __len__(self) -> int:
        return len(self.values) // len(self.columns)

    def __iter__(self) -> Iterator[Row]:
        # the same iterator once per column: zip takes one row at a time
        return zip(*[iter(self.values)] * len(self.columns), strict=True)


@dataclass(frozen=True, slots=True)
class RowDelta:
    """The changes of a file since the scan that recorded the body with this `digest`.

    That body had `entries` entries, all with different URLs and in scope. `come` gives the new rows and
    `gone` the URLs no longer listed, both in the order of their URLs. A new row whose URL is recorded and not
    in `gone` is listed twice.
    """

    digest: str
    entries: int
    come: Callable[[], Iterable[RowBatch]]
    gone: Callable[[], Iterable[str]]


def entries_of(rows: Iterable[Row]) -> list[Entry]:
    """Return the entries that rows of either form were made from."""
    entries: list[Entry] = []
    for row in rows:
        url, moment, precision, text, changefreq, priority, _ = row[:_SHORT]
        date = read_lastmod(moment, precision, text)
        if len(row) == _SHORT:
            entries.append(Entry(url, date, changefreq, priority))
            continue
        extras: dict[str, Any] = read_extras(row[-1])
        entries.append(Entry(url, date, changefreq, priority, row[_SHORT], row[_SHORT + 1], **extras))
    return entries


def with_extra_columns(row: Row) -> Row:
    """Return the row with COLUMNS and EXTRA_COLUMNS."""
    return row + DEFAULTS if len(row) == _SHORT else row


def canonical(moment: str, precision: str) -> str | None:
    """Return the spelling of `moment` in UTC at this precision; None for a fraction."""
    if (spelling := CANONICAL.get(precision)) is None:
        return None
    length, end = spelling
    return moment[:length] + end


@lru_cache(maxsize=20_000)
def lastmod_columns(lastmod: Lastmod | None) -> tuple[str | None, str | None, str | None]:
    """Return the three columns that store a lastmod."""
    if lastmod is None:
        return None, None, None
    moment, precision, text = lastmod
    if moment is None or precision is None:
        return moment, precision, text
    return moment, precision, _spelling(moment, precision, text)


def _spelling(moment: str, precision: str, text: str) -> str | None:
    """Return what must be stored of a published date: None, `+00:00` if that only stands for Z, or all of
    it."""
    if precision == "second" and text[19:] == UTC_OFFSET and text[:19] == moment[:19]:
        return UTC_OFFSET
    return None if text == canonical(moment, precision) else text


def read_lastmod(moment: str | None, precision: str | None, text: str | None) -> Lastmod | None:
    """Return the Lastmod that a row stores."""
    if moment is None or precision is None:
        return Lastmod(None, None, text) if text is not None else None
    if text is None:
        text = canonical(moment, precision) or moment
    elif text == UTC_OFFSET:
        text = moment[:19] + UTC_OFFSET
    return Lastmod(moment, precision, text)


def read_extras(extras: str | None) -> dict[str, Any]:
    """Return images, videos, news and alternates of a row, by the name of their field in Entry.

    A row of a spool may also have its line.
    """
    if not extras:
        return {}
    if extras.startswith(_LINE):  # that of most entries of a check
        return {"line": int(extras[len(_LINE) : -1])}
    return {
        name: tuple(items) if isinstance(items, list) else items for name, items in json.loads(extras).items()
    }


def encoded_extras(
    images: Sequence[Attributes],
    videos: Sequence[Attributes],
    news: Sequence[Attributes],
    alternates: Sequence[Attributes],
    line: int | None = None,
) -> str | None:
    """Return images, videos, news and alternates as a row stores them; None if there are none."""
    parts: dict[str, Any] = {
        name: [*items]
        for name, items in (
            ("images", images),
            ("videos", videos),
            ("news", news),
            ("alternates", alternates),
        )
        if items
    }
    if line is not None:
        if not parts:
            return f"{_LINE}{line}}}"
        parts["line"] = line
    return _ENCODE(parts) if parts else None


# Page type by words in sitemap names and paths.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "product": ("product", "products", "shop", "item", "items"),
    "category": ("category", "categories", "collection", "collections", "tag", "tags", "topic", "topics"),
    "post": ("post", "posts", "blog", "blogs", "article", "articles", "story", "stories"),
    "news": ("news",),
    "author": ("author", "authors"),
    "event": ("event", "events"),
    "video": ("video", "videos"),
    "image": ("image", "images"),
    "page": ("page", "pages"),
}
_TYPE_OF: Final = {word: kind for kind, words in _WORDS.items() for word in words}
_WORD = re.compile(r"[a-z]+")
_FIRST_SEGMENT = re.compile(r"https?://[^/?#]*/([A-Za-z]+)(?=[/?#.]|$)")
_HOME = re.compile(r"https?://[^/?#]*/?")


class PageTypes:
    """Determines the page types of one sitemap's entries; None if unknown.

    News or video markup of the entry comes first, then the name of the sitemap (`post-sitemap.xml`), then the
    first folder of the path (`/blog/…`).
    """

    def __init__(self, sitemap_url: str) -> None:
        name = urlsplit(sitemap_url).path.rpartition("/")[2].lower()
        self._sitemap_type = next((_TYPE_OF[word] for word in _WORD.findall(name) if word in _TYPE_OF), None)

    def of(self, entry: Entry) -> str | None:
        """Return the page type of one entry."""
        if entry.news:
            return "news"
        if entry.videos:
            return "video"
        return self._sitemap_type or self._by_path(entry.url)

    def of_plain(self, entries: PlainEntries) -> Sequence[str | None]:
        """Return the page types of plain entries, in their order."""
        found = self._by_paths(entries)
        if not entries.extras:
            return found
        return [
            kind if extras is None else "news" if extras[2] else "video" if extras[1] else kind
            for kind, extras in zip(found, entries.extras, strict=True)
        ]

    def _by_paths(self, entries: PlainEntries) -> Sequence[str | None]:
        urls, folders = entries.urls, entries.folders
        if self._sitemap_type is not None:
            return [self._sitemap_type] * len(urls)
        kinds = {folder: _TYPE_OF.get(folder.lower()) if folder else None for folder in set(folders)}
        found = [*map(kinds.__getitem__, folders)]
        shortest = min(map(len, urls))
        if _HOME.fullmatch(next(url for url in urls if len(url) == shortest)):
            return [kind or self._by_path(url) for kind, url in zip(found, urls, strict=True)]
        return found

    @staticmethod
    def _by_path(url: str) -> str | None:
        segment = _FIRST_SEGMENT.match(url)
        if segment is not None:
            return _TYPE_OF.get(segment[1].lower())
        return "home" if _HOME.fullmatch(url) else None
