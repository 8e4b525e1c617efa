"""Proxies of a run: `--proxy` or the variables of the environment, and the hosts that are reached directly.

The rules are those of curl: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in lower case first.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from contentmap_cli.crawl.access.basic import basic_authorization
from contentmap_cli.errors import UsageError
from contentmap_cli.models.hosts import BadHost, normalise_host, split_port

DEFAULT_PROXY_PORTS = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}
"""The schemes of proxies, and their ports where a URL has none, as in curl."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HINT = "write it as in http://proxy.example:3128 or socks5h://localhost:1080; # in a password is %23"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. Its credentials are not part of `url`, `name` or `repr`."""

    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether this is a SOCKS proxy rather than one that speaks HTTP."""
        return self.scheme.startswith("socks")

    @property
    def resolves_names(self) -> bool:
        """Whether the proxy resolves host names, so that their addresses cannot be checked."""
        return self.scheme != "socks5"

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return f"{self.scheme}://{self.name}"

    @property
    def name(self) -> str:
        """Host and port, as in messages."""
        return f"{self.host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The value of the Proxy-Authorization header (RFC 7617, UTF-8)."""
        if self.user is None:
            return None
        return basic_authorization(self.user, self.password or "")


def parse_proxy(text: str, option: str = "--proxy") -> Proxy:
    """Parse the URL of a proxy, or `host:port` of an HTTP proxy. Raise `UsageError` without it."""
    text = text.strip()
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else "http"
    if scheme not in DEFAULT_PROXY_PORTS:
        kinds = ", ".join(DEFAULT_PROXY_PORTS)
        raise UsageError(f"{option} takes the URL of a proxy ({kinds})", hint=_HINT)
    try:
        parts = urlsplit(text if match else f"http://{text}")
        host = normalise_host(split_port(parts.netloc.rpartition("@")[2])[0])
        port = parts.port
        if port == 0 or parts.path not in ("", "/") or re.search(r"[^\x21-\x7e]|[?#]", text):
            raise ValueError
    except ValueError:
        raise UsageError(f"{option} takes the URL of a proxy", hint=_HINT) from None
    if scheme.startswith("socks") and find_spec("python_socks") is None:
        raise UsageError(
            f"{option}: a SOCKS proxy requires the extra socks", hint="pip install 'contentmap-cli[socks]'"
        )
    if scheme.startswith("socks") and not unquote(parts.netloc).isascii():
        raise UsageError(f"{option}: the credentials of a SOCKS proxy must be ASCII", hint=_HINT)
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    return Proxy(scheme, host, port or DEFAULT_PROXY_PORTS[scheme], user, password)


@dataclass(frozen=True, slots=True)
class DirectHosts:
    """The hosts that are reached without a proxy, from NO_PROXY.

    `example.com` and `.example.com` are the host and all below it. Addresses, networks in CIDR notation, a
    port after a host, and `*` are understood.
    """

    everything: bool = False
    names: tuple[tuple[str, int | None], ...] = ()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> DirectHosts:
        """Parse a list separated by commas or spaces. Ignore what is not a host, as curl does."""
        names: list[tuple[str, int | None]] = []
        networks: list[tuple[Network, int | None]] = []
        for item in re.split(r"[,\s]+", text.strip()):
            if item == "*":
                return cls(everything=True)
            try:
                networks.append((ipaddress.ip_network(item.strip("[]"), strict=False), None))
                continue
            except ValueError:
                pass
            try:
                name, port = split_port(item.removeprefix("*").lstrip("."))
                if name.startswith("[") or re.fullmatch(r"[0-9.]+", name):
                    networks.append((ipaddress.ip_network(name.strip("[]")), port))
                else:
                    names.append((normalise_host(name), port))
            except (BadHost, ValueError):
                continue
        return cls(names=tuple(names), networks=tuple(networks))

    def include(self, host: str, port: int) -> bool:
        """Return whether a normalised host is reached directly."""
        if self.everything:
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return any(
                (host == name or host.endswith(f".{name}")) and only in (None, port)
                for name, only in self.names
            )
        return any(address in network and only in (None, port) for network, only in self.networks)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of a run by the scheme of the URL.

    `from_environment` says that they were not named by an option: loopback hosts are then reached directly.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    direct: DirectHosts = DirectHosts()
    from_environment: bool = False

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str] | None = None) -> Proxies:
        """Return the proxies for a value of `--proxy`: None for those of the environment, empty for none."""
        variables = environment or {}
        direct = DirectHosts.parse(_variable(variables, "NO_PROXY")[1])
        if text is not None:
            proxy = parse_proxy(text) if text.strip() else None
            return cls(proxy, proxy, direct)
        found = {}
        for scheme in ("http", "https"):
            name, value = _variable(variables, f"{scheme.upper()}_PROXY")
            if not name:
                name, value = _variable(variables, "ALL_PROXY")
            found[scheme] = parse_proxy(value, name) if value.strip() else None
        return cls(found["http"], found["https"], direct, from_environment=True)

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for an origin, None if it is reached directly."""
        proxy = self.https if scheme == "https" else self.http
        if proxy is None or self.direct.include(host, port):
            return None
        return None if self.from_environment and _is_loopback(host) else proxy

    @property
    def all(self) -> tuple[Proxy, ...]:
        """Every proxy once."""
        return tuple(dict.fromkeys(proxy for proxy in (self.https, self.http) if proxy is not None))


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the name and value of a variable, in lower case if it is set; empty if neither is.

    HTTP_PROXY is ignored in CGI, where a client sets it with a header (CVE-2016-5385).
    """
    for spelled in (name.lower(), name):
        if spelled in environment and not (spelled == "HTTP_PROXY" and "REQUEST_METHOD" in environment):
            return spelled, environment[spelled]
    return "", ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
