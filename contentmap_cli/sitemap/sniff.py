"""Detect the kind of a document by its first characters. File name and media type are not considered."""

from __future__ import annotations

import re
from typing import NamedTuple

from contentmap_cli.models import DocumentKind
from contentmap_cli.sitemap.problems import shorten

ROOTS = {
    "urlset": DocumentKind.URLSET,
    "sitemapindex": DocumentKind.INDEX,
    "rss": DocumentKind.RSS,
    "rdf": DocumentKind.RSS,
    "feed": DocumentKind.ATOM,
    "html": DocumentKind.HTML,
}
# The first entry shows the kind of a document whose head is missing.
FRAGMENTS = {"url": DocumentKind.URLSET, "sitemap": DocumentKind.INDEX}
HTML_PARTS = frozenset(
    {"head", "body", "title", "meta", "link", "script", "style", "div", "p", "br", "b", "i", "font", "center"}
    | {"h1", "h2", "h3", "table", "form", "span", "a", "img", "pre", "hr", "noscript", "iframe", "section"}
)
ROOT_LENGTH = 2000
SPACE = " \t\r\n\v\f\u00a0\ufeff\u200b\u200c\u200d\u2060\u2028\u2029"
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INSTRUCTION = re.compile(r"<\?[^<>]*\?>")
DOCTYPE = re.compile(r"<!DOCTYPE\s*([^\s>\[<]*)([^\[><]*)([\[>]?)", re.IGNORECASE)
START_TAG = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
ANY_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?(urlset|sitemapindex|rss|rdf|feed|html)\b", re.IGNORECASE)
SITEMAP_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?(urlset|sitemapindex|rss|rdf|feed)\b", re.IGNORECASE)
URL_LINE = re.compile(
    r"(?:^|[\r\n])[ \t\u00a0\ufeff]*https?:/[^\s\0]+[ \t\u00a0]*(?=[\r\n]|$)", re.IGNORECASE
)
JSON_FEED = re.compile(r'"version"\s*:\s*"https?:\\?/\\?/(?:www\.)?jsonfeed\.org\\?/version', re.IGNORECASE)
MAX_NUL_RATIO = 0.1  # share of the characters of a text; above it, the data is binary


class ForbiddenDoctype(Exception):
    """The document declares a document type that is refused."""


class Opening(NamedTuple):
    """The detected kind. `clean`: suitable for a strict XML parser. `forbidden`: a refused document type."""

    kind: DocumentKind
    clean: bool = False
    forbidden: str | None = None


def sniff(head: str) -> Opening:
    """Detect the kind of a document by its first characters (64 KB are enough)."""
    position = _skip_space(head, 0)
    if position == len(head):
        return Opening(DocumentKind.EMPTY)
    clean = True
    while True:
        position = _skip_space(head, position)
        match = COMMENT.match(head, position) or INSTRUCTION.match(head, position)
        if match is None and (match := DOCTYPE.match(head, position)):
            if is_forbidden(match):
                return Opening(DocumentKind.UNKNOWN, forbidden=doctype_label(match))
            clean = False
        if match is None:
            break
        position = match.end()
    if head.startswith("{", position) and JSON_FEED.search(head, position):
        return Opening(DocumentKind.JSON_FEED)
    start = START_TAG.match(head, position)
    if start is None:
        return _sniff_after_junk(head, position)
    name = start[1].lower()
    if name in ROOTS:
        return Opening(ROOTS[name], clean)
    if name in FRAGMENTS:
        return Opening(FRAGMENTS[name])
    if name in HTML_PARTS:
        # output of a server-side language may precede the sitemap
        root = SITEMAP_ROOT.search(head, position)
        return Opening(ROOTS[root[1].lower()] if root else DocumentKind.HTML)
    return Opening(DocumentKind.UNKNOWN)


def root_tag(head: str) -> str | None:
    """Return the start tag of a sitemap's or feed's root; None if not within `ROOT_LENGTH` characters."""
    root = SITEMAP_ROOT.search(head)
    if root is None:
        return None
    end = head.find(">", root.end(), root.start() + ROOT_LENGTH)
    return head[root.start() : end + 1] if end >= 0 else None


def is_forbidden(doctype: re.Match[str]) -> bool:
    """Return whether a document type is refused: all but html, and RSS 0.91 without a subset."""
    name, _, end = doctype.groups()
    return name.lower() not in ("html", "rss") or end == "[" or (name.lower() == "rss" and end != ">")


def doctype_label(doctype: re.Match[str]) -> str:
    """Return the declaration as it is shown in messages."""
    return f"<!DOCTYPE {doctype[1]}"


def _skip_space(head: str, position: int) -> int:
    length = len(head)
    while position < length and (head[position] in SPACE or head[position].isspace()):
        position += 1
    return position


def _sniff_after_junk(head: str, position: int) -> Opening:
    """Detect the kind of a document that does not start with readable markup."""
    root = ANY_ROOT.search(head, position)
    doctype = DOCTYPE.search(head, position, root.start() if root else len(head))
    if doctype is not None and is_forbidden(doctype):
        return Opening(DocumentKind.UNKNOWN, forbidden=doctype_label(doctype))
    if root is not None:
        return Opening(ROOTS[root[1].lower()])
    if doctype is not None:
        return Opening(DocumentKind.HTML)
    markup = head.startswith("<", position)  # such as an unterminated comment: a URL in it is not an entry
    if (
        not markup
        and head.count("\0") <= MAX_NUL_RATIO * len(head)
        and URL_LINE.search(head, max(position - 1, 0))
    ):
        return Opening(DocumentKind.TEXT)
    fragment = re.search(r"<(url|sitemap)>", head, re.IGNORECASE)
    return Opening(FRAGMENTS[fragment[1].lower()] if fragment else DocumentKind.UNKNOWN)


# -- which program made a document

GENERATED_BY = re.compile(
    r"(?:generated|created|powered|produced)\s+(?:\S+\s+){0,4}?(?:by|with|using)[:\s]+(?:the\s+)?"
    r"([^<>\n]{2,100}?)\s*(?:-->|\n|$| on \d| at \d)",
    re.IGNORECASE,
)
GENERATOR_KEY = re.compile(
    r"""(?:sitemap-)?generator(?:-url)?\s*[=:]\s*["']?([^"'<>\n]{2,100}?)["']?\s*(?:-->|\n|\s\w+=|$)""",
    re.IGNORECASE,
)
GENERATOR_COMMENT = re.compile(r"<!--(.{0,2000}?)-->", re.DOTALL)
FEED_GENERATOR = re.compile(
    r"<(?:\w+:)?generator\b([^>]{0,300})>\s*(?:<!\[CDATA\[)?([^<\]]{0,200})", re.IGNORECASE
)
STYLE_SHEETS = (
    ("wordpress-seo", "Yoast SEO"),
    ("main-sitemap.xsl", "Yoast SEO"),
    ("seo-by-rank-math", "Rank Math"),
    ("all-in-one-seo", "All in One SEO"),
    ("aioseo", "All in One SEO"),
    ("wp-sitemap", "WordPress"),
    ("google-sitemap-generator", "XML Sitemap Generator for WordPress"),
    ("jetpack", "Jetpack"),
    ("autodescription", "The SEO Framework"),
    ("squirrly", "Squirrly SEO"),
)
STYLE_SHEET = re.compile(r"<\?xml-stylesheet[^<>]{0,500}")
"""In a text in lower case."""


def find_generator(text: str) -> str | None:
    """Return the program that generated a document, at most 100 characters; None if unknown."""
    lowered = text.lower()
    feed = FEED_GENERATOR.search(text) if "generator" in lowered else None
    if feed is not None and (name := feed[2].strip()):
        return shorten(name, 100)
    for comment in GENERATOR_COMMENT.finditer(text):
        match = GENERATED_BY.search(comment[1] + "\n") or GENERATOR_KEY.search(comment[1] + "\n")
        if match is not None:
            return shorten(match[1].strip(" .-*"), 100) or None
    sheet = STYLE_SHEET.search(lowered) if "<?xml-stylesheet" in lowered else None
    if sheet is not None:
        return next((name for mark, name in STYLE_SHEETS if mark in sheet[0]), None)
    return None
