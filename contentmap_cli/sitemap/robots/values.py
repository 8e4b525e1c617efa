"""Extract and repair the URLs in the value of a Sitemap line."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.urls import EDGE_SPACE, TEMPLATE, validate_url

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
