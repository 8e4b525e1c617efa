"""Connect to the origin of a URL: DNS lookups, `--connect-to`, address policy, TLS and proxy."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from contentmap_cli.crawl.access.proxies import Proxy
from contentmap_cli.crawl.access.proxy_gate import HttpConnector, ProxyFailed, ProxyGate, unreachable
from contentmap_cli.crawl.http.address_policy import AddressPolicy, BlockedAddress, guarded_socket_factory
from contentmap_cli.crawl.http.protocol import use_bounded_handler
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.hosts import is_address, origin_parts

log = logging.getLogger("contentmap.crawl")

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

    `requested` is the URL itself. `authority` is its host and port, the key for politeness; `host` and `port`
    are the parts.
    `exempt` says that the user named the address. `proxy` is None for a direct connection.
    """

    url: str
    requested: str
    authority: str
    host: str
    port: int
    host_header: str | None = None
    server_hostname: str | None = None
    exempt: bool = False
    proxy: Proxy | None = None


class Connector:
    """Owns the resolver, the policy and the connections. Addresses of a `resolver` are checked like the
    system's.

    `connector` is for the aiohttp session of direct connections and HTTP proxies; `socks` has a connector for
    each SOCKS proxy, for a session of its own. `gates` has that of each proxy.
    """

    def __init__(self, options: CrawlOptions, resolver: Resolver | None = None) -> None:
        if not options.verify_tls:
            log.warning("TLS certificates are not verified", extra={"action": "tls.unverified"})
        self._rules = options.connect_to
        self._proxies = options.proxies
        self.gates = {proxy: ProxyGate(proxy) for proxy in options.proxies.all}
        self.policy = AddressPolicy(
            allow_private=options.allow_private,
            allow_nets=options.allow_nets,
            allowed=[(rule.address, rule.to_port or rule.port) for rule in options.connect_to],
        )
        self.resolver = resolver or Resolver(options.concurrency)
        arguments: dict[str, Any] = {
            "limit": 0,  # limited by politeness and the caller
            "use_dns_cache": False,
            "ssl": _tls_context(options),
            "keepalive_timeout": _KEEPALIVE_SECONDS,
        }
        secure = any(proxy.scheme == "https" for proxy in options.proxies.all)
        self.connector = HttpConnector(
            new_context(replace(options, verify_tls=True)) if secure else None,
            resolver=self.resolver,
            socket_factory=guarded_socket_factory(self.policy),
            **arguments,
        )
        self.socks: dict[Proxy, aiohttp.TCPConnector] = {}
        for proxy in options.proxies.all:
            _log_proxy(proxy)
            if proxy.is_socks:
                from contentmap_cli.crawl.http.socks import NameResolver, SocksConnector

                resolving = NameResolver() if proxy.resolves_names else self.resolver
                self.socks[proxy] = SocksConnector(
                    proxy, self.policy, self.resolver, resolver=resolving, **arguments
                )
        for connector in (self.connector, *self.socks.values()):
            use_bounded_handler(connector)

    def route(self, url: str) -> Route:
        """Return the route of a normalised URL. Raise `ValueError` for other URLs."""
        parts = origin_parts(url)
        if parts is None:
            raise ValueError("not an http or https URL")
        scheme, host, port = parts
        authority, slash, rest = url.partition("://")[2].partition("/")
        proxy = self._proxies.choose(scheme, host, port) if self.gates else None
        for rule in self._rules:
            if rule.host in (None, host) and rule.port in (None, port):
                address = f"[{rule.address}]" if ":" in rule.address else rule.address
                to_port = rule.to_port or port
                return Route(
                    url=f"{scheme}://{address}:{to_port}{slash}{rest}",
                    requested=url,
                    authority=authority,
                    host=host,
                    port=port,
                    host_header=authority,
                    server_hostname=host.strip("[]") if scheme == "https" else None,
                    exempt=True,
                    proxy=proxy and self._proxies.choose(scheme, address, to_port),
                )
        return Route(url, url, authority, host, port, proxy=proxy)

    async def servers(self, origin: str, seconds: float) -> frozenset[str]:
        """Return the servers of an origin, each as text with scheme, address and port.

        Empty if a proxy connects, or if the host has no address, also after `seconds`.
        """
        route = self.route(origin)
        if route.proxy is not None:
            return frozenset()
        if route.exempt:
            return frozenset({route.url})
        try:
            async with asyncio.timeout(seconds):
                found = await self.resolver.addresses(route.host)
        except (TimeoutError, socket.gaierror):
            return frozenset()
        scheme = origin.partition("://")[0]
        return frozenset(f"{scheme}://{address} {route.port}" for _, address in found)

    async def address(self, route: Route, seconds: float) -> str | None:
        """Return the address that politeness counts; None if the user named it or a proxy connects.

        Raise `socket.gaierror`, also after `seconds`, `BlockedAddress` for a literal that a proxy would
        connect to, and `ProxyFailed` for a proxy without an address.
        """
        if route.proxy is None and route.exempt:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self._address(route)
        except (TimeoutError, socket.gaierror) as error:
            again = isinstance(error, TimeoutError) or error.errno == socket.EAI_AGAIN
            if route.proxy is not None:  # one that does not resolve names
                reason = "the name server did not answer" if again else "the host name does not exist"
                text = f"{reason}: names are resolved by this machine, and by the proxy with socks5h://"
                raise ProxyFailed(Failure(Code.DNS_ERROR, text), transient=again) from None
            if isinstance(error, socket.gaierror):
                raise
            raise socket.gaierror(socket.EAI_AGAIN, "the DNS lookup timed out") from error

    async def _address(self, route: Route) -> str | None:
        host, port, proxy = route.host, route.port, route.proxy
        if proxy is not None and proxy.resolves_names:
            if not proxy.is_socks:
                await self._allow_proxy(proxy)
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

    async def _allow_proxy(self, proxy: Proxy) -> None:
        host = proxy.host
        try:
            literals = (
                [host.strip("[]")]
                if is_address(host)
                else [a for _, a in await self.resolver.addresses(host)]
            )
        except socket.gaierror as error:
            raise unreachable(proxy, error) from None
        for literal in literals:
            self.policy.allow_proxy(literal, proxy.port)

    async def close(self) -> None:
        """Close connections and resolver."""
        for connector in (self.connector, *self.socks.values()):
            await connector.close()
        await self.resolver.close()


def _log_proxy(proxy: Proxy) -> None:
    """Log which proxy is used, and whether the address policy covers host names."""
    what = (
        "it resolves names: their addresses are not checked" if proxy.resolves_names else "names are checked"
    )
    log.info("proxy %s: %s", proxy.url, what, extra={"action": "proxy.used"})


def _tls_context(options: CrawlOptions) -> ssl.SSLContext | bool:
    """Return how to verify certificates: by the system's authorities (True) and a file's, or not (False)."""
    if not options.verify_tls:
        return False
    return True if options.ca_file is None else new_context(options)


def client_context(options: CrawlOptions) -> ssl.SSLContext | None:
    """Return the context of requests with the client certificate, None if there is none."""
    if options.certificate is None:
        return None
    context = new_context(options)
    options.certificate.load(context)
    return context


def new_context(options: CrawlOptions) -> ssl.SSLContext:
    """Return a context that verifies certificates as the options say."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if options.ca_file is not None:
        context.load_verify_locations(options.ca_file)
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
