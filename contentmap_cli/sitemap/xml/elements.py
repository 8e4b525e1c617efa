"""The meaning of elements, for trees of lxml and of the tolerant reader.

Core elements are recognised by local name in any namespace, those of an extension by its namespace, or by its
usual prefix if none is declared. Where the namespace of an extension is that of the entry, core elements are
recognised in it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Protocol

_NAMESPACES = 100  # namespaces of extensions as an entry's own that are distinguished
DEPTH = 64  # levels of elements in a field whose text belongs to it


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
    """The role of an element in sitemaps and feeds."""

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

    __hash__ = object.__hash__  # faster: Enum's hash is a Python function


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
EXTENSION_NAMESPACES = (
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


def extension_of(namespace: str) -> str | None:
    """Return the extension of a namespace or undeclared prefix; None for the core and unknown ones."""
    lowered = namespace.lower()
    if lowered in PREFIXES:
        return lowered
    for mark, name in EXTENSION_NAMESPACES:
        if mark in lowered:
            return name
    return None


@lru_cache(maxsize=1024)
def split_tag(tag: str) -> tuple[str, str]:
    """Split `{namespace}local` into namespace and local name."""
    namespace, _, local = tag.rpartition("}")
    return namespace[1:], local


ENTRY_NAMES = frozenset({"url", "sitemap"})
"""Names of entries in any namespace: no extension has such an element."""


def role_of(tag: str, core: str | None = None) -> Role:
    """Return the role of an element by its tag. `core` is the namespace of its entry."""
    namespace, local = split_tag(tag)
    local = local.lower()
    extension = None if local in ENTRY_NAMES or namespace == core else extension_of(namespace)
    if extension is None:
        return CORE.get(local, Role.OTHER)
    if extension == "xhtml":
        return Role.LINK if local == "link" else Role.OTHER
    return OWN_ELEMENT.get(local, Role.OTHER) if local == extension else Role.OTHER


class Roles(dict[Any, Role]):
    """Cached roles by tag. Comments and instructions, whose tag is not text, are OTHER."""

    def __init__(self, core: str | None = None) -> None:
        super().__init__()
        self.core = core
        self._others: dict[str, Roles] = {}

    def inside(self, entry: Any) -> Roles:
        """Return the roles inside an entry, which differ if its namespace is that of an extension."""
        namespace = split_tag(entry)[0] if isinstance(entry, str) else ""
        if namespace == self.core or extension_of(namespace) is None or len(self._others) > _NAMESPACES:
            return self
        return self._others.setdefault(namespace, Roles(namespace))

    def of_extension(self, tag: Any) -> Role:
        """Return the role of an element with an extension's prefix."""
        return role_of(tag) if isinstance(tag, str) else Role.OTHER

    def __missing__(self, tag: object) -> Role:
        role = role_of(tag, self.core) if isinstance(tag, str) else Role.OTHER
        if len(self) < 1000:
            self[tag] = role
        return role


def text_of(element: Element, depth: int = DEPTH) -> str:
    """Return the character data of an element and its children, without comments and instructions."""
    if not len(element):
        return element.text or ""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and depth:
            parts.append(text_of(child, depth - 1))
        parts.append(child.tail or "")
    return "".join(parts)
