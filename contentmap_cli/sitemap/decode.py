"""Decompress bodies: streaming gzip (RFC 1952), recognised by its magic number.

Each call of zlib returns at most one chunk, and one limit covers all layers. Data before damage is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from types import ModuleType
from typing import Any, BinaryIO, Final

from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits

try:
    from zlib_ng import zlib_ng as _zlib
except ImportError:  # not installed, or built for another architecture
    import zlib as _zlib  # type: ignore[no-redef]

deflate: Final[ModuleType] = _zlib
"""zlib-ng, which takes half the time of zlib, or zlib. Both accept and refuse the same data; their compressed
output differs."""

GZIP_WINDOW: Final = 31  # the largest window, with a gzip header and trailer
CHUNK = 128 * 1024
GZIP_MAGIC = b"\x1f\x8b"


class Body:
    """One pass over a body. Attributes are final once `chunks` is exhausted. `hashed` enables the digest."""

    def __init__(self, source: BinaryIO, limits: Limits, *, hashed: bool = True) -> None:
        source.seek(0)
        self._source = source
        self._limits = limits
        self._spent = 0
        self._members = 0
        self._digest = hashlib.blake2b(digest_size=16) if hashed else None
        self.is_gzipped = False
        self.decoded_bytes = 0
        self.failure: Failure | None = None
        self.trailing_garbage = False

    @property
    def digest(self) -> str:
        """The blake2b-128 of the data decoded so far, in hexadecimal."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def chunks(self) -> Iterator[bytes]:
        """Yield the decoded body in chunks of at most `CHUNK` bytes. Set `failure` instead of raising."""
        stream: Iterator[bytes] = iter(lambda: self._source.read(CHUNK), b"")
        for _ in range(self._limits.gzip_layers):
            magic, stream = _peek(stream)
            if magic != GZIP_MAGIC:
                break
            self.is_gzipped = True
            stream = self._inflate(stream)
        else:
            magic, stream = _peek(stream)
            if magic == GZIP_MAGIC:
                self._fail(
                    Code.UNSUPPORTED_ENCODING, f"gzip more than {self._limits.gzip_layers} layers deep"
                )
                return
        for chunk in stream:
            allowed = chunk if self.is_gzipped else self._within_limit(chunk)
            if self._digest is not None:
                self._digest.update(allowed)
            self.decoded_bytes += len(allowed)
            if allowed:
                yield allowed
            if len(allowed) < len(chunk):
                return

    def _inflate(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Decompress one layer of gzip, over all its members."""
        engine = None
        carry = b""
        for piece in stream:
            data = carry + piece
            carry = b""
            pending = False  # input is consumed, output remains in zlib
            while data or pending:
                if engine is None:
                    # between members: skip zero padding, keep a single magic byte for the next piece
                    data = data.lstrip(b"\0")
                    if len(data) < len(GZIP_MAGIC):
                        carry = data
                        break
                    if not data.startswith(GZIP_MAGIC):
                        self.trailing_garbage = True
                        return
                    self._members += 1
                    if self._members > self._limits.gzip_members:
                        self._fail(
                            Code.DECOMPRESS_MEMBERS, f"more than {self._limits.gzip_members} gzip members"
                        )
                        return
                    engine = deflate.decompressobj(GZIP_WINDOW)
                before = engine.copy()
                try:
                    out = engine.decompress(data, CHUNK)
                except deflate.error as error:
                    yield from self._limited(_recover(before, data))
                    self._fail(Code.BODY_TRUNCATED, f"the gzip data is damaged ({error})")
                    return
                yield from self._limited(out)
                if self.failure is not None:
                    return
                if engine.eof:
                    data, engine, pending = engine.unused_data, None, False
                else:
                    data, pending = engine.unconsumed_tail, len(out) == CHUNK
        if engine is not None:
            self._fail(Code.BODY_TRUNCATED, "the gzip data ends too early")
        elif carry:
            self.trailing_garbage = True

    def _limited(self, out: bytes) -> Iterator[bytes]:
        allowed = self._within_limit(out)
        if allowed:
            yield allowed

    def _within_limit(self, data: bytes) -> bytes:
        """Return the part of the data that is within the size limit."""
        left = self._limits.body_bytes - self._spent
        self._spent += len(data)
        if len(data) > left:
            self._fail(Code.BODY_TOO_LARGE, f"more than {self._limits.body_bytes} bytes decoded")
            return data[:left]
        return data

    def _fail(self, code: Code, message: str) -> None:
        if self.failure is None:
            self.failure = Failure(code.value, message)


def _peek(stream: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first two bytes, and the stream including them."""
    first = b""
    for piece in stream:
        first += piece
        if len(first) >= len(GZIP_MAGIC):
            break
    return first[: len(GZIP_MAGIC)], chain([first] if first else [], stream)


def _recover(engine: Any, data: bytes) -> bytes:
    """Return what zlib decodes of data that ends in damage, byte by byte where a call would raise."""
    out = bytearray()
    while True:
        before = engine.copy()
        try:
            piece = engine.decompress(data, 4096)
        except deflate.error:
            break
        if not piece:  # pragma: no cover - damaged data raises in the end
            return bytes(out)
        out += piece
        data = engine.unconsumed_tail
    try:  # byte by byte, to get the last byte before a wrong checksum
        for position in range(len(data)):
            out += before.decompress(data[position : position + 1])
    except deflate.error:
        pass
    return bytes(out)
