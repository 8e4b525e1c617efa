"""Sitemaps and feeds that a home page points to."""

from __future__ import annotations

import html as entities
import re
from urllib.parse import urljoin, urlsplit

from contentmap_cli.crawl.parsing.encoding import LENIENT, detect
from contentmap_cli.crawl.parsing.possessive import compiled
from contentmap_cli.crawl.parsing.urls import judge
from contentmap_cli.values import DiscoveryMethod

READ_BYTES = 2 * 1024 * 1024
LINKS = 100
URL_LENGTH = 2048

# Possessive throughout: whatever the page is, each character is looked at a bounded number of times.
SKIPPED = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
TAG = compiled(r"<(link|a|base)(?=[\s/])((?:[^<>\"']++|\"[^\"]{0,4096}+\"|'[^']{0,4096}+')*+)", re.IGNORECASE)
ATTRIBUTE = re.compile(r"(?<![^\s=\"'/>])([^\s=\"'/>]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")
FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml", "text/rss+xml"})
EXTENSION = re.compile(r"\.(?:xml|txt|gz|php|aspx?|ashx|rss)(?:\.gz)?$", re.IGNORECASE)
SITEMAP_NAME = re.compile(r"site-?_?map", re.IGNORECASE)


def site_links(html: bytes, base: str) -> list[tuple[str, DiscoveryMethod]]:
    """The sitemaps and feeds of a home page, resolved, each once, in order, at most `LINKS`.

    These are `<link rel=sitemap>`, `<a>` whose target is named like a sitemap file, and RSS and Atom feeds
    with `rel=alternate`. Only the first `READ_BYTES` are looked at. Never raises.
    """
    charset = detect(html[:4096])
    text = html[:READ_BYTES].decode(charset.codec, LENIENT)
    found: dict[str, DiscoveryMethod] = {}
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
        method = _method(tag, attributes, href)
        if method is None:
            continue
        url = judge(href, base, URL_LENGTH).url
        if url is not None and urlsplit(url).netloc:
            found.setdefault(url.partition("#")[0], method)
        if len(found) >= LINKS:
            break
    return list(found.items())


def _method(tag: str, attributes: dict[str, str], href: str) -> DiscoveryMethod | None:
    rel = attributes.get("rel", "").lower().split()
    if tag == "link":
        if "sitemap" in rel:
            return DiscoveryMethod.HTML_LINK
        media_type = attributes.get("type", "").partition(";")[0].strip().lower()
        if "alternate" in rel and media_type in FEED_TYPES:
            return DiscoveryMethod.FEED_LINK
        return None
    path = href.partition("#")[0].partition("?")[0]
    return DiscoveryMethod.HTML_LINK if "sitemap" in rel or _names_sitemap(path) else None


def _names_sitemap(path: str) -> bool:
    """Whether a path ends like `sitemap-1.xml.gz` or `sitemaps/pages.xml`."""
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
