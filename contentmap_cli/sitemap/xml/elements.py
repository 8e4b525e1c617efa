"""What an element means, whoever built it: lxml, or the tolerant reader.

Core elements go by their local name in any namespace; what belongs to an extension goes by the extension's
namespace, or by its usual prefix where none is declared. Where an extension's namespace is the entry's own
(some generators make it the default one), core elements are read in it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Protocol

_NAMESPACES = 100  # of extensions that are told apart as an entry's own
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


ENTRY_NAMES = frozenset({"url", "sitemap"})
"""No extension has such an element: what is called so is an entry in any namespace."""


def role_of(tag: str, core: str | None = None) -> Role:
    """The role of an element by its tag; the reader caches the answer. `core` is the namespace of the entry
    that it stands in."""
    namespace, local = split_tag(tag)
    local = local.lower()
    extension = None if local in ENTRY_NAMES or namespace == core else family(namespace)
    if extension is None:
        return CORE.get(local, Role.OTHER)
    if extension == "xhtml":
        return Role.LINK if local == "link" else Role.OTHER
    return OWN_ELEMENT.get(local, Role.OTHER) if local == extension else Role.OTHER


class Roles(dict[Any, Role]):
    """Roles by tag, each looked up once. Comments and instructions, whose tag is no text, are OTHER."""

    def __init__(self, core: str | None = None) -> None:
        super().__init__()
        self.core = core
        self._others: dict[str, Roles] = {}

    def inside(self, entry: Any) -> Roles:
        """Roles of what stands in an entry: others than these if its namespace is an extension's."""
        namespace = split_tag(entry)[0] if isinstance(entry, str) else ""
        if namespace == self.core or family(namespace) is None or len(self._others) > _NAMESPACES:
            return self
        return self._others.setdefault(namespace, Roles(namespace))

    def of_extension(self, tag: Any) -> Role:
        """The role of an element that has an extension's prefix."""
        return role_of(tag) if isinstance(tag, str) else Role.OTHER

    def __missing__(self, tag: object) -> Role:
        role = role_of(tag, self.core) if isinstance(tag, str) else Role.OTHER
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
