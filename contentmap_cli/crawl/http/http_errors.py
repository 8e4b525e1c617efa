"""Map the errors of aiohttp, ssl and the system to failures.

Messages contain nothing that a server sent: no reason phrase, header or URL.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import NamedTuple

import aiohttp

from contentmap_cli.crawl.access.proxy_gate import ProxyFailed
from contentmap_cli.crawl.http.address_policy import BlockedAddress
from contentmap_cli.errors import Code, Failure


class HttpError(NamedTuple):
    """The failure of a request, and whether a retry may succeed."""

    failure: Failure
    transient: bool = False


EXPECTED = (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError, ValueError)
"""Errors of a request that the network or the server causes; `ValueError` for an invalid URL."""


def http_error_of(error: BaseException) -> HttpError:
    """Return the failure that an `EXPECTED` error means."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, BlockedAddress):
        return HttpError(cause.failure)
    if isinstance(cause, ProxyFailed):
        return HttpError(cause.failure, cause.transient)
    return _tls(error) or _timeout(error) or _name(error, cause) or _http(error) or _connection(error, cause)


def _tls(error: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"
        return HttpError(Failure(Code.TLS_CERTIFICATE, f"the certificate is not trusted: {reason}"))
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientSSLError | ssl.SSLError):
        inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        reason = (getattr(inner, "reason", None) or "handshake failed").replace("_", " ").lower()
        return HttpError(Failure(Code.TLS_ERROR, f"no TLS connection: {reason}"))
    return None


def _timeout(error: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return HttpError(Failure(Code.TIMEOUT, "no connection within the connect timeout"))
    if isinstance(error, TimeoutError) and not getattr(error, "errno", None):
        return HttpError(Failure(Code.TIMEOUT, "no response within the timeout"), transient=True)
    return None


def _name(error: BaseException, cause: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        again = getattr(cause, "errno", None) == socket.EAI_AGAIN
        reason = "the name server did not answer" if again else "the host name does not exist"
        return HttpError(Failure(Code.DNS_ERROR, reason), transient=again)
    return None


def _http(error: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ClientResponseError):
        return HttpError(Failure(Code.HTTP_PROTOCOL, "the response violates the HTTP protocol"))
    if isinstance(error, aiohttp.ClientPayloadError):
        return HttpError(Failure(Code.BODY_TRUNCATED, "the connection was closed before the end of the body"))
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | ValueError):
        return HttpError(Failure(Code.REJECTED_URL, "the URL cannot be requested"))
    return None


def _connection(error: BaseException, cause: BaseException) -> HttpError:
    number = getattr(cause, "errno", None)
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(number).lower() if isinstance(number, int) and number > 0 else "no connection"
        return HttpError(Failure(Code.CONNECT_ERROR, reason))
    return HttpError(
        Failure(Code.CONNECT_ERROR, "the server closed the connection without an answer"), transient=True
    )
