"""aiohttp's client protocol with limits on the response head, keeping a body before a protocol error.

aiohttp does not limit interim responses (RFC 9110 section 15.2), drops a head that arrives in one packet with
a protocol error, and leaves the reader of a body with broken framing waiting for the read timeout.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MAX_HEAD = 256 * 1024
"""Maximum bytes of a response head, interim responses included."""

MAX_INTERIM = 16

PIECE = 64 * 1024
"""Bytes per read: the default of 256 KB may be 40,000 chunks, which block the parser for 0.2 seconds."""

_END = b"\r\n\r\n"


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
            data = self._take_head(data)
            if self.transport is None or self.transport.is_closing():
                return
            if not data:
                return
        super().data_received(data)

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
