"""A buffer for text that is written later, compressed in memory."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import TextIO

_PIECE = 16_384


class DeferredText:
    """Compresses text in memory until it is read back, in the same order.

    Rows are similar and compress well. A temporary file would need less memory, but the disk may become full.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._packer = zlib.compressobj(level=1)
        self._packed: list[bytes] = []
        self._waiting: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        """Add text."""
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _PIECE:
            self._pack()

    def _pack(self) -> None:
        self._packed.append(self._packer.compress("".join(self._waiting).encode()))
        self._waiting, self._size = [], 0

    def discard(self) -> None:
        """Forget the text."""
        self._begin()

    def flush(self) -> None:
        """Do nothing: the text stays here until it is read."""

    def pieces(self) -> Iterator[str]:
        """Yield the text in pieces, and forget it."""
        self._pack()
        packed = [*self._packed, self._packer.flush()]
        self._begin()
        unpack = zlib.decompressobj()
        decode = codecs.getincrementaldecoder("utf-8")()
        for part in packed:
            yield decode.decode(unpack.decompress(part))

    def send(self, out: TextIO) -> None:
        """Write the text to a stream, and forget it."""
        for piece in self.pieces():
            out.write(piece)
        out.flush()
