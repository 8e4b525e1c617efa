"""Host names, origins and URLs in the one spelling that is compared, stored and requested.

Pure: text in, text out. A host is a lower-case A-label name (RFC 5890), a dotted IPv4 address or an IPv6
address in brackets.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

import idna

DEFAULT_PORTS = {"https": 443, "http": 80}
MAX_HOST = 253  # RFC 1035 section 2.3.4, without the root's dot
MAX_LABEL = 63

_PLAIN_NAME = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
PLAIN_HOST = re.compile(rf"(?=.{{1,{MAX_HOST}}}\Z){_PLAIN_NAME}")
"""A name of common characters that is normalised already: nearly every host."""

_PLAIN_ORIGIN = rf"(https?)://(?=[a-z0-9.-]{{1,{MAX_HOST}}}(?:[/?#]|\Z))({_PLAIN_NAME})(?=[/?#]|\Z)"
_WITH_PLAIN_ORIGIN = re.compile(_PLAIN_ORIGIN)
"""A URL of such a name without a port, whatever follows. Groups: scheme, name."""

_NORMALISED = re.compile(
    rf"{_PLAIN_ORIGIN}/[A-Za-z0-9/%:@!$&'()*+,;=~._-]*(?:\?[A-Za-z0-9/%:@!$&'()*+,;=~._?\[\]|-]+)?"
)
"""A URL that is normalised already: nearly every URL."""

_FORBIDDEN = re.compile(r"[\x00-\x20\x22#%/:<>?@\[\\\]^`{|}\x7f]")
"""Forbidden domain code points of the URL Standard, and quotes and braces, which no host name has."""

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_ABSOLUTE = re.compile(r"(https?):([/\\]*)([^/\\?#]*)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_DOT = re.compile(r"\.|%2e", re.IGNORECASE)
_DROPPED = {ord(character): None for character in "\t\n\r"}
_ENCODED = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


class BadHost(ValueError):
    """The text is not a host name that a resolver accepts; the exception's text says why."""


class HttpUrl(NamedTuple):
    """The parts of an absolute http or https URL.

    `slashes` are those before the authority as they were written; `path` has forward slashes only, `query` is
    `?` and what follows.
    """

    scheme: str
    slashes: str
    authority: str
    path: str
    query: str


def split_http_url(url: str) -> HttpUrl | None:
    """Split a URL as browsers do (URL Standard section 4.4, without a base); None if it is no http(s) URL.

    Tabs, line breaks and what surrounds the URL are dropped, a backslash counts as a slash, and any number of
    slashes may follow the scheme.
    """
    match = _ABSOLUTE.fullmatch(url.strip().translate(_DROPPED))
    if match is None:
        return None
    scheme, slashes, authority, path, query = match.groups()
    return HttpUrl(scheme.lower(), slashes, authority, path.replace("\\", "/"), query)


def normalise_host(host: str) -> str:
    """Return the host in its one spelling, without a trailing dot; raises `BadHost` for any other text.

    Names are mapped by UTS 46 and encoded by IDNA 2008. Code points that UTS 46 allows and IDNA 2008 refuses
    (emoji domains) are read as browsers do. IPv4 addresses may be written in any way of the URL Standard
    (section 3.5): hexadecimal, octal, or with fewer than four numbers.
    """
    if host.isascii():  # other letters are mapped below: lower() may turn a capital sigma into a final one
        plain = host.lower().removesuffix(".")
        if PLAIN_HOST.fullmatch(plain):
            return plain
    if host.startswith("["):
        return _ipv6(host)
    if "%" in host:  # RFC 3986 section 3.2.2: a name may be percent-encoded UTF-8
        host = _unquoted(host)
    if not host.isascii():
        host = _to_ascii(host)
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if not host or "" in labels:
        raise BadHost("the host name has an empty label" if host else "there is no host name")
    if len(host) > MAX_HOST:
        raise BadHost(f"the host name has {len(host)} characters; the maximum is {MAX_HOST}")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    if any(len(label) > MAX_LABEL for label in labels):
        longest = max(map(len, labels))
        raise BadHost(f"a label of the host name has {longest} characters; the maximum is {MAX_LABEL}")
    if _FORBIDDEN.search(host):
        raise BadHost("the host name contains invalid characters")
    return host


def is_address(host: str) -> bool:
    """Return whether a normalised host is an IP literal rather than a name."""
    return host.startswith("[") or bool(_NUMBER.fullmatch(host.rpartition(".")[2]))


def _ipv6(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise BadHost("invalid IPv6 address in brackets") from None
    if address.scope_id is not None or not host.endswith("]"):
        raise BadHost("invalid IPv6 address in brackets")
    return f"[{address.compressed}]"


def _ipv4(parts: list[str]) -> str:
    try:
        *firsts, last = map(_ipv4_number, parts)
        packed = last + sum(number << 8 * (3 - place) for place, number in enumerate(firsts))
        if len(parts) > 4 or any(number > 255 for number in firsts) or last >= 256 ** (5 - len(parts)):
            raise ValueError
        return str(ipaddress.IPv4Address(packed))
    except ValueError:
        raise BadHost("the host looks like an IPv4 address, but is not four numbers up to 255") from None


def _ipv4_number(text: str) -> int:
    if len(text) > 20 or not _NUMBER.fullmatch(text):
        raise ValueError
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") else int(text)


def _unquoted(host: str) -> str:
    try:
        return unquote_to_bytes(host).decode()
    except UnicodeDecodeError:
        raise BadHost("the percent-encoded host name is not UTF-8") from None


def _to_ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        cause = error
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
    except idna.IDNAError as error:
        raise BadHost("the host name contains invalid characters") from error
    labels = mapped.split(".")
    hyphens = any(label.startswith("-") or label.endswith("-") or label[2:4] == "--" for label in labels)
    if not isinstance(cause, idna.InvalidCodepoint) and not hyphens:
        raise BadHost("the host name is not allowed by IDNA 2008") from cause
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


def split_port(authority: str) -> tuple[str, int | None]:
    """Split `host:port`, where IPv6 is in brackets; an empty port is None. Raises `BadHost` for a bad
    port."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise BadHost("something other than a port follows the IPv6 address")
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
    if not port:
        return host, None
    digits = port.lstrip("0")[:6]
    if not (port.isascii() and port.isdigit()) or not 1 <= int(digits or 0) <= 65535:
        raise BadHost("the port is not a number from 1 to 65535")
    return host, int(digits)


def without_www(host: str) -> str:
    """Return the host without a leading `www.`, if the rest is still a name with a dot."""
    rest = host.removeprefix("www.")
    return rest if "." in rest and not is_address(rest) else host


@lru_cache(maxsize=4096)
def site_key(scheme: str, host: str, port: int | None) -> str:
    """Return the name of a site in every table: no `www.`, and the port only if it is not the scheme's
    own."""
    name = without_www(host)
    return name if port is None or port == DEFAULT_PORTS.get(scheme) else f"{name}:{port}"


@lru_cache(maxsize=4096)
def parse_origin(scheme: str, authority: str) -> tuple[str, str, int] | None:
    """Return scheme, normalised host and port of `host:port`; a user name before it is ignored.

    None if it is no host that can be requested.
    """
    try:
        host, port = split_port(authority.rpartition("@")[2])
        return scheme, normalise_host(host), port or DEFAULT_PORTS[scheme]
    except BadHost:
        return None


def origin_parts(url: str) -> tuple[str, str, int] | None:
    """Return scheme, normalised host and port of an http or https URL; None for any other text."""
    plain = _WITH_PLAIN_ORIGIN.match(url)
    if plain is not None:
        return plain[1], plain[2], DEFAULT_PORTS[plain[1]]
    parts = split_http_url(url)
    return None if parts is None else parse_origin(parts.scheme, parts.authority)


def origin_of(url: str) -> str | None:
    """Return the origin of a URL (RFC 6454), such as `https://example.com:8443`; None if it has none."""
    parts = origin_parts(url)
    return None if parts is None else _join_origin(*parts)


def _join_origin(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def site_of(url: str) -> str | None:
    """Return the site key of a URL, equal to `Target.domain` for every page of that target.

    None if it is no http(s) URL.
    """
    parts = origin_parts(url)
    return None if parts is None else site_key(*parts)


def is_related(url: str, site: str) -> bool:
    """Return whether a URL's host is that of a site (`Target.domain`) or a subdomain of it."""
    its = site_of(url)
    if its is None or its == site:
        return its is not None
    mine, its = site.partition(":")[0], its.partition(":")[0]
    return its == mine or its.endswith(f".{mine}")


def normalise_url(url: str) -> str | None:
    """Return the URL in the spelling that identifies it: origin normalised, no credentials, no fragment.

    Non-ASCII characters and spaces are percent-encoded as UTF-8, dot segments are resolved, percent-encoded
    ones too: the result is the URL that a browser requests. None if it is no http or https URL.
    """
    if _NORMALISED.fullmatch(url) and "/." not in url and "/%2" not in url:
        return url
    parts = split_http_url(url)
    origin = None if parts is None else parse_origin(parts.scheme, parts.authority)
    if parts is None or origin is None:
        return None
    path = quote(_without_dots(parts.path) or "/", safe=_PATH_SAFE, errors="replace")
    query = parts.query.partition("#")[0]
    if query:
        query = quote(query[1:], safe=_PATH_SAFE + "?[]|", errors="replace")
    return _join_origin(*origin) + path + (f"?{query}" if query else "")


def url_key(url: str) -> str | None:
    """Return what equal URLs have in common (RFC 3986 section 6.2.2), None if it is no http or https URL.

    Besides what `normalise_url` does, percent-encodings of unreserved characters are decoded, and those of
    others have capital letters.
    """
    normalised = normalise_url(url)
    return normalised and _ENCODED.sub(_same_octet, normalised)


def _same_octet(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """Return a path without dot segments (URL Standard section 4.4, path state)."""
    if not _DOT.search(path):
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, start=1):
        plain = _DOT.sub(".", segment)
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
            continue
        if number == len(segments):
            kept.append("")
    return "/" + "/".join(kept)


@dataclass(frozen=True, slots=True)
class Scope:
    """Tells whether a URL belongs to the target. Can be sent to another process.

    `host` is that of a file which the target's robots.txt names: such a file may list its own pages.
    """

    site: str
    host: str | None = None

    def __call__(self, url: str) -> bool:
        """Return whether a URL is on the target's site or on `host`."""
        return site_of(url) == self.site or (self.host is not None and host_of(url) == self.host)


def host_of(url: str) -> str | None:
    """Return the normalised host of an http or https URL; None for others."""
    parts = origin_parts(url)
    return None if parts is None else parts[1]
