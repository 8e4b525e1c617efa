"""Which of very many texts occur twice, or only on one side, for eight bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

_BUCKETS = 64


class HashBag:
    """64-bit hashes of texts, in the order in which they came, up to `room` of them.

    Two texts are taken for one if their hashes are equal: among five million, with a probability of one in a
    million. `overflowed` says that there were more than it holds.
    """

    def __init__(self, room: int) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._put = [bucket.append for bucket in self._buckets]
        self._left = room
        self.overflowed = False

    def add(self, numbers: Iterable[int]) -> None:
        """Takes the next hashes."""
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
        """How many different ones came more than once, and up to `sample` of these."""
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
        """How many different ones are not in another bag, and up to `sample` of these."""
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
