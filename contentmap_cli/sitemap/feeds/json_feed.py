"""Read JSON Feed 1.0 and 1.1 (jsonfeed.org): one page per item. The document is loaded whole, so its size is
limited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.feeds.rss_atom import HTTP_URL, set_next_page
from contentmap_cli.sitemap.problems import ProblemCode

MAX_CHARACTERS: Final = 20 * 1024 * 1024
"""Characters of a document. Its objects take about ten times as much memory."""

_URLS: Final = ("url", "external_url")
_DATES: Final = ("date_modified", "date_published")
_DELIVER_EVERY: Final = 1000


class BadJson(Exception):
    """The document is too long, malformed, or nested too deep. The text is the message for users."""


def read_json_feed(pieces: Iterator[str], builder: EntryBuilder) -> None:
    """Read a feed: of each item the `url`, else `external_url`, else an `id` that is a URL.

    Raise `BadJson`, and what the builder raises.
    """
    feed = _loaded(pieces)
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list):
        builder.has_unknown = True
        return
    set_next_page(_text(feed, "next_url"), builder, builder.base)
    for number, item in enumerate(items, start=1):
        _read_item(item, builder)
        if number % _DELIVER_EVERY == 0:
            builder.deliver()


def _loaded(pieces: Iterator[str]) -> Any:
    parts: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_CHARACTERS:
            raise BadJson(f"a JSON document of more than {MAX_CHARACTERS} characters")
        parts.append(piece)
    try:
        return json.loads("".join(parts))
    except RecursionError:
        raise BadJson("a JSON document that is nested too deep") from None
    except ValueError as error:
        raise BadJson(f"JSON that is not well-formed: {error}") from None


def _read_item(item: Any, builder: EntryBuilder) -> None:
    fields = item if isinstance(item, dict) else {}
    identifier = _text(fields, "id")
    texts = chain(
        (_text(fields, name) for name in _URLS), [identifier] if HTTP_URL.fullmatch(identifier) else []
    )
    url = next(filter(None, texts), None)
    if url is None:
        note = builder.problems.add if fields.get("attachments") else builder.add_loss
        note(ProblemCode.MISSING_URL, None, "an item that names no page")
        return
    date = next(filter(None, (_text(fields, name) for name in _DATES)), None)
    builder.add(url, None, lastmod=date, relative=True)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""
