"""Finds texts that occur twice, or on one side only, among millions, with eight bytes for each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise

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

    def repeated(self) -> HashSet:
        """Return the hashes that were added more than once."""
        found = HashSet()
        for numbers in self._buckets:
            ordered = sorted(numbers)
            found.fill(sorted({one for one, other in pairwise(ordered) if one == other}))
        return found

    def distinct(self) -> HashSet:
        """Return the hashes that were added."""
        return self.missing_from(HashBag(0))

    def missing_from(self, other: HashBag) -> HashSet:
        """Return the hashes that are not in `other`."""
        found = HashSet()
        for mine, theirs in zip(self._buckets, other._buckets, strict=True):
            found.fill(sorted(set(mine).difference(theirs)))
        return found


class HashSet:
    """64-bit hashes that can be looked up, with eight bytes for each."""

    def __init__(self) -> None:
        self._buckets: list[array[int]] = []
        self._starts = [0]

    def fill(self, ordered: Iterable[int]) -> None:
        """Fill the next bucket with hashes in ascending order."""
        self._buckets.append(array("q", ordered))
        self._starts.append(len(self) + len(self._buckets[-1]))

    def __len__(self) -> int:
        return self._starts[-1]

    def __contains__(self, number: int) -> bool:
        return self.index(number) is not None

    def index(self, number: int) -> int | None:
        """Return a number below the number of hashes that is this hash's own, None if it is not there."""
        bucket = self._buckets[number % _BUCKETS]
        place = bisect_left(bucket, number)
        if place == len(bucket) or bucket[place] != number:
            return None
        return self._starts[number % _BUCKETS] + place
