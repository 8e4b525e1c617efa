"""Decode bodies with a Content-Encoding that was not requested: deflate, br and zstd, with bounded output."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final, NamedTuple

_PIECE: Final = 64 * 1024
_WINDOW_LOG: Final = 23
"""Maximum window of zstd, 8 MB (RFC 9659), which bounds the memory. That of br is at most 16 MB."""


class Decoded(NamedTuple):
    """The size of a decoded body in bytes, and whether its data is complete."""

    size: int
    whole: bool


class DecodingFailed(Exception):
    """The data is not in this encoding, or damaged."""


class _Zlib:
    """Decodes zlib or raw deflate. `eof` is set at the end, `pending` while output needs no input."""

    def __init__(self, window: int) -> None:
        self._engine = zlib.decompressobj(window)
        self.pending = False

    @property
    def eof(self) -> bool:
        return self._engine.eof

    def decode(self, data: bytes, most: int) -> bytes:
        try:
            plain = self._engine.decompress(self._engine.unconsumed_tail + data, most)
        except zlib.error as error:
            raise DecodingFailed from error
        self.pending = not self._engine.eof and len(plain) >= most
        return plain


class _Brotli:
    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]

        self._engine = brotli.Decompressor()
        self._error: type[Exception] = brotli.error
        self.pending = False

    @property
    def eof(self) -> bool:
        return bool(self._engine.is_finished())

    def decode(self, data: bytes, most: int) -> bytes:
        try:
            plain: bytes = self._engine.process(data, output_buffer_limit=most)
        except self._error as error:
            raise DecodingFailed from error
        self.pending = not self.eof and (len(plain) >= most or not self._engine.can_accept_more_data())
        return plain


class _Zstd:
    def __init__(self) -> None:
        module: Any
        if sys.version_info >= (3, 14):
            from compression import zstd as module
        else:
            from backports import zstd as module
        terms = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._new: Callable[[], Any] = lambda: module.ZstdDecompressor(options=terms)
        self._engine = self._new()
        self._error: type[Exception] = module.ZstdError
        self.pending = False

    @property
    def eof(self) -> bool:
        return bool(self._engine.eof)

    def decode(self, data: bytes, most: int) -> bytes:
        if self._engine.eof:  # a further frame (RFC 8878 section 3)
            data, self._engine = self._engine.unused_data + data, self._new()
        try:
            plain: bytes = self._engine.decompress(data, most)
        except self._error as error:
            raise DecodingFailed from error
        finished = self._engine.eof
        self.pending = bool(self._engine.unused_data) if finished else not self._engine.needs_input
        return plain


# "deflate" is the zlib format (RFC 9110 section 8.4.1.2); some servers send raw deflate
_ENGINES: Final[dict[str, tuple[Callable[[], _Zlib | _Brotli | _Zstd], ...]]] = {
    "deflate": (lambda: _Zlib(15), lambda: _Zlib(-15)),
    "br": (_Brotli,),
    "zstd": (_Zstd,),
}


def _engines(codings: tuple[str, ...]) -> Iterator[Callable[[], _Zlib | _Brotli | _Zstd]]:
    for coding in codings:
        yield from _ENGINES.get(coding, ())


def decoded_heads(head: bytes, codings: tuple[str, ...], most: int) -> Iterator[bytes]:
    """Yield what the beginning of a body is in each of these encodings that it may have."""
    for new in _engines(codings):
        with suppress(DecodingFailed):
            engine, plain, data = new(), b"", head
            while len(plain) < most:
                plain += engine.decode(data, most - len(plain))
                if not engine.pending:
                    break
                data = b""
            if plain:
                yield plain


def decode_body(
    body: BinaryIO, plain: BinaryIO, codings: tuple[str, ...], most: int, accept: Callable[[bytes], bool]
) -> Decoded | None:
    """Decode a body into `plain`, to at most `most` + 1 bytes; None if `accept` refuses its beginning."""
    for new in _engines(codings):
        body.seek(0)
        plain.seek(0)
        plain.truncate()
        engine, left = new(), most + 1
        with suppress(DecodingFailed):  # keep what precedes the damage, as with gzip
            data = body.read(_PIECE)
            while left and (data or engine.pending):
                left -= plain.write(engine.decode(data, min(left, _PIECE))[:left])  # br may give more
                data = b"" if engine.pending else body.read(_PIECE)
        plain.seek(0)
        head = plain.read(1024)
        plain.seek(0)
        if head and accept(head):
            return Decoded(most + 1 - left, engine.eof and not engine.pending)
    return None
