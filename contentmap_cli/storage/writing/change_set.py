"""The changes that a scan makes to a recorded domain, and their counts, in bounded memory.

A site may change the lastmod of each of its ten million URLs every night. Changes are kept in lists that are
written to disk, and counted in parts: all changes of one URL fall into the same part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NamedTuple

from contentmap_cli.batches import BatchFile

CHUNK: Final = 500
_PART_CHUNK: Final = 100
PART: Final = 200_000
"""Changes that are counted at once."""

Published = tuple[Any, ...]


class SpooledList:
    """An append-only list of plain values, kept in a file except for the last few."""

    def __init__(self, file: BatchFile, chunk: int = CHUNK) -> None:
        self._file = file
        self._size = chunk
        self._offsets: list[int] = []
        self._last: list[Any] = []

    def append(self, item: Any) -> None:
        """Add one value."""
        self._last.append(item)
        if len(self._last) >= self._size:
            self._offsets.append(self._file.append(self._last))
            self._last = []

    def __len__(self) -> int:
        return len(self._offsets) * self._size + len(self._last)

    def chunks(self) -> Iterator[list[Any]]:
        """Yield the values in order, in lists of at most `chunk`."""
        yield from map(self._file.at, self._offsets)
        if self._last:
            yield self._last

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.chunks():
            yield from chunk


class FileChanges:
    """The changes of one recorded file."""

    def __init__(self, file_id: int | None, file: BatchFile) -> None:
        self.file_id = file_id  # None: the file has no row yet, and gets one before this is written
        self._file = file
        self.clear()

    def clear(self) -> None:
        """Remove all changes."""
        file = self._file
        self.new = SpooledList(file)  # rows
        self.changed = SpooledList(file)  # rows
        self.restated = SpooledList(file)  # URLs of the changed rows whose published values differ
        self.returned = SpooledList(file)  # rows that were removed before
        self.was = SpooledList(file)  # previous values of the restated and the returned rows
        self.missing = SpooledList(file)  # URLs
        self.withheld = False  # URLs are missing, but this scan must not remove them

    def withhold(self) -> None:
        """Keep the URLs that are missing."""
        if len(self.missing):
            self.missing = SpooledList(self._file)
            self.withheld = True

    @property
    def countable(self) -> int:
        """The number of changes that count as added, removed or changed."""
        return len(self.new) + len(self.returned) + len(self.missing) + len(self.restated)


class ChangeCounts(NamedTuple):
    """The numbers of distinct URLs of a domain that were added, removed and changed."""

    added: int
    removed: int
    changed: int


@dataclass(slots=True)
class Part:
    """The changes of some of a domain's URLs, and what the domain's files listed before."""

    appeared: Any  # (URL, published values), once for each file that lists it now and did not before
    disappeared: Any  # URLs, once for each file that lists it no more
    restated: Any  # URLs for which a file publishes other values
    listed: Any = field(default_factory=list)  # (URL, published values before)

    def touched(self) -> set[str]:
        """Return the URLs that appeared in, or disappeared from, some file."""
        return {url for url, _ in self.appeared} | set(self.disappeared)

    def count(self) -> ChangeCounts:
        """Count the changes. A URL that another file lists, or listed before, is neither added nor
        removed."""
        touched = self.touched()
        before: dict[str, list[Published]] = {}
        for url, values in self.listed:
            if url in touched:
                before.setdefault(url, []).append(values)
        balance: dict[str, int] = {}
        changed = set(self.restated)
        for url, values in self.appeared:
            balance[url] = balance.get(url, 0) + 1
            if url in before and values not in before[url]:
                changed.add(url)
        added = sum(1 for url in balance if url not in before)
        gone = set()
        for url in self.disappeared:
            balance[url] = balance.get(url, 0) - 1
            gone.add(url)
        removed = sum(1 for url in gone if url in before and len(before[url]) + balance[url] <= 0)
        return ChangeCounts(added, removed, len(changed))


class ChangeSet:
    """The changes of all files of a scan. Close it, or use it as a context manager: it owns a file."""

    def __init__(self) -> None:
        self._file = BatchFile()
        self.files: list[FileChanges] = []

    def __enter__(self) -> ChangeSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def of(self, file_id: int | None) -> FileChanges:
        """Add one more file and return its changes, which are empty."""
        changes = FileChanges(file_id, self._file)
        self.files.append(changes)
        return changes

    def parts(self, published: Any) -> Sequence[Part]:
        """Split the changes into parts of about `PART`. `published` returns the published values of a row."""
        count = sum(changes.countable for changes in self.files) // PART + 1
        parts = [Part(*(SpooledList(self._file, _PART_CHUNK) for _ in range(4))) for _ in range(count)]
        for changes in self.files:
            for rows in (changes.new, changes.returned):
                for row in rows:
                    parts[hash(row[0]) % count].appeared.append((row[0], published(row)))
            for url in changes.missing:
                parts[hash(url) % count].disappeared.append(url)
            for url in changes.restated:
                parts[hash(url) % count].restated.append(url)
        return parts


def add_listed(parts: Sequence[Part], rows: Iterable[Sequence[Any]]) -> None:
    """Add (URL, published values…) of rows that were listed before to the parts of their URLs."""
    count = len(parts)
    for row in rows:
        parts[hash(row[0]) % count].listed.append((row[0], tuple(row[1:])))
