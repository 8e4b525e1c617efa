"""Map the errors of aiohttp, ssl and the system to failures.

Messages contain nothing that a server sent: no reason phrase, header or URL.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import NamedTuple

import aiohttp

from contentmap_cli.crawl.access.certificates import untrusted_because
from contentmap_cli.crawl.access.proxy_gate import ProxyFailed, reason_of
from contentmap_cli.crawl.http.address_policy import BlockedAddress
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits


class HttpError(NamedTuple):
    """The failure of a request, whether a retry may succeed, and whether there was no connection."""

    failure: Failure
    transient: bool = False
    connecting: bool = False


EXPECTED = (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError, ValueError)
"""Errors of a request that the network or the server causes; `ValueError` for an invalid URL."""


_PERMANENT = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
)
"""Errors of a connection that a retry does not change."""

_CUT_HANDSHAKE = frozenset({"UNEXPECTED_EOF_WHILE_READING", "UNEXPECTED_EOF"})


def http_error_of(error: BaseException, limits: Limits) -> HttpError:
    """Return the failure that an `EXPECTED` error means. `limits` are shown in messages."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, BlockedAddress):
        return HttpError(cause.failure)
    if isinstance(cause, ProxyFailed):
        return HttpError(cause.failure, cause.transient)
    return (
        _tls(error)
        or _timeout(error, limits)
        or _name(error, cause)
        or _http(error)
        or _connection(error, cause)
    )


def _tls(error: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = untrusted_because(error.certificate_error)
        return HttpError(Failure(Code.TLS_CERTIFICATE, f"the certificate is not trusted: {reason}"))
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientSSLError | ssl.SSLError):
        inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        name = getattr(inner, "reason", None) or "handshake failed"
        cut = isinstance(inner, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
        return HttpError(
            Failure(Code.TLS_ERROR, f"no TLS connection: {name.replace('_', ' ').lower()}"),
            transient=cut or name in _CUT_HANDSHAKE,
            connecting=True,
        )
    return None


def _timeout(error: BaseException, limits: Limits) -> HttpError | None:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        message = f"no connection within {limits.connect_timeout:g} seconds (--connect-timeout)"
        return HttpError(Failure(Code.TIMEOUT, message), transient=True, connecting=True)
    if isinstance(error, TimeoutError) and not getattr(error, "errno", None):
        seconds = min(limits.read_timeout, limits.request_timeout)
        return HttpError(
            Failure(Code.TIMEOUT, f"no answer within {seconds:g} seconds (--timeout)"), transient=True
        )
    return None


def _name(error: BaseException, cause: BaseException) -> HttpError | None:
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        again = getattr(cause, "errno", None) == socket.EAI_AGAIN
        reason = "the name server did not answer" if again else "the host name does not exist"
        return HttpError(Failure(Code.DNS_ERROR, reason), transient=again, connecting=True)
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
        return HttpError(
            Failure(Code.CONNECT_ERROR, reason_of(cause)),
            transient=number not in _PERMANENT,
            connecting=True,
        )
    return HttpError(
        Failure(Code.CONNECT_ERROR, "the server closed the connection without an answer"), transient=True
    )
