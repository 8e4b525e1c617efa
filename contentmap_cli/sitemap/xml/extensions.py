"""Read images, videos, news and language alternates of an entry into attributes by name.

A value has the name of its element (`thumbnail_loc`), an attribute those of element and attribute
(`restriction_relationship`), a nested value those of both elements (`publication_name`, `tvshow_show_title`;
`language` for the language of a news publication). Repeated values (`tag`) are joined by commas.
"""

from __future__ import annotations

from contentmap_cli.sitemap.entry_builder import EntryBuilder, Extensions, storable
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.urls import strip_credentials
from contentmap_cli.sitemap.xml.elements import Element, Role, Roles, split_tag, text_of

PER_ENTRY = 1000
VALUES = 64
TEXT_LENGTH = 4096
NAME_LENGTH = 100
_USUAL_ATTRIBUTES = frozenset({"rel", "hreflang", "href"})


def read_extensions(
    parts: list[Element], builder: EntryBuilder, roles: Roles, line: int | None
) -> Extensions:
    """Read the image, video, news and link elements of an entry.

    Limits: `PER_ENTRY` elements of each kind, `VALUES` values in each, `TEXT_LENGTH` characters per value;
    exceeding one is a problem. Credentials in URLs are removed.
    """
    kinds: dict[Role, list[dict[str, str]]] = {Role.IMAGE: [], Role.VIDEO: [], Role.NEWS: [], Role.LINK: []}
    for part in parts:
        role = roles[part.tag]
        kept = kinds[role]
        cut = False
        if role is Role.LINK:
            values = _alternate(part)
            if not values and _means_alternate(part):
                builder.problems.add(
                    ProblemCode.INVALID_EXTENSION, line, "a link without rel, hreflang or href"
                )
        else:
            values = {}
            cut = _add_children(values, part, role)
        if not values:
            continue
        if len(kept) >= PER_ENTRY:
            name = role.name.lower()
            builder.problems.add(ProblemCode.TOO_MANY_EXTENSIONS, line, f"over {PER_ENTRY}: {name}")
            continue
        kept.append(values)
        if cut:
            builder.problems.add(ProblemCode.INVALID_EXTENSION, line, f"{role.name.lower()} values were cut")
    return Extensions(*(tuple(kept) for kept in kinds.values()))


def _local(key: str) -> str:
    """Return the local name of an attribute in lower case: some generators write hrefLang."""
    return split_tag(key)[1].lower()


def _means_alternate(link: Element) -> bool:
    """Return whether an invalid alternate was meant as one, and not for another medium or type."""
    given = {_local(key): value.strip().lower() for key, value in link.items()}
    if "hreflang" in given:
        return True
    return given.get("rel") == "alternate" and not given.keys() & {"media", "type"}


def _alternate(link: Element) -> dict[str, str]:
    """Return `hreflang`, `href` and `media` of a language alternate; nothing for another link."""
    given = dict(link.items())
    if not given.keys() >= _USUAL_ATTRIBUTES:
        given = {_local(key): value for key, value in given.items()}
    rel = given.get("rel", "")
    if rel != "alternate" and "alternate" not in rel.lower().split():
        return {}
    values = {}
    for name in ("hreflang", "href", "media"):
        text = given.get(name)
        if text and (value := storable(strip_credentials(text.strip())[:TEXT_LENGTH])):
            values[name] = value
    return values if "hreflang" in values and "href" in values else {}  # not white space only


def _add_children(
    values: dict[str, str], element: Element, role: Role, prefix: str = "", depth: int = 2
) -> bool:
    """Add the values of an element's children, two levels deep. Return whether some were cut."""
    cut = False
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            continue
        name = _name(prefix, split_tag(tag)[1], role) if prefix else split_tag(tag)[1]
        if not len(child):
            text = child.text
            if text:
                if not text.isprintable() or text[0] == " " or text[-1] == " " or "  " in text:
                    text = storable(" ".join(text.split()))
                if name in values or len(text) > TEXT_LENGTH or len(name) > NAME_LENGTH:
                    cut |= _add(values, name, text)
                elif len(values) >= VALUES:
                    cut = True
                elif text:
                    values[name] = text if "@" not in text else strip_credentials(text)
        elif depth > 1 and any(isinstance(part.tag, str) for part in child):
            cut |= _add_children(values, child, role, f"{name}_", depth - 1)
        else:
            cut |= _add(values, name, " ".join(text_of(child).split()))
        for key, value in child.items():
            cut |= _add(values, f"{name}_{split_tag(key)[1]}", value.strip())
    return cut


def _name(prefix: str, local: str, role: Role) -> str:
    of_publication = prefix == "publication_" and local == "language" and role is Role.NEWS
    return local if of_publication else prefix + local


def _add(values: dict[str, str], name: str, text: str) -> bool:
    """Add a value, appended after a comma if the name exists. Return whether it was cut or dropped."""
    text = strip_credentials(storable(text))
    if not text:
        return False
    name = name[:NAME_LENGTH]
    known = values.get(name)
    if known is not None:
        text = f"{known}, {text}" if len(known) < TEXT_LENGTH else known + " "
    elif len(values) >= VALUES:
        return True
    values[name] = text[:TEXT_LENGTH]
    return len(text) > TEXT_LENGTH
