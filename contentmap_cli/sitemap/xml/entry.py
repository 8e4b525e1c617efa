"""Read a `url` or `sitemap` element into entries."""

from __future__ import annotations

from contentmap_cli.sitemap.entry_builder import NO_EXTENSIONS, EntryBuilder
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.xml.elements import EXTENSION_ROLES, Element, Role, Roles, text_of
from contentmap_cli.sitemap.xml.extensions import read_extensions


def loc_texts(loc: Element, roles: Roles) -> list[str]:
    """Return the text of a loc, and of each loc nested in it, without the text of other fields."""
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
    element: Element,
    builder: EntryBuilder,
    roles: Roles,
    line: int | None,
    *,
    type_: str,
    repaired: bool = False,
) -> None:
    """Read a `url` or `sitemap` element.

    Each loc is one entry, with the fields up to the next loc. Without a loc, the element's own text is the
    URL.
    """
    roles = roles.inside(element.tag)
    found: list[dict[Role, str]] = []
    fields: dict[Role, str] = {}
    parts: list[Element] = []
    for child in element:
        role = roles[child.tag]
        if roles.core is not None and getattr(child, "prefix", None) != getattr(element, "prefix", None):
            role = roles.of_extension(child.tag)  # image:loc next to loc, both in the extension's namespace
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
        elif role in EXTENSION_ROLES:
            parts.append(child)
    found.append(fields)
    if Role.LOC not in fields:
        own = own_text(element)
        if not own.strip():
            builder.add_loss(ProblemCode.MISSING_URL, line, f"a {type_} without a loc")
            return
        fields[Role.LOC] = own
    extensions = read_extensions(parts, builder, roles, line) if parts else NO_EXTENSIONS
    for fields in found:
        builder.add(
            fields[Role.LOC],
            line,
            type_=type_,
            lastmod=fields.get(Role.LASTMOD),
            changefreq=fields.get(Role.CHANGEFREQ),
            priority=fields.get(Role.PRIORITY),
            repaired=repaired,
            extensions=extensions,
        )
        extensions = NO_EXTENSIONS


def own_text(element: Element) -> str:
    """Return the character data directly in an element."""
    return (element.text or "") + "".join([child.tail or "" for child in element])
