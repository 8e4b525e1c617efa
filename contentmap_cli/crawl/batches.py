"""Batches of plain tuples in a file without a name: in memory while small, then on disk.

In marshal's format, the fastest there is in the standard library; the file never outlives the run and nobody
else can reach it, so marshal's lack of a promise about format and safety does not matter.
"""

from __future__ import annotations

import marshal
from typing import Any

from contentmap_cli.crawl.responses import spool_file

_LENGTH = 4
_FORMAT = 2  # later ones look every object up, to write it once: slower, and rows hardly share any


class BatchFile:
    """One writer at a time; what is written may be read in any order."""

    def __init__(self) -> None:
        self._file = spool_file()
        self.end = 0

    def append(self, batch: list[tuple[Any, ...]]) -> int:
        """Puts one batch at the end and returns the offset it begins at."""
        offset, data = self.end, marshal.dumps(batch, _FORMAT)
        self._file.seek(offset)
        self._file.write(len(data).to_bytes(_LENGTH, "big"))
        self._file.write(data)
        self.end += _LENGTH + len(data)
        return offset

    def at(self, offset: int) -> list[tuple[Any, ...]]:
        """The batch that begins at an offset."""
        self._file.seek(offset)
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        batch: list[tuple[Any, ...]] = marshal.loads(self._file.read(length))  # noqa: S302 - our own bytes
        return batch

    def close(self) -> None:
        """Lets the file go; nothing can be read any more."""
        self._file.close()
