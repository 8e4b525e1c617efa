"""A buffer for text that is written later, compressed in memory."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator


class DeferredText:
    """Compresses text in memory until it is read back, once, in the same order.

    Rows are similar and compress well. A temporary file would need less memory, but the disk may become full.
    """

    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=1)
        self._packed: list[bytes] = []

    def write(self, text: str) -> None:
        """Add text."""
        if packed := self._packer.compress(text.encode()):
            self._packed.append(packed)

    def pieces(self) -> Iterator[str]:
        """Yield the text in pieces. Nothing can be added afterwards."""
        self._packed.append(self._packer.flush())
        unpack = zlib.decompressobj()
        decode = codecs.getincrementaldecoder("utf-8")()
        for packed in self._packed:
            yield decode.decode(unpack.decompress(packed))
