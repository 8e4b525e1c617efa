"""Text that is known before what stands before it in an answer: kept packed, so that many take little."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator


class DeferredText:
    """Keeps text as it comes; `pieces` gives it back in the same order, once. Rows are much alike and pack
    well; a file would take none of the memory, but its disk may be full in the middle of a run."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=1)
        self._packed: list[bytes] = []

    def write(self, text: str) -> None:
        """Keeps some text."""
        if packed := self._packer.compress(text.encode()):
            self._packed.append(packed)

    def pieces(self) -> Iterator[str]:
        """What was kept, a little at a time. Nothing can be kept after it."""
        self._packed.append(self._packer.flush())
        unpack = zlib.decompressobj()
        decode = codecs.getincrementaldecoder("utf-8")()
        for packed in self._packed:
            yield decode.decode(unpack.decompress(packed))
