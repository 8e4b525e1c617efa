"""Connect to the origin of a URL: DNS lookups, `--connect-to`, address policy, TLS and proxy.

The connections use aiohttp's client protocol with limits on the response head, and keep a body before a
protocol error. aiohttp does not limit interim responses (RFC 9110 section 15.2), drops a head that arrives
in one packet with a protocol error, and leaves the reader of a body with broken framing waiting for the
read timeout.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from contentmap_cli.crawl.http.address_policy import AddressPolicy, BlockedAddress, guarded_socket_factory
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.models.hosts import is_address, origin_parts

log = logging.getLogger("contentmap.crawl")

MAX_HEAD = 256 * 1024
"""Maximum bytes of a response head, interim responses included."""

MAX_INTERIM = 16

PIECE = 64 * 1024
"""Bytes per read: the default of 256 KB may be 40,000 chunks, which block the parser for 0.2 seconds."""

_END = b"\r\n\r\n"
_HEAD_END = re.compile(rb"\n\r?\n")
_FRAMING = re.compile(rb"(content-length|transfer-encoding)[ \t]*:([^\r]*)\r?\Z", re.IGNORECASE)
_UNUSUAL = re.compile(
    rb"\n(?:content-length[ \t]*:.*?\ncontent-length|content-length[ \t]*:[^\n]*,"
    rb"|transfer-encoding[ \t]*:[^\n]*identity)",
    re.IGNORECASE | re.DOTALL,
)


def lenient_head(head: bytes) -> bytes:
    """Return a head with one Content-Length where equal ones are repeated (RFC 9110 section 8.6), and without
    the transfer coding `identity` (RFC 2616 section 3.6)."""
    if _UNUSUAL.search(head) is None:
        return head
    lines: list[bytes] = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for line in head.split(b"\n"):
        field = _FRAMING.fullmatch(line)
        if field is None:
            lines.append(line)
        else:
            values = lengths if field[1].lower() == b"content-length" else codings
            values += [value.strip() for value in field[2].split(b",")]
    codings = [coding for coding in codings if coding.lower() != b"identity"]
    if lengths and len(set(lengths)) > 1:
        return head  # which one is right is unknown: an error
    end = b"\r" if lines[0].endswith(b"\r") else b""
    added = [b"Content-Length: " + value + end for value in lengths[:1]]
    added += [b"Transfer-Encoding: " + b", ".join(codings) + end] if codings else []
    return b"\n".join([lines[0], *added, *lines[1:]])


class BoundedHandler(ResponseHandler):
    """Passes heads to the parser separately. `broken` says that the framing of a body broke, which ends the
    body."""

    broken = False
    _in_head = False
    _head_bytes = 0
    _interim = 0
    _head_end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the bytes per read of the transport."""
        self._held = bytearray()  # of a head that is not complete
        if hasattr(transport, "max_size"):
            transport.max_size = PIECE
        super().connection_made(transport)

    def set_response_params(self, **terms: Any) -> None:
        """Expect a head."""
        self._in_head = True
        self._head_bytes = self._interim = 0
        self._head_end = b""
        self.broken = False
        super().set_response_params(**terms)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Count a head that the parser completed."""
        if not 100 <= data[0].code <= 199 or data[0].code == 101:
            self._in_head = False
        else:
            self._interim += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Pass received data to the parser, heads separately."""
        while self._in_head and data:
            if self._held or (b"\n" in data and (self._head_bytes or data.startswith(b"HTTP/"))):
                data = self._hold_head(data)
            data = self._take_head(data)
            if self.transport is None or self.transport.is_closing():
                return
            if not data:
                return
        super().data_received(data)

    def _hold_head(self, data: bytes) -> bytes:
        """Return the data once its head is complete, without what only strict parsers refuse."""
        start = max(0, len(self._held) - 2)
        self._held += data
        end = _HEAD_END.search(self._held, start)
        if end is None and len(self._held) <= MAX_HEAD:
            return b""
        data, self._held = bytes(self._held), bytearray()
        return data if end is None else lenient_head(data[: end.end()]) + data[end.end() :]

    def connection_lost(self, exc: BaseException | None) -> None:
        """Pass an incomplete head to the parser."""
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            super().data_received(held)
        super().connection_lost(exc)

    def _take_head(self, data: bytes) -> bytes:
        """Pass the part that belongs to a head to the parser; return the rest."""
        end = (self._head_end + data).find(_END)
        cut = len(data) if end < 0 else end + len(_END) - len(self._head_end)
        head, rest = data[:cut], data[cut:]
        self._head_end = (self._head_end + head)[1 - len(_END) :] if end < 0 else b""
        self._head_bytes += len(head)
        super().data_received(head)
        if self._in_head and (self._head_bytes > MAX_HEAD or self._interim > MAX_INTERIM):
            self.set_exception(HttpProcessingError(message="the head does not end"))
            if self.transport is not None:
                self.transport.close()
        return rest

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the body after a protocol error."""
        super().set_exception(exc, *cause)
        payload = self._payload
        if isinstance(exc, HttpProcessingError) and payload is not None and not payload.is_eof():
            self.broken = True
            payload.feed_eof()


def use_bounded_handler(connector: aiohttp.TCPConnector) -> None:
    """Make a connector use this protocol, through a private attribute: there is no public way."""
    vars(connector)["_factory"] = partial(BoundedHandler, loop=asyncio.get_running_loop())


def is_broken(response: aiohttp.ClientResponse) -> bool:
    """Return whether a body that was read ended because its framing broke."""
    protocol = getattr(response.content, "_protocol", None)
    return isinstance(protocol, BoundedHandler) and protocol.broken


MAX_THREADS = 512
"""Maximum number of concurrent lookups."""

_CACHED_HOSTS = 10_000
_CACHE_SECONDS = 60.0
_FAILURE_CACHE_SECONDS = 10.0
_KEEPALIVE_SECONDS = 5.0

_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6})

Addresses = tuple[tuple[socket.AddressFamily, str], ...]


class Resolver(AbstractResolver):
    """Runs getaddrinfo in its own threads, with a short cache. Concurrent requests for a name share one
    lookup."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(
            max(1, min(threads, MAX_THREADS)), thread_name_prefix="contentmap-dns"
        )
        self._cache: OrderedDict[str, tuple[float, Addresses | socket.gaierror]] = OrderedDict()
        self._lookups: dict[str, asyncio.Future[Addresses]] = {}

    async def addresses(self, host: str) -> Addresses:
        """Return all addresses of a name, in the system's order. Raise `socket.gaierror`."""
        known = self._cache.get(host)
        if known is not None and known[0] > time.monotonic():
            if isinstance(known[1], socket.gaierror):
                raise socket.gaierror(*known[1].args)
            return known[1]
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = asyncio.ensure_future(self._look_up(host))
            lookup.add_done_callback(lambda done: self._forget_lookup(host, done))
        return await asyncio.shield(lookup)  # cancelling one waiter must not cancel the lookup of others

    def _forget_lookup(self, host: str, done: asyncio.Future[Addresses]) -> None:
        self._lookups.pop(host, None)
        if not done.cancelled():
            done.exception()  # retrieve it, in case every waiter was cancelled

    async def _look_up(self, host: str) -> Addresses:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._pool, _getaddrinfo, host)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                self._cache_answer(host, error, _FAILURE_CACHE_SECONDS)
            raise
        self._cache_answer(host, answers, _CACHE_SECONDS)
        return answers

    def _cache_answer(self, host: str, answer: Addresses | socket.gaierror, seconds: float) -> None:
        self._cache[host] = (time.monotonic() + seconds, answer)
        self._cache.move_to_end(host)
        while len(self._cache) > _CACHED_HOSTS:
            self._cache.popitem(last=False)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses in the form of aiohttp's connector. Raise `socket.gaierror`."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, address in await self.addresses(host)
        ]

    async def close(self) -> None:
        """Shut down the threads; running lookups finish by themselves."""
        for lookup in list(self._lookups.values()):
            lookup.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str) -> Addresses:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    found = ((family, str(address[0])) for family, _, _, _, address in answers)
    usable = tuple(dict.fromkeys(each for each in found if each[0] in _FAMILIES))
    if not usable:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    return usable


class Route(NamedTuple):
    """How to request a URL: the URL to connect to, and `Host` and TLS server name if they differ from it.

    `authority` is that of the requested URL, the key for politeness; `host` and `port` are its parts.
    `exempt` says that the user named the address.
    """

    url: str
    authority: str
    host: str
    port: int
    host_header: str | None = None
    server_hostname: str | None = None
    exempt: bool = False


class Connector:
    """Owns the resolver and the policy. `connector` is for one aiohttp session. Addresses of a `resolver` are
    checked like the system's."""

    def __init__(self, options: CrawlOptions, resolver: Resolver | None = None) -> None:
        if not options.verify_tls:
            log.warning("TLS certificates are not verified", extra={"action": "tls.unverified"})
        self._rules = options.connect_to
        self._proxy = _proxy_parts(options.proxy)
        self.policy = AddressPolicy(
            allow_private=options.allow_private,
            allow_nets=options.allow_nets,
            allowed=[(rule.address, rule.to_port or rule.port) for rule in options.connect_to],
        )
        self.resolver = resolver or Resolver(options.concurrency)
        self.connector = aiohttp.TCPConnector(
            limit=0,  # limited by politeness and the caller
            resolver=self.resolver,
            use_dns_cache=False,
            socket_factory=guarded_socket_factory(self.policy),
            ssl=_tls_context(options.ca_file, verify=options.verify_tls),
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        use_bounded_handler(self.connector)

    def route(self, url: str) -> Route:
        """Return the route of a normalised URL. Raise `ValueError` for other URLs."""
        parts = origin_parts(url)
        if parts is None:
            raise ValueError("not an http or https URL")
        scheme, host, port = parts
        authority, slash, rest = url.partition("://")[2].partition("/")
        for rule in self._rules:
            if rule.host in (None, host) and rule.port in (None, port):
                address = f"[{rule.address}]" if ":" in rule.address else rule.address
                return Route(
                    url=f"{scheme}://{address}:{rule.to_port or port}{slash}{rest}",
                    authority=authority,
                    host=host,
                    port=port,
                    host_header=authority,
                    server_hostname=host.strip("[]") if scheme == "https" else None,
                    exempt=True,
                )
        return Route(url, authority, host, port)

    async def address(self, route: Route, seconds: float) -> str | None:
        """Return the address that politeness counts; None if the user named it or a proxy connects.

        Raise `socket.gaierror`, also after `seconds`, and `BlockedAddress` for a literal that a proxy would
        connect to.
        """
        if self._proxy is None and route.exempt:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self._address(route.host, route.port)
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, "the DNS lookup timed out") from error

    async def _address(self, host: str, port: int) -> str | None:
        if self._proxy is not None:
            await self._allow_proxy(*self._proxy)
            if is_address(host):
                self._check_address(host.strip("[]"), port)
            return None
        literal = host.strip("[]") if is_address(host) else (await self.resolver.addresses(host))[0][1]
        return None if self.policy.is_allowed(literal, port) else literal

    def _check_address(self, address: str, port: int) -> None:
        # The only socket is that of the proxy, so the socket factory cannot check the target.
        failure = self.policy.check(address, port)
        if failure is not None:
            raise BlockedAddress(failure)

    async def _allow_proxy(self, host: str, port: int) -> None:
        literals = (
            [host.strip("[]")] if is_address(host) else [a for _, a in await self.resolver.addresses(host)]
        )
        for literal in literals:
            self.policy.allow(literal, port)

    async def close(self) -> None:
        """Close connections and resolver."""
        await self.connector.close()
        await self.resolver.close()


def _proxy_parts(proxy: str | None) -> tuple[str, int] | None:
    parts = origin_parts(proxy) if proxy else None
    return None if parts is None else parts[1:]


def _tls_context(ca_file: str | None, *, verify: bool) -> ssl.SSLContext | bool:
    """Return how to verify certificates: by the system's authorities (True) and a file's, or not (False)."""
    if not verify:
        return False
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context
