"""Find the sitemaps and feeds that a home page links to, in its markup and its `Link` headers."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from contentmap_cli.models import DiscoveryMethod
from contentmap_cli.models.pages.links import link_values
from contentmap_cli.sitemap.encoding import LENIENT, detect
from contentmap_cli.sitemap.html.page import HtmlPage, read_page
from contentmap_cli.sitemap.urls import validate_url

READ_BYTES = 2 * 1024 * 1024
MAX_LINKS = 100
MAX_VISIBLE_FEEDS = 3
"""Feeds that are taken from visible links, if there is no `rel=alternate`."""

URL_LENGTH = 2048

# Possessive quantifiers: the time is linear in the size of the page.
SKIPPED = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
TAG = re.compile(
    r"<(link|a|base)(?=[\s/])((?>(?:[^<>\"']++|\"[^\"]{0,4096}+\"|'[^']{0,4096}+')*))", re.IGNORECASE
)
ATTRIBUTE = re.compile(r"(?<![^\s=\"'/>])([^\s=\"'/>]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")
# RFC 4287, the RSS Advisory Board's autodiscovery, jsonfeed.org, and types of old programs.
FEED_TYPES = frozenset(
    {"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"}
    | {"text/rss+xml", "text/atom+xml", "text/rdf+xml", "text/rss", "text/atom", "text/x-rss", "text/x-atom"}
    | {"application/x.rss+xml", "application/x.atom+xml", "application/x-rss+xml", "application/x-atom+xml"}
    | {"application/rss", "application/atom", "application/rdf", "application/x-rss", "application/jsonfeed"}
)
XML_TYPES = frozenset({"text/xml", "application/xml", "application/x-xml"})
JSON_TYPES = frozenset({"application/json", "text/json", "application/x-json"})
# Alternates of these types that are not feeds: oEmbed, OpenSearch, Really Simple Discovery, REST APIs.
NO_FEED = re.compile(
    r"oembed|opensearch|\brsd\b|wlwmanifest|manifest\b|wp-json|xmlrpc|\bapi\b", re.IGNORECASE
)
FEED_WORD = re.compile(
    r"(?<![a-z])(?:json-?|rss-?)?feeds?(?![a-z])|(?<![a-z])(?:rss|atom)(?![a-z])", re.IGNORECASE
)
FEED_NAME = re.compile(
    r"(?:rss|feed|feeds|atom|rdf|rss2|index|backend|news|blog|posts)(?:\.(?:xml|rss|atom|rdf))"
    r"|(?:rss|feed|atom)(?:[-_.]?2(?:\.0)?)?(?:\.(?:php|aspx?|ashx|cgi|json|jsp))?|backend\.php"
    r"|[\w-]{1,60}\.(?:rss|atom|rdf)|(?:\w{1,40}[-_])?(?:rss|feed|atom)(?:[-_]\w{1,40})?\.(?:xml|json)",
    re.IGNORECASE,
)
FEED_QUERY = re.compile(
    r"(?:^|[&;])(?:feed=(?:rss2?|atom|rdf|feed)|(?:format|type|view|output|mode|action|alt)=(?:feed|rss2?|atom|rdf))"
    r"(?:&|;|$)",
    re.IGNORECASE,
)
COMMENTS_FEED = re.compile(
    r"/comments/(?:feed|default|rss|atom)\b|feed=comments|comments?[-_.]?(?:feed|rss|atom)\b|/comments\.xml$",
    re.IGNORECASE,
)
EXTENSION = re.compile(r"\.(?:xml|txt|gz|php|aspx?|ashx|rss)(?:\.gz)?$", re.IGNORECASE)
SITEMAP_NAME = re.compile(r"site-?_?map", re.IGNORECASE)
REFRESH = re.compile(r"[\d.\s]*+[;,]?\s*+(?:url\s*+=\s*+)?[\"']?([^\"']*+)", re.IGNORECASE)


class PageMetadata(NamedTuple):
    """Metadata of a page. `refresh` and `canonical` are absolute http(s) URLs."""

    title: str | None
    refresh: str | None
    canonical: str | None


class _Link(NamedTuple):
    url: str
    method: DiscoveryMethod
    visible: bool = False


def site_links(html: bytes, base: str, link_headers: Iterable[str] = ()) -> list[tuple[str, DiscoveryMethod]]:
    """Return the sitemaps, then the feeds that a home page links to: absolute URLs without duplicates, at
    most `MAX_LINKS`.

    Sitemaps are `rel=sitemap` in `link_headers` (values of `Link`, RFC 8288), in `<link>` and in `<a>`, and
    each `<a>` whose target has the name of a sitemap file. Feeds are `rel=alternate` with the type of a feed,
    or else at most `MAX_VISIBLE_FEEDS` links within the site with the name of a feed. Comment feeds are
    returned only if there are no others. At most `READ_BYTES` are read. Never raises.
    """
    found = [*_header_links(link_headers, base), *_markup_links(html, base)]
    sitemaps = dict.fromkeys(each.url for each in found if each.method is DiscoveryMethod.HTML_LINK)
    feeds = dict.fromkeys(
        each.url for each in found if each.method is DiscoveryMethod.FEED_LINK and not each.visible
    )
    if not feeds:
        visible = dict.fromkeys(each.url for each in found if each.visible)
        feeds = dict.fromkeys(_without_comments(visible)[:MAX_VISIBLE_FEEDS])
    links = [(url, DiscoveryMethod.HTML_LINK) for url in sitemaps]
    links += [(url, DiscoveryMethod.FEED_LINK) for url in _without_comments(feeds) if url not in sitemaps]
    return links[:MAX_LINKS]


def page_metadata(html: bytes | str, base: str) -> PageMetadata:
    """Return the title, the target of a `<meta http-equiv=refresh>` and the canonical URL of a page, None if
    missing.

    A refresh of the same page has no target. At most 64 KiB are read. Never raises.
    """
    page = read_page(html)
    target = REFRESH.match(page.refresh) if page.refresh else None
    return PageMetadata(
        title=page.title or None,
        refresh=_absolute(page, target[1] if target else None, base),
        canonical=_absolute(page, page.canonical, base),
    )


def _absolute(page: HtmlPage, href: str | None, base: str) -> str | None:
    if not href or not href.strip():
        return None
    if page.base:
        base = _join(base, page.base) or base
    return _resolve(href.strip(), base)


def _without_comments(urls: Iterable[str]) -> list[str]:
    """Remove comment feeds, if there are others."""
    every = list(urls)
    return [url for url in every if not COMMENTS_FEED.search(url)] or every


def _header_links(values: Iterable[str], base: str) -> Iterator[_Link]:
    for value in values:
        for href, parameters in link_values(value):
            if "anchor" in parameters:  # a link of another resource
                continue
            method = _link_method(parameters, href)
            url = _resolve(href, base) if method is not None else None
            if method is not None and url is not None:
                yield _Link(url, method)


def _markup_links(html: bytes, base: str) -> Iterator[_Link]:
    """Yield the links of the markup in document order, at most `MAX_LINKS` of each kind."""
    charset = detect(html[:4096])
    text = html[:READ_BYTES].decode(charset.codec, LENIENT)
    seen: dict[tuple[DiscoveryMethod, bool], set[str]] = {}
    document = base
    for match in TAG.finditer(SKIPPED.sub(" ", text)):
        attributes = {
            name.lower(): entities.unescape(double or single or bare)
            for name, double, single, bare in ATTRIBUTE.findall(match[2])
        }
        href = attributes.get("href", "").strip()
        if not href or len(href) > URL_LENGTH:
            continue
        tag = match[1].lower()
        if tag == "base":
            base = _join(base, href) or base
            continue
        if tag == "link":
            method, visible = _link_method(attributes, href), False
        else:
            method, visible = _anchor_method(attributes, href)
        if method is None:
            continue
        urls = seen.setdefault((method, visible), set())
        url = _resolve(href, base)
        if url is None or len(urls) >= MAX_LINKS or (visible and not _same_site(url, document)):
            continue
        urls.add(url)
        yield _Link(url, method, visible)


def _link_method(attributes: dict[str, str], href: str) -> DiscoveryMethod | None:
    """Return what a `<link>` or a `Link` header refers to."""
    rel = attributes.get("rel", "").lower().split()
    media_type = attributes.get("type", "").partition(";")[0].strip().lower()
    if "sitemap" in rel:
        return None if media_type in ("text/html", "application/xhtml+xml") else DiscoveryMethod.HTML_LINK
    if "stylesheet" in rel or not ("alternate" in rel or "feed" in rel):
        return None
    if media_type in FEED_TYPES:
        return DiscoveryMethod.FEED_LINK
    if "hreflang" in attributes or "media" in attributes or NO_FEED.search(href):
        return None
    path, _, query = href.partition("#")[0].partition("?")
    if media_type in XML_TYPES:
        return DiscoveryMethod.HTML_LINK if _names_sitemap(path) else DiscoveryMethod.FEED_LINK
    if media_type in JSON_TYPES and FEED_WORD.search(f"{path} {attributes.get('title', '')}"):
        return DiscoveryMethod.FEED_LINK
    return DiscoveryMethod.FEED_LINK if not media_type and _names_feed(path, query) else None


def _anchor_method(attributes: dict[str, str], href: str) -> tuple[DiscoveryMethod | None, bool]:
    """Return what an `<a>` refers to, and whether only its target shows it."""
    rel = attributes.get("rel", "").lower().split()
    media_type = attributes.get("type", "").partition(";")[0].strip().lower()
    path, _, query = href.partition("#")[0].partition("?")
    if "sitemap" in rel or _names_sitemap(path):
        return DiscoveryMethod.HTML_LINK, False
    if media_type in FEED_TYPES or _names_feed(path, query):
        return DiscoveryMethod.FEED_LINK, True
    return None, False


def _names_feed(path: str, query: str) -> bool:
    """Return whether a URL has the name of a feed: `/rss.xml`, `/blog/feed/`, `?feed=rss2`."""
    name = path.rstrip("/")[-120:].rpartition("/")[2]
    blogger = path.endswith("/feeds/posts/default")
    return blogger or FEED_NAME.fullmatch(name) is not None or FEED_QUERY.search(query) is not None


def _same_site(url: str, base: str) -> bool:
    """Return whether a URL is on the page's host, without `www`, or on a subdomain of it."""
    host, own = ((urlsplit(each).hostname or "").removeprefix("www.") for each in (url, base))
    return host == own or host.endswith(f".{own}")


def _resolve(href: str, base: str) -> str | None:
    """Return the absolute URL without its fragment. `feed:` means http or precedes another URL."""
    if href[:5].lower() == "feed:":
        href = f"http:{href[5:]}" if href[5:].startswith("//") else href[5:]
    if not href or len(href) > URL_LENGTH:
        return None
    url = validate_url(href, base, URL_LENGTH).url
    return url.partition("#")[0] if url is not None and urlsplit(url).netloc else None


def _names_sitemap(path: str) -> bool:
    """Return whether a path ends like `sitemap-1.xml.gz` or `sitemaps/pages.xml`."""
    folders, _, name = path.rpartition("/")
    extension = EXTENSION.search(name[-12:])
    if extension is None:
        return False
    if SITEMAP_NAME.search(name, 0, len(name) - len(extension[0])):
        return True
    folder = folders.rpartition("/")
    in_sitemaps = bool(folder[1]) and folder[2].lower().startswith("sitemap")
    return in_sitemaps and len(name) > 4 and name.lower().endswith(".xml")


def _join(base: str, href: str) -> str | None:
    try:
        return urljoin(base, href)
    except ValueError:
        return None
