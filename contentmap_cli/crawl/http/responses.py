"""The `Reply` of one exchange, the `FetchedFile` of a whole fetch, and limited reading of bodies."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import aiohttp

from contentmap_cli.crawl.http.headers import NO_HEADERS, ReplyHeaders
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.protocol import is_broken
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits
from contentmap_cli.sitemap.content_codings import decode_body, decoded_heads
from contentmap_cli.sitemap.decode import GZIP_WINDOW, deflate
from contentmap_cli.threads import run_in_thread

IN_MEMORY = 256 * 1024
"""Bytes of a body or spool that stay in memory; the rest goes to an unlinked file."""

KIND_BYTES = 64 * 1024
"""First bytes of a body that show whether it is wanted."""

SAMPLE_BYTES = 16 * 1024
"""Decoded bytes that are kept of the body of a response other than 200."""

_DRAIN_BYTES = 64 * 1024
_DRAIN_SECONDS = 2.0
_SAMPLED = frozenset({"", "text/html", "text/plain", "application/xhtml+xml"})
_HEAD_BYTES = 1024
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Reply:
    """One exchange: status, headers and for 2xx a body; a failure; or both if the body was truncated.

    `transient` says that a retry may succeed, `connecting` that there was no connection. `first_byte` are the
    seconds from sending the request to the first byte of the answer. `stopped`: the beginning of the body
    showed that it is unwanted, and the rest was not read.
    """

    status: int | None = None
    headers: ReplyHeaders = NO_HEADERS
    body: BinaryIO | None = None
    size: int = 0
    failure: Failure | None = None
    transient: bool = False
    connecting: bool = False
    sample: bytes = b""
    first_byte: float | None = None
    stopped: bool = False


@dataclass(slots=True)
class FetchedFile:
    """The outcome of one URL, after redirects and retries. Close it, or use it as a context manager.

    `body` is the body as transferred (not decompressed), at its start, for status 2xx only; with a `failure`
    it is what was read until then. `size` in bytes. `ms` is the time of the last request until its last byte.
    `retries` are the requests after a failed one, `discarded` the bytes of bodies that were requested again.
    `retry_after` is set, in seconds, when the server asked for a longer wait than the run allows. `remark` is
    what to say about credentials after the status of a refusal. `sample` is the beginning of the body of
    another status: at most `SAMPLE_BYTES`, decompressed, HTML or plain text only. `silent` says that no
    connection to the server of `url` itself came about in time.
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
    retries: int = 0
    discarded: int = 0
    not_modified: bool = False
    retry_after: float | None = None
    remark: str = ""
    sample: bytes = b""
    silent: bool = False
    stopped: bool = False  # as `Reply.stopped`

    def __enter__(self) -> FetchedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the body."""
        if self.body is not None:
            self.body.close()
            self.body = None


def is_success(reply: Reply) -> bool:
    """Return whether an answer has the body that was requested: 2xx, but for the challenge of a service."""
    return reply.status == 200 or (200 <= (reply.status or 0) < 300 and not reply.headers.challenge)


def is_whole(reply: Reply) -> bool:
    """Return whether the Content-Range of a body is the whole file, or not stated."""
    found = re.fullmatch(r"bytes 0-(\d{1,15})/(\d{1,15})", reply.headers.content_range or "bytes 0-0/1")
    return found is not None and int(found[1]) + 1 == int(found[2])


def spool_file() -> BinaryIO:
    """Open an unnamed temporary file, in memory up to `IN_MEMORY` bytes. The caller closes it."""
    return cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))


async def read_body(
    response: aiohttp.ClientResponse,
    reply: Reply,
    limits: Limits,
    *,
    max_bytes: int,
    until: float,
    unwanted: Callable[[bytes], bool | None] | None = None,
) -> None:
    """Read a body into `reply`: at most `max_bytes`, until the time `until` of the event loop, and no further
    than to where it is `unwanted`.

    A Content-Encoding that was not requested fails with `unsupported_encoding`, unless the body is not
    encoded in fact, or is deflate, br or zstd. `reply.body` keeps what was read in every case, unless it
    cannot be stored; a failure says why it ended early.
    """
    reply.body = body = spool_file()
    try:
        await _receive(response, reply, body, limits, max_bytes=max_bytes, until=until, unwanted=unwanted)
        _store(lambda: body.seek(0))  # flushes
        if not reply.headers.readable:
            await _decode_body(reply, body, limits)
    except _StorageFailed as error:
        with suppress(OSError):
            body.close()
        reply.body = None
        reply.failure = Failure(Code.STORAGE_ERROR, f"the body cannot be stored: {error}")
    except BaseException:
        body.close()
        raise
    if reply.failure is None and not reply.stopped and is_broken(response):
        reply.failure = Failure(Code.HTTP_PROTOCOL, "the body violates the HTTP protocol")
        reply.transient = True


async def _receive(
    response: aiohttp.ClientResponse,
    reply: Reply,
    body: BinaryIO,
    limits: Limits,
    *,
    max_bytes: int,
    until: float,
    unwanted: Callable[[bytes], bool | None] | None,
) -> None:
    checked = reply.headers.readable
    begin = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        if response.content.is_eof():  # a small body is usually complete here
            data = response.content.read_nowait()
            reply.size = min(len(data), max_bytes)
            _store(partial(body.write, data[:max_bytes]))
            if len(data) > max_bytes:
                reply.failure = Failure(Code.BODY_TOO_LARGE, f"the body is larger than {max_bytes} bytes")
            return
        async with asyncio.timeout_at(until) as clock:
            async for chunk in response.content.iter_any():
                room = max_bytes - reply.size
                reply.size += min(len(chunk), room)
                _store(partial(body.write, chunk[:room] if len(chunk) > room else chunk))
                if not checked and reply.size >= _HEAD_BYTES:
                    checked = True
                    if not _can_be_decoded(body, reply):
                        break
                if unwanted is not None:
                    verdict = unwanted(_head_of(body, KIND_BYTES))
                    body.seek(0, 2)
                    if verdict:
                        reply.stopped = True
                        break
                    if verdict is False or reply.size >= KIND_BYTES:
                        unwanted = None
                if len(chunk) > room:
                    reply.failure = Failure(Code.BODY_TOO_LARGE, f"the body is larger than {max_bytes} bytes")
                    break
                # aiohttp's read timeout also counts bytes outside the body, such as chunk extensions.
                clock.reschedule(min(until, loop.time() + limits.read_timeout))
                passed = time.monotonic() - begin
                if passed > limits.slow_after and reply.size < passed * limits.slow_rate:
                    rate = int(reply.size / passed)
                    reply.failure = Failure(Code.TIMEOUT, f"the body arrived at {rate} bytes per second")
                    break
    except EXPECTED as error:
        fault = http_error_of(error, limits)
        reply.failure = fault.failure
        reply.transient = fault.failure.code in (Code.CONNECT_ERROR, Code.BODY_TRUNCATED)
        if fault.failure.code == Code.CONNECT_ERROR:
            reply.failure = Failure(
                Code.BODY_TRUNCATED, "the connection was closed before the end of the body"
            )


class _StorageFailed(Exception):
    """The body cannot be stored. Network errors are OSErrors as well, hence this type."""


def _store(write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise _StorageFailed((error.strerror or "no room").lower()) from error


async def _decode_body(reply: Reply, body: BinaryIO, limits: Limits) -> None:
    """Replace a compressed body by its decoded form; without a readable body, set the failure."""
    if is_readable(_head_of(body)):
        return
    plain, inflated = spool_file(), None
    try:
        if _can_be_decoded(body, reply):
            inflated = await run_in_thread(
                decode_body, body, plain, reply.headers.codings, limits.body_bytes, is_readable
            )
    finally:
        if inflated is None:
            plain.close()
    body.close()
    if inflated is None:
        reply.body, reply.size = None, 0
        message = "the body has a content encoding that was not requested"
        reply.failure = Failure(Code.UNSUPPORTED_ENCODING, message)
        return
    reply.body, reply.size = plain, inflated.size
    if inflated.size > limits.body_bytes:
        message = f"more than {limits.body_bytes} bytes decoded"
        reply.failure = reply.failure or Failure(Code.BODY_TOO_LARGE, message)
    elif not inflated.whole:
        message = "the compressed data is damaged or ends too early"
        reply.failure = reply.failure or Failure(Code.BODY_TRUNCATED, message)


def _head_of(body: BinaryIO, most: int = _HEAD_BYTES) -> bytes:
    body.seek(0)
    head = body.read(most)
    body.seek(0)
    return head


def _can_be_decoded(body: BinaryIO, reply: Reply) -> bool:
    """Return whether the first bytes are readable, also after decoding. The position is then at the end."""
    head = _head_of(body)
    body.seek(0, 2)
    if is_readable(head):
        return True
    return any(is_readable(plain) for plain in decoded_heads(head, reply.headers.codings, _HEAD_BYTES))


def is_readable(head: bytes) -> bool:
    """Return whether a body is gzip or text by its first bytes, whatever coding its headers name.

    Text is markup, or mostly ASCII with a colon, like robots.txt, text sitemaps and JSON.
    """
    if not head or head.startswith((b"\x1f\x8b", *_BOMS)):
        return True
    if head[:2] in (b"<\0", b"\0<"):
        return True
    text = head.lstrip()
    if _BINARY.search(text.replace(b"\0", b"", 8)):
        return False
    ascii_bytes = sum(byte < 0x80 for byte in text)
    return text.startswith(b"<") or (b":" in text and ascii_bytes > 0.7 * len(text))


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read the rest of a small body, so that its connection can be reused."""
    if (response.content_length or 0) <= _DRAIN_BYTES:
        await _read_rest(response, _DRAIN_BYTES)


async def read_sample(response: aiohttp.ClientResponse, reply: Reply) -> None:
    """Read `reply.sample` of a response other than 200.

    A small body is read to its end, so that its connection can be reused.
    """
    media_type = (reply.headers.content_type or "").partition(";")[0].strip().lower()
    if media_type not in _SAMPLED or not reply.headers.readable:
        await drain(response)
        return
    small = (response.content_length or 0) <= _DRAIN_BYTES
    data = await _read_rest(response, _DRAIN_BYTES if small else SAMPLE_BYTES)
    reply.sample = decoded(io.BytesIO(data), SAMPLE_BYTES)


async def _read_rest(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read a body for at most `_DRAIN_SECONDS` and `most` bytes. Return its first `SAMPLE_BYTES`."""
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
    """Return the first `limit` bytes of a body, with up to two layers of gzip decompressed."""
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
