"""From a URL to a socket: look-ups, `--connect-to`, the guard, TLS and the proxy."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from contentmap_cli.crawl.http.address_policy import AddressPolicy, BlockedAddress, guarded_socket_factory
from contentmap_cli.crawl.http.protocol import bound
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.models.hosts import is_address, origin_parts

log = logging.getLogger("contentmap.crawl")

MAX_THREADS = 512
"""Look-ups at once. The interpreter's default pool has a few threads a core, and a crawl waits for it."""

_CACHED_HOSTS = 10_000
_KEPT = 60.0  # seconds
_KEPT_FAILURE = 10.0
_IDLE = 5.0  # seconds that an unused connection is kept

_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6})

Looked = tuple[tuple[socket.AddressFamily, str], ...]


class Resolver(AbstractResolver):
    """getaddrinfo in threads of its own, with a short cache; several askers of one name share one look-up."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(
            max(1, min(threads, MAX_THREADS)), thread_name_prefix="contentmap-dns"
        )
        self._cache: OrderedDict[str, tuple[float, Looked | socket.gaierror]] = OrderedDict()
        self._asked: dict[str, asyncio.Future[Looked]] = {}

    async def addresses(self, host: str) -> Looked:
        """All addresses of a name, in the system's order of preference. Raises `socket.gaierror`."""
        known = self._cache.get(host)
        if known is not None and known[0] > time.monotonic():
            if isinstance(known[1], socket.gaierror):
                raise socket.gaierror(*known[1].args)
            return known[1]
        asked = self._asked.get(host)
        if asked is None:
            asked = self._asked[host] = asyncio.ensure_future(self._look_up(host))
            asked.add_done_callback(lambda done: self._answered(host, done))
        return await asyncio.shield(asked)  # who gives up waiting must not end the look-up of the others

    def _answered(self, host: str, done: asyncio.Future[Looked]) -> None:
        self._asked.pop(host, None)
        if not done.cancelled():
            done.exception()  # taken here, in case every asker has gone

    async def _look_up(self, host: str) -> Looked:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._pool, _getaddrinfo, host)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                self._keep(host, error, _KEPT_FAILURE)
            raise
        self._keep(host, answers, _KEPT)
        return answers

    def _keep(self, host: str, answer: Looked | socket.gaierror, seconds: float) -> None:
        self._cache[host] = (time.monotonic() + seconds, answer)
        self._cache.move_to_end(host)
        while len(self._cache) > _CACHED_HOSTS:
            self._cache.popitem(last=False)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """What aiohttp's connector asks for, all families. Raises `socket.gaierror`."""
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
        """Lets go of the threads; look-ups under way end by themselves."""
        for asked in list(self._asked.values()):
            asked.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str) -> Looked:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    found = ((family, str(address[0])) for family, _, _, _, address in answers)
    usable = tuple(dict.fromkeys(each for each in found if each[0] in _FAMILIES))
    if not usable:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    return usable


class Route(NamedTuple):
    """How one URL is asked for: the URL to dial, and the `Host` and TLS server name if they are not its own.

    `host` is what politeness counts by. `exempt` says that the user himself named the address.
    """

    url: str
    host: str
    host_header: str | None = None
    server_hostname: str | None = None
    exempt: bool = False


class Connector:
    """Owns resolver and policy; knows the way to every URL. `connector` is for one aiohttp session.

    What a `resolver` of the caller's own answers is as little trusted as the system's.
    """

    def __init__(self, options: CrawlOptions, resolver: Resolver | None = None) -> None:
        if not options.verify_tls:
            log.warning("TLS certificates are not verified", extra={"action": "tls.unverified"})
        self._rules = options.connect_to
        self._proxy = _proxy_parts(options.proxy)
        self.policy = AddressPolicy(
            allow_private=options.allow_private,
            allow_nets=options.allow_nets,
            consented=[(rule.address, rule.to_port or rule.port) for rule in options.connect_to],
        )
        self.resolver = resolver or Resolver(options.concurrency)
        self.connector = aiohttp.TCPConnector(
            limit=0,  # politeness and the caller's concurrency are the limits
            resolver=self.resolver,
            use_dns_cache=False,
            socket_factory=guarded_socket_factory(self.policy),
            ssl=_tls_context(options.ca_file, verify=options.verify_tls),
            keepalive_timeout=_IDLE,
        )
        bound(self.connector)

    def route(self, url: str) -> Route:
        """The way to a normalised URL. Raises `ValueError` for one that is none."""
        parts = origin_parts(url)
        if parts is None:
            raise ValueError("not an http or https URL")
        scheme, host, port = parts
        authority, slash, rest = url.partition("://")[2].partition("/")
        for rule in self._rules:
            if rule.matches(host, port):
                address = f"[{rule.address}]" if ":" in rule.address else rule.address
                return Route(
                    url=f"{scheme}://{address}:{rule.to_port or port}{slash}{rest}",
                    host=authority,
                    host_header=authority,
                    server_hostname=host.strip("[]") if scheme == "https" else None,
                    exempt=True,
                )
        return Route(url=url, host=authority)

    async def address(self, url: str, seconds: float) -> str | None:
        """The address that politeness counts by: None where the user named the address or a proxy dials.

        Raises `socket.gaierror`, also when the look-up takes longer than `seconds`, and `BlockedAddress` for
        a literal that a proxy would be asked to dial.
        """
        _, host, port = origin_parts(url) or ("", "", 0)
        if self._proxy is None and any(rule.matches(host, port) for rule in self._rules):
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self._address(host, port)
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, "the look-up took too long") from error

    async def _address(self, host: str, port: int) -> str | None:
        if self._proxy is not None:
            await self._consent_to_proxy(*self._proxy)
            if is_address(host):
                self._refuse_blocked(host.strip("[]"), port)
            return None
        literal = host.strip("[]") if is_address(host) else (await self.resolver.addresses(host))[0][1]
        return None if self.policy.is_consented(literal, port) else literal

    def _refuse_blocked(self, address: str, port: int) -> None:
        # The proxy's socket is the only one that is made here, so the guard at the socket sees no target.
        failure = self.policy.check(address, port)
        if failure is not None:
            raise BlockedAddress(failure)

    async def _consent_to_proxy(self, host: str, port: int) -> None:
        literals = (
            [host.strip("[]")] if is_address(host) else [a for _, a in await self.resolver.addresses(host)]
        )
        for literal in literals:
            self.policy.consent(literal, port)

    async def close(self) -> None:
        """Closes connections and look-ups."""
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
