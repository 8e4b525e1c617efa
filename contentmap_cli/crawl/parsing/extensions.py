"""Images, videos, news and language alternates of an entry, as attributes by name.

A value is named by its element (`thumbnail_loc`), an attribute by element and attribute
(`restriction_relationship`), a nested value by both elements (`publication_name`, `tvshow_show_title`; the
language of a news publication is `language`). What is repeated (`tag`) is joined by commas.
"""

from __future__ import annotations

from contentmap_cli.crawl.parsing.desk import Desk, Extensions, storable
from contentmap_cli.crawl.parsing.elements import Element, Role, Roles, split_tag, text_of
from contentmap_cli.crawl.parsing.problems import ProblemCode

PER_ENTRY = 1000
VALUES = 64
TEXT_LENGTH = 4096
NAME_LENGTH = 100


def read_extensions(parts: list[Element], desk: Desk, roles: Roles, line: int | None) -> Extensions:
    """Reads the image, video, news and link elements of one entry.

    At most `PER_ENTRY` of each, `VALUES` values in each, `TEXT_LENGTH` characters in each of these; what is
    beyond is noted as a problem.
    """
    kinds: dict[Role, list[dict[str, str]]] = {Role.IMAGE: [], Role.VIDEO: [], Role.NEWS: [], Role.LINK: []}
    for part in parts:
        role = roles[part.tag]
        kept = kinds[role]
        if role is Role.LINK:
            values = _alternate(part)
            cut = False
        else:
            gathered = _Values(role)
            gathered.add_children(part)
            values, cut = gathered.kept, gathered.cut
        if not values:
            continue
        if len(kept) >= PER_ENTRY:
            name = role.name.lower()
            desk.problems.add(ProblemCode.TOO_MANY_EXTENSIONS, line, f"over {PER_ENTRY}: {name}")
            continue
        kept.append(values)
        if cut:
            desk.problems.add(ProblemCode.INVALID_EXTENSION, line, f"{role.name.lower()} values were cut")
    return Extensions(*(tuple(kept) for kept in kinds.values()))


def _alternate(link: Element) -> dict[str, str]:
    """`hreflang` and `href` (and `media`) of a language alternate; nothing of any other link."""
    if "alternate" not in (link.get("rel") or "").lower().split():
        return {}
    texts = {name: link.get(name) or "" for name in ("hreflang", "href", "media")}
    values = {name: storable(text.strip()[:TEXT_LENGTH]) for name, text in texts.items()}
    if not values["hreflang"] or not values["href"]:  # white space alone names no language
        return {}
    return {name: value for name, value in values.items() if value}


class _Values:
    """The values of one image, video or news element."""

    def __init__(self, role: Role) -> None:
        self.kept: dict[str, str] = {}
        self.cut = False
        self._role = role

    def add_children(self, element: Element, prefix: str = "", depth: int = 2) -> None:
        """Adds the values of an element's children, nested ones to a depth of two."""
        for child in element:
            if not isinstance(child.tag, str):
                continue
            local = split_tag(child.tag)[1]
            of_publication = prefix == "publication_" and local == "language" and self._role is Role.NEWS
            name = local if of_publication else prefix + local
            if depth > 1 and len(child) and any(isinstance(inner.tag, str) for inner in child):
                self.add_children(child, f"{name}_", depth - 1)
            else:
                self._add(name, " ".join(text_of(child).split()))
            for key, value in child.items():
                self._add(f"{name}_{split_tag(key)[1]}", value.strip())

    def _add(self, name: str, text: str) -> None:
        text = storable(text)
        if not text:
            return
        name = name[:NAME_LENGTH]
        known = self.kept.get(name)
        if known is not None:
            text = f"{known}, {text}" if len(known) < TEXT_LENGTH else known + " "
        elif len(self.kept) >= VALUES:
            self.cut = True
            return
        if len(text) > TEXT_LENGTH:
            self.cut = True
            text = text[:TEXT_LENGTH]
        self.kept[name] = text
