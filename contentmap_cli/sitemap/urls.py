"""Validate the URL of a loc, link or line.

A relative URL is resolved. An absolute URL is kept as published, without user name and password. What the URL
Standard reads as an absolute URL although it is not written like one (`http:/host/a`, backslashes) is listed
as the standard reads it. What it refuses is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from contentmap_cli.models.hosts import DEFAULT_PORTS, HttpUrl, origin_parts, parse_origin, split_http_url
from contentmap_cli.sitemap.problems import ProblemCode, shorten

ORIGIN = r"https?://[A-Za-z0-9][A-Za-z0-9.-]*+(?>(?::(?:[1-5][0-9]{4}|[0-9]{1,4}))?)"
"""Pattern of the usual scheme, host and port. `is_origin` validates the host."""

PLAIN_URL = re.compile(rf"({ORIGIN})(?:[/?#][!#-;=?-Z\[\]_a-z~]*)?")
"""The usual form of a URL; group 1 is the origin. Other forms may be valid as well."""

EDGE_SPACE = " \t\r\n\v\f\u00a0\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u180e"
INNER_LINE_BREAKS = re.compile(r"(?<! )[ ]*+[\t\r\n]++[ \t\r\n]*+")
TEMPLATE = re.compile(r"\{\{|\}\}|\{%|%\}|<%|%>|<\?|\$\{")
FORBIDDEN = re.compile("[\x00-\x1f\x7f\x80-\x9f<>\ud800-\udfff\ufffd\ufffe\uffff]")
CREDENTIALS = re.compile(r"\A((?>(?:[A-Za-z][A-Za-z0-9+.-]*+:)?)//)[^/?#]*@")
NON_PAGE_SCHEMES = frozenset(
    {"about", "android-app", "blob", "callto", "chrome", "cid", "data", "facetime", "fax", "geo", "intent"}
    | {"ios-app", "irc", "itms", "itms-apps", "itms-services", "javascript", "magnet", "mailto", "maps"}
    | {"market", "mid", "news", "sip", "sips", "skype", "sms", "smsto", "tag", "tel", "tg", "urn"}
    | {"vbscript", "viber", "view-source", "webcal", "whatsapp", "ws", "wss", "xmpp"}
)
"""Schemes of URLs that are not pages."""

PATH = re.compile(r"[^?#]*")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class ValidatedUrl(NamedTuple):
    """A validated URL. `url` is None if it was refused; `code` says why, or what was repaired.

    `is_no_page`: the refused URL certainly names no page.
    """

    url: str | None
    origin: str = ""
    code: ProblemCode | None = None
    message: str = ""
    is_no_page: bool = False


def trim(text: str) -> str:
    """Strip white space, byte order marks and zero-width characters."""
    while (stripped := text.strip().strip(EDGE_SPACE)) != text:
        text = stripped
    return text


def validate_url(text: str, base: str | None, max_bytes: int) -> ValidatedUrl:
    """Validate the text of one loc. `max_bytes` limits its UTF-8 form."""
    text = trim(text)
    plain = PLAIN_URL.fullmatch(text)
    if plain is not None and len(text) <= max_bytes and is_origin(plain[1]):
        return ValidatedUrl(text, plain[1])
    if not text:
        return ValidatedUrl(None, code=ProblemCode.MISSING_URL, message="the URL is empty")
    scheme = SCHEME.match(text)
    if text.startswith("#") or (scheme is not None and scheme[1].lower() in NON_PAGE_SCHEMES):
        return _rejected("not an http(s) URL", text, is_no_page=True)
    if len(text) > max_bytes:  # before any work proportional to its length
        return _too_long(text, max_bytes)
    text = INNER_LINE_BREAKS.sub("", text)
    if TEMPLATE.search(text):
        return _rejected("an unrendered template", text)
    scheme = SCHEME.match(text)
    if FORBIDDEN.search(text):
        return _rejected("invalid characters in the URL", text)
    if scheme is None or "." in scheme[1]:  # example.com:8080/path has no scheme
        return _relative(text, base, max_bytes)
    return _absolute(text, base, max_bytes)


def is_origin(text: str) -> bool:
    """Return whether the origin of a plain URL has a valid host."""
    scheme, _, authority = text.partition("://")
    return _host_of(scheme.lower(), authority) is not None


def _host_of(scheme: str, authority: str) -> str | None:
    origin = parse_origin(scheme, authority)
    # http://https://example.com has the host https
    return origin[1] if origin is not None and origin[1] not in DEFAULT_PORTS else None


def _has_invalid_port(authority: str) -> bool:
    """Return whether a host is followed by a number that is no port."""
    host, _, port = authority.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and (len(port) > 5 or int(port) > 65_535)


def strip_credentials(text: str) -> str:
    """Remove `user:password@` from a URL that is absolute or starts with `//`."""
    return CREDENTIALS.sub(r"\1", text, count=1) if "@" in text else text


def _absolute(url: str, base: str | None, max_bytes: int) -> ValidatedUrl:
    parts = split_http_url(url)
    if parts is None:
        return _rejected("not an http(s) URL", url)
    if "\\" in url and _has_split_credentials(url, parts):
        validated = _absolute(strip_credentials(url), base, max_bytes)
        return _credentials_removed(validated, parts) if validated.url is not None else validated
    _, at, authority = parts.authority.rpartition("@")
    host = _host_of(parts.scheme, authority)
    if host is None:
        return _rejected("an invalid port" if _has_invalid_port(authority) else "an invalid host", url)
    code, message = None, ""
    if parts.slashes != "//" or "\\" in url.partition("?")[0].partition("#")[0]:
        if parts.slashes.replace("\\", "/") != "//" and not _is_absolute(parts, host, base):
            return _rejected("an invalid host", url)
        code, message = ProblemCode.URL_REPAIRED, shorten(url)
        url = f"{url[: len(parts.scheme)]}://{parts.authority}{parts.path}{parts.query}"
    if len(url.encode("utf-8")) > max_bytes:
        return _too_long(url, max_bytes)
    validated = ValidatedUrl(
        strip_credentials(url) if at else url, f"{parts.scheme}://{authority}", code, message
    )
    return _credentials_removed(validated, parts) if at else validated


def _is_absolute(parts: HttpUrl, host: str, base: str | None) -> bool:
    """Return whether a URL without exactly two slashes is absolute, not relative."""
    own = origin_parts(base) if base is not None else None
    if own is not None and own[1] == host:
        return True
    if "." not in host and not host.startswith("["):
        return False
    # http:page.html in an http document is relative
    return bool(parts.path) or own is None or own[0] != parts.scheme


def _has_split_credentials(url: str, parts: HttpUrl) -> bool:
    """Return whether the authority ends at a backslash inside a password."""
    return "." not in parts.authority and CREDENTIALS.match(url) is not None


def _credentials_removed(validated: ValidatedUrl, parts: HttpUrl) -> ValidatedUrl:
    authority = (validated.url or "").partition("://")[2].partition("/")[0]
    message = f"user name or password removed before {shorten(authority, 80)}"
    return validated._replace(code=ProblemCode.CREDENTIALS_REMOVED, message=message)


def _relative(text: str, base: str | None, max_bytes: int) -> ValidatedUrl:
    """Resolve a relative reference; without a base it is kept."""
    if base is None:
        text = strip_credentials(text)
        return ValidatedUrl(text) if len(text.encode("utf-8")) <= max_bytes else _too_long(text, max_bytes)
    completed = _with_scheme(text, base)
    if completed is not None:
        validated = _absolute(completed, base, max_bytes)
        if validated.url is None:
            return validated
        return validated._replace(code=ProblemCode.SCHEME_ADDED, message=f"{shorten(text)} has no scheme")
    slashed = PATH.sub(lambda path: path[0].replace("\\", "/"), text, count=1)
    try:
        validated = _absolute(urljoin(base, slashed), base, max_bytes)
    except ValueError:
        return _rejected("not a URL", text)
    if validated.url is None or validated.code is not None:
        return validated
    return validated._replace(code=ProblemCode.RELATIVE_URL, message=shorten(text))


def _with_scheme(text: str, base: str) -> str | None:
    """Complete `example.com/page` in a sitemap of example.com: a host name, not a folder."""
    host = re.match(r"([^/?#:\s]++)(?::[0-9]++)?(?=[/?#]|$)", text)
    if host is None or "." not in host[1][1:-1]:
        return None
    try:
        origin = urlsplit(base)
        own = (origin.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if not own or host[1].lower().removeprefix("www.") != own:
        return None
    return f"{origin.scheme}://{text}"


def _rejected(why: str, text: str, *, is_no_page: bool = False) -> ValidatedUrl:
    message = f"{why}: {shorten(text, 120)}"
    return ValidatedUrl(None, code=ProblemCode.REJECTED_URL, message=message, is_no_page=is_no_page)


def _too_long(text: str, max_bytes: int) -> ValidatedUrl:
    return ValidatedUrl(
        None, code=ProblemCode.URL_TOO_LONG, message=f"over {max_bytes} bytes: {shorten(text, 120)}"
    )
