"""Read as much of a page's body as is judged: the head, and the text after it up to a limit.

Other bodies than HTML are not read. A body that is not read to its end costs its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp

from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.protocol import is_broken
from contentmap_cli.crawl.http.responses import Reply, is_readable
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits
from contentmap_cli.sitemap.content_codings import decoded_heads
from contentmap_cli.sitemap.decode import GZIP_MAGIC, GZIP_WINDOW, deflate
from contentmap_cli.sitemap.html.listed_page import HeadScan

PAGE_BYTES: Final = 1024 * 1024
"""Maximum bytes of a page, as transferred and decoded."""

TEXT_BYTES: Final = 64 * 1024
"""Bytes that are read after the head, and of the page of an error status."""

_DRAINED: Final = 16 * 1024
"""Bytes of a body without interest that are read, so that its connection can be reused."""

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_HTML: Final = frozenset({"text/html", "application/xhtml+xml", ""})  # without a type, browsers look inside


def is_html_type(content_type: str | None) -> bool:
    """Return whether a Content-Type is that of a page, or not stated."""
    media_type = (content_type or "").partition(";")[0].partition(",")[0]
    return media_type.strip().lower() in _HTML


class PageBody:
    """The body of one page. `data` is decoded; `size` are the bytes as transferred, None if unknown."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.data = b""
        self.size: int | None = None
        self.received = 0

    async def read(self, response: aiohttp.ClientResponse, reply: Reply, until: float) -> None:
        """Read the body until the time `until` of the event loop; a failure says why it ended early."""
        self.data, self.size = b"", response.content_length
        if not is_html_type(reply.headers.content_type):
            if response.content.is_eof() or (self.size is not None and self.size <= _DRAINED):
                await self._receive(response, reply, until, _Decoder(reply, _DRAINED), _DRAINED)
            return
        most = PAGE_BYTES if 200 <= response.status < 300 else TEXT_BYTES
        decoder = _Decoder(reply, most)
        await self._receive(response, reply, until, decoder, most)
        self.data = decoder.finish(reply)
        if reply.failure is None and is_broken(response):
            reply.failure = Failure(Code.HTTP_PROTOCOL, "the body violates the HTTP protocol")
            reply.transient = True

    async def _receive(
        self, response: aiohttp.ClientResponse, reply: Reply, until: float, decoder: _Decoder, most: int
    ) -> None:
        scan, ended = HeadScan(reply.headers.content_type), False
        before, data = self.received, decoder.data
        try:
            async with asyncio.timeout_at(until):
                async for chunk in response.content.iter_any():
                    self.received += len(chunk)
                    decoder.feed(chunk)
                    if len(data) - TEXT_BYTES >= scan.needed and not decoder.deferred:
                        ended = scan.has_ended(data[:-TEXT_BYTES])
                    if ended or decoder.full or self.received - before >= most:
                        if not response.content.is_eof():
                            return
                        break
        except EXPECTED as error:
            fault = http_error_of(error, self._limits)
            reply.failure, reply.transient = fault.failure, True
            if fault.failure.code == Code.CONNECT_ERROR:
                reply.failure = Failure(
                    Code.BODY_TRUNCATED, "the connection was closed before the end of the body"
                )
            return
        self.size = self.received - before
        decoder.ended = True


class _Decoder:
    """Decodes a body up to `most` bytes. `data` is what is decoded so far.

    An encoding that was not requested is decoded at the end (`deferred`). `ended` says that the body was
    received to its end.
    """

    def __init__(self, reply: Reply, most: int) -> None:
        self.data = bytearray()
        self.ended = False
        self.deferred = not reply.headers.readable
        self._codings = reply.headers.codings
        self._most = most
        self._started = False
        self._engine: Any = None  # of gzip data that has not ended
        self._plain = self._damaged = False

    @property
    def full(self) -> bool:
        """Whether no further byte is kept."""
        return len(self.data) >= self._most

    def feed(self, chunk: bytes) -> None:
        """Decode the next bytes."""
        if not self._started:
            self._started = True
            if not self.deferred and chunk.startswith(GZIP_MAGIC[:1]) and not _GZIP.isdisjoint(self._codings):
                self._engine = deflate.decompressobj(GZIP_WINDOW)
            else:
                self._plain = True
        if self._plain:
            self.data += chunk[: self._most - len(self.data)]
        while chunk and self._engine is not None and not self.full:
            try:
                self.data += self._engine.decompress(chunk, self._most - len(self.data))
            except deflate.error:
                self._damaged, self._engine = True, None
                return
            if not self._engine.eof:
                return
            chunk = self._engine.unused_data  # a further member, or garbage
            self._engine = deflate.decompressobj(GZIP_WINDOW) if chunk.startswith(GZIP_MAGIC) else None

    def finish(self, reply: Reply) -> bytes:
        """Return the decoded bytes. Set a failure if they are not what the headers say."""
        data = bytes(self.data)
        if self.deferred and not is_readable(data[:1024]):
            plain = next(decoded_heads(data, self._codings, PAGE_BYTES), b"")
            if not plain:
                message = "the body has a content encoding that was not requested"
                reply.failure = reply.failure or Failure(Code.UNSUPPORTED_ENCODING, message)
            return plain
        unfinished = self.ended and self._engine is not None and not self.full
        if reply.failure is None and (self._damaged or unfinished):
            message = "the gzip data is damaged" if self._damaged else "the gzip data ends too early"
            reply.failure, reply.transient = Failure(Code.BODY_TRUNCATED, message), True
        return data
