"""What came back: one exchange's `Reply`, a whole fetch's `FetchedFile`, and a body read within bounds."""

from __future__ import annotations

import asyncio
import io
import re
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NamedTuple, cast

import aiohttp

from contentmap_cli.crawl.http.headers import NO_HEADERS, ReplyHeaders
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.protocol import is_broken
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits
from contentmap_cli.sitemap.decode import GZIP_WINDOW, deflate
from contentmap_cli.threads import in_thread

IN_MEMORY = 256 * 1024
"""Bytes of a body or spool that stay in memory; the rest goes to an unlinked file."""

SAMPLE_BYTES = 16 * 1024
"""Decoded bytes that are kept of the body of an answer other than 200."""

_DRAINED = 64 * 1024
_DRAIN_SECONDS = 2.0
_SAMPLED = frozenset({"", "text/html", "text/plain", "application/xhtml+xml"})
_ZLIB_WINDOWS = (
    15,
    -15,
)  # "deflate" is the zlib format (RFC 9110 section 8.4.1.2), and raw from some servers
_LOOKED_AT = 1024
_PIECE = 64 * 1024
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Reply:
    """One exchange: a status, headers and for 200 a body; or a failure; or both if the body broke off."""

    status: int | None = None
    headers: ReplyHeaders = NO_HEADERS
    body: BinaryIO | None = None
    size: int = 0
    failure: Failure | None = None
    transient: bool = False
    sample: bytes = b""


@dataclass(slots=True)
class FetchedFile:
    """What became of one URL, redirects followed and retries made. Close it, or use it as a context manager.

    `body` is there for status 200 only, at its start, bytes as transferred (gzip is not undone). With a
    `failure` as well it holds what was read until then. `size` in bytes; `ms` is the last request's time to
    its last byte; `retry_after` is set when the server asked for more patience than the run has, in seconds.
    `sample` is the beginning of the page that came with another status than 200: at most `SAMPLE_BYTES`, gzip
    undone, of HTML or plain text only.
    """

    url: str
    final_url: str
    status: int | None = None
    headers: ReplyHeaders = NO_HEADERS
    body: BinaryIO | None = None
    size: int = 0
    ms: int | None = None
    failure: Failure | None = None
    redirects: tuple[str, ...] = ()
    requests: int = 0
    not_modified: bool = False
    retry_after: float | None = None
    sample: bytes = b""

    def __enter__(self) -> FetchedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the body go."""
        if self.body is not None:
            self.body.close()
            self.body = None


def spool_file() -> BinaryIO:
    """A file of no name: in memory up to `IN_MEMORY`, on disk from then on. The caller closes it."""
    return cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))


async def read_body(
    response: aiohttp.ClientResponse,
    reply: Reply,
    limits: Limits,
    *,
    max_bytes: int,
    until: float,
) -> None:
    """Reads a body into `reply`, whatever it turns out to be: at most `max_bytes`, no later than `until`.

    A Content-Encoding that was not asked for fails with `unsupported_encoding`, unless the content shows that
    the token names nothing that was done to it, or it can be undone. What was read stays in `reply.body`
    whichever way it ends, unless there is no room for it; a failure says why it ended early. `until` is on
    the event loop's clock.
    """
    reply.body = body = spool_file()
    try:
        await _receive(response, reply, body, limits, max_bytes=max_bytes, until=until)
        _keep(lambda: body.seek(0))  # which writes what was not written yet
        if not reply.headers.readable:
            await _undo(reply, body, limits)
    except _NoRoom as error:
        with suppress(OSError):
            body.close()
        reply.body = None
        reply.failure = Failure(Code.STORAGE_ERROR, f"the body cannot be kept: {error}")
    except BaseException:
        body.close()
        raise
    if reply.failure is None and is_broken(response):
        reply.failure = Failure(Code.HTTP_PROTOCOL, "the body breaks the rules of HTTP")


async def _receive(
    response: aiohttp.ClientResponse,
    reply: Reply,
    body: BinaryIO,
    limits: Limits,
    *,
    max_bytes: int,
    until: float,
) -> None:
    judged = reply.headers.readable
    begin = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        if response.content.is_eof():  # all of it is here, as nearly every small body is
            data = response.content.read_nowait()
            reply.size = min(len(data), max_bytes)
            _keep(partial(body.write, data[:max_bytes]))
            if len(data) > max_bytes:
                reply.failure = Failure(Code.BODY_TOO_LARGE, f"the body is larger than {max_bytes} bytes")
            return
        async with asyncio.timeout_at(until) as clock:
            async for chunk in response.content.iter_any():
                room = max_bytes - reply.size
                reply.size += min(len(chunk), room)
                _keep(partial(body.write, chunk[:room] if len(chunk) > room else chunk))
                if not judged and reply.size >= _LOOKED_AT:
                    judged = True
                    if not _may_be_read(body, reply):
                        break  # the rest would be of no more use
                if len(chunk) > room:
                    reply.failure = Failure(Code.BODY_TOO_LARGE, f"the body is larger than {max_bytes} bytes")
                    break
                # The library's own read timeout counts bytes that are no body: a chunk's extension, say.
                clock.reschedule(min(until, loop.time() + limits.read_timeout))
                passed = time.monotonic() - begin
                if passed > limits.slow_after and reply.size < passed * limits.slow_rate:
                    rate = int(reply.size / passed)
                    reply.failure = Failure(Code.TIMEOUT, f"the body came at {rate} bytes a second")
                    break
    except EXPECTED as error:
        fault = http_error_of(error)
        reply.failure = fault.failure
        if fault.failure.code == Code.CONNECT_ERROR:
            reply.failure = Failure(Code.BODY_TRUNCATED, "the connection ended before the body did")


class _NoRoom(Exception):
    """The system does not take a body: told from the network's own errors, which are OSErrors as well."""


def _keep(write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise _NoRoom((error.strerror or "no room").lower()) from error


async def _undo(reply: Reply, body: BinaryIO, limits: Limits) -> None:
    """Leaves a readable body in `reply`, or none and why there is none."""
    if is_readable(_head_of(body)):
        return
    plain, inflated = spool_file(), None
    try:
        if _may_be_read(body, reply):
            inflated = await in_thread(lambda: _inflate(body, plain, limits.body_bytes))
    finally:
        if inflated is None:
            plain.close()
    body.close()
    if inflated is None:
        reply.body, reply.size = None, 0
        message = "the body is encoded in a way that was not asked for"
        reply.failure = Failure(Code.UNSUPPORTED_ENCODING, message)
        return
    reply.body, reply.size = plain, inflated.size
    if inflated.size > limits.body_bytes:
        message = f"more than {limits.body_bytes} bytes decoded"
        reply.failure = reply.failure or Failure(Code.BODY_TOO_LARGE, message)
    elif not inflated.whole:
        message = "the deflate data is damaged or ends too early"
        reply.failure = reply.failure or Failure(Code.BODY_TRUNCATED, message)


def _head_of(body: BinaryIO) -> bytes:
    body.seek(0)
    head = body.read(_LOOKED_AT)
    body.seek(0)
    return head


def _may_be_read(body: BinaryIO, reply: Reply) -> bool:
    """Whether a body whose first bytes are there is readable, or would be with deflate undone. It is left at
    its end."""
    head = _head_of(body)
    body.seek(0, 2)
    if is_readable(head):
        return True
    return "deflate" in reply.headers.codings and any(_inflates(head, window) for window in _ZLIB_WINDOWS)


def _inflates(head: bytes, window: int) -> bool:
    with suppress(zlib.error):
        plain = zlib.decompressobj(window).decompress(head, _LOOKED_AT)
        return bool(plain) and is_readable(plain)
    return False


class _Inflated(NamedTuple):
    """How many bytes deflate made of a body, and whether its data came to its own end."""

    size: int
    whole: bool


def is_readable(head: bytes) -> bool:
    """Return whether a body is gzip or text by its first bytes, whatever coding its headers name.

    Text is markup, or mostly ASCII with a colon in it, as robots.txt, a text sitemap and JSON are.
    """
    if not head or head.startswith((b"\x1f\x8b", *_MARKS)):
        return True
    if head[:2] in (b"<\0", b"\0<"):
        return True
    text = head.lstrip()
    if _NO_TEXT.search(text.replace(b"\0", b"", 8)):
        return False
    ascii_bytes = sum(byte < 0x80 for byte in text)
    return text.startswith(b"<") or (b":" in text and ascii_bytes > 0.7 * len(text))


def _inflate(body: BinaryIO, plain: BinaryIO, most: int) -> _Inflated | None:
    """Undo deflate into `plain`, one byte more than `most` at most; None if it is no deflate at all."""
    for window in _ZLIB_WINDOWS:
        body.seek(0)
        plain.seek(0)
        plain.truncate()
        engine = zlib.decompressobj(window)
        left = most + 1
        try:
            while left and not engine.eof and (data := engine.unconsumed_tail or body.read(_PIECE)):
                left -= plain.write(engine.decompress(data, min(left, _PIECE)))
        except zlib.error:
            pass  # what came before the damage stays, as with gzip
        head = _head_of(plain)
        if head and is_readable(head):
            return _Inflated(most + 1 - left, engine.eof)
    return None


async def drain(response: aiohttp.ClientResponse) -> None:
    """Reads the rest of a small body that nobody wants, so that its connection can be used again."""
    if (response.content_length or 0) <= _DRAINED:
        await _read_rest(response, _DRAINED)


async def read_sample(response: aiohttp.ClientResponse, reply: Reply) -> None:
    """Read `reply.sample` of an answer other than 200.

    A small body is read to its end, so that its connection can be used again, a larger one no further than
    the sample needs.
    """
    media_type = (reply.headers.content_type or "").partition(";")[0].strip().lower()
    if media_type not in _SAMPLED or not reply.headers.readable:
        await drain(response)
        return
    small = (response.content_length or 0) <= _DRAINED
    data = await _read_rest(response, _DRAINED if small else SAMPLE_BYTES)
    reply.sample = decoded(io.BytesIO(data), SAMPLE_BYTES)


async def _read_rest(response: aiohttp.ClientResponse, most: int) -> bytes:
    """What comes of a body within `_DRAIN_SECONDS`, until there are more than `most` bytes of it; its first
    `SAMPLE_BYTES` are returned."""
    if response.content.is_eof():
        return response.content.read_nowait(SAMPLE_BYTES)
    size = 0
    head = bytearray()
    with suppress(*EXPECTED):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in response.content.iter_any():
                size += len(chunk)
                head += chunk[: SAMPLE_BYTES - len(head)]
                if size > most:
                    break
    return bytes(head)


def decoded(body: BinaryIO, limit: int) -> bytes:
    """The first `limit` bytes of a body with up to two layers of gzip undone; damage ends it early."""
    body.seek(0)
    data = body.read(limit)
    for _ in range(2):
        if not data.startswith(b"\x1f\x8b"):
            break
        try:
            data = deflate.decompressobj(GZIP_WINDOW).decompress(data, limit)
        except deflate.error:
            break
    return data
