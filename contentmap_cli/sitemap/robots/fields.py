"""Split a line of robots.txt (RFC 9309 section 2.2) into key and value, tolerating misspelt keys and missing
colons, and extract and repair the URLs in the value of a Sitemap line.

The misspellings are those that Google's parser and Protego accept, and similar unambiguous ones. `Allow` must
be spelt correctly: a wrong guess could allow what the site forbids.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.urls import EDGE_SPACE, TEMPLATE, validate_url

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


BARE_URL = re.compile(r"\s*+[\"'<]?https?:[/\\]{1,2}[^\s\"'<>]++[\"'>]?\s*+", re.IGNORECASE)
"""A line with one URL only."""

_ONE_URL = re.compile(r"https?://[a-z-]+\.[a-z.-]+/[A-Za-z0-9/._-]*")
"""A value in the usual form: one URL."""

_PLACEHOLDER = re.compile(
    r"\{[\w .:-]{0,60}\}|%[A-Z][A-Z_]{2,40}%|\[\[|__[A-Z_]{3,40}__"
    r"|\A(?:https?:/*)?(?:undefined|null|none|nan|false|\[object Object\])(?:/|\Z)"
)
_WORDS = re.compile(r"[\s\u00a0\u200b\"'<>]+")
_JOINED = re.compile(
    r"[,;|]++(?=https?:)|(?<=[a-z0-9])(?=https?://)|(?<=[a-z0-9]/)(?=https?://)", re.IGNORECASE
)
_MARKDOWN = re.compile(r"[\[\]()]")
_ABSOLUTE = re.compile(r"https?\b", re.IGNORECASE)
_DOCUMENT = re.compile(r"\.(?:xml|gz|txt|rss|atom|json|php|aspx?)\Z", re.IGNORECASE)
_REPEATED_SCHEME = re.compile(r"(?>(?:https?:/{0,3}+(?=https?:))+)", re.IGNORECASE)
_WELL_FORMED = re.compile(r"https?://[^/\\]", re.IGNORECASE)
_MALFORMED_SCHEME = re.compile(r"(https?)(?::[/\\]*+|;[/\\]{2}+|[/\\]{2,}+:?+)(?=[^/\\])", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/\\?#]*")
_LOOPBACK = re.compile(r"(?:.+\.)?localhost|127(?:\.\d+){3}|0\.0\.0\.0|::1", re.IGNORECASE)


class SitemapUrl(NamedTuple):
    """A URL in a Sitemap line; `url` is None if it was refused."""

    url: str | None
    code: ProblemCode | None = None
    message: str = ""


def sitemap_urls(value: str, base: str | None, url_length: int) -> list[SitemapUrl]:
    """Return the URLs in the value of a Sitemap line, in order."""
    if _ONE_URL.fullmatch(value) and len(value) <= url_length and "localhost" not in value:
        return [SitemapUrl(value)]
    return [_sitemap_url(text, base, url_length) for text in _split_urls(value)]


def _split_urls(value: str) -> list[str]:
    """Split the value into one text per intended URL."""
    value = value.strip().strip(EDGE_SPACE)
    if TEMPLATE.search(value) or _PLACEHOLDER.search(value):
        return [value]
    if "](" in value:
        value = _MARKDOWN.sub(" ", value)
    words = [word for word in (part.strip(",;|") for part in _WORDS.split(value)) if word]
    if len(words) > 1:
        absolute = [word for word in words if _ABSOLUTE.match(word)]
        if len(absolute) < 2 and words[0] in (absolute or words) and _DOCUMENT.search(words[-1]):
            several = [word for word in words if word.startswith("/") or word in absolute]
            if len(several) < len(words):
                return [value]  # one URL with a space in it
        paths = [] if "<" in value else [word for word in words if word.startswith("/") and len(word) > 1]
        words = [word for word in words if word in absolute or word in paths] or words[:1]
    return [part for word in dict.fromkeys(words) for part in _JOINED.split(word) if part]


def _sitemap_url(text: str, base: str | None, url_length: int) -> SitemapUrl:
    if _PLACEHOLDER.search(text):
        return SitemapUrl(None, ProblemCode.REJECTED_URL, f"an unrendered template: {shorten(text, 120)}")
    repaired = _repair_scheme(text, base)
    validated = validate_url(repaired or text, base, url_length)
    if validated.url is None:
        return SitemapUrl(None, validated.code, validated.message)
    if _is_local(validated.url) and not (base is not None and _is_local(base)):
        return SitemapUrl(None, ProblemCode.REJECTED_URL, f"not a public host: {shorten(text, 120)}")
    if repaired is not None and validated.code is None:
        return SitemapUrl(validated.url, ProblemCode.URL_REPAIRED, shorten(text))
    return SitemapUrl(validated.url, validated.code, validated.message)


def _repair_scheme(text: str, base: str | None) -> str | None:
    """Repair a URL with a repeated scheme or other than two slashes after it; None if there is nothing to
    repair.

    The slashes are read as the URL Standard reads them.
    """
    doubled = _REPEATED_SCHEME.match(text)
    if doubled is not None:
        rest = text[doubled.end() :]
        return _repair_scheme(rest, base) or rest
    slipped = None if _WELL_FORMED.match(text) else _MALFORMED_SCHEME.match(text)
    if slipped is None:
        return None
    rest = text[slipped.end() :]
    host = _AUTHORITY.match(rest)
    name = host[0] if host is not None else ""
    if len(name) == len(rest) and _DOCUMENT.search(name):
        return f"/{rest}" if text[slipped.end(1) :].startswith(":/") else None  # http:/sitemap.xml: no host
    if "." not in name.strip(".") and name.lower() != _host(base):
        return None
    return f"{slipped[1].lower()}://{rest.replace(chr(92), '/')}"


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").netloc.lower()
    except ValueError:
        return ""


def _is_local(url: str) -> bool:
    try:
        return _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None
    except ValueError:
        return False
