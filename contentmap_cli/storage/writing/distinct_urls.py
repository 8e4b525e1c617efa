"""The number of distinct URLs of a domain, counted while its rows are written.

SQLite takes longer to count a million distinct URLs than to insert half of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import BinaryIO

from contentmap_cli.models.entry_rows import RowBatch

_BUCKETS = 1024
"""So many that the set of one bucket stays small: a megabyte for ten million URLs."""

_IN_MEMORY = 250_000
_AT_ONCE = 20_000


class DistinctCounter:
    """Keeps eight bytes for each URL, on disk from `_IN_MEMORY` on. Close it, or use it as a context manager.

    Two URLs count as one if their 64-bit hashes are equal: among five million different ones, with a
    probability of 1 in a million, and independently in each run, as the interpreter seeds its hash at random.
    """

    def __init__(self) -> None:
        self._pending = array("q")
        self._file: BinaryIO | None = None
        self._spilled: list[array[int]] = []  # the length of each bucket in bytes, spill by spill
        self.added = 0

    def __enter__(self) -> DistinctCounter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, urls: Sequence[str]) -> None:
        """Add URLs, known or not."""
        self._pending.extend(map(hash, urls))
        self.added += len(urls)
        if len(self._pending) >= _IN_MEMORY:
            self._spill()

    def counting(self, batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
        """Yield the batches and add their URLs."""
        for batch in batches:
            self.add(batch.urls)
            yield batch

    def count(self) -> int:
        """Return the number of distinct URLs. One bucket at a time: a set takes ten times an array's
        memory."""
        if self._file is None and len(self._pending) <= _AT_ONCE:
            return len(set(self._pending))
        last = self._split()
        offsets = [0]  # of the next bucket of each spill
        for lengths in self._spilled:
            offsets.append(offsets[-1] + sum(lengths))
        total = 0
        for number, bucket in enumerate(last):
            seen = set(bucket)
            for spill, lengths in enumerate(self._spilled):
                assert self._file is not None  # noqa: S101 - there are no lengths without it
                self._file.seek(offsets[spill])
                seen.update(memoryview(self._file.read(lengths[number])).cast("q"))
                offsets[spill] += lengths[number]
            total += len(seen)
        return total

    def _split(self) -> list[array[int]]:
        """The pending hashes in buckets: equal hashes are in one."""
        buckets = [array("q") for _ in range(_BUCKETS)]
        put = [bucket.append for bucket in buckets]
        for number in self._pending:
            put[number % _BUCKETS](number)
        return buckets

    def _spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - open as long as the counter is
        buckets = self._split()
        self._pending = array("q")
        self._file.seek(0, 2)
        for bucket in buckets:
            self._file.write(bucket.tobytes())
        self._spilled.append(array("I", [len(bucket) * bucket.itemsize for bucket in buckets]))
