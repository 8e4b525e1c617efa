"""The lines of a robots.txt (RFC 9309), its Sitemap lines, and what is wrong with them.

    text -> physical lines -> lines, where several stand on one -> groups, rules and sitemaps

Every line is read by itself, and what cannot be read spoils no other (section 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from contentmap_cli.sitemap.problems import ProblemCode, Problems, shorten
from contentmap_cli.sitemap.robots.keys import AGENT, IN_GROUP, SITEMAP, Keyed, keyed
from contentmap_cli.sitemap.robots.values import BARE_URL, sitemap_urls

_KEY = r"(?:user[ -]?agent|disallow|allow|site-?maps?|crawl-delay|host|clean-param)\s*+:"
_WRITTEN_OUT = r"(?:(?<!\\)(?>(?:\\++[rn])+)|<\s*+br\s*+/?\s*+>|(?>(?:&#(?:1[03]|x0?[ad]);)+))"
_ENCODED = r"(?:(?:%0D)?%0A|/n)"
# A line end written as two characters or as a tag, before what begins a line or ends the text. Elsewhere it
# may be part of a path.
_WRITTEN = rf"{_WRITTEN_OUT}(?=\s*(?:\Z|#|\\[rn]|<|&#|[A-Za-z][A-Za-z _-]{{0,30}}[:=]))"
_WRITTEN_BREAK = re.compile(_WRITTEN, re.IGNORECASE)
_BREAK = re.compile(
    _WRITTEN
    # another form of it, or a space, which no rule and no URL holds, before a key
    + rf"|{_ENCODED}(?={_KEY})|(?<!\s)\s++(?={_KEY})"
    # nothing at all, before a key as it is usually spelled
    + r"|(?<=\S)(?-i:(?=(?:User-[Aa]gent|Disallow|Allow|Sitemap|Crawl-[Dd]elay):\s))",
    re.IGNORECASE,
)
_REPEATED_KEY = re.compile(r"\s*+site-?maps?\s*+:\s*+\Z", re.IGNORECASE)
_PLAIN = re.compile(r"(User-[Aa]gent|Disallow|Allow|Crawl-[Dd]elay): ?([^\s:\ufffd]*)[ \t]*")
"""A line as nearly all are, with nothing in it to look for."""

_TAG = re.compile(r"<[^<>]{0,1000}>")
_BLANK = "\ufeff\u200b\u200e\u2060"


class RobotsLine(NamedTuple):
    """A line that belongs to a group: its number, its key in lower case, its value, and its text."""

    number: int
    key: str
    value: str
    text: str


class NamedSitemap(NamedTuple):
    """A sitemap that a line names: the line's number, the URL, and whether it was repaired."""

    number: int
    url: str
    repaired: bool


class RobotsText(NamedTuple):
    """What a robots.txt says. `losses` counts Sitemap values that were refused. `understood` is False where
    it holds something, and no line of it is one that a standard defines."""

    lines: tuple[RobotsLine, ...]
    sitemaps: tuple[NamedSitemap, ...]
    losses: int
    understood: bool


def read_robots(
    text: str, problems: Problems, *, base: str | None, url_length: int, html: bool = False
) -> RobotsText:
    """Reads a robots.txt and adds what is wrong with it to `problems`. `base` is its URL, `url_length` the
    longest URL that is read, in bytes. `html` says that its tags are to be passed over."""
    found = Problems()
    reading = _Reading(found, base, url_length)
    for number, line in _lines(text, found, html=html):
        reading.take(number, line)
    robots = reading.done()
    if robots.understood:
        problems.extend(found)
    else:
        problems.add(ProblemCode.ROBOTS_NOT_UNDERSTOOD, None, "no rule, group or Sitemap line")
    return robots


def wrapped_in_html(text: str, *, base: str | None, url_length: int) -> bool:
    """Whether an HTML page holds a robots.txt and hardly anything else, as editors and browsers save it."""
    problems = Problems()
    reading = read_robots(text, problems, base=base, url_length=url_length, html=True)
    keys = {line.key for line in reading.lines}
    others = sum(found.count for found in problems.as_tuple() if found.code == ProblemCode.UNKNOWN_LINE)
    return AGENT in keys and len(keys) > 1 and others <= len(reading.lines)


def _lines(text: str, problems: Problems, *, html: bool) -> Iterator[tuple[int, str]]:
    """Every line with its number and without its comment; several where one physical line holds several."""
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
            comment = whole.lstrip(_BLANK + " \t").startswith("#")
            parts = _parts(whole) if alone or not comment else [""]
            if len(parts) > 1 or (parts[0] and _WRITTEN_BREAK.search(whole)):
                problems.add(ProblemCode.LINE_ENDS_LOST, number, shorten(raw.strip(), 120))
            for part in parts:
                yield number, part.partition("#")[0]
        else:
            yield number, line.partition("#")[0]


def _parts(line: str) -> list[str]:
    """The lines that stand on one. A comment goes on to the next line end that is written out."""
    parts: list[str] = []
    for part in _WRITTEN_BREAK.split(line) if "#" in line else [line]:
        parts += _BREAK.split(part.partition("#")[0])
    parts = [part for part in parts if part.strip()]
    if len(parts) > 1 and keyed(parts[0].strip()) is None:
        parts[:2] = [f"{parts[0]} {parts[1]}"]  # a key of several words, or a sentence
    doubled = len(parts) > 1 and _REPEATED_KEY.match(parts[0]) and keyed(parts[1])
    return parts[1:] if doubled and doubled.key == SITEMAP else parts or [""]


def _unquoted(line: str) -> str:
    """A line without the quotes around all of it: robots.txt as a string of JSON or of a program."""
    bare = line.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`" else line


class _Reading:
    """The state between the lines of one robots.txt."""

    def __init__(self, problems: Problems, base: str | None, url_length: int) -> None:
        self._problems = problems
        self._base = base
        self._url_length = url_length
        self._lines: list[RobotsLine] = []
        self._sitemaps: dict[str, NamedSitemap] = {}
        self._losses = 0
        self._defined = 0
        self._others = 0
        self._in_group = False
        self._behind_sitemap = False  # the line before was a Sitemap line
        self._unnamed: int | None = None  # the number of one that names nothing so far

    def take(self, number: int, line: str) -> None:
        """Reads one line."""
        plain = _PLAIN.fullmatch(line)
        if plain is not None and (self._in_group or plain[1][0] == "U"):
            if self._behind_sitemap:
                self._note_unnamed()
                self._behind_sitemap = False
            self._in_group = True
            self._defined += 1
            self._lines.append(RobotsLine(number, plain[1].lower(), plain[2], line.rstrip()))
            return
        text = line.strip().strip(_BLANK).strip()
        if not text:
            return
        if self._behind_sitemap and BARE_URL.fullmatch(text):
            self._sitemap(number, text, continued=self._unnamed is None)
            return
        found = keyed(text)
        self._note_unnamed()
        self._behind_sitemap = False
        if found is None or found.key is None:
            self._others += 1
            self._problems.add(ProblemCode.UNKNOWN_LINE, number, shorten(text, 120))
            return
        self._defined += 1
        self._note_spelling(number, text, found)
        if found.key == SITEMAP:
            self._behind_sitemap = True
            self._sitemap(number, found.value)
        elif found.key == AGENT or found.key in IN_GROUP:
            self._rule(number, text, found)

    def done(self) -> RobotsText:
        """All lines have been read."""
        self._note_unnamed()
        understood = self._defined > 0 or not self._others
        return RobotsText(tuple(self._lines), tuple(self._sitemaps.values()), self._losses, understood)

    def _rule(self, number: int, text: str, found: Keyed) -> None:
        key = found.key or ""
        self._in_group = self._in_group or key == AGENT
        if not self._in_group:
            self._problems.add(ProblemCode.RULE_WITHOUT_AGENT, number, shorten(text, 120))
        if "\ufffd" in text:
            self._problems.add(ProblemCode.WRONG_ENCODING, number, "bytes that are not UTF-8")
        self._lines.append(RobotsLine(number, key, found.value, text))

    def _sitemap(self, number: int, value: str, *, continued: bool = False) -> None:
        urls = sitemap_urls(value, self._base, self._url_length)
        self._unnamed = None if urls else number
        if len(urls) > 1 or continued:
            self._problems.add(ProblemCode.SEVERAL_URLS, number, shorten(value, 120))
        for url, code, message in urls:
            if code is not None:
                self._problems.add(code, number, message)
            if url is None:
                self._losses += 1
            elif url not in self._sitemaps:
                repaired = code is not None and code is not ProblemCode.RELATIVE_URL
                self._sitemaps[url] = NamedSitemap(number, url, repaired)

    def _note_unnamed(self) -> None:
        if self._unnamed is not None:
            self._problems.add(ProblemCode.MISSING_URL, self._unnamed, "a Sitemap line without a URL")
            self._losses += 1
            self._unnamed = None

    def _note_spelling(self, number: int, text: str, found: Keyed) -> None:
        if found.misspelt is not None:
            message = f"{shorten(found.misspelt, 60)} for {(found.key or '').capitalize()}"
            self._problems.add(ProblemCode.MISSPELT_KEY, number, message)
        if not found.colon:
            self._problems.add(ProblemCode.MISSING_COLON, number, shorten(text, 120))
