"""RSS 0.9 to 2.0, RDF and Atom: one page an item, with the date it was published or changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urljoin

from contentmap_cli.crawl.parsing.desk import Desk
from contentmap_cli.crawl.parsing.elements import Element, Role, Roles, split_tag, text_of
from contentmap_cli.crawl.parsing.problems import ProblemCode
from contentmap_cli.crawl.parsing.urls import trim

XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "atom", "atom10", "atom03")
HTTP_URL = re.compile(r"https?://\S+", re.IGNORECASE)
ALTERNATE = frozenset({"", "alternate", "http://www.iana.org/assignments/relation/alternate"})
# What says best when the page changed, first.
DATES = ("updated", "modified", "pubdate", "published", "issued", "created", "date")


def resolve_base(base: str | None, steps: Iterable[str | None]) -> str | None:
    """The base URL after a chain of xml:base attributes, outermost first."""
    for step in steps:
        if step:
            try:
                base = urljoin(base or "", step.strip())
            except ValueError:
                continue
    return base


def read_item(
    element: Element, desk: Desk, roles: Roles, line: int | None, *, base: str | None, repaired: bool = False
) -> None:
    """Reads an RSS `item`: its `link`, else a `guid` that is an http(s) URL."""
    link = guid = ""
    dates: dict[str, str] = {}
    for child in element:
        role = roles[child.tag]
        if role is Role.LINK and not link and split_tag(child.tag)[0] not in ATOM:
            link = trim(text_of(child))
        elif role is Role.GUID and not guid:
            guid = trim(text_of(child))
        elif role is Role.DATE:
            dates.setdefault(split_tag(child.tag)[1].lower(), text_of(child))
    if not link and HTTP_URL.fullmatch(guid):
        link = guid
    _take(link, dates, desk, line, base=resolve_base(base, [element.get(XML_BASE)]), repaired=repaired)


def read_atom_entry(
    element: Element, desk: Desk, roles: Roles, line: int | None, *, base: str | None, repaired: bool = False
) -> None:
    """Reads an Atom `entry`: its first link that is `rel=alternate` or has no `rel`."""
    base = resolve_base(base, [element.get(XML_BASE)])
    link = ""
    dates: dict[str, str] = {}
    for child in element:
        role = roles[child.tag]
        if role is Role.LINK and not link and (child.get("rel") or "").strip().lower() in ALTERNATE:
            link = trim(child.get("href") or "")
            base = resolve_base(base, [child.get(XML_BASE)]) if link else base
        elif role is Role.DATE:
            dates.setdefault(split_tag(child.tag)[1].lower(), text_of(child))
    _take(link, dates, desk, line, base=base, repaired=repaired)


def _take(
    link: str, dates: dict[str, str], desk: Desk, line: int | None, *, base: str | None, repaired: bool
) -> None:
    if not link:
        desk.lose(ProblemCode.MISSING_URL, line, "an item that names no page")
        return
    date = next((dates[name] for name in DATES if dates.get(name, "").strip()), None)
    desk.take(link, line, lastmod=date, repaired=repaired, base=base, relative=True)
