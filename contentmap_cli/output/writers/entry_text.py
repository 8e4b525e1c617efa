"""Entries as JSON and CSV text, formatted by hand: output of millions of rows spends its time here.

The result equals `json.dumps(any_entry_object(entry))` and the CSV columns; a test compares them.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.output.escape import csv_cell, terminal, url_text
from contentmap_cli.output.objects import any_entry_object, timestamp, to_json

_text = encode_basestring_ascii
_PLAIN: Final = '"images": [], "videos": [], "news": [], "alternates": [], '
_shared = lru_cache(maxsize=1_000)(_text)  # values shared by thousands of rows


def entry_json(row: StoredEntry | Entry) -> str:
    """Return the JSON object of an entry on one line."""
    if not isinstance(row, StoredEntry):
        return to_json(any_entry_object(row))
    url, lastmod, changefreq, priority, in_scope, repaired, images, videos, news, alternates, kind, _ = (
        row.entry
    )
    if images or videos or news or alternates:
        return to_json(any_entry_object(row))
    if lastmod is None:
        dates = 'null, "lastmod_precision": null, "lastmod_text": null'
    else:
        moment, precision, text = lastmod
        dates = f'{_maybe(moment)}, "lastmod_precision": {_maybe(precision)}, "lastmod_text": {_text(text)}'
    return (
        f'{{"type": "{kind}", "url": {_text(url)}, "lastmod": {dates}, "changefreq": {_maybe(changefreq)}, '
        f'"priority": {"null" if priority is None else to_json(priority)}, '
        f'"sitemap": {_shared(row.sitemap)}, "discovered_by": "{row.discovered_by.value}", {_PLAIN}'
        f'"in_scope": {"true" if in_scope else "false"}, "repaired": {"true" if repaired else "false"}, '
        f'"page_type": {_maybe(row.page_type)}, "first_seen": {_maybe(_moment(row.first_seen))}, '
        f'"removed_at": {_maybe(_moment(row.removed_at))}}}'
    )


def entry_cells(row: StoredEntry | Entry) -> tuple[str, ...]:
    """Return the escaped cells of an entry in the order of the CSV columns."""
    stored = row if isinstance(row, StoredEntry) else None
    entry = row.entry if isinstance(row, StoredEntry) else row
    url, lastmod, changefreq, priority, in_scope, repaired, images, videos, news, alternates, kind, _ = entry
    moment, precision, text = lastmod or (None, None, None)
    return (
        kind,
        csv_cell(url_text(url)),
        moment or "",
        precision or "",
        _cell(text),
        _cell(changefreq),
        "" if priority is None else str(priority),
        csv_cell(url_text(stored.sitemap)) if stored else "",
        stored.discovered_by.value if stored else "",
        *(str(len(images)), str(len(videos)), str(len(news)), str(len(alternates))),
        "true" if in_scope else "false",
        "true" if repaired else "false",
        _cell(stored.page_type) if stored else "",
        (_moment(stored.first_seen) or "") if stored else "",
        (_moment(stored.removed_at) or "") if stored else "",
    )


def _maybe(text: str | None) -> str:
    return "null" if text is None else _text(text)


def _cell(text: str | None) -> str:
    return csv_cell(terminal(text)) if text else ""


@lru_cache(maxsize=1_000)
def _moment(moment: datetime | None) -> str | None:
    return timestamp(moment)
