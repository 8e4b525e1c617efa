"""Guess the type of a page from its sitemap, its markup and its path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from contentmap_cli.models import Entry
from contentmap_cli.models.entry_sink import PlainEntries

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
