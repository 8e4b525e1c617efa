"""Requests through a proxy: the errors that are the proxy's own, and credentials that it has refused."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from contentmap_cli.crawl.access.certificates import untrusted_because
from contentmap_cli.crawl.access.proxies import Proxy
from contentmap_cli.errors import Code, Failure

GATE_SECONDS = 5.0
"""Maximum wait for the first answer of a proxy."""


def is_forwarded(proxy: Proxy, url: str) -> bool:
    """Return whether an HTTP proxy is sent the request itself, so that it answers it, rather than CONNECT."""
    return not proxy.is_socks and url.startswith("http:")


def proxy_arguments(proxy: Proxy, url: str, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the arguments of aiohttp for an HTTP proxy.

    Its credentials are added to `headers` only if the proxy is sent the request itself.
    """
    if proxy.is_socks:
        return {}
    credentials = {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}
    if is_forwarded(proxy, url):
        headers.extend(credentials.items())
        return {"proxy": proxy.url}
    return {"proxy": proxy.url, "proxy_headers": credentials}


class ProxyFailed(OSError):
    """A request failed because of the proxy; `failure` names it, without credentials."""

    def __init__(self, failure: Failure, *, transient: bool = False, refused: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transient = transient
        self.refused = refused


def refused_by(proxy: Proxy) -> ProxyFailed:
    """Return the error of a proxy that asks for other credentials (status 407, or SOCKS authentication)."""
    what = "requires a user name and password" if proxy.user is None else "refused the user name and password"
    status = "" if proxy.is_socks else " (407)"
    return ProxyFailed(Failure(Code.PROXY_ERROR, f"the proxy {proxy.name} {what}{status}"), refused=True)


class HttpConnector(aiohttp.TCPConnector):
    """Opens direct connections and those through HTTP proxies.

    TLS to an https proxy has a context of its own, set with a private method of aiohttp: that of the request
    may have the client certificate of a site, or verify nothing.
    """

    def __init__(self, proxy_context: ssl.SSLContext | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._proxy_context = proxy_context

    def _update_proxy_auth_header_and_build_proxy_req(
        self, req: aiohttp.ClientRequest
    ) -> aiohttp.ClientRequest:
        built = super()._update_proxy_auth_header_and_build_proxy_req(req)
        if self._proxy_context is not None:
            built._ssl = self._proxy_context
        return built


class ProxyGate:
    """Sends one request through a proxy before the others, and none after it has refused the credentials.

    Accounts are locked after a number of wrong passwords.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._first = asyncio.Lock()
        self._answered = False
        self._refusal: Failure | None = None

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Wait until the proxy is known to answer, for `GATE_SECONDS` at most. Raise `ProxyFailed`."""
        first = False
        if not self._answered and self._refusal is None:
            try:
                async with asyncio.timeout(GATE_SECONDS):
                    first = await self._first.acquire()
            except TimeoutError:
                pass
            if first and self._answered:
                self._first.release()
                first = False
        try:
            if self._refusal is not None:
                raise ProxyFailed(self._refusal)
            yield
            self._answered = True
        except aiohttp.ClientError as error:
            known = self._timeout(error) or _proxy_error(self._proxy, error)
            if known is None:
                raise
            self._answered = self._answered or isinstance(error, aiohttp.ClientHttpProxyError)
            self._note(known)
            raise known from None
        except ProxyFailed as error:
            self._note(error)
            raise
        finally:
            if first:
                self._first.release()

    def _timeout(self, error: aiohttp.ClientError) -> ProxyFailed | None:
        """Return the error of a connection timeout, which the proxy itself has unless it answers others."""
        if not isinstance(error, aiohttp.ConnectionTimeoutError):
            return None
        text = f"no connection through the proxy {self._proxy.name} in time (--connect-timeout)"
        code = Code.TIMEOUT if self._answered else Code.PROXY_ERROR
        return ProxyFailed(Failure(code, text), transient=self._answered)

    def _note(self, error: ProxyFailed) -> None:
        if error.refused:
            self._refusal = error.failure


def _proxy_error(proxy: Proxy, error: aiohttp.ClientError) -> ProxyFailed | None:
    """Return the error of the proxy itself, None if the error is that of the target."""
    inner = getattr(error, "os_error", None)
    if isinstance(inner, ProxyFailed):
        return inner
    if isinstance(error, aiohttp.ClientHttpProxyError):
        if error.status == 407:
            return refused_by(proxy)
        if error.status >= 500:
            text = f"the proxy {proxy.name} cannot connect to the site (status {error.status})"
            return ProxyFailed(Failure(Code.CONNECT_ERROR, text), transient=True)
        text = f"the proxy {proxy.name} does not allow the connection (status {error.status})"
        return ProxyFailed(Failure(Code.PROXY_ERROR, text))
    if not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return None
    if (error.host, error.port) != (proxy.host.strip("[]"), proxy.port):
        return None
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = untrusted_because(error.certificate_error)
        text = f"the certificate of the proxy {proxy.name} is not trusted: {reason}"
        return ProxyFailed(Failure(Code.PROXY_ERROR, text))
    if isinstance(error, aiohttp.ClientConnectorSSLError) or isinstance(error.os_error, ssl.SSLError):
        return ProxyFailed(Failure(Code.PROXY_ERROR, f"no TLS connection to the proxy {proxy.name}"))
    return unreachable(proxy, error.os_error)


def unreachable(proxy: Proxy, error: OSError) -> ProxyFailed:
    """Return the error of a proxy that no connection can be made to."""
    text = f"no connection to the proxy {proxy.name}: {reason_of(error)}"
    return ProxyFailed(Failure(Code.PROXY_ERROR, text), transient=True)


def reason_of(error: BaseException) -> str:
    """Return why no connection was made, in the words of the system, without an address."""
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    return os.strerror(number).lower() if isinstance(number, int) and number > 0 else "no connection"
