"""The cookies of one redirect chain, as browsers keep and send them (RFC 6265, and its revision)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from contentmap_cli.crawl.http.retries import http_date
from contentmap_cli.models.hosts import BadHost, host_of, is_address, normalise_host, without_www

MAX_COOKIES: Final = 50
MAX_COOKIE: Final = 4096
"""Maximum length of a name and value, as in browsers."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _Cookie(NamedTuple):
    pair: str  # as it is sent
    host: str
    subdomains: bool
    path: str
    secure: bool
    from_https: bool


class CookieJar:
    """Cookies by name, host and path.

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
