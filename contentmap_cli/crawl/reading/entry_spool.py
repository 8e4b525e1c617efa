"""Spool the entries of one document in document order on disk, until the document is read completely."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile

from contentmap_cli.batches import batched
from contentmap_cli.models import Entry

BATCH = 1000
"""Maximum entries of a batch."""

_IN_MEMORY = 256 * 1024


class EntrySpool:
    """An `EntrySink` that returns its entries. Close it, or use it as a context manager."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with this
        self._batches = 0
        self.entries = 0

    def __enter__(self) -> EntrySpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def extend(self, entries: Sequence[Entry]) -> None:
        """Take the next entries."""
        for batch in batched(entries, BATCH):
            pickle.dump(batch, self._file)
            self._batches += 1
        self.entries += len(entries)

    def clear(self) -> None:
        """Forget all entries so far."""
        self._file.seek(0)
        self._file.truncate()
        self._batches = self.entries = 0

    def read(self) -> Iterator[list[Entry]]:
        """Return the entries in document order, in batches of at most `BATCH`."""
        self._file.seek(0)
        for _ in range(self._batches):
            yield pickle.load(self._file)  # noqa: S301 - our own bytes
