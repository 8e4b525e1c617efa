"""Split a line of robots.txt (RFC 9309 section 2.2) into key and value, tolerating misspelt keys and missing
colons.

The misspellings are those that Google's parser and Protego accept, and similar unambiguous ones. `Allow` must
be spelt correctly: a wrong guess could allow what the site forbids.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

AGENT, ALLOW, DISALLOW, DELAY, SITEMAP = "user-agent", "allow", "disallow", "crawl-delay", "sitemap"

IN_GROUP = frozenset({ALLOW, DISALLOW, DELAY, "request-rate", "visit-time"})
"""Keys of the rules of a group: the first one ends the list of its agents."""

_EXTENSIONS = (
    *("host", "clean-param", "content-signal", "content-usage", "noindex", "nofollow", "noarchive"),
    *("cache-delay", "robot-version", "unavailable-after"),
)
_KNOWN = {key.replace("-", ""): key for key in (AGENT, SITEMAP, *IN_GROUP, *_EXTENSIONS)}
_MISSPELT = {
    **dict.fromkeys(("dissalow", "disallowed", "dissallowed", "dissalowed"), DISALLOW),
    **dict.fromkeys(("agentuser", "useragentname"), AGENT),
}
_FUZZY_KEYS = {
    "useragent": AGENT,
    "disallow": DISALLOW,
    "sitemap": SITEMAP,
    "sitemaps": SITEMAP,
    "crawldelay": DELAY,
}
_NEGATED = ("no", "dis", "block", "deny")

_LONGEST_KEY = 40
_LEAD = "[\\s\"'\ufeff\u200b\u200e\u2060]*+"
_FIELD = re.compile(
    rf"{_LEAD}([A-Za-z][A-Za-z _.-]{{0,{_LONGEST_KEY - 1}}}?)[\s\ufeff\u200b]*+([:=;\uff1a]++)[\s:=]*+(.*)",
    re.DOTALL,
)
_FIELD_WITHOUT_COLON = re.compile(
    rf"{_LEAD}(user[ _-]?agents?|disallow|allow|site[ _-]?maps?|crawl[ _-]delay)[\s\u00a0-]++(\S++)\s*+\Z",
    re.IGNORECASE,
)
REPEATED_KEY = re.compile(r"(?>(?:site[ _-]?maps?[\s\u00a0]*+[:=][\s\u00a0:=]*+)+)", re.IGNORECASE)
"""A repeated key of a Sitemap line."""

_ENDS_IN_SCHEME = re.compile(r"[\s-]https?\Z", re.IGNORECASE)
_PATH_OR_URL = re.compile(r"[/*$]|[A-Za-z]+:|\S*[./]")
_URL_VALUE = re.compile(r"[\"'<\s]*(?:https?:|/)", re.IGNORECASE)


class RobotsField(NamedTuple):
    """A key and its value.

    `key` has the standard spelling, None if the key is unknown. `misspelt` is the key as written if that
    differs. `colon` is False if another separator is used.
    """

    key: str | None
    value: str
    misspelt: str | None = None
    colon: bool = True


def parse_field(line: str) -> RobotsField | None:
    """Parse a line without its comment. Return None if it has no key and value."""
    match = _FIELD.match(line)
    if match is not None and not _ENDS_IN_SCHEME.search(match[1]):
        word, separator, value = match.groups()
        key, exact = recognise_key(word)
        if key is None and _URL_VALUE.match(value) and _names_sitemaps(word):
            key, exact = SITEMAP, False
        if key is SITEMAP:
            value = value[again.end() :] if (again := REPEATED_KEY.match(value)) else value
        if key is not None or separator.startswith(":"):
            return RobotsField(
                key, value.rstrip(), None if exact or key is None else word, separator[0] in ":\uff1a"
            )
    spaced = _FIELD_WITHOUT_COLON.match(line)
    if spaced is None:
        return None
    key, exact = recognise_key(spaced[1])
    value = spaced[2]
    if key is not AGENT and not (value.isdigit() if key is DELAY else _PATH_OR_URL.match(value)):
        return None  # prose, such as "Allow everything"
    return RobotsField(key, value, None if exact else spaced[1], colon=False)


@lru_cache(maxsize=1024)
def recognise_key(word: str) -> tuple[str | None, bool]:
    """Return the key that a word means (None if unknown), and whether it is spelt correctly."""
    lower = word.strip().lower()
    bare = re.sub(r"[\s_.-]+", "", lower)
    key = _KNOWN.get(bare) or _MISSPELT.get(bare)
    if key is None:
        key = next((meant for right, meant in _FUZZY_KEYS.items() if _one_edit_apart(bare, right)), None)
    return key, lower == key


def _names_sitemaps(word: str) -> bool:
    """Return whether a word before a URL announces a sitemap, as `XML Sitemap` does."""
    bare = re.sub(r"[\s_.-]+", "", word.lower())
    return "sitemap" in bare and not bare.startswith(_NEGATED)


def _one_edit_apart(word: str, right: str) -> bool:
    """Return whether words differ by one letter missing, added, replaced or swapped with its neighbour."""
    if abs(len(word) - len(right)) > 1 or word == right:
        return word == right
    start = 0
    shorter = min(len(word), len(right))
    while start < shorter and word[start] == right[start]:
        start += 1
    end = 0
    while end < shorter - start and word[-1 - end] == right[-1 - end]:
        end += 1
    left, wanted = word[start : len(word) - end], right[start : len(right) - end]
    return max(len(left), len(wanted)) <= 1 or (len(left) == 2 and left == wanted[::-1])
