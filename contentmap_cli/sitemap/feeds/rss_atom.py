"""Read RSS 0.9 to 2.0, RDF and Atom: one page per item, with its date of publication or change.

Of several links, feed readers choose as follows: URLs that can be requested first, HTML before other types,
the format's own element before substitutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.urls import SCHEME, trim, validate_url
from contentmap_cli.sitemap.xml.elements import Element, Role, Roles, split_tag, text_of

XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "atom", "atom10", "atom03")
HTTP_URL = re.compile(r"https?:/\S+", re.IGNORECASE)
RELATIONS = "http://www.iana.org/assignments/relation/"
PAGES_OF_FEEDS = ("next", "prev-archive")
"""Relations to the next page of a paged (RFC 5005 section 3) or archived feed (section 4)."""

HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
"""Media types of a page, also assumed for a link without a type."""

# Elements with the date of the last change, best first.
DATES = ("updated", "modified", "pubdate", "published", "issued", "created", "date")


class Link(NamedTuple):
    """A candidate for the page of an item. The lowest rank wins."""

    rank: int
    url: str
    base: str | None


def resolve_base(base: str | None, steps: Iterable[str | None]) -> str | None:
    """Return the base URL after a chain of xml:base attributes, outermost first."""
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
    """Read an RSS `item` or an Atom `entry`, and add its page.

    The page of an item is its `link`, else the first of: a link of Atom, a `guid` that is a permanent link,
    FeedBurner's original link, the name of an RDF resource, another `guid` that is an http(s) URL. The page
    of an entry is its link with `rel=alternate` or without `rel`, else the first of these.
    """
    in_atom = roles[element.tag] is not Role.ITEM
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
        # an item of a podcast is a file without a page
        note = builder.problems.add if attached else builder.add_loss
        note(ProblemCode.MISSING_URL, line, "an item that names no page")
        return
    chosen = min(links, key=lambda link: (not _is_usable(link.url), link.rank))
    date = next((dates[name] for name in DATES if dates.get(name, "").strip()), None)
    builder.add(chosen.url, line, lastmod=date, repaired=repaired, base=chosen.base, relative=True)


def _links_of(child: Element, role: Role, *, in_atom: bool) -> Iterator[tuple[int, str]]:
    """Yield the links in a child of an item, with their ranks."""
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
    """Return the `rel` of a link, without the prefix of the IANA registry."""
    return (link.get("rel") or "").strip().lower().removeprefix(RELATIONS)


def record_next_page(link: Element, builder: EntryBuilder, base: str | None) -> None:
    """Record the next page of a feed if this link of the feed names it."""
    relation = relation_of(link)
    if relation not in PAGES_OF_FEEDS or (builder.next_link is not None and relation != "next"):
        return
    base = resolve_base(base, [link.get(XML_BASE)])
    set_next_page(link.get("href") or "", builder, base)


def set_next_page(text: str, builder: EntryBuilder, base: str | None) -> None:
    """Record the URL of the next page of a feed if it can be requested and differs from the current one."""
    url = validate_url(text, base, builder.limits.url_length).url if text.strip() else None
    if url is not None and urlsplit(url).netloc and url != builder.base:
        builder.next_link = url


def _is_attached(child: Element, role: Role) -> bool:
    if role is Role.LINK:
        return relation_of(child) == "enclosure"
    return isinstance(child.tag, str) and split_tag(child.tag)[1].lower() == "enclosure"


def _is_usable(url: str) -> bool:
    """Return whether a link is relative or an http(s) URL."""
    scheme = SCHEME.match(url)
    return scheme is None or "." in scheme[1] or scheme[1].lower() in ("http", "https")
