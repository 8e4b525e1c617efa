"""Checks below HTTP: names, addresses, connections and certificates."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from contentmap_cli.crawl.access.certificates import NAME_MISMATCH, untrusted_because
from contentmap_cli.crawl.access.proxy_gate import reason_of
from contentmap_cli.crawl.diagnosis.actions import failed
from contentmap_cli.crawl.http.connector import Connector, Route, client_context, new_context
from contentmap_cli.crawl.http.http_errors import http_error_of
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.diagnosis import Check, Level
from contentmap_cli.models.hosts import is_address, origin_parts

MAX_ADDRESSES = 8
EXPIRES_SOON_DAYS = 14

_CHAIN = (
    "install the intermediate certificates on the server (full chain); for an authority of your own, add"
    " --ca-file FILE, for a test site --insecure"
)
_VERIFY_ACTIONS = {
    10: "renew the certificate",
    18: "install a certificate of a public authority; for a test site, add --ca-file FILE",
    19: "install a certificate of a public authority; for a test site, add --ca-file FILE",
    20: _CHAIN,
    21: _CHAIN,
    NAME_MISMATCH: "install a certificate that contains this name",
    64: "install a certificate that contains this address",
}
"""By the verify error of OpenSSL."""


class NetworkChecks:
    """Checks of one host.

    `works` says whether a connection, with TLS for https, was made; `exists` whether there are addresses.
    """

    def __init__(self, connector: Connector, options: CrawlOptions) -> None:
        self._connector = connector
        self._options = options
        self.works = self.exists = False

    async def run(self, origin: str) -> AsyncIterator[Check]:
        """Yield the checks of an origin's host."""
        route = self._connector.route(f"{origin}/")
        if route.proxy is not None:
            said = "it resolves the name" if route.proxy.resolves_names else "the name is resolved here"
            yield Check("proxy", Level.INFO, route.host, f"through {route.proxy.url}: {said}")
            self.works = self.exists = True
            return
        try:
            addresses = await self._addresses(route)
        except (OSError, TimeoutError) as error:
            failure = http_error_of(error, self._options.limits).failure
            yield failed("dns", route.host, Failure(Code.DNS_ERROR, failure.message))
            return
        self.exists = True
        if route.exempt:
            yield Check("dns", Level.INFO, route.host, f"{addresses[0]}, from --connect-to")
        elif not is_address(route.host):
            count = len(addresses)
            yield Check("dns", Level.OK, route.host, f"{count} address{'es' * (count > 1)}")
        port = _port(route)
        connected = None
        for address in addresses[:MAX_ADDRESSES]:
            check = await self._connect(address, port)
            if check.level is Level.OK and connected is None:
                connected = address
            yield check
        self.works = connected is not None
        if connected is not None and origin.startswith("https:"):
            check = await self._handshake(connected, port, route)
            self.works = check.level is not Level.ERROR
            yield check

    async def _addresses(self, route: Route) -> list[str]:
        host = (origin_parts(route.url) or ("", route.host, 0))[1]
        if is_address(host):
            return [host.strip("[]")]
        async with asyncio.timeout(self._options.limits.connect_timeout):
            return [address for _, address in await self._connector.resolver.addresses(host)]

    async def _connect(self, address: str, port: int) -> Check:
        subject = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        failure = self._connector.policy.check(address, port)
        if failure is not None:
            return failed("address", subject, failure)
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._options.limits.connect_timeout):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return failed("address", subject, self._timeout("connection"), Level.WARNING)
        except OSError as error:
            failure = Failure(Code.CONNECT_ERROR, reason_of(error))
            return failed("address", subject, failure, Level.WARNING)
        writer.close()
        return Check("address", Level.OK, subject, f"connected in {_milliseconds(begin)} ms")

    def _timeout(self, what: str) -> Failure:
        seconds = f"{self._options.limits.connect_timeout:g}"
        return Failure(Code.TIMEOUT, f"no {what} within {seconds} seconds (--connect-timeout)")

    async def _handshake(self, address: str, port: int, route: Route) -> Check:
        context = client_context(self._options) or new_context(self._options)
        name = route.server_hostname or route.host.strip("[]")
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._options.limits.connect_timeout):
                _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            text = f"the certificate is not trusted: {untrusted_because(error)}"
            check = failed("tls", name, Failure(Code.TLS_CERTIFICATE, text))
            action = _VERIFY_ACTIONS.get(error.verify_code)
            if error.verify_code == NAME_MISMATCH and "_" in name:
                action = (
                    "install a certificate that contains this name, or rename the host; else add --insecure"
                )
            return check if action is None else _with_action(check, action)
        except ssl.SSLError as error:
            reason = (error.reason or "handshake failed").replace("_", " ").lower()
            return failed("tls", name, Failure(Code.TLS_ERROR, f"no TLS connection: {reason}"))
        except TimeoutError:
            return failed("tls", name, self._timeout("TLS handshake"))
        except OSError:
            return failed("tls", name, Failure(Code.TLS_ERROR, "the server closed the TLS handshake"))
        taken = _milliseconds(begin)
        ssl_object = writer.get_extra_info("ssl_object")
        version, certificate = ssl_object.version(), ssl_object.getpeercert()
        with suppress(OSError, ssl.SSLError):
            writer.close()
        return _certificate_check(name, str(version), certificate or {}, taken)


def _certificate_check(name: str, version: str, certificate: Mapping[str, Any], taken: int) -> Check:
    if not certificate:
        return Check("tls", Level.INFO, name, f"{version} in {taken} ms, not verified (--insecure)")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86400)
    issuer = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    by = issuer.get("organizationName") or issuer.get("commonName") or "an unnamed authority"
    text = f"{version} in {taken} ms, certificate by {by}, valid for {days} more days"
    if days < EXPIRES_SOON_DAYS:
        return Check("tls", Level.WARNING, name, text, None, "renew the certificate")
    return Check("tls", Level.OK, name, text)


def _with_action(check: Check, action: str) -> Check:
    return Check(check.step, check.level, check.subject, check.message, check.code, action)


def _port(route: Route) -> int:
    parts = origin_parts(route.url)
    return parts[2] if parts is not None else route.port


def _milliseconds(begin: float) -> int:
    return round((time.monotonic() - begin) * 1000)
