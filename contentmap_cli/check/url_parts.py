"""Parts of URLs that the rules compare."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.models.hosts import is_address, site_of

PORTS = {"http": 80, "https": 443}
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org"})
"""Labels under a country's domain below which names are registered."""


class Origin(NamedTuple):
    """Scheme, lower-case host and port of a URL."""

    scheme: str
    host: str
    port: int | None

    @property
    def site(self) -> tuple[str, int | None]:
        """The host without `www.`, and a port that is not the scheme's own."""
        return self.host.removeprefix("www."), None if self.port in PORTS.values() else self.port


@lru_cache(maxsize=4096)
def _origin(scheme: str, netloc: str) -> Origin | None:
    try:
        parts = urlsplit(f"{scheme}://{netloc}/")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or scheme not in PORTS:
        return None
    if not host.isascii():
        with suppress(UnicodeError):  # compared unencoded
            host = host.encode("idna").decode("ascii")
    return Origin(scheme, host.removesuffix("."), port or PORTS[scheme])


def origin_of(url: str | None) -> Origin | None:
    """Return the origin of an http or https URL, None for any other text."""
    scheme, separator, rest = (url or "").partition("://")
    if not separator:
        return None
    for mark in "/?#\\":
        rest = rest.partition(mark)[0]
    return _origin(scheme.lower(), rest)


def site_name(target: str) -> str:
    """Return the name of the site of a target, which may be the URL of a sitemap."""
    return (site_of(target) or target) if "://" in target else target


def path_of(url: str) -> str:
    """Return the path of a URL, at least `/`."""
    rest = url.partition("://")[2]
    rest = rest.partition("#")[0].partition("?")[0]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def folder_of(url: str) -> str:
    """Return the folder of a URL's path, with a slash at its end."""
    return path_of(url).rpartition("/")[0] + "/"


@lru_cache(maxsize=4096)
def domain_of(host: str) -> str:
    """Return the domain that a host's owner has registered, as far as its form tells: `example.co.uk`."""
    labels = host.split(".")
    if is_address(host):
        return host
    second = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if second else labels[-2:])


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Return whether a host is not reachable from the public web.

    That is localhost, a private address, a name of one label, or a name in a domain reserved for such use
    (RFC 2606, RFC 6762, RFC 8375).
    """
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        pass
    last = host.rpartition(".")[2]
    return "." not in host or last in ("localhost", "local", "test", "invalid", "internal", "lan")
