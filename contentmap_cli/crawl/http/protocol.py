"""aiohttp's client protocol with limits on the response head, which keeps a body before a protocol error.

aiohttp does not limit interim responses (RFC 9110 section 15.2), drops a head that arrives in one packet with
a protocol error, and leaves the reader of a body with broken framing waiting for the read timeout.
"""

from __future__ import annotations

import asyncio
import re
import time
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
    first_byte = 0.0  # seconds from the request to the first byte of its answer
    _asked: float | None = None
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
        self._asked = time.monotonic()
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
        if self._asked is not None:
            self.first_byte, self._asked = time.monotonic() - self._asked, None
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


def first_byte_seconds(response: aiohttp.ClientResponse) -> float | None:
    """Return the seconds from sending the request to the first byte of its answer.

    It is called before the connection is used again.
    """
    protocol = getattr(response, "_protocol", None)
    return protocol.first_byte if isinstance(protocol, BoundedHandler) else None
