"""URLs taken apart, as far as rules compare them."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host in lower case and port of a URL."""

    scheme: str
    host: str
    port: int | None

    @property
    def site(self) -> tuple[str, int | None]:
        """The host without `www.`, and the port where it is not the scheme's own."""
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
        with suppress(UnicodeError):  # then it is compared as it is
            host = host.encode("idna").decode("ascii")
    return Origin(scheme, host.removesuffix("."), port or PORTS[scheme])


def origin_of(url: str | None) -> Origin | None:
    """The origin of an http or https URL, None for anything else."""
    scheme, separator, rest = (url or "").partition("://")
    if not separator:
        return None
    for mark in "/?#\\":
        rest = rest.partition(mark)[0]
    return _origin(scheme.lower(), rest)


def path_of(url: str) -> str:
    """The path of a URL, at least `/`."""
    rest = url.partition("://")[2]
    rest = rest.partition("#")[0].partition("?")[0]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def folder_of(url: str) -> str:
    """The folder that a URL lies in, with its last slash."""
    return path_of(url).rpartition("/")[0] + "/"


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Whether a host is one that the public web cannot reach: localhost, a private address, a name of one
    word or of a domain that is reserved for such use (RFC 2606, RFC 6762, RFC 8375)."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        pass
    last = host.rpartition(".")[2]
    return "." not in host or last in ("localhost", "local", "test", "invalid", "internal", "lan")
