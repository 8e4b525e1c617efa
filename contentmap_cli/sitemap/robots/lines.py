"""Parse the lines of a robots.txt (RFC 9309): groups, rules, Sitemap lines and problems.

    text -> physical lines -> lines, where several are joined -> groups, rules and sitemaps

Each line is parsed by itself; an invalid line does not affect others (section 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from contentmap_cli.models import Problem
from contentmap_cli.sitemap.problems import ProblemCode, Problems, shorten
from contentmap_cli.sitemap.robots.fields import (
    AGENT,
    BARE_URL,
    IN_GROUP,
    SITEMAP,
    RobotsField,
    parse_field,
    sitemap_urls,
)

_KEY = r"(?:user[ -]?agent|disallow|allow|site-?maps?|crawl-delay|host|clean-param)\s*+:"
_ESCAPED = r"(?:(?<!\\)(?>(?:\\++[rn])+)|<\s*+br\s*+/?\s*+>|(?>(?:&#(?:1[03]|x0?[ad]);)+))"
_ENCODED = r"(?:(?:%0D)?%0A|/n)"
# A line end written as an escape sequence or tag, before the start of a line or the end of the text.
# Elsewhere it may be part of a path.
_ESCAPED_BEFORE_LINE = rf"{_ESCAPED}(?=\s*(?:\Z|#|\\[rn]|<|&#|[A-Za-z][A-Za-z _-]{{0,30}}[:=]))"
_ESCAPED_BREAK = re.compile(_ESCAPED_BEFORE_LINE, re.IGNORECASE)
_BREAK = re.compile(
    _ESCAPED_BEFORE_LINE
    # another escape sequence, or a space, before a key
    + rf"|{_ENCODED}(?={_KEY})|(?<!\s)\s++(?={_KEY})"
    # no separator, before a key in the usual spelling
    + r"|(?<=\S)(?-i:(?=(?:User-[Aa]gent|Disallow|Allow|Sitemap|Crawl-[Dd]elay):\s))",
    re.IGNORECASE,
)
_REPEATED_KEY = re.compile(r"\s*+site-?maps?\s*+:\s*+\Z", re.IGNORECASE)
_PLAIN = re.compile(r"(User-[Aa]gent|Disallow|Allow|Crawl-[Dd]elay): ?([^\s:\ufffd]*)[ \t]*")
"""A line in the usual form."""

_TAG = re.compile(r"<[^<>]{0,1000}>")
_INVISIBLE = "\ufeff\u200b\u200e\u2060"


class RobotsLine(NamedTuple):
    """A line of a group: number, key in lower case, value, and text."""

    number: int
    key: str
    value: str
    text: str


class SitemapLine(NamedTuple):
    """A sitemap: number of its line, URL, and whether the URL was repaired."""

    number: int
    url: str
    repaired: bool


class RobotsText(NamedTuple):
    """The contents of a robots.txt.

    `losses` counts refused Sitemap values. `understood` is False if there are lines and none is defined by a
    standard.
    """

    lines: tuple[RobotsLine, ...]
    sitemaps: tuple[SitemapLine, ...]
    losses: int
    understood: bool


def read_robots(
    text: str, problems: Problems, *, base: str | None, url_length: int, html: bool = False
) -> RobotsText:
    """Parse a robots.txt and add its problems to `problems`.

    `base` is its URL, `url_length` the maximum length of a URL in bytes. `html` says that HTML tags are
    removed.
    """
    every: list[Problem] = []
    found = Problems(every.extend if problems.delivers else None)
    parser = _RobotsParser(found, base, url_length)
    for number, line in _lines(text, found, html=html):
        parser.read_line(number, line)
    robots = parser.result()
    if robots.understood:
        found.flush()
        problems.extend(every or found.listed)
    else:
        problems.add(ProblemCode.ROBOTS_NOT_UNDERSTOOD, None, "no rule, group or Sitemap line")
    return robots


def wrapped_in_html(text: str, *, base: str | None, url_length: int) -> bool:
    """Return whether an HTML page is mainly a robots.txt, as editors and browsers save it."""
    problems = Problems()
    robots = read_robots(text, problems, base=base, url_length=url_length, html=True)
    keys = {line.key for line in robots.lines}
    unknown = sum(each.count for each in problems.listed if each.code == ProblemCode.UNKNOWN_LINE)
    return AGENT in keys and len(keys) > 1 and unknown <= len(robots.lines)


def _lines(text: str, problems: Problems, *, html: bool) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, without its comment; several for a line that joins several."""
    physical = text.splitlines()
    alone = sum(1 for line in physical[:50] if line.strip()) <= 2 and len(physical) <= 50
    for number, raw in enumerate(physical, start=1):
        line = raw
        if html:
            for part in _TAG.split(line):
                yield number, part.partition("#")[0]
            continue
        if "\\" in line or "<" in line or "&#" in line or line.count(":") > 1:
            whole = _unquoted(line) if "\\" in line else line
            comment = whole.lstrip(_INVISIBLE + " \t").startswith("#")
            parts = _parts(whole) if alone or not comment else [""]
            if len(parts) > 1 or (parts[0] and _ESCAPED_BREAK.search(whole)):
                problems.add(ProblemCode.LINE_ENDS_LOST, number, shorten(raw.strip(), 120))
            for part in parts:
                yield number, part.partition("#")[0]
        else:
            yield number, line.partition("#")[0]


def _parts(line: str) -> list[str]:
    """Split a physical line that joins several lines. A comment ends at the next escaped line end."""
    parts: list[str] = []
    for part in _ESCAPED_BREAK.split(line) if "#" in line else [line]:
        parts += _BREAK.split(part.partition("#")[0])
    parts = [part for part in parts if part.strip()]
    if len(parts) > 1 and parse_field(parts[0].strip()) is None:
        parts[:2] = [f"{parts[0]} {parts[1]}"]  # a key of several words, or prose
    doubled = len(parts) > 1 and _REPEATED_KEY.match(parts[0]) and parse_field(parts[1])
    return parts[1:] if doubled and doubled.key == SITEMAP else parts or [""]


def _unquoted(line: str) -> str:
    """Remove quotes around a line: robots.txt as a JSON or program string."""
    bare = line.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`" else line


class _RobotsParser:
    """The state between the lines of one robots.txt."""

    def __init__(self, problems: Problems, base: str | None, url_length: int) -> None:
        self._problems = problems
        self._base = base
        self._url_length = url_length
        self._lines: list[RobotsLine] = []
        self._sitemaps: dict[str, SitemapLine] = {}
        self._losses = 0
        self._defined = 0
        self._unknown = 0
        self._in_group = False
        self._after_sitemap = False  # the previous line was a Sitemap line
        self._line_without_url: int | None = None  # number of a Sitemap line without a URL so far

    def read_line(self, number: int, line: str) -> None:
        """Parse one line."""
        plain = _PLAIN.fullmatch(line)
        if plain is not None and (self._in_group or plain[1][0] == "U"):
            if self._after_sitemap:
                self._report_missing_url()
                self._after_sitemap = False
            self._in_group = True
            self._defined += 1
            self._lines.append(RobotsLine(number, plain[1].lower(), plain[2], line.rstrip()))
            return
        text = line.strip().strip(_INVISIBLE).strip()
        if not text:
            return
        if self._after_sitemap and BARE_URL.fullmatch(text):
            self._sitemap(number, text, continued=self._line_without_url is None)
            return
        field = parse_field(text)
        self._report_missing_url()
        self._after_sitemap = False
        if field is None or field.key is None:
            self._unknown += 1
            self._problems.add(ProblemCode.UNKNOWN_LINE, number, shorten(text, 120))
            return
        self._defined += 1
        self._report_spelling(number, text, field)
        if field.key == SITEMAP:
            self._after_sitemap = True
            self._sitemap(number, field.value)
        elif field.key == AGENT or field.key in IN_GROUP:
            self._rule(number, text, field)

    def result(self) -> RobotsText:
        """Return the result after the last line."""
        self._report_missing_url()
        understood = self._defined > 0 or not self._unknown
        return RobotsText(tuple(self._lines), tuple(self._sitemaps.values()), self._losses, understood)

    def _rule(self, number: int, text: str, field: RobotsField) -> None:
        key = field.key or ""
        self._in_group = self._in_group or key == AGENT
        if not self._in_group:
            self._problems.add(ProblemCode.RULE_WITHOUT_AGENT, number, shorten(text, 120))
        if "\ufffd" in text:
            self._problems.add(ProblemCode.WRONG_ENCODING, number, "bytes that are not UTF-8")
        self._lines.append(RobotsLine(number, key, field.value, text))

    def _sitemap(self, number: int, value: str, *, continued: bool = False) -> None:
        urls = sitemap_urls(value, self._base, self._url_length)
        self._line_without_url = None if urls else number
        if len(urls) > 1 or continued:
            self._problems.add(ProblemCode.SEVERAL_URLS, number, shorten(value, 120))
        for url, code, message in urls:
            if code is not None:
                self._problems.add(code, number, message)
            if url is None:
                self._losses += 1
            elif url not in self._sitemaps:
                repaired = code is not None and code is not ProblemCode.RELATIVE_URL
                self._sitemaps[url] = SitemapLine(number, url, repaired)

    def _report_missing_url(self) -> None:
        if self._line_without_url is not None:
            self._problems.add(
                ProblemCode.MISSING_URL, self._line_without_url, "a Sitemap line without a URL"
            )
            self._losses += 1
            self._line_without_url = None

    def _report_spelling(self, number: int, text: str, field: RobotsField) -> None:
        if field.misspelt is not None:
            message = f"{shorten(field.misspelt, 60)} for {(field.key or '').capitalize()}"
            self._problems.add(ProblemCode.MISSPELT_KEY, number, message)
        if not field.colon:
            self._problems.add(ProblemCode.MISSING_COLON, number, shorten(text, 120))
