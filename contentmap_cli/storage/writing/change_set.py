"""What a scan must write of a domain that is recorded, and what it comes to, in bounded memory.

A site may say something new of each of its ten million URLs every night. What differs is kept in lists that
go to disk, and weighed in parts: all that happened to one URL falls into one part.
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
"""Changes that are weighed at once."""

Published = tuple[Any, ...]


class KeptList:
    """A list of plain values that only grows; all but its last few lie in a file."""

    def __init__(self, file: BatchFile, chunk: int = CHUNK) -> None:
        self._file = file
        self._size = chunk
        self._offsets: list[int] = []
        self._last: list[Any] = []

    def append(self, item: Any) -> None:
        """Puts one value at the end."""
        self._last.append(item)
        if len(self._last) >= self._size:
            self._offsets.append(self._file.append(self._last))
            self._last = []

    def __len__(self) -> int:
        return len(self._offsets) * self._size + len(self._last)

    def chunks(self) -> Iterator[list[Any]]:
        """The values in their order, so many at a time."""
        yield from map(self._file.at, self._offsets)
        if self._last:
            yield self._last

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.chunks():
            yield from chunk


class Difference:
    """What must be written for one known file."""

    def __init__(self, file_id: int | None, file: BatchFile) -> None:
        self.file_id = file_id  # None: it has no row yet, and gets one before this is written
        self._file = file
        self.clear()

    def clear(self) -> None:
        """Forgets all of it."""
        file = self._file
        self.new = KeptList(file)  # rows
        self.changed = KeptList(file)  # rows
        self.restated = KeptList(file)  # URLs of those where the site says something else
        self.returned = KeptList(file)  # rows
        self.was = KeptList(file)  # what the restated and the returned were before
        self.missing = KeptList(file)  # URLs
        self.withheld = False  # URLs are missing, and an incomplete scan may not say that they are gone

    @property
    def weight(self) -> int:
        """How many changes are to be weighed."""
        return len(self.new) + len(self.returned) + len(self.missing) + len(self.restated)


class Weight(NamedTuple):
    """How many URLs were added, removed and changed, as the domain sees it."""

    added: int
    removed: int
    changed: int


@dataclass(slots=True)
class Part:
    """What happened to some of a domain's URLs, and what its files said of them before."""

    came: Any  # (URL, what is published of it), once for each file that lists it anew
    went: Any  # URLs, once for each file that lists them no more
    restated: Any  # URLs of which a file says something else
    listed: Any = field(default_factory=list)  # (URL, what was published of it)

    def touched(self) -> set[str]:
        """URLs that came or went in some file."""
        return {url for url, _ in self.came} | set(self.went)

    def weigh(self) -> Weight:
        """Adds up. A URL that another file lists, or listed before, is neither added nor removed."""
        touched = self.touched()
        before: dict[str, list[Published]] = {}
        for url, said in self.listed:
            if url in touched:
                before.setdefault(url, []).append(said)
        balance: dict[str, int] = {}
        changed = set(self.restated)
        for url, said in self.came:
            balance[url] = balance.get(url, 0) + 1
            if url in before and said not in before[url]:
                changed.add(url)
        added = sum(1 for url in balance if url not in before)
        gone = set()
        for url in self.went:
            balance[url] = balance.get(url, 0) - 1
            gone.add(url)
        removed = sum(1 for url in gone if url in before and len(before[url]) + balance[url] <= 0)
        return Weight(added, removed, len(changed))


class ChangeSet:
    """All of a scan's. Close it, or use it as a context manager: it owns a file."""

    def __init__(self) -> None:
        self._file = BatchFile()
        self.files: list[Difference] = []

    def __enter__(self) -> ChangeSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def of(self, file_id: int | None) -> Difference:
        """Begins the differences of one more file."""
        difference = Difference(file_id, self._file)
        self.files.append(difference)
        return difference

    def parts(self, published: Any) -> Sequence[Part]:
        """The changes in parts of some `PART` each; `published` takes from a row what the site says."""
        count = sum(difference.weight for difference in self.files) // PART + 1
        parts = [Part(*(KeptList(self._file, _PART_CHUNK) for _ in range(4))) for _ in range(count)]
        for difference in self.files:
            for rows in (difference.new, difference.returned):
                for row in rows:
                    parts[hash(row[0]) % count].came.append((row[0], published(row)))
            for url in difference.missing:
                parts[hash(url) % count].went.append(url)
            for url in difference.restated:
                parts[hash(url) % count].restated.append(url)
        return parts


def put_listed(parts: Sequence[Part], rows: Iterable[Sequence[Any]]) -> None:
    """Deals what the domain's files said of URLs out to the parts."""
    count = len(parts)
    for row in rows:
        parts[hash(row[0]) % count].listed.append((row[0], tuple(row[1:])))
