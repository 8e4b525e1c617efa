"""What an element means, whoever built it: lxml, or the tolerant reader.

Core elements go by their local name in any namespace; what belongs to an extension goes by the extension's
namespace, or by its usual prefix where none is declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Protocol

from contentmap_cli.crawl.parsing.desk import NOTHING, Desk, Extensions, storable
from contentmap_cli.crawl.parsing.problems import ProblemCode

EXTENSIONS_PER_ENTRY = 1000
TEXT_LENGTH = 4096
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


def loc_texts(loc: Element, roles: Roles) -> list[str]:
    """The texts of a loc: one, unless another loc was put inside of it.

    Fields that were put inside do not belong to its text; elements that mean nothing do.
    """
    if not len(loc):
        return [loc.text or ""]
    parts = [loc.text or ""]
    nested: list[str] = []
    for child in loc:
        role = roles[child.tag]
        if role is Role.LOC:
            nested += loc_texts(child, roles)
        elif role in (Role.OTHER, Role.URL) and isinstance(child.tag, str):
            parts.append(text_of(child))
        parts.append(child.tail or "")
    return ["".join(parts), *nested]


def read_entry(
    element: Element, desk: Desk, roles: Roles, line: int | None, *, type_: str, repaired: bool = False
) -> None:
    """Reads one `url` or `sitemap` with all it holds.

    Each loc is an entry of its own, with the fields up to the next one. Without any, the element's own text
    is the URL. Fields never leak to another element.
    """
    found: list[dict[Role, str]] = []
    fields: dict[Role, str] = {}
    parts: list[Element] = []
    for child in element:
        role = roles[child.tag]
        if role is Role.LOC:
            for text in loc_texts(child, roles):
                if not text.strip():
                    continue
                if Role.LOC in fields:
                    found.append(fields)
                    fields = {}
                fields[Role.LOC] = text
        elif role in (Role.LASTMOD, Role.CHANGEFREQ, Role.PRIORITY):
            fields.setdefault(role, text_of(child))
        elif role in (Role.IMAGE, Role.VIDEO, Role.NEWS, Role.LINK):
            parts.append(child)
    found.append(fields)
    if Role.LOC not in fields:
        own = own_text(element)
        if not own.strip():
            desk.problems.add(ProblemCode.MISSING_URL, line, f"a {type_} without a loc")
            return
        fields[Role.LOC] = own
    extensions = read_extensions(parts, desk, roles, line) if parts else NOTHING
    for fields in found:
        desk.take(
            fields[Role.LOC],
            line,
            type_=type_,
            lastmod=fields.get(Role.LASTMOD),
            changefreq=fields.get(Role.CHANGEFREQ),
            priority=fields.get(Role.PRIORITY),
            repaired=repaired,
            extensions=extensions,
        )
        extensions = NOTHING


def own_text(element: Element) -> str:
    """The character data that stands directly in an element."""
    return (element.text or "") + "".join([child.tail or "" for child in element])


def read_extensions(parts: list[Element], desk: Desk, roles: Roles, line: int | None) -> Extensions:
    """The images, videos, news and alternates among an entry's children, `EXTENSIONS_PER_ENTRY` of each."""
    kinds: dict[Role, list[dict[str, str]]] = {Role.IMAGE: [], Role.VIDEO: [], Role.NEWS: [], Role.LINK: []}
    for part in parts:
        role = roles[part.tag]
        values = _alternate(part) if role is Role.LINK else _attributes(part, role)
        if not values:
            continue
        kept = kinds[role]
        if len(kept) < EXTENSIONS_PER_ENTRY:
            kept.append(_bounded(values, desk, line))
        else:
            name = role.name.lower()
            desk.problems.add(ProblemCode.TOO_MANY_EXTENSIONS, line, f"over {EXTENSIONS_PER_ENTRY}: {name}")
    return Extensions(*(tuple(kept) for kept in kinds.values()))


def _alternate(link: Element) -> dict[str, str] | None:
    """`hreflang` and `href` (and `media`) of a language alternate; any other link is none."""
    rel, hreflang, href = link.get("rel"), link.get("hreflang"), link.get("href")
    if not hreflang or not href or not rel or "alternate" not in rel.lower().split():
        return None
    values = {"hreflang": hreflang.strip(), "href": href.strip()}
    media = link.get("media")
    if media:
        values["media"] = media.strip()
    return values


def _attributes(element: Element, role: Role) -> dict[str, str]:
    """The values of an image, video or news element by name; see `_gather`."""
    values: dict[str, str] = {}
    for child in element:
        if isinstance(child.tag, str):
            _gather(child, "", role, values)
    return values


def _gather(element: Element, prefix: str, role: Role, values: dict[str, str]) -> None:
    """Adds one value: what is repeated is joined by commas, an attribute is `element_attribute`, and what is
    nested (a news publication, a TV show) is flattened."""
    name = prefix + split_tag(element.tag)[1]
    if len(element) and not prefix and any(isinstance(child.tag, str) for child in element):
        inner = "publication_" if role is Role.NEWS else f"{name}_"
        for child in element:
            if isinstance(child.tag, str):
                language = role is Role.NEWS and split_tag(child.tag)[1] == "language"
                _gather(child, "" if language else inner, role, values)
        return
    text = " ".join(text_of(element).split())
    if text:
        values[name] = (
            f"{values[name]}, {text}" if name in values and len(values[name]) < TEXT_LENGTH else text
        )
    attributes: Any = getattr(element, "attrib", None)
    for key, value in attributes.items() if attributes else ():
        values.setdefault(f"{name}_{split_tag(key)[1]}", value.strip())


def _bounded(values: dict[str, str], desk: Desk, line: int | None) -> dict[str, str]:
    """The values without what could not be stored: at most 64 of them, each of at most `TEXT_LENGTH`."""
    kept: dict[str, str] = {}
    for name, value in values.items():
        fitting = storable(value[:TEXT_LENGTH])
        if len(fitting) < len(value):
            desk.problems.add(ProblemCode.INVALID_EXTENSION, line, f"{name} was cut")
        if len(kept) < 64 and fitting:
            kept[storable(name[:100])] = fitting
    return kept
