"""Entries to rows of `sitemap_urls` and back. Pure: no session, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from contentmap_cli.values import Attributes, Entry, Lastmod

COLUMNS: Final = (
    "domain_id",
    "sitemap_file_id",
    "url",
    "lastmod",
    "lastmod_precision",
    "lastmod_text",
    "changefreq",
    "priority",
    "page_type",
    "in_scope",
    "repaired",
    "image_count",
    "video_count",
    "news_count",
    "extras",
    "first_scan_id",
)
URL: Final = COLUMNS.index("url")
CONTENT: Final = slice(COLUMNS.index("lastmod"), COLUMNS.index("first_scan_id"))
"""The part of a row that a rescan compares: what the site said of the URL."""

Row = tuple[Any, ...]
_SMALLINT_MAX = 32_767
_CANONICAL_LENGTH = {"year": 4, "month": 7, "day": 10, "second": 20}


def row_builder(
    domain_id: int, file_id: int, scan_id: int, page_type: Callable[[Entry], str | None]
) -> Callable[[Entry], Row]:
    """A function that turns an Entry of one file into its row, in the order of COLUMNS."""

    def build(entry: Entry) -> Row:
        lastmod = entry.lastmod
        if lastmod is None:
            moment = precision = text = None
        else:
            moment, precision, text = lastmod
            if moment is not None and precision is not None and text == canonical(moment, precision):
                text = None
        rich = entry.images or entry.videos or entry.news or entry.alternates
        return (
            domain_id,
            file_id,
            entry.url,
            moment,
            precision,
            text,
            entry.changefreq,
            entry.priority,
            page_type(entry),
            entry.in_scope,
            entry.repaired,
            min(len(entry.images), _SMALLINT_MAX),
            min(len(entry.videos), _SMALLINT_MAX),
            min(len(entry.news), _SMALLINT_MAX),
            _extras(entry) if rich else None,
            scan_id,
        )

    return build


def canonical(moment: str, precision: str) -> str | None:
    """How a publisher who writes UTC would spell `moment` at this precision; None for a fraction."""
    if precision == "minute":
        return f"{moment[:16]}Z"
    length = _CANONICAL_LENGTH.get(precision)
    return moment[:length] if length else None


def read_lastmod(moment: str | None, precision: str | None, text: str | None) -> Lastmod | None:
    """The Lastmod a row holds."""
    if moment is None or precision is None:
        return Lastmod(None, None, text) if text is not None else None
    return Lastmod(moment, precision, text if text is not None else canonical(moment, precision) or moment)


def read_extras(extras: str | None) -> dict[str, tuple[Attributes, ...]]:
    """Images, videos, news and alternates of a row, by the name of their field in Entry."""
    if not extras:
        return {}
    return {name: tuple(items) for name, items in json.loads(extras).items()}


def _extras(entry: Entry) -> str:
    parts = {
        name: [dict(item) for item in items]
        for name, items in (
            ("images", entry.images),
            ("videos", entry.videos),
            ("news", entry.news),
            ("alternates", entry.alternates),
        )
        if items
    }
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
