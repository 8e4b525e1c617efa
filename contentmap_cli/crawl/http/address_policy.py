"""The address policy: which addresses a crawl may connect to (protection against SSRF).

It is applied where a socket is made for an address (`guarded_socket_factory`), after every DNS lookup and
redirect.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from contentmap_cli.crawl.http.politeness import CURRENT_SLOT, AddressBusy
from contentmap_cli.errors import Code, Failure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

_LINK_LOCAL = ("169.254.0.0/16", "fe80::/10", "fec0::/10")
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
_METADATA = (  # metadata services of clouds, some at public addresses
    "168.63.129.16/32",
    "169.254.169.254/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
)
_RELAY_NETS = ("192.88.99.0/24", "64:ff9b:1::/48")  # routed by the local network
_RECENT_NETS = ("3fff::/20",)  # RFC 9637, unknown to older Pythons
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all IPv6 that IANA allocates
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_SIIT = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 section 2.5.5.1
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214, the upper half of the interface identifier

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_OPENED_BY_PRIVATE = _networks(_LOOPBACK + _PRIVATE)
_METADATA_NETS = _networks(_METADATA)
_NAMED = (
    (_METADATA_NETS, "a cloud's metadata service"),
    (_networks(_LINK_LOCAL), "link-local"),
    (_networks(_LOOPBACK), "loopback"),
    (_networks(_PRIVATE), "private network"),
    (_networks(_RELAY_NETS + _RECENT_NETS), "reserved"),
)


class BlockedAddress(PermissionError):
    """Raised instead of making a socket; `failure` names the address and the reason.

    The text is the same for all addresses, so that the connector keeps this type when several addresses fail.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(errno.EACCES, "the address is not allowed")
        self.failure = failure


def embedded(address: Address) -> Iterator[Address]:
    """Yield the address, and every IPv4 address that a translator or tunnel would extract from it."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64 or address in _SIIT or (address in _COMPATIBLE and int(address) > 1):
        yield low
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif _is_isatap(address):
        yield low


def _decisive(parts: tuple[Address, ...]) -> tuple[Address, ...]:
    """Return the parts of `embedded` that must be public: those inside a prefix, but for ISATAP both."""
    return parts if len(parts) == 1 or _is_isatap(parts[0]) else parts[1:]


def _is_isatap(address: Address) -> bool:
    return (int(address) >> 32 & 0xFFFFFFFF) in _ISATAP


class AddressPolicy:
    """Decides whether the crawl may connect to an address and port.

    `allow_private` allows loopback and private networks, `allow_nets` networks in CIDR notation, `allowed`
    single addresses with a port (None: any port) that the user named.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        allow_nets: Iterable[str] = (),
        allowed: Iterable[tuple[str, int | None]] = (),
    ) -> None:
        self._opened = _networks(allow_nets)
        self._allow_private = allow_private
        self._allowed = {(ipaddress.ip_address(address), port) for address, port in allowed}
        self._proxies: set[tuple[Address, int]] = set()

    def allow_proxy(self, address: str, port: int) -> None:
        """Allow the address and port of a proxy, for connections to the proxy only."""
        self._proxies.add((ipaddress.ip_address(address), port))

    def is_allowed(self, address: str, port: int) -> bool:
        """Return whether the user named this address."""
        return self._is_allowed(ipaddress.ip_address(address), port)

    def _is_allowed(self, address: Address, port: int) -> bool:
        return (address, port) in self._allowed or (address, None) in self._allowed

    def check(self, address: str, port: int, *, proxied: bool = False) -> Failure | None:
        """Return None if the address is allowed, else a failure `address_blocked` with the reason.

        `proxied` says that the address may be that of a proxy.
        """
        try:
            parsed = ipaddress.ip_address(address)
            if self._is_allowed(parsed, port) or (proxied and (parsed, port) in self._proxies):
                return None
            parts = tuple(embedded(parsed))
        except ValueError:
            return Failure(Code.ADDRESS_BLOCKED, "the address is invalid")
        if any(part in network for part in parts for network in self._opened):
            return None
        for part in _decisive(parts):
            reason = self._reason(part)
            if reason is not None:
                return Failure(Code.ADDRESS_BLOCKED, f"the address {address} is not public ({reason})")
        return None

    def _reason(self, address: Address) -> str | None:
        private = any(address in network for network in _OPENED_BY_PRIVATE)
        if private and self._allow_private and not any(address in network for network in _METADATA_NETS):
            return None
        for networks, reason in _NAMED:
            if any(address in network for network in networks):
                return reason
        if address.is_multicast:
            return "multicast"
        unassigned = isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST
        return "reserved" if unassigned or not address.is_global or address.is_reserved else None


def guarded_socket_factory(policy: AddressPolicy) -> Callable[[AddressInfo], socket.socket]:
    """Return a socket factory for aiohttp's connector that raises `BlockedAddress`."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        slot = CURRENT_SLOT.get()
        proxied = slot is not None and slot.proxied
        failure = policy.check(str(address[0]), int(address[1]), proxied=proxied)
        if failure is not None:
            raise BlockedAddress(failure)
        if slot is not None and not slot.may_connect(str(address[0])):
            raise AddressBusy("all slots of the address are taken")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make
