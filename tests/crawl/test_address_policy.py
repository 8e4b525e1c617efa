"""The address policy: all notations of addresses that are not public."""

from __future__ import annotations

import socket

import pytest

from contentmap_cli.crawl.http.address_policy import AddressPolicy, BlockedAddress, guarded_socket_factory

BLOCKED = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:7f00:1", "loopback"),
    ("::127.0.0.1", "IPv4-compatible loopback"),
    ("::ffff:0:127.0.0.1", "SIIT loopback"),
    ("64:ff9b::127.0.0.1", "NAT64 loopback"),
    ("64:ff9b::10.0.0.1", "NAT64 private"),
    ("64:ff9b:1::a00:1", "local NAT64 prefix"),
    ("2002:7f00:1::", "6to4 loopback"),
    ("2002:a00:1::1", "6to4 private"),
    ("2002:a9fe:a9fe::", "6to4 metadata"),
    ("2001:0:808:808:0:0:80ff:fffe", "Teredo client 127.0.0.1"),
    ("2001:0:7f00:1:0:0:f7f7:f7f7", "Teredo server 127.0.0.1"),
    ("2a00:1450::5efe:127.0.0.1", "ISATAP loopback"),
    ("::7f00:1", "IPv4-compatible loopback, in hexadecimal"),
    ("::a9fe:a9fe", "IPv4-compatible metadata"),
    ("0:0:0:0:0:ffff:127.0.0.1", "mapped loopback, written out"),
    ("::FFFF:10.0.0.1", "mapped private, in capitals"),
    ("::ffff:100.100.100.200", "mapped Alibaba metadata"),
    ("::ffff:168.63.129.16", "mapped Azure wire server"),
    ("::ffff:0.0.0.0", "mapped unspecified"),
    ("::ffff:255.255.255.255", "mapped broadcast"),
    ("64:ff9b::a9fe:a9fe", "NAT64 metadata"),
    ("64:ff9b::6464:64c8", "NAT64 Alibaba metadata"),
    ("64:ff9b:1:ffff::1", "local NAT64 prefix, its end"),
    ("2002:c0a8:101::", "6to4 192.168.1.1"),
    ("2002:6440:1::", "6to4 shared address space"),
    ("2001:0:a9fe:a9fe::", "Teredo server 169.254.169.254"),
    ("2001:0:808:808:0:0:5601:5601", "Teredo client 169.254.169.254"),
    ("2a00:1450::200:5efe:10.0.0.1", "ISATAP private, the other mark"),
    ("fd12::5efe:8.8.8.8", "a private network's own address that looks like ISATAP"),
    ("fe80::200:5efe:8.8.8.8", "link-local that looks like ISATAP"),
    ("fd20:ce::254", "Google's metadata over IPv6"),
    ("febf:ffff::1", "link-local, its end"),
    ("feff::1", "site-local, its end"),
    ("100.127.255.255", "shared address space, its end"),
    ("198.19.255.255", "benchmarking, its end"),
    ("2001:2::1", "benchmarking"),
    ("2001:10::1", "ORCHID"),
    ("2001:db8:ffff::1", "documentation, its end"),
    ("169.254.170.2", "Amazon's container credentials"),
    ("fe80::a9fe:a9fe%1", "link-local with a numbered zone"),
    ("ff01::1", "interface-local multicast"),
    ("255.255.255.254", "reserved"),
    ("127.1", "a short form that the guard does not read"),
    ("0x7f000001", "hexadecimal, likewise"),
    ("2130706433", "decimal, likewise"),
    ("0177.0.0.1", "octal, likewise"),
    ("", "nothing"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("fc00::1", "unique local"),
    ("fd12:3456::1", "unique local"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "metadata"),
    ("::ffff:169.254.169.254", "mapped metadata"),
    ("fd00:ec2::254", "metadata"),
    ("168.63.129.16", "Azure's wire server, in public space"),
    ("100.100.100.200", "Alibaba's metadata"),
    ("192.0.0.192", "Oracle's metadata"),
    ("fe80::1", "link-local"),
    ("fe80::1%lo", "link-local with a zone"),
    ("fec0::1", "site-local"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("::", "unspecified"),
    ("100.64.0.1", "shared address space"),
    ("192.0.0.1", "IETF protocol assignments"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation, RFC 9637"),
    ("192.88.99.1", "6to4 relay"),
    ("198.18.0.1", "benchmarking"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "global multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("100::1", "discard"),
    ("5f00::1", "segment routing"),
    ("4000::1", "unassigned"),
    ("not an address", "unreadable"),
]


@pytest.mark.parametrize(("address", "why"), BLOCKED, ids=str)
def test_what_is_not_public_is_blocked(address: str, why: str) -> None:
    """A non-public address is blocked in every notation, unless the user allows it."""
    failure = AddressPolicy().check(address, 80)
    assert failure is not None, why
    assert failure.code == "address_blocked"


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
     "172.15.255.255", "172.32.0.1", "169.253.255.255", "2002:808:808::1"],
)  # fmt: skip
def test_what_is_public_is_dialled(address: str) -> None:
    """Public addresses are allowed, also through a translator and next to a private network."""
    assert AddressPolicy().check(address, 443) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "fd12::1", "::ffff:192.168.0.1"])
def test_allow_private_opens_private_networks(address: str) -> None:
    """Loopback and private networks, in whichever form."""
    assert AddressPolicy(allow_private=True).check(address, 80) is None


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.1.1", "fe80::1", "fd00:ec2::254", "168.63.129.16", "224.0.0.1", "0.0.0.0"],
)
def test_allow_private_opens_nothing_else(address: str) -> None:
    """Link-local, metadata and multicast addresses stay blocked."""
    assert AddressPolicy(allow_private=True).check(address, 80) is not None


def test_allow_net_opens_one_network() -> None:
    """Allows the named network only, link-local too, and addresses mapped into it."""
    policy = AddressPolicy(allow_nets=["169.254.0.0/16", "10.1.0.0/16"])
    assert policy.check("169.254.1.1", 80) is None
    assert policy.check("::ffff:10.1.2.3", 80) is None
    assert policy.check("10.2.0.1", 80) is not None


def test_consent_is_for_one_address_and_port() -> None:
    """Another port of the address, and the next address, stay blocked."""
    policy = AddressPolicy(allowed=[("127.0.0.1", 8080)])
    assert policy.check("127.0.0.1", 8080) is None
    assert policy.check("127.0.0.1", 8081) is not None
    assert policy.check("127.0.0.2", 8080) is not None


def test_no_socket_is_made_for_a_blocked_address() -> None:
    """The factory raises an error with the failure instead of making a socket."""
    make = guarded_socket_factory(AddressPolicy())
    with pytest.raises(BlockedAddress) as caught:
        make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    assert caught.value.failure.code == "address_blocked"
    made = guarded_socket_factory(AddressPolicy(allow_private=True))(
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))
    )
    made.close()
