"""The value of a Sitemap line: which URLs it names, and what was repaired."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.urls import EDGES, TEMPLATE, judge

BARE_URL = re.compile(r"\s*+[\"'<]?https?:[/\\]{1,2}[^\s\"'<>]++[\"'>]?\s*+", re.IGNORECASE)
"""A line that is one URL and nothing else."""

_ONE_URL = re.compile(r"https?://[a-z-]+\.[a-z.-]+/[A-Za-z0-9/._-]*")
"""A URL as nearly all Sitemap lines have it, in which nothing is left to look for."""

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
_DOUBLED = re.compile(r"(?>(?:https?:/{0,3}+(?=https?:))+)", re.IGNORECASE)
_SOUND = re.compile(r"https?://[^/\\]", re.IGNORECASE)
_SLIPPED = re.compile(r"(https?)(?::[/\\]*+|;[/\\]{2}+|[/\\]{2,}+:?+)(?=[^/\\])", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/\\?#]*")
_LOOPBACK = re.compile(r"(?:.+\.)?localhost|127(?:\.\d+){3}|0\.0\.0\.0|::1", re.IGNORECASE)


class SitemapUrl(NamedTuple):
    """A URL that a Sitemap line names; `url` is None where it was refused."""

    url: str | None
    code: ProblemCode | None = None
    message: str = ""


def sitemap_urls(value: str, base: str | None, url_length: int) -> list[SitemapUrl]:
    """Every URL in the value of a Sitemap line, in order; none where it holds nothing."""
    if _ONE_URL.fullmatch(value) and len(value) <= url_length and "localhost" not in value:
        return [SitemapUrl(value)]
    return [_judged(text, base, url_length) for text in _texts(value)]


def _texts(value: str) -> list[str]:
    """The value cut into what is meant as a URL each."""
    value = value.strip().strip(EDGES)
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
                return [value]  # one URL with a space in it: the value is the rest of the line
        paths = [] if "<" in value else [word for word in words if word.startswith("/") and len(word) > 1]
        words = [word for word in words if word in absolute or word in paths] or words[:1]
    return [part for word in dict.fromkeys(words) for part in _JOINED.split(word) if part]


def _judged(text: str, base: str | None, url_length: int) -> SitemapUrl:
    if _PLACEHOLDER.search(text):
        return SitemapUrl(None, ProblemCode.REJECTED_URL, f"an unrendered template: {shorten(text, 120)}")
    repaired = _with_slashes(text, base)
    judged = judge(repaired or text, base, url_length)
    if judged.url is None:
        return SitemapUrl(None, judged.code, judged.message)
    if _is_local(judged.url) and not (base is not None and _is_local(base)):
        return SitemapUrl(None, ProblemCode.REJECTED_URL, f"a host of no public site: {shorten(text, 120)}")
    if repaired is not None and judged.code is None:
        return SitemapUrl(judged.url, ProblemCode.URL_REPAIRED, shorten(text))
    return SitemapUrl(judged.url, judged.code, judged.message)


def _with_slashes(text: str, base: str | None) -> str | None:
    """The URL with the two slashes behind its scheme, where it has too few, too many or others (as the URL
    Standard reads it), or a scheme before its scheme; None where nothing is to be repaired."""
    doubled = _DOUBLED.match(text)
    if doubled is not None:
        rest = text[doubled.end() :]
        return _with_slashes(rest, base) or rest
    slipped = None if _SOUND.match(text) else _SLIPPED.match(text)
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
