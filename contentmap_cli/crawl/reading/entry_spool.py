"""One document's entries as they were read, in document order: on disk, until it is known that they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from contentmap_cli.batches import BatchFile
from contentmap_cli.models import Attributes, Entry, Lastmod

BATCH = 1000
"""Entries in one batch, at most."""


class EntrySpool:
    """An `EntrySink` that gives back what was put in. Close it, or use it as a context manager."""

    def __init__(self) -> None:
        self._file = BatchFile()
        self._batches: list[int] = []
        self.entries = 0

    def __enter__(self) -> EntrySpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def extend(self, entries: Sequence[Entry]) -> None:
        """Takes the next entries."""
        for start in range(0, len(entries), BATCH):
            batch = [_plain(entry) for entry in entries[start : start + BATCH]]
            self._batches.append(self._file.append(batch))
        self.entries += len(entries)

    def clear(self) -> None:
        """Forgets all entries so far; their place on disk is used again."""
        self._batches.clear()
        self._file.end = self.entries = 0

    def read(self) -> Iterator[list[Entry]]:
        """The entries in document order, in batches of at most `BATCH`."""
        for offset in self._batches:
            yield [_entry(values) for values in self._file.at(offset)]


def _plain(entry: Entry) -> tuple[Any, ...]:
    """An entry as marshal takes it: exact tuples and dicts, which a NamedTuple and a Mapping are not."""
    url, lastmod, changefreq, priority, in_scope, repaired, images, videos, news, alternates, kind = entry
    return (
        url,
        None if lastmod is None else tuple(lastmod),
        changefreq,
        priority,
        in_scope,
        repaired,
        _dicts(images),
        _dicts(videos),
        _dicts(news),
        _dicts(alternates),
        kind,
    )


def _dicts(items: tuple[Attributes, ...]) -> tuple[dict[str, str], ...]:
    return tuple(dict(item) for item in items) if items else ()


def _entry(values: tuple[Any, ...]) -> Entry:
    lastmod = values[1]
    if lastmod is None:
        return Entry._make(values)
    return Entry(values[0], Lastmod._make(lastmod), *values[2:])
