"""Batches of items, and temporary files of batches of plain values.

A file is in memory while small, then on disk, in the format of `marshal`, the fastest in the standard
library. It never outlives the run and no other program can open it, so that it does not matter that marshal
guarantees neither its format nor safety.
"""

from __future__ import annotations

import errno
import marshal
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any, TypeVar

T = TypeVar("T")

_IN_MEMORY = 256 * 1024
_LENGTH = 4
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORMAT = 2  # later versions look for repeated objects, which is slower; rows have few of them


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in their order, in lists of `size`."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def disk_full_message(error: BaseException) -> str | None:
    """Return a message if the error says that the system has no space left, None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    return f"what was read cannot be kept: {os.strerror(error.errno).lower()}"


class BatchFile:
    """A temporary file of batches. One writer at a time; what is written may be read in any order.

    Another process may write to it as well, through `fileno()` and from `end` on: it is not buffered.
    """

    def __init__(self, file: IO[bytes] | None = None, end: int = 0) -> None:
        if file is None:
            file = SpooledTemporaryFile(_IN_MEMORY, buffering=0)  # noqa: SIM115 - closed by close()
        self._file: IO[bytes] = file
        self._lock = Lock()  # a thread may read while another closes the file, or puts in the next batch
        self.end = end

    def append(self, batch: list[Any] | tuple[Any, ...]) -> int:
        """Write one batch at the end and return its offset. Raises OSError if the disk is full."""
        offset, data = self.end, marshal.dumps(batch, _FORMAT)
        data = len(data).to_bytes(_LENGTH, "big") + data
        with self._lock:
            self._file.seek(offset)
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end += len(data)
        return offset

    def at(self, offset: int) -> Any:
        """Return the batch that begins at an offset."""
        with self._lock:
            self._file.seek(offset)
            length = int.from_bytes(self._file.read(_LENGTH), "big")
            data = self._file.read(length)
        return marshal.loads(data)  # noqa: S302 - our own bytes

    def fileno(self) -> int:
        """Return the descriptor of the file, which is on disk from now on."""
        return self._file.fileno()

    def close(self) -> None:
        """Close and delete the file."""
        with self._lock:
            self._file.close()
