"""The options of a crawl, and parsers of those that are written as text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contentmap_cli import __version__
from contentmap_cli.crawl.access.certificates import ClientCertificate
from contentmap_cli.crawl.access.netrc_file import NetrcFile
from contentmap_cli.crawl.access.proxies import Proxies
from contentmap_cli.crawl.access.signatures import RequestSigner
from contentmap_cli.crawl.selection import ALL_FILES, Selection
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Limits, Probe
from contentmap_cli.models.hosts import BadHost, normalise_host

USER_AGENT = f"ContentMap/{__version__} (sitemap crawler; contentmap-cli)"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 section 5.6.2
_PORT = re.compile(r"[0-9]{1,5}")
_OWN_HEADERS = {
    "accept-encoding": "the crawler decodes gzip itself and nothing else",
    "if-modified-since": "conditional requests are made by the crawler: see --refresh",
    "if-none-match": "conditional requests are made by the crawler: see --refresh",
    "range": "files are read whole",
    "user-agent": "use --user-agent",
}
_HOP_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "upgrade"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "transfer-encoding"),
    }
)
_MAX_HEADER = 8000


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Connects requests for `host` and `port` (None: any) to `address` and `to_port` (None: same port)."""

    host: str | None
    port: int | None
    address: str
    to_port: int | None


@dataclass(frozen=True)
class CrawlOptions:
    """How a run crawls. Times in seconds.

    `ca_file` is a PEM file of certificate authorities trusted besides the system's, for staging servers.
    `headers` are the user's own. `user` is the user name and password for all targets, `credentials` are
    those of single targets by domain.
    `allow_http` says that a target that was typed with https may be requested over http.
    Without `verify_tls` no certificate is verified. `robots_agent` is the product token for robots.txt, None
    for that of `user_agent`.
    `selection` says which sitemap files are requested.
    `bodies` is the folder of the cache of bodies (see `crawl.bodies`), None where there is none.
    `max_drop` is the largest share of its URLs, in percent, that a domain may lose unconfirmed, None for any.
    """

    limits: Limits = field(default_factory=Limits)
    allow_private: bool = False
    allow_nets: tuple[str, ...] = ()
    connect_to: tuple[ConnectTo, ...] = ()
    user_agent: str = USER_AGENT
    robots_agent: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    user: tuple[str, str] | None = field(default=None, repr=False)
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    proxies: Proxies = field(default_factory=Proxies)
    delay: float | None = None
    probe: Probe = Probe.AUTO
    conditional: bool = True
    obey_robots: bool = True
    selection: Selection = ALL_FILES
    concurrency: int = 100
    ca_file: str | None = None
    verify_tls: bool = True
    certificate: ClientCertificate | None = None
    netrc: NetrcFile | None = None
    signer: RequestSigner | None = None
    allow_http: bool = False
    bodies: Path | None = None
    max_drop: float | None = None
    retries: int = 2  # after the first attempt
    backoff: float = 1.0  # before the first retry; doubles, with jitter
    retry_after_cap: float = 120.0  # longer waits defer the domain
    crawl_delay_cap: float = 10.0
    per_host: int = 2  # connections at once
    per_address: int = 6  # connections at once to one public address, whatever the host


def parse_connect_to(text: str) -> ConnectTo:
    """Parse curl's `HOST:PORT:ADDR:PORT`; an empty HOST or PORT means any. Raise `UsageError`."""
    hint = "write HOST:PORT:ADDR:PORT, as in example.com:443:127.0.0.1:8443 or ::[::1]:8080"
    parts = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*):([^:]*):(\[[^\]]*\]|[^:\[\]]*):([^:]*)", text.strip())
    if parts is None:
        raise UsageError("--connect-to takes four parts with three colons between them", hint=hint)
    host, port, address, to_port = parts.groups()
    try:
        name = normalise_host(host) if host else None
    except BadHost as error:
        raise UsageError(f"--connect-to: {error}", hint=hint) from error
    if address.lower() == "localhost":
        address = "127.0.0.1"
    try:
        target = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise UsageError(
            "--connect-to: the third part is an IP address (IPv6 in brackets)", hint=hint
        ) from None
    return ConnectTo(name, _port(port, hint), str(target), _port(to_port, hint))


def _port(text: str, hint: str) -> int | None:
    if not text:
        return None
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise UsageError("--connect-to: a port is a number from 1 to 65535", hint=hint)
    return int(text)


def parse_allow_net(text: str) -> str:
    """Parse a network in CIDR notation (`10.1.0.0/16`) or an address. Raise `UsageError`."""
    try:
        return str(ipaddress.ip_network(text.strip().strip("[]"), strict=False))
    except ValueError:
        raise UsageError(
            "--allow-net takes a network in CIDR notation", hint="write it as in 10.1.0.0/16 or fd00:1::/64"
        ) from None


def parse_header(text: str) -> tuple[str, str]:
    """Parse a request header `Name: value`. Raise `UsageError`, which does not quote the value."""
    hint = "write it as in 'X-Api-Key: abc'"
    name, colon, value = text.partition(":")
    name, value = name.strip(" \t"), value.strip(" \t")
    if not colon:
        raise UsageError("--header takes a name, a colon and a value", hint=hint)
    if not _TOKEN.fullmatch(name):
        raise UsageError("--header: the name is not a header name", hint=hint)
    if len(value) > _MAX_HEADER:
        raise UsageError(f"--header: the value of {name} has more than {_MAX_HEADER} characters")
    if re.search(r"[^\t\x20-\x7e]", value):
        raise UsageError(
            f"--header: the value of {name} contains characters that are invalid in a header", hint=hint
        )
    if name.lower() in _HOP_HEADERS:
        raise UsageError(f"--header: {name} belongs to the connection and cannot be set")
    if name.lower() in _OWN_HEADERS:
        raise UsageError(f"--header: {name} is the crawler's own", hint=_OWN_HEADERS[name.lower()])
    return name, value


def parse_user(text: str) -> tuple[str, str]:
    """Return the user name and password of `USER:PASSWORD`; a password may contain colons.

    Raise UsageError, which never repeats the text.
    """
    hint = "write it as USER:PASSWORD"
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise UsageError("--user requires a user name, a colon and a password", hint=hint)
    if re.search(r"[\x00-\x1f\x7f]", text) or len(text) > _MAX_HEADER // 2:
        raise UsageError("--user: control characters, or too long", hint=hint)
    return user, password


def parse_user_agent(text: str) -> str:
    """Parse the value of a User-Agent header (RFC 9110 section 10.1.5). Raise `UsageError`."""
    text = text.strip()
    if not text or len(text) > 500 or re.search(r"[^\x20-\x7e]", text):
        raise UsageError(
            "--user-agent takes up to 500 plain ASCII characters",
            hint="name a product and a way to reach you",
        )
    return text


def parse_robots_agent(text: str, option: str = "--robots-agent") -> str:
    """Parse a product token of robots.txt (RFC 9309 section 2.2.1). Raise `UsageError`, which names the
    option."""
    text = text.strip()
    if not re.fullmatch(r"[A-Za-z_-]{1,100}", text):
        raise UsageError(
            f"{option} takes a product token: letters, _ and -",
            hint="write it as in a User-agent line of robots.txt: ExampleBot",
        )
    return text
