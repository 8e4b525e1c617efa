"""Read the head of a page that a sitemap lists, and find its end while the page is received."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from contentmap_cli.models.hosts import normalise_url
from contentmap_cli.models.pages import PageHead
from contentmap_cli.models.pages.links import NOT_CANONICAL
from contentmap_cli.sitemap.html.page import HtmlPage, decode_html, features_of, one_line, parse_html
from contentmap_cli.sitemap.urls import strip_credentials

MAX_LINKS = 300
"""Canonicals, alternates, dates or rules for crawlers of a page that are kept, each."""

URL_LENGTH = 2048
VALUE_LENGTH = 500

HTML_SPACE = " \t\n\f\r"
REFRESH = re.compile(
    r"[ \t\n\f\r]*+(?:([0-9]++)|(?=\.))[0-9.]*+"
    r"(?:(?=[;, \t\n\f\r])[ \t\n\f\r]*[;,]?[ \t\n\f\r]*(?P<url>.+)|[;, \t\n\f\r]*\Z)?",
    re.DOTALL,
)
REFRESH_URL = re.compile(r"(?:[uU][rR][lL][ \t\n\f\r]*=[ \t\n\f\r]*)?(?:\"([^\"]*)|'([^']*)|(.*))", re.DOTALL)
RULES = frozenset({"noindex", "none", "unavailable_after"})
"""Rules for crawlers that keep a page out of an index. A meta without one of them is not kept."""

WRAPPING = re.compile(
    r"\A\s*(?:(?://|/\*)?\s*(?:<!--|<!\[CDATA\[)(?:\s*\*/)?)|(?://|/\*)?\s*(?:-->|\]\]>)(?:\s*\*/)?\s*\Z"
)
"""A comment or a CDATA section around a script, for browsers of old and for XML."""

EMPTY = re.compile(
    r"<(script|style|title|textarea|iframe|noscript|template|object|a|p|div|span|i|h[1-6])(\s[^<>]*)?/>"
)
"""An empty element of XHTML, which HTML would take for a start tag."""

DATE_METAS = frozenset({"article:modified_time", "og:updated_time"})
OTHER_THINGS = frozenset(
    {"BreadcrumbList", "Comment", "ImageObject", "Organization", "Person", "Review", "VideoObject", "WebSite"}
)
"""Types of schema.org whose dateModified is not that of the page."""


class HeadScan:
    """Tells while a page is received whether its head has ended.

    The head is parsed again only after the page has grown by half, so that the time stays linear in its size:
    it has not ended within less than `needed` bytes.
    """

    def __init__(self, content_type: str | None = None) -> None:
        self._content_type = content_type
        self.needed = 1

    def has_ended(self, data: bytes | bytearray) -> bool:
        """Return whether the head has ended within `data`, all bytes received so far."""
        if len(data) < self.needed:
            return False
        self.needed = len(data) * 3 // 2
        text = _decode(bytes(data), self._content_type)
        text = text[: text.rfind(">") + 1]  # what follows may be a part of a tag or of a character reference
        return _has_body(parse_html(text))


def read_listed_page(
    data: bytes, url: str, content_type: str | None, refresh: str | None = None
) -> tuple[PageHead, HtmlPage]:
    """Read the first bytes of a page: its head and its features.

    `url` is its address; `content_type` and `refresh` are the values of the headers.
    """
    tree = parse_html(_decode(data, content_type))
    return _Head(tree, url).read(refresh), features_of(tree, whole=True)


def _decode(data: bytes, content_type: str | None) -> str:
    text = decode_html(data, content_type)
    is_xml = (content_type or "").strip().lower().startswith("application/xhtml+xml")
    return EMPTY.sub(r"<\1\2></\1>", text) if is_xml else text


def _has_body(tree: LexborHTMLParser) -> bool:
    """Return whether something after the head was read. The parser adds an empty body to any document."""
    head = tree.head
    node = head.next if head is not None else None
    while node is not None:
        if node.is_element_node and (node.first_child is not None or node.attributes):
            return True
        node = node.next
    return False


class _Head:
    """Collects what the head says."""

    def __init__(self, tree: LexborHTMLParser, url: str) -> None:
        self._tree = tree
        self._url = self._base = url
        self._title = ""
        self._robots: list[tuple[str, str]] = []
        self._canonicals: dict[str, None] = {}
        self._alternates: dict[tuple[str, str], None] = {}
        self._dates: dict[tuple[str, str], None] = {}
        self._refresh: tuple[float, str] | None = None

    def read(self, refresh: str | None) -> PageHead:
        """Read the elements of the head, and the dates of JSON-LD in the whole page.

        The header Refresh, which browsers obey, counts before the meta element.
        """
        if refresh:
            self._refresh = self._parse_refresh(refresh)
        head = self._tree.head
        elements = [node for node in _children(head) if node.is_element_node] if head is not None else []
        for node in elements:
            if node.tag == "base" and (href := _value(node.attributes, "href")):
                self._base = _join(self._url, href) or self._url
                break
        for node in elements:
            if node.tag == "meta":
                self._meta(node.attributes)
            elif node.tag == "link":
                self._link(node.attributes)
            elif node.tag == "title" and not self._title:
                self._title = one_line(node.text())[:VALUE_LENGTH]
        for node in self._tree.css("script[type]"):
            if _value(node.attributes, "type").partition(";")[0].strip().lower() == "application/ld+json":
                self._json_ld(node.text())
        return PageHead(
            title=self._title,
            robots=tuple(self._robots[:MAX_LINKS]),
            canonicals=tuple(self._canonicals)[:MAX_LINKS],
            alternates=tuple(self._alternates)[:MAX_LINKS],
            dates=tuple(self._dates)[:MAX_LINKS],
            refresh=self._refresh,
        )

    def _meta(self, attributes: dict[str, str | None]) -> None:
        content = _value(attributes, "content")
        name = _value(attributes, "name").lower()
        if name and content and not RULES.isdisjoint(re.split(r"[\s,;:]+", content.lower())):
            self._robots.append((name[:VALUE_LENGTH], content[:VALUE_LENGTH]))
        prop = _value(attributes, "property").lower() or name
        if prop in DATE_METAS and content:
            self._dates[prop, content[:100]] = None
        if self._refresh is None and _value(attributes, "http-equiv").lower() == "refresh":
            self._refresh = self._parse_refresh(attributes.get("content") or "")

    def _parse_refresh(self, content: str) -> tuple[float, str] | None:
        """Parse a refresh (HTML standard, "shared declarative refresh steps"); None if it has no effect."""
        match = REFRESH.fullmatch(content)
        if match is None:
            return None
        seconds = float((match[1] or "0")[:9])
        if not match["url"]:
            return seconds, self._url
        target = REFRESH_URL.match(match["url"])
        href = next(filter(None, target.groups()), "").strip(HTML_SPACE) if target is not None else ""
        url = _join(self._base, href) if href else self._url
        return (seconds, url) if url is not None and normalise_url(url) is not None else None

    def _link(self, attributes: dict[str, str | None]) -> None:
        rel = _value(attributes, "rel").lower().split()
        href = _value(attributes, "href")
        if not href or not ("canonical" in rel or "alternate" in rel):
            return
        url = _join(self._base, href)
        if url is None or normalise_url(url) is None:
            return
        if "canonical" in rel and not any(name in attributes for name in NOT_CANONICAL):
            self._canonicals[url] = None
        if "alternate" in rel and "stylesheet" not in rel and (code := _value(attributes, "hreflang")):
            self._alternates[code[:40], url] = None

    def _json_ld(self, text: str) -> None:
        try:
            data = json.loads(WRAPPING.sub("", text), strict=False)
        except (ValueError, RecursionError):
            return
        for each in _objects(data):
            kinds = each.get("@type")
            if not OTHER_THINGS.isdisjoint(map(str, kinds if isinstance(kinds, list) else [kinds])):
                continue
            about = (_address(each.get("url")), _address(each.get("mainEntityOfPage")))
            named = [_page_key(url) for url in about if url]
            date = each.get("dateModified")
            for value in date if isinstance(date, list) else [date]:
                if isinstance(value, str) and (not named or _page_key(self._url) in named):
                    self._dates["dateModified", value.strip()[:100]] = None


def _objects(data: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON-LD: those at the top, of `@graph`, and what they are mainly about."""
    waiting = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, list):
            waiting += [(each, depth) for each in reversed(value[:MAX_LINKS])]
        elif isinstance(value, dict):
            yield value
            if depth < 3:
                waiting += [(value[name], depth + 1) for name in ("@graph", "mainEntity") if name in value]


def _page_key(url: str) -> str:
    """Return what is the same for a page with http and https, with www, and with a slash at its end."""
    return (normalise_url(url) or url).partition("://")[2].removeprefix("www.").rstrip("/")


def _address(value: Any) -> str | None:
    """Return the absolute URL of a property of JSON-LD, which may be an object with an `@id`."""
    if isinstance(value, dict):
        value = value.get("@id") or value.get("url")
    return value if isinstance(value, str) and value.lower().startswith(("http://", "https://")) else None


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _value(attributes: dict[str, str | None], name: str) -> str:
    return (attributes.get(name) or "").strip()


def _join(base: str, href: str) -> str | None:
    """Return the absolute URL of a link, without user name and password."""
    if len(href) > URL_LENGTH:
        return None
    try:
        return strip_credentials(urljoin(base, href))
    except ValueError:
        return None
