"""A domain's entries on their way from the parsers to the database: on disk, in order, one segment a file.

Plain tuples in marshal's format, the fastest there is in the standard library; the spool never outlives its
process and nobody else can reach it, so marshal's lack of a promise about format and safety does not matter.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from typing import Any

from contentmap_cli.crawl.responses import spool_file
from contentmap_cli.values import Attributes, Entry, Lastmod

BATCH = 1000
"""Entries in one batch, at most."""

_LENGTH = 4


class Cancelled(Exception):
    """The crawl was cancelled while a parser ran in a thread: raised from the sink, to end it."""


class Segment:
    """The entries of one file, as an `EntrySink`: what is put in lies behind everything that came before.

    Pages beyond `room` are counted in `refused` and dropped. Entries that name sitemaps are kept in
    `children` as well, up to `child_room`.
    """

    def __init__(self, spool: EntrySpool, room: int, child_room: int) -> None:
        self._spool = spool
        self._room = room
        self._child_room = child_room
        self._start = spool.end
        self._batches: list[int] = []
        self._waiting: list[Entry] = []
        self.entries = 0
        self.pages = 0
        self.refused = 0
        self.children: list[Entry] = []
        self.cancelled = False

    def cancel(self) -> None:
        """Ends the parser that fills this segment, from another thread: its next batch raises `Cancelled`."""
        self.cancelled = True

    def extend(self, entries: Sequence[Entry]) -> None:
        """Takes the next entries."""
        if self.cancelled:
            raise Cancelled
        if not entries:
            return
        if entries[0].type == "sitemap":
            self.children.extend(entries[: self._child_room - len(self.children)])
        else:
            room = self._room - self.pages
            self.refused += max(0, len(entries) - room)
            entries = entries[:room]
            self.pages += len(entries)
        self.entries += len(entries)
        self._waiting.extend(entries)
        if len(self._waiting) >= BATCH:
            self._write()

    def clear(self) -> None:
        """Forgets all entries so far; their place in the spool is used again."""
        self._spool.rewind(self, self._start)
        self._batches.clear()
        self._waiting.clear()
        self.children.clear()
        self.entries = self.pages = self.refused = 0

    def finish(self) -> None:
        """Writes what is still waiting."""
        self._write()

    def _write(self) -> None:
        for start in range(0, len(self._waiting), BATCH):
            self._batches.append(self._spool.end)
            self._spool.append([_plain(entry) for entry in self._waiting[start : start + BATCH]])
        self._waiting.clear()

    def read(self) -> Iterator[list[Entry]]:
        """The entries in document order, in batches of at most `BATCH`."""
        for offset in self._batches:
            yield [_entry(values) for values in self._spool.at(offset)]


class EntrySpool:
    """One file for all segments of a domain: in memory while small, then unlinked on disk.

    One segment is written at a time; finished ones may be read in any order, also while another is written.
    """

    def __init__(self) -> None:
        self._file = spool_file()
        self.end = 0
        self._last: Segment | None = None

    def segment(self, *, room: int, child_room: int) -> Segment:
        """Begins the next file's segment behind the last one's end."""
        self._last = Segment(self, room, child_room)
        return self._last

    def append(self, batch: list[tuple[Any, ...]]) -> None:
        """Puts one batch at the end."""
        data = marshal.dumps(batch)
        self._file.seek(self.end)
        self._file.write(len(data).to_bytes(_LENGTH, "big"))
        self._file.write(data)
        self.end += _LENGTH + len(data)

    def at(self, offset: int) -> list[tuple[Any, ...]]:
        """The batch that begins at an offset."""
        self._file.seek(offset)
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        batch: list[tuple[Any, ...]] = marshal.loads(self._file.read(length))  # noqa: S302 - our own bytes
        return batch

    def rewind(self, segment: Segment, offset: int) -> None:
        """Drops everything behind an offset, if that is the segment's own and no later one's."""
        if segment is self._last:
            self.end = offset

    def close(self) -> None:
        """Lets the file go; entries cannot be read any more."""
        self._file.close()


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
