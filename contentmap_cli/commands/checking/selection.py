"""Choose the pages of a site that `check --pages` asks for, the same ones each time.

A URL stands for its normalised form; eight bytes of its hash are kept. A sample has the smallest
hashes of each file, so that it changes as little as the sitemaps do.
"""

from __future__ import annotations

import hashlib
import heapq
import sys
from array import array
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import NamedTuple

from contentmap_cli.check.hashing import HashBag
from contentmap_cli.models import Entry
from contentmap_cli.models.findings import CheckedFile
from contentmap_cli.models.hosts import normalise_url

_SEED = b"contentmap pages"
_SIGNED = 2**63
_MASK = 2**64 - 1


class Batch(NamedTuple):
    """Some pages that a file lists: their URLs as published, and a function that returns their entries."""

    file: CheckedFile
    urls: Sequence[str]
    entries: Callable[[], Sequence[Entry]]


Listing = AsyncIterable[Batch]
"""The pages of all files. The batches of a file follow each other."""


def normalised(urls: Iterable[str]) -> list[str]:
    """Return URLs in normalised form, without those that are no http or https URLs."""
    return [url for url in map(normalise_url, urls) if url is not None]


class Selection:
    """A set of normalised URLs, with nine bytes for each."""

    def __init__(self, hashes: Iterable[int], number_of: Callable[[str], int]) -> None:
        """`hashes` are what `number_of` returns for the URLs."""
        self._number_of = number_of
        bag = HashBag(sys.maxsize)
        bag.add(number - _SIGNED for number in hashes)
        self._hashes = bag.distinct()
        self._taken = bytearray(len(self._hashes))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, url: str) -> bool:
        return self._find(url) is not None

    def take(self, url: str) -> bool:
        """Return whether a URL is selected and was not taken before, and take it."""
        found = self._find(url)
        if found is None or self._taken[found]:
            return False
        self._taken[found] = 1
        return True

    def was_taken(self, url: str) -> bool:
        """Return whether a URL was taken."""
        found = self._find(url)
        return found is not None and bool(self._taken[found])

    def _find(self, url: str) -> int | None:
        return self._hashes.index(self._number_of(url) - _SIGNED)


async def select_pages(listing: Listing, wanted: int | None) -> Selection:
    """Return `wanted` of the listed URLs, or all for None.

    A sample draws from each file in proportion to its URLs, at least one each while there are enough.
    """
    number_of = _quick_hash if wanted is None else _hash
    files: list[array[int]] = []
    numbers: array[int] = array("Q")
    current: str | None = None
    async for file, urls, _ in listing:
        if file.name != current:
            _add(files, numbers)
            numbers, current = array("Q"), file.name
        numbers.extend(map(number_of, normalised(urls)))
    _add(files, numbers)
    if wanted is None:
        return Selection((number for file in files for number in file), number_of)
    return Selection(_sample(files, wanted), number_of)


def _quick_hash(url: str) -> int:
    """Return a hash that is another one in each process."""
    return hash(url) & _MASK


def _hash(url: str) -> int:
    """Return a hash that is always the same."""
    digest = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8, key=_SEED).digest()
    return int.from_bytes(digest, "big")


def _add(files: list[array[int]], numbers: array[int]) -> None:
    if numbers:
        files.append(array("Q", sorted(set(numbers))))


def _sample(files: Sequence[array[int]], wanted: int) -> set[int]:
    """Return the smallest hashes of each file. What is in several files is drawn once."""
    chosen: set[int] = set()
    remaining = [iter(file) for file in files]
    left = [len(file) for file in files]
    while len(chosen) < wanted and any(left):
        open_files = [number for number, count in enumerate(left) if count]
        if wanted - len(chosen) <= len(open_files):  # one each of the largest
            open_files.sort(key=left.__getitem__, reverse=True)
            shares = [1] * len(open_files)
        else:
            shares = _shares(wanted - len(chosen), [left[number] for number in open_files])
        for number, share in zip(open_files, shares, strict=True):
            enough = min(wanted, len(chosen) + share)
            while len(chosen) < enough and left[number]:
                left[number] -= 1
                chosen.add(next(remaining[number]))
    return chosen


def _shares(wanted: int, counts: Sequence[int]) -> list[int]:
    """Divide a number in proportion to counts, at least 1 each; it is not below their number."""
    total = sum(counts)
    if wanted >= total:
        return list(counts)
    exact = [wanted * count / total for count in counts]
    shares = [max(1, int(each)) for each in exact]
    # by how much a share is too large
    surplus = [(shares[each] - exact[each], each) for each in range(len(counts))]
    for _, each in heapq.nsmallest(max(0, wanted - sum(shares)), surplus):
        shares[each] += 1
    reducible = [(-over, each) for over, each in surplus if shares[each] > 1]
    heapq.heapify(reducible)
    for _ in range(sum(shares) - wanted):
        over, each = heapq.heappop(reducible)
        shares[each] -= 1
        if shares[each] > 1:
            heapq.heappush(reducible, (over + 1, each))
    return shares
