"""Finds texts that occur twice, or on one side only, among millions, with eight bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

_BUCKETS = 64


class HashBag:
    """64-bit hashes of texts, at most `room` of them.

    Texts with equal hashes count as equal; among five million that happens with a probability of one in a
    million. `overflowed` says that there were more than `room`.
    """

    def __init__(self, room: int) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._put = [bucket.append for bucket in self._buckets]
        self._left = room
        self.overflowed = False

    def add(self, numbers: Iterable[int]) -> None:
        """Add hashes."""
        put = self._put
        for number in numbers:
            if not self._left:
                self.overflowed = True
                return
            self._left -= 1
            put[number % _BUCKETS](number)

    def _sorted(self) -> Iterator[list[int]]:
        return map(sorted, self._buckets)

    def repeated(self, sample: int) -> tuple[int, set[int]]:
        """Return the number of different hashes that were added more than once, and up to `sample` of
        them."""
        count = 0
        found: set[int] = set()
        for numbers in self._sorted():
            last = before = None
            for number in numbers:
                if number == last and number != before:
                    count += 1
                    before = number
                    if len(found) < sample:
                        found.add(number)
                last = number
        return count, found

    def missing_from(self, other: HashBag, sample: int) -> tuple[int, set[int]]:
        """Return the number of different hashes that are not in `other`, and up to `sample` of them."""
        count = 0
        found: set[int] = set()
        for mine, theirs in zip(self._buckets, other._buckets, strict=True):
            missing = set(mine).difference(theirs)
            count += len(missing)
            for number in missing:
                if len(found) >= sample:
                    break
                found.add(number)
        return count, found
