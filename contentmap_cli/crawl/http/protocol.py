"""One connection's protocol: aiohttp's own, with bounds on a head and with no body lost to what follows it.

Three things that the library leaves open. A server may send interim answers (RFC 9110 section 15.2) for ever.
A head that comes in one packet with what breaks the protocol is dropped with it. And a body whose framing
breaks is neither ended nor failed, so that its reader waits for the read timeout.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MAX_HEAD = 256 * 1024
"""Bytes before the end of an answer's head, all interim answers included."""

MAX_INTERIM = 16

PIECE = 64 * 1024
"""Bytes taken off a connection at once. The event loop's own 256 KB may be 40,000 chunks of one byte, which
take the parser a fifth of a second."""

_END = b"\r\n\r\n"


class BoundedHandler(ResponseHandler):
    """Heads are given to the parser apart from what follows. `broken` says that a body's framing broke: the
    body then ends there, and what came before is kept."""

    broken = False
    _in_head = False
    _head_bytes = 0
    _interim = 0
    _seam = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        if hasattr(transport, "max_size"):
            transport.max_size = PIECE
        super().connection_made(transport)

    def set_response_params(self, **terms: Any) -> None:
        """A request goes out: a head is what comes next."""
        self._in_head = True
        self._head_bytes = self._interim = 0
        self._seam = b""
        self.broken = False
        super().set_response_params(**terms)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The parser's next head."""
        if not 100 <= data[0].code <= 199 or data[0].code == 101:
            self._in_head = False
        else:
            self._interim += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """What came on the wire."""
        while self._in_head and data:
            data = self._take_head(data)
            if self.transport is None or self.transport.is_closing():
                return
            if not data:
                return
        super().data_received(data)

    def _take_head(self, data: bytes) -> bytes:
        """Gives the parser what belongs to a head; the rest comes back."""
        end = (self._seam + data).find(_END)
        cut = len(data) if end < 0 else end + len(_END) - len(self._seam)
        head, rest = data[:cut], data[cut:]
        self._seam = (self._seam + head)[1 - len(_END) :] if end < 0 else b""
        self._head_bytes += len(head)
        super().data_received(head)
        if self._in_head and (self._head_bytes > MAX_HEAD or self._interim > MAX_INTERIM):
            self.set_exception(HttpProcessingError(message="the head does not end"))
            if self.transport is not None:
                self.transport.close()
        return rest

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The parser gave up, or the connection broke."""
        super().set_exception(exc, *cause)
        payload = self._payload
        if isinstance(exc, HttpProcessingError) and payload is not None and not payload.is_eof():
            self.broken = True
            payload.feed_eof()


def bound(connector: aiohttp.TCPConnector) -> None:
    """Has a connector make its connections with this protocol. There is no public way to say so."""
    vars(connector)["_factory"] = partial(BoundedHandler, loop=asyncio.get_running_loop())


def is_broken(response: aiohttp.ClientResponse) -> bool:
    """Whether a body ended because its framing broke; asked once the body was read."""
    protocol = getattr(response.content, "_protocol", None)
    return isinstance(protocol, BoundedHandler) and protocol.broken
