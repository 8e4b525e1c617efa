"""Which program wrote a sitemap, from the traces such programs leave in comments and style sheets."""

from __future__ import annotations

import re

from contentmap_cli.sitemap.problems import shorten

GENERATED_BY = re.compile(
    r"(?:generated|created|powered|produced)\s+(?:\S+\s+){0,4}?(?:by|with|using)[:\s]+(?:the\s+)?"
    r"([^<>\n]{2,100}?)\s*(?:-->|\n|$| on \d| at \d)",
    re.IGNORECASE,
)
GENERATOR_KEY = re.compile(
    r"""(?:sitemap-)?generator(?:-url)?\s*[=:]\s*["']?([^"'<>\n]{2,100}?)["']?\s*(?:-->|\n|\s\w+=|$)""",
    re.IGNORECASE,
)
COMMENT = re.compile(r"<!--(.{0,2000}?)-->", re.DOTALL)
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
    """The generator named in a piece of a document, at most 100 characters, None if none is."""
    lowered = text.lower()
    feed = FEED_GENERATOR.search(text) if "generator" in lowered else None
    if feed is not None and (name := feed[2].strip()):
        return shorten(name, 100)
    for comment in COMMENT.finditer(text):
        match = GENERATED_BY.search(comment[1] + "\n") or GENERATOR_KEY.search(comment[1] + "\n")
        if match is not None:
            return shorten(match[1].strip(" .-*"), 100) or None
    sheet = STYLE_SHEET.search(lowered) if "<?xml-stylesheet" in lowered else None
    if sheet is not None:
        return next((name for mark, name in STYLE_SHEETS if mark in sheet[0]), None)
    return None
