"""The Sitemap lines of a robots.txt (the protocol's own extension to RFC 9309)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contentmap_cli.crawl.parsing.desk import Desk
from contentmap_cli.crawl.parsing.possessive import compiled
from contentmap_cli.crawl.parsing.urls import judge

LINE_END = re.compile(r"\r\n|\n|\r")
# Any case, "Site-map" too, blanks anywhere; the colon is sometimes forgotten, the key sometimes written
# twice.
SITEMAP = compiled(r"[\s\ufeff\u200b]*+(?:site-?maps?(?=[ \t\u00a0:])[ \t\u00a0:]*+)++(\S.*)", re.IGNORECASE)
QUOTES = "\"'<>"


def sitemap_lines(text: str) -> Iterator[tuple[int, str]]:
    """Line number and value of every Sitemap line; comments are cut."""
    for number, line in enumerate(LINE_END.split(text), start=1):
        match = SITEMAP.match(line.partition("#")[0])
        if match is not None:
            value = match[1].split()[0].strip(QUOTES)
            if value:
                yield number, value


def read_robots(text: str, desk: Desk) -> None:
    """Takes the sitemaps that a robots.txt names: resolved, in order, each once."""
    seen: set[str] = set()
    for number, value in sitemap_lines(text):
        url = judge(value, desk.base, desk.limits.url_length).url
        if url is None or url not in seen:
            desk.take(value, number, type_="sitemap")
        if url is not None:
            seen.add(url)
