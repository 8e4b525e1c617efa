"""Connect through a SOCKS5 proxy (RFC 1928) with python-socks.

`socks5://` resolves names here, so that the address policy applies; `socks5h://` has the proxy resolve them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from contentmap_cli.crawl.access.proxies import Proxy
from contentmap_cli.crawl.access.proxy_gate import ProxyFailed, refused_by, unreachable
from contentmap_cli.crawl.http.address_policy import AddressPolicy, BlockedAddress
from contentmap_cli.errors import Code, Failure

_UNREACHABLE = {
    1: "general failure",
    2: "not allowed by the rules of the proxy",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
}
"""SOCKS5 replies (RFC 1928 section 6)."""


class NameResolver(AbstractResolver):
    """Passes names on, for a proxy that resolves them."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the name itself as the only address."""
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Do nothing."""


class SocksConnector(aiohttp.TCPConnector):
    """Opens each connection through a SOCKS5 proxy, with private methods of aiohttp: there is no public way.

    The caller sets `resolver` and the other arguments of `TCPConnector`.
    """

    def __init__(self, proxy: Proxy, policy: AddressPolicy, proxy_resolver: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._proxy = proxy
        self._policy = policy
        self._proxy_resolver = proxy_resolver

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        targets = [(info[4][0], info[4][1]) for info in addr_infos]
        del addr_infos[1:]  # aiohttp tries the rest after an error
        try:
            async with asyncio.timeout(timeout.sock_connect or timeout.connect):
                connection = await self._connect(targets)
        except (BlockedAddress, ProxyFailed) as error:
            raise client_error(req.connection_key, error) from error
        try:
            return await self._wrap_existing_connection(
                *args, req=req, timeout=timeout, client_error=client_error, sock=connection, **kwargs
            )
        except BaseException:
            connection.close()
            raise

    async def _connect(self, targets: list[tuple[str, int]]) -> socket.socket:
        """Return a socket to the first target that can be reached. Raise the last error."""
        last: OSError | None = None
        for host, port in targets:
            failure = None if self._proxy.resolves_names else self._policy.check(host, port)
            try:
                if failure is not None:
                    raise BlockedAddress(failure)
                return await self._open(host, port)
            except (BlockedAddress, ProxyFailed) as error:
                last = error
                if isinstance(error, ProxyFailed) and error.failure.code == Code.PROXY_ERROR:
                    break
        raise last or OSError("no address")

    async def _open(self, host: str, port: int) -> socket.socket:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy as SocksProxy

        proxy = self._proxy
        try:
            addresses = await self._proxy_resolver.addresses(proxy.host.strip("[]"))
        except socket.gaierror as error:
            raise unreachable(proxy, error) from None
        last: OSError | None = None
        for _, address in addresses:
            opener = SocksProxy(ProxyType.SOCKS5, address, proxy.port, proxy.user, proxy.password, rdns=True)
            try:
                return await opener.connect(host, port)
            except ProxyConnectionError as error:
                last = error
            except ProxyError as error:
                raise self._reply(error) from None
        raise unreachable(proxy, last or OSError())

    def _reply(self, error: Any) -> ProxyFailed:
        number = getattr(error, "error_code", None)
        if number in _UNREACHABLE:
            text = f"the proxy {self._proxy.name} cannot connect to the site: {_UNREACHABLE[number]}"
            return ProxyFailed(Failure(Code.CONNECT_ERROR, text), transient=number != 2)
        if "auth" in str(error).lower():
            return refused_by(self._proxy)
        text = f"the proxy {self._proxy.name} gave no valid SOCKS5 answer"
        return ProxyFailed(Failure(Code.PROXY_ERROR, text))
