"""What an element means, whoever built it: lxml, or the tolerant reader.

Core elements go by their local name in any namespace; what belongs to an extension goes by the extension's
namespace, or by its usual prefix where none is declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Protocol

DEPTH = 64  # elements nested deeper than this inside a field hold no text of it


class Element(Protocol):
    """The part of the ElementTree interface that lxml and the standard library share."""

    @property
    def tag(self) -> Any: ...
    @property
    def text(self) -> str | None: ...
    @property
    def tail(self) -> str | None: ...
    def get(self, key: str, /) -> str | None: ...
    def items(self) -> Iterable[tuple[Any, Any]]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...


class Role(Enum):
    """What an element is to a reader of sitemaps and feeds."""

    URL = auto()
    SITEMAP = auto()
    LOC = auto()
    LASTMOD = auto()
    CHANGEFREQ = auto()
    PRIORITY = auto()
    IMAGE = auto()
    VIDEO = auto()
    NEWS = auto()
    LINK = auto()
    ITEM = auto()
    ENTRY = auto()
    GUID = auto()
    DATE = auto()
    OTHER = auto()

    __hash__ = object.__hash__  # members are unique; Enum's own hash is a call into Python


EXTENSION_ROLES = frozenset({Role.IMAGE, Role.VIDEO, Role.NEWS, Role.LINK})
CORE = {
    "url": Role.URL,
    "sitemap": Role.SITEMAP,
    "loc": Role.LOC,
    "lastmod": Role.LASTMOD,
    "changefreq": Role.CHANGEFREQ,
    "priority": Role.PRIORITY,
    "image": Role.IMAGE,
    "video": Role.VIDEO,
    "news": Role.NEWS,
    "link": Role.LINK,
    "item": Role.ITEM,
    "entry": Role.ENTRY,
    "guid": Role.GUID,
    "pubdate": Role.DATE,
    "updated": Role.DATE,
    "published": Role.DATE,
    "modified": Role.DATE,
    "issued": Role.DATE,
    "created": Role.DATE,
    "date": Role.DATE,
}
OWN_ELEMENT = {"image": Role.IMAGE, "video": Role.VIDEO, "news": Role.NEWS}
EXTENSION_MARKS = (
    ("sitemap-image", "image"),
    ("sitemap-video", "video"),
    ("sitemap-news", "news"),
    ("sitemap-mobile", "mobile"),
    ("sitemap-pagemap", "pagemap"),
    ("sitemap-geo", "geo"),
    ("1999/xhtml", "xhtml"),
    ("search.yahoo.com/mrss", "media"),
    ("itunes.com", "itunes"),
)
PREFIXES = frozenset({"image", "video", "news", "mobile", "pagemap", "geo", "xhtml", "media", "itunes"})


def family(namespace: str) -> str | None:
    """The extension that a namespace (or an undeclared prefix) belongs to, None for the core and the
    unknown."""
    lowered = namespace.lower()
    if lowered in PREFIXES:
        return lowered
    for mark, name in EXTENSION_MARKS:
        if mark in lowered:
            return name
    return None


@lru_cache(maxsize=1024)
def split_tag(tag: str) -> tuple[str, str]:
    """Namespace and local name of `{namespace}local`."""
    namespace, _, local = tag.rpartition("}")
    return namespace[1:], local


def role_of(tag: str) -> Role:
    """The role of an element by its tag; the reader caches the answer."""
    namespace, local = split_tag(tag)
    local = local.lower()
    extension = family(namespace)
    if extension is None:
        return CORE.get(local, Role.OTHER)
    if extension == "xhtml":
        return Role.LINK if local == "link" else Role.OTHER
    return OWN_ELEMENT.get(local, Role.OTHER) if local == extension else Role.OTHER


class Roles(dict[Any, Role]):
    """Roles by tag, each looked up once. Comments and instructions, whose tag is no text, are OTHER."""

    def __missing__(self, tag: object) -> Role:
        role = role_of(tag) if isinstance(tag, str) else Role.OTHER
        if len(self) < 1000:
            self[tag] = role
        return role


def text_of(element: Element, depth: int = DEPTH) -> str:
    """All character data of an element, that of its children included; comments and instructions are none."""
    if not len(element):
        return element.text or ""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and depth:
            parts.append(text_of(child, depth - 1))
        parts.append(child.tail or "")
    return "".join(parts)
