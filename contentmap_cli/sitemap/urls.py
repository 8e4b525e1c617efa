"""Whether the text of a loc, link or line is a URL that can be recorded and requested.

A URL is listed as published: resolved if relative, otherwise not rewritten. Only a user name or password in
it is left out: no table is a place for a secret. What the URL Standard reads as an absolute URL although it
is not written like one (`http:/host/a`, backslashes) is listed as it is read. What it refuses is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from contentmap_cli.models.hosts import DEFAULT_PORTS, HttpUrl, origin_parts, parse_origin, split_http_url
from contentmap_cli.sitemap.problems import ProblemCode, shorten

ORIGIN = r"https?://[A-Za-z0-9][A-Za-z0-9.-]*+(?>(?::(?:[1-5][0-9]{4}|[0-9]{1,4}))?)"
"""Scheme, host and port as nearly all URLs have them, as a pattern. Whether there can be such a host is for
`is_origin` to say."""

PLAIN_URL = re.compile(rf"({ORIGIN})(?:[/?#][!#-;=?-Z\[\]_a-z~]*)?")
"""What nearly all URLs look like; group 1 is the origin. One that does not match may still be a good URL."""

EDGES = " \t\r\n\v\f\u00a0\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u180e"
INNER_BREAKS = re.compile(r"(?<! )[ ]*+[\t\r\n]++[ \t\r\n]*+")
TEMPLATE = re.compile(r"\{\{|\}\}|\{%|%\}|<%|%>|<\?|\$\{")
FORBIDDEN = re.compile("[\x00-\x1f\x7f\x80-\x9f<>\ud800-\udfff\ufffd\ufffe\uffff]")
CREDENTIALS = re.compile(r"\A((?>(?:[A-Za-z][A-Za-z0-9+.-]*+:)?)//)[^/?#]*@")
NO_PAGE = frozenset(
    {"about", "android-app", "blob", "callto", "chrome", "cid", "data", "facetime", "fax", "geo", "intent"}
    | {"ios-app", "irc", "itms", "itms-apps", "itms-services", "javascript", "magnet", "mailto", "maps"}
    | {"market", "mid", "news", "sip", "sips", "skype", "sms", "smsto", "tag", "tel", "tg", "urn"}
    | {"vbscript", "viber", "view-source", "webcal", "whatsapp", "ws", "wss", "xmpp"}
)
"""Schemes that no page has."""

PATH = re.compile(r"[^?#]*")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Judged(NamedTuple):
    """A URL that was accepted (`code` is None, or says what was repaired), or why one was not (`url` is
    None). `no_page` says of a refused one that it certainly names no page."""

    url: str | None
    origin: str = ""
    code: ProblemCode | None = None
    message: str = ""
    no_page: bool = False


def trim(text: str) -> str:
    """Without white space of any kind at its ends, byte order marks and zero-width characters included."""
    while (stripped := text.strip().strip(EDGES)) != text:
        text = stripped
    return text


def judge(text: str, base: str | None, max_bytes: int) -> Judged:
    """Accepts or refuses the text of one loc. `max_bytes` bounds its UTF-8 form."""
    text = trim(text)
    plain = PLAIN_URL.fullmatch(text)
    if plain is not None and len(text) <= max_bytes and is_origin(plain[1]):
        return Judged(text, plain[1])
    if not text:
        return Judged(None, code=ProblemCode.MISSING_URL, message="the URL is empty")
    scheme = SCHEME.match(text)
    if text.startswith("#") or (scheme is not None and scheme[1].lower() in NO_PAGE):
        return _rejected("not an http(s) URL", text, no_page=True)
    if len(text) > max_bytes:  # before any work that grows with the text
        return _too_long(text, max_bytes)
    text = INNER_BREAKS.sub("", text)
    if TEMPLATE.search(text):
        return _rejected("an unrendered template", text)
    scheme = SCHEME.match(text)
    if FORBIDDEN.search(text):
        return _rejected("characters that no URL has", text)
    if scheme is None or "." in scheme[1]:  # example.com:8080/path has no scheme
        return _relative(text, base, max_bytes)
    return _absolute(text, base, max_bytes)


def is_origin(text: str) -> bool:
    """Return whether the origin of a plain URL names a host that could be asked."""
    scheme, _, authority = text.partition("://")
    return _host_of(scheme.lower(), authority) is not None


def _host_of(scheme: str, authority: str) -> str | None:
    origin = parse_origin(scheme, authority)
    # http://https://example.com names a host called https
    return origin[1] if origin is not None and origin[1] not in DEFAULT_PORTS else None


def without_credentials(text: str) -> str:
    """An absolute URL, or one that begins with `//`, without `user:password@`; any other text as it is."""
    return CREDENTIALS.sub(r"\1", text, count=1) if "@" in text else text


def _absolute(url: str, base: str | None, max_bytes: int) -> Judged:
    parts = split_http_url(url)
    if parts is None:
        return _rejected("not an http(s) URL", url)
    if "\\" in url and _hides_credentials(url, parts):
        judged = _absolute(without_credentials(url), base, max_bytes)
        return _credentials_removed(judged, parts) if judged.url is not None else judged
    _, at, authority = parts.authority.rpartition("@")
    host = _host_of(parts.scheme, authority)
    if host is None:
        return _rejected("no host that could be asked", url)
    code, message = None, ""
    if parts.slashes != "//" or "\\" in url.partition("?")[0].partition("#")[0]:
        if parts.slashes.replace("\\", "/") != "//" and not _is_sure(parts, host, base):
            return _rejected("no host that could be asked", url)
        code, message = ProblemCode.URL_REPAIRED, shorten(url)
        url = f"{url[: len(parts.scheme)]}://{parts.authority}{parts.path}{parts.query}"
    if len(url.encode("utf-8")) > max_bytes:
        return _too_long(url, max_bytes)
    judged = Judged(without_credentials(url) if at else url, f"{parts.scheme}://{authority}", code, message)
    return _credentials_removed(judged, parts) if at else judged


def _is_sure(parts: HttpUrl, host: str, base: str | None) -> bool:
    """Whether a URL with another number of slashes than two is absolute, and does not name a path."""
    own = origin_parts(base) if base is not None else None
    if own is not None and own[1] == host:
        return True
    if "." not in host and not host.startswith("["):
        return False
    # http:page.html in a document that came over http is relative to it
    return bool(parts.path) or own is None or own[0] != parts.scheme


def _hides_credentials(url: str, parts: HttpUrl) -> bool:
    """Whether a backslash stands in a password: what is before it cannot be a host that was meant."""
    return "." not in parts.authority and CREDENTIALS.match(url) is not None


def _credentials_removed(judged: Judged, parts: HttpUrl) -> Judged:
    authority = (judged.url or "").partition("://")[2].partition("/")[0]
    message = f"a user name or password stood before {shorten(authority, 80)}"
    return judged._replace(code=ProblemCode.CREDENTIALS_REMOVED, message=message)


def _relative(text: str, base: str | None, max_bytes: int) -> Judged:
    """Resolves a relative reference; without a base it is listed as it is."""
    if base is None:
        text = without_credentials(text)
        return Judged(text) if len(text.encode("utf-8")) <= max_bytes else _too_long(text, max_bytes)
    completed = _with_scheme(text, base)
    if completed is not None:
        judged = _absolute(completed, base, max_bytes)
        if judged.url is None:
            return judged
        return judged._replace(code=ProblemCode.SCHEME_ADDED, message=f"{shorten(text)} has no scheme")
    slashed = PATH.sub(lambda path: path[0].replace("\\", "/"), text, count=1)
    try:
        judged = _absolute(urljoin(base, slashed), base, max_bytes)
    except ValueError:
        return _rejected("not a URL", text)
    if judged.url is None or judged.code is not None:
        return judged
    return judged._replace(code=ProblemCode.RELATIVE_URL, message=shorten(text))


def _with_scheme(text: str, base: str) -> str | None:
    """`example.com/page` in a sitemap of example.com: the host was meant as one, not as a folder."""
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


def _rejected(why: str, text: str, *, no_page: bool = False) -> Judged:
    message = f"{why}: {shorten(text, 120)}"
    return Judged(None, code=ProblemCode.REJECTED_URL, message=message, no_page=no_page)


def _too_long(text: str, max_bytes: int) -> Judged:
    return Judged(
        None, code=ProblemCode.URL_TOO_LONG, message=f"over {max_bytes} bytes: {shorten(text, 120)}"
    )
