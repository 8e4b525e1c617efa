"""The key and the value of one line of robots.txt, also where the key is misspelt or its colon is missing.

RFC 9309 section 2.2 defines the lines. The misspellings are those that Google's parser and Protego accept,
and others of the same kind, where they can mean nothing else. `Allow` is only read as it is spelled: to take
another word for it could allow what the site forbids.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

AGENT, ALLOW, DISALLOW, DELAY, SITEMAP = "user-agent", "allow", "disallow", "crawl-delay", "sitemap"

IN_GROUP = frozenset({ALLOW, DISALLOW, DELAY, "request-rate", "visit-time"})
"""Keys of what applies to a group: the first of them ends the list of its agents."""

_EXTENSIONS = (
    *("host", "clean-param", "content-signal", "content-usage", "noindex", "nofollow", "noarchive"),
    *("cache-delay", "robot-version", "unavailable-after"),
)
_KNOWN = {key.replace("-", ""): key for key in (AGENT, SITEMAP, *IN_GROUP, *_EXTENSIONS)}
_MISSPELT = {
    **dict.fromkeys(("dissalow", "disallowed", "dissallowed", "dissalowed"), DISALLOW),
    **dict.fromkeys(("agentuser", "useragentname"), AGENT),
}
_SLIPS = {
    "useragent": AGENT,
    "disallow": DISALLOW,
    "sitemap": SITEMAP,
    "sitemaps": SITEMAP,
    "crawldelay": DELAY,
}
_NEGATED = ("no", "dis", "block", "deny")

_LONGEST_KEY = 40
_LEAD = "[\\s\"'\ufeff\u200b\u200e\u2060]*+"
_KEYED = re.compile(
    rf"{_LEAD}([A-Za-z][A-Za-z _.-]{{0,{_LONGEST_KEY - 1}}}?)[\s\ufeff\u200b]*+([:=;\uff1a]++)[\s:=]*+(.*)",
    re.DOTALL,
)
_SPACED = re.compile(
    rf"{_LEAD}(user[ _-]?agents?|disallow|allow|site[ _-]?maps?|crawl[ _-]delay)[\s\u00a0-]++(\S++)\s*+\Z",
    re.IGNORECASE,
)
AGAIN = re.compile(r"(?>(?:site[ _-]?maps?[\s\u00a0]*+[:=][\s\u00a0:=]*+)+)", re.IGNORECASE)
"""The key of a Sitemap line where it is written more than once."""

_ENDS_IN_SCHEME = re.compile(r"[\s-]https?\Z", re.IGNORECASE)
_PATH_OR_URL = re.compile(r"[/*$]|[A-Za-z]+:|\S*[./]")
_URL_VALUE = re.compile(r"[\"'<\s]*(?:https?:|/)", re.IGNORECASE)


class Keyed(NamedTuple):
    """A line: `key` in the spelling of its standard, None where nothing defines it. `misspelt` is the key as
    written where that differs; `colon` is False where something else stands in its place."""

    key: str | None
    value: str
    misspelt: str | None = None
    colon: bool = True


def keyed(line: str) -> Keyed | None:
    """The key and the value of a line without its comment; None for what is no such line."""
    match = _KEYED.match(line)
    if match is not None and not _ENDS_IN_SCHEME.search(match[1]):
        word, separator, value = match.groups()
        key, exact = key_of(word)
        if key is None and _URL_VALUE.match(value) and _names_sitemaps(word):
            key, exact = SITEMAP, False
        if key is SITEMAP:
            value = value[again.end() :] if (again := AGAIN.match(value)) else value
        if key is not None or separator.startswith(":"):
            return Keyed(
                key, value.rstrip(), None if exact or key is None else word, separator[0] in ":\uff1a"
            )
    spaced = _SPACED.match(line)
    if spaced is None:
        return None
    key, exact = key_of(spaced[1])
    value = spaced[2]
    if key is not AGENT and not (value.isdigit() if key is DELAY else _PATH_OR_URL.match(value)):
        return None  # a sentence, such as "Allow everything"
    return Keyed(key, value, None if exact else spaced[1], colon=False)


@lru_cache(maxsize=1024)
def key_of(word: str) -> tuple[str | None, bool]:
    """The key that a word is, None for none, and whether it is spelled like that."""
    lower = word.strip().lower()
    bare = re.sub(r"[\s_.-]+", "", lower)
    key = _KNOWN.get(bare) or _MISSPELT.get(bare)
    if key is None:
        key = next((meant for right, meant in _SLIPS.items() if _one_slip(bare, right)), None)
    return key, lower == key


def _names_sitemaps(word: str) -> bool:
    """Whether a word with a URL behind it can only introduce a sitemap, as in `XML Sitemap`."""
    bare = re.sub(r"[\s_.-]+", "", word.lower())
    return "sitemap" in bare and not bare.startswith(_NEGATED)


def _one_slip(word: str, right: str) -> bool:
    """Whether one letter is missing, added, wrong or swapped with its neighbour."""
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
