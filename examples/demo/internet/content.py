"""Believable slugs, titles and dates, the same for the same seed on every machine."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

TODAY = date(2025, 6, 2)
"""The day on which the simulated internet is seen for the first time."""


class Press:
    """Writes for one site. The same seed gives the same words and dates in the same order."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def slugs(self, count: int, *vocabularies: str) -> list[str]:
        """`count` different slugs, one word from each vocabulary (a blank-separated list), shuffled.

        Once every combination is used they go round again with a number, as shops and archives do.
        """
        words = [vocabulary.split() for vocabulary in vocabularies]
        combinations = ["-".join(combination) for combination in itertools.product(*words)]
        self._random.shuffle(combinations)
        rounds: Iterator[str] = (
            slug if turn == 1 else f"{slug}-{turn}" for turn in itertools.count(1) for slug in combinations
        )
        return list(itertools.islice(rounds, count))

    def days(self, count: int, first: date, last: date) -> list[str]:
        """`count` dates from `first` to `last`, oldest first, as `YYYY-MM-DD`."""
        span = (last - first).days
        days = sorted(self._random.randint(0, span) for _ in range(count))
        return [(first + timedelta(days=day)).isoformat() for day in days]

    def moments(self, count: int, first: date, last: date) -> list[datetime]:
        """`count` moments in UTC from `first` to the end of `last`, oldest first, to the second."""
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        span = (last - first).days * 86_400 + 86_399
        return [
            start + timedelta(seconds=second)
            for second in sorted(self._random.randint(0, span) for _ in range(count))
        ]

    def choice(self, options: Sequence[str]) -> str:
        """One of the options."""
        return self._random.choice(options)

    def noise(self, size: int) -> bytes:
        """`size` bytes that mean nothing."""
        return self._random.randbytes(size)


def title(slug: str) -> str:
    """The headline a slug was made from: `old-brass-lamp` gives `Old brass lamp`."""
    return slug.replace("-", " ").capitalize()


def months_back(count: int) -> list[tuple[date, date]]:
    """The first and last day of each of the `count` months before this one, newest first."""
    months = []
    first = TODAY.replace(day=1)
    for _ in range(count):
        last = first - timedelta(days=1)
        first = last.replace(day=1)
        months.append((first, last))
    return months
