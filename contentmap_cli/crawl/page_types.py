"""What kind of page a URL is, as far as its sitemap and its path say so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from contentmap_cli.values import Entry

# Words as generators use them in sitemap names and sites in paths; singular is the answer.
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


def page_type_of(sitemap_url: str) -> Callable[[Entry], str | None]:
    """A function that names an entry's page type, or None where nothing tells.

    News and video markup of the entry itself decides first, then the name of its sitemap
    (`post-sitemap.xml`), then the first folder of its path (`/blog/…`).
    """
    name = urlsplit(sitemap_url).path.rpartition("/")[2].lower()
    named = next((_TYPE_OF[word] for word in _WORD.findall(name) if word in _TYPE_OF), None)

    def page_type(entry: Entry) -> str | None:
        if entry.news:
            return "news"
        if entry.videos:
            return "video"
        if named is not None:
            return named
        segment = _FIRST_SEGMENT.match(entry.url)
        if segment is not None:
            return _TYPE_OF.get(segment[1].lower())
        return "home" if _HOME.fullmatch(entry.url) else None

    return page_type
