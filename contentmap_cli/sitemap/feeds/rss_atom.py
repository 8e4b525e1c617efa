"""RSS 0.9 to 2.0, RDF and Atom: one page an item, with the date it was published or changed.

Of several links the page is chosen as feed readers choose it: what can be requested before what cannot, HTML
before other types, the format's own element before what stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.urls import SCHEME, judge, trim
from contentmap_cli.sitemap.xml.elements import Element, Role, Roles, split_tag, text_of

XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "atom", "atom10", "atom03")
HTTP_URL = re.compile(r"https?:/\S+", re.IGNORECASE)
RELATIONS = "http://www.iana.org/assignments/relation/"
PAGES_OF_FEEDS = ("next", "prev-archive")
"""Relations that lead on in a paged feed (RFC 5005 section 3) and in an archived one (section 4)."""

HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
"""Media types of a page; a link that names none is taken for one."""

# What says best when the page changed, first.
DATES = ("updated", "modified", "pubdate", "published", "issued", "created", "date")


class Link(NamedTuple):
    """What may be the page of an item. Lower ranks come first."""

    rank: int
    url: str
    base: str | None


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
    element: Element,
    builder: EntryBuilder,
    roles: Roles,
    line: int | None,
    *,
    base: str | None,
    repaired: bool = False,
) -> None:
    """Reads an RSS `item`: its `link`, else what stands in for it.

    That is, in this order, a link of Atom, a `guid` that is a permanent link, the original link of
    FeedBurner, the name of an RDF resource, and any other `guid` that is an http(s) URL.
    """
    _read(element, builder, roles, line, base=base, repaired=repaired, in_atom=False)


def read_atom_entry(
    element: Element,
    builder: EntryBuilder,
    roles: Roles,
    line: int | None,
    *,
    base: str | None,
    repaired: bool = False,
) -> None:
    """Reads an Atom `entry`: its link that is `rel=alternate` or has no `rel`, else what stands in for it."""
    _read(element, builder, roles, line, base=base, repaired=repaired, in_atom=True)


def _read(
    element: Element,
    builder: EntryBuilder,
    roles: Roles,
    line: int | None,
    *,
    base: str | None,
    repaired: bool,
    in_atom: bool,
) -> None:
    base = resolve_base(base, [element.get(XML_BASE)])
    links: list[Link] = []
    dates: dict[str, str] = {}
    attached = False
    for child in element:
        role = roles[child.tag]
        if role is Role.DATE:
            dates.setdefault(split_tag(child.tag)[1].lower(), text_of(child))
            continue
        attached = attached or _is_attached(child, role)
        for rank, text in _links_of(child, role, in_atom=in_atom):
            if url := trim(text):
                links.append(Link(rank, url, resolve_base(base, [child.get(XML_BASE)])))
    about = trim(element.get(RDF_ABOUT) or element.get("about") or "")
    if HTTP_URL.fullmatch(about):
        links.append(Link(7, about, base))
    if not links:
        # an item of a podcast is a file, and names no page by itself
        note = builder.problems.add if attached else builder.lose
        note(ProblemCode.MISSING_URL, line, "an item that names no page")
        return
    chosen = min(links, key=lambda link: (not _is_usable(link.url), link.rank))
    date = next((dates[name] for name in DATES if dates.get(name, "").strip()), None)
    builder.take(chosen.url, line, lastmod=date, repaired=repaired, base=chosen.base, relative=True)


def _links_of(child: Element, role: Role, *, in_atom: bool) -> Iterator[tuple[int, str]]:
    """What a child of an item says of the page, with its rank."""
    if role is Role.LINK:
        href = child.get("href")
        of_rss = not in_atom and split_tag(child.tag)[0] not in ATOM
        if of_rss or not href:
            yield 0 if of_rss else 4, text_of(child)
        if href and relation_of(child) in ("", "alternate"):
            media_type = (child.get("type") or "").partition(";")[0].strip().lower()
            yield 1 if media_type in HTML_TYPES else 2, href
    elif role is Role.GUID:
        text = trim(text_of(child))
        if HTTP_URL.fullmatch(text):
            permanent = (child.get("isPermaLink") or "true").strip().lower() != "false"
            yield 5 if permanent else 8, text
    elif role is Role.OTHER and isinstance(child.tag, str) and split_tag(child.tag)[1].lower() == "origlink":
        yield 6, text_of(child)


def relation_of(link: Element) -> str:
    """The `rel` of a link, without what the registry's own URL puts before it."""
    return (link.get("rel") or "").strip().lower().removeprefix(RELATIONS)


def note_page(link: Element, builder: EntryBuilder, base: str | None) -> None:
    """Notes where a feed goes on, if this link of the feed itself says it."""
    relation = relation_of(link)
    if relation not in PAGES_OF_FEEDS or (builder.next_link is not None and relation != "next"):
        return
    base = resolve_base(base, [link.get(XML_BASE)])
    note_next(link.get("href") or "", builder, base)


def note_next(text: str, builder: EntryBuilder, base: str | None) -> None:
    """Notes the URL of the next page of a feed, if it can be requested and is another one."""
    url = judge(text, base, builder.limits.url_length).url if text.strip() else None
    if url is not None and urlsplit(url).netloc and url != builder.base:
        builder.next_link = url


def _is_attached(child: Element, role: Role) -> bool:
    if role is Role.LINK:
        return relation_of(child) == "enclosure"
    return isinstance(child.tag, str) and split_tag(child.tag)[1].lower() == "enclosure"


def _is_usable(url: str) -> bool:
    """Whether a link is an http(s) URL or relative to one."""
    scheme = SCHEME.match(url)
    return scheme is None or "." in scheme[1] or scheme[1].lower() in ("http", "https")
