"""Redirects: the target of a `Location` header, and the URLs and cookies of one redirect chain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from contentmap_cli.crawl.http.retries import http_date
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.hosts import (
    DEFAULT_PORTS,
    BadHost,
    host_of,
    is_address,
    normalise_host,
    normalise_url,
    origin_parts,
    without_www,
)

REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

MAX_COOKIES: Final = 50
MAX_COOKIE: Final = 4096
"""Maximum length of a name and value, as in browsers."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DROPPED = {ord(character): None for character in "\t\n\r"}
_ENDS = "".join(map(chr, range(0x21)))
"""C0 controls and the space, which the URL Standard strips."""


def resolve_location(base: str, location: str) -> str | None:
    """Return the normalised URL of a `Location` header in the answer of `base`, or None if it is no http URL.

    It is resolved as browsers do (URL Standard section 4.4): tabs and line breaks are dropped, a backslash
    counts as a slash, bytes that are not ASCII are percent-encoded as they were sent.
    """
    raw = location.encode("utf-8", "surrogateescape")  # aiohttp decodes header values in this way
    text = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)
    text = text.strip(_ENDS).translate(_DROPPED)
    scheme, _, rest = base.partition(":")
    match = _SCHEME.match(text)
    if match is not None:
        behind = text[match.end() :]
        if match[1].lower() != scheme or behind[:2].replace("\\", "/") == "//":
            return normalise_url(text)
        text = behind  # "http:path" is relative to a base of the same scheme
    origin, _, path = rest.removeprefix("//").partition("/")
    path = f"/{path}"
    if text[:2].replace("\\", "/") == "//":
        return normalise_url(f"{scheme}:{text}")
    if text.startswith(("/", "\\")):
        path = text
    elif not text or text.startswith("#"):
        pass
    elif text.startswith("?"):
        path = path.partition("?")[0] + text
    else:
        path = path.partition("?")[0].rpartition("/")[0] + "/" + text
    return normalise_url(f"{scheme}://{origin}{path}")


class _Cookie(NamedTuple):
    pair: str  # as it is sent
    host: str
    subdomains: bool
    path: str
    secure: bool
    from_https: bool


class CookieJar:
    """Cookies by name, host and path, kept and sent as browsers do (RFC 6265 and its revision).

    Without `plain` none that an https answer has set is sent over http. A `Domain` attribute covers
    subdomains if it is the host itself, without `www.`, or the `site` of the target: there is no list of
    public suffixes.
    """

    def __init__(self, *, plain: bool, site: str) -> None:
        self._plain = plain
        self._site = site.partition(":")[0]
        self._cookies: dict[tuple[str, str, str], _Cookie] = {}

    def store(self, url: str, set_cookie: Sequence[str]) -> None:
        """Store or delete the cookies in the `Set-Cookie` headers of an answer."""
        host = host_of(url) or ""
        for line in set_cookie:
            pair, *rest = line.split(";")
            name, equals, value = (each.strip(" \t") for each in pair.partition("="))
            if not equals:
                name, value = "", name
            if _CONTROL.search(line) or not 0 < len(name) + len(value) <= MAX_COOKIE:
                continue
            split = (each.partition("=") for each in rest)
            attributes = {key.strip().lower(): text.strip() for key, _, text in split}
            covered = self._domain(host, attributes.get("domain", ""))
            if covered is None:
                continue
            path = attributes.get("path", "")
            if not path.startswith("/"):
                path = _path(url).rpartition("/")[0] or "/"
            key = (name, covered[0], path)
            self._cookies.pop(key, None)
            if not _is_expired(attributes) and len(self._cookies) < MAX_COOKIES:
                sent = _sendable(f"{name}={value}" if equals else value)
                secure, from_https = "secure" in attributes, url.startswith("https:")
                self._cookies[key] = _Cookie(sent, *covered, path, secure, from_https)

    def _domain(self, host: str, domain: str) -> tuple[str, bool] | None:
        """Return the host of a cookie and whether it covers subdomains; None for that of another host."""
        if not domain.strip("."):
            return host, False
        try:
            domain = normalise_host(domain.removeprefix("."))
        except BadHost:
            return None
        if host != domain and (is_address(host) or not host.endswith(f".{domain}")):
            return None
        if domain in (host, without_www(host), self._site):
            return domain, not is_address(domain)
        return host, False

    def header(self, url: str) -> str:
        """Return the value of the `Cookie` header of a request; empty without cookies."""
        if not self._cookies:
            return ""
        host, path, https = host_of(url) or "", _path(url), url.startswith("https:")
        found = [
            each
            for each in self._cookies.values()
            if (host == each.host or (each.subdomains and host.endswith(f".{each.host}")))
            and (path == each.path or path.startswith(f"{each.path.rstrip('/')}/"))
            and (https or not (each.secure or (each.from_https and not self._plain)))
        ]
        found.sort(key=lambda each: -len(each.path))
        return "; ".join(each.pair for each in found)


def _path(url: str) -> str:
    return "/" + re.split(r"[?#]", url.partition("://")[2].partition("/")[2], maxsplit=1)[0]


def _is_expired(attributes: Mapping[str, str]) -> bool:
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        return age.startswith("-") or not age.strip("0")
    when = http_date(attributes.get("expires"))
    return when is not None and when <= datetime.now(UTC)


def _sendable(text: str) -> str:
    """Return a value that aiohttp can send, which is UTF-8: other bytes are read as Latin-1."""
    if _SURROGATE.search(text):
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


class RedirectChain:
    """The URLs of one redirect chain, and the cookies that its answers set (RFC 6265), forgotten with it.

    With `https_only` an http URL is requested over https at the same host, as by browsers with HSTS (RFC
    6797 section 8.3). `upgraded` says that the current URL was. `cookies` is the value of its `Cookie`
    header, empty without cookies. `plain` and `site` are those of `CookieJar`.
    """

    def __init__(self, *, https_only: bool = False, plain: bool = False, site: str = "") -> None:
        self._https_only = https_only
        self._visited: set[tuple[str, str]] = set()
        self._jar = CookieJar(plain=plain, site=site)
        self.current = self.cookies = ""
        self.upgraded = False

    def start(self, url: str) -> Failure | None:
        """Set the first URL, which is normalised; return why it is not requested, if so."""
        self.current, self.upgraded = url, False
        if self._https_only and url.startswith("http:"):
            secure = https_url(url)
            if secure is None:
                return Failure(
                    Code.HTTPS_REQUIRED, f"{url} is not requested over http: the target was typed with https"
                )
            self.current, self.upgraded = secure, True
        self.cookies = self._jar.header(self.current)
        self._visited.add((self.current, self.cookies))
        return None

    def follow(self, location: str, set_cookie: Sequence[str]) -> Failure | None:
        """Go to the target of a redirect; return why it is not followed, if so.

        The same URL with other cookies is no loop: servers set a cookie and redirect to the same URL.
        """
        before = self.current
        target = resolve_location(before, location)
        if target is None:
            match = _SCHEME.match(location.strip(_ENDS))
            if match is not None and match[1].lower() not in ("http", "https"):
                return Failure(Code.REDIRECT_SCHEME, "the redirect target is not an http or https URL")
            return Failure(Code.REJECTED_URL, "the redirect target is not a URL")
        self._jar.store(before, set_cookie)
        visited = len(self._visited)
        failure = self.start(target)
        if failure is None and len(self._visited) == visited:
            if self.upgraded:
                what = f"{before} redirects to http, and the target was typed with https"
                return Failure(Code.HTTPS_REQUIRED, what)
            return Failure(Code.REDIRECT_LOOP, "the redirects form a loop")
        return failure


def https_url(url: str) -> str | None:
    """Return the https URL of a normalised URL; None for http at another port than 80."""
    parts = origin_parts(url)
    if parts is None or (parts[0] == "http" and parts[2] != DEFAULT_PORTS["http"]):
        return None
    return url if parts[0] == "https" else f"https{url.removeprefix('http')}"
