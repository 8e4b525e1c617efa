"""Spool a domain's rows between parsers and database: on disk, the rows of each file in key order.

Entries become rows at once. They are collected, sorted and written in runs; the runs of a file are merged
when it is read. Sorting takes place in the parser's thread or process, and memory holds one run, or a batch
of each.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from contentmap_cli.batches import BatchFile, batched
from contentmap_cli.models import Document, Entry, Limits, Problem
from contentmap_cli.models.entry_rows import (
    URL,
    PageTypes,
    Row,
    RowBatch,
    count_extras,
    rows_of,
    rows_of_plain,
    sorted_unique,
    url_of,
)
from contentmap_cli.models.entry_sink import EntrySink, PlainEntries
from contentmap_cli.models.hosts import Scope
from contentmap_cli.sitemap import parse_document

BATCH = 500
"""Maximum rows of a batch."""

RUN = 17_000
"""Rows of a run: more exceed the processor's cache, fewer give more runs to merge."""

RUN_WEIGHT = 8 * 1024 * 1024
"""Maximum characters of images, videos, news and alternates of a run."""

_FEW = 10
"""Batches of a run up to which a list of offsets is smaller than an array."""


class Cancelled(Exception):
    """Raised by the sink to end a parser thread after the crawl was cancelled."""


class Beginning(NamedTuple):
    """The earlier body that changes refer to: its digest and number of entries."""

    digest: str
    entries: int


class Changes(NamedTuple):
    """Changes since an earlier body: offsets of removed URLs and of the new gzipped body."""

    since: Beginning
    gone: list[int]
    body: int
    came_gzipped: bool


class CachedBody(NamedTuple):
    """The path of a segment's body in the cache, and its size in bytes."""

    place: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads a body with these parameters: the file's `url`, its `base` after redirects, scope, limits,
    Content-Type.

    `cut`: the body ends before the document does.
    """

    url: str
    base: str
    scope: Scope
    limits: Limits
    content_type: str | None = None
    cut: bool = False

    def __call__(self, source: BinaryIO, sink: EntrySink) -> Document:
        """Read all of a body into a sink."""
        return parse_document(
            source,
            sink,
            base=self.base,
            limits=self.limits,
            in_scope=self.scope,
            content_type=self.content_type,
            cut=self.cut,
        )


@dataclass(eq=False)
class Held:
    """The contents of a segment without its spool: plain data that can be sent to another process."""

    runs: list[Sequence[int]] = field(default_factory=list)  # offsets of batches
    problem_batches: list[int] = field(default_factory=list)  # offsets, too
    entries: int = 0
    pages: int = 0
    refused: int = 0
    outside: int = 0  # pages of other sites
    news: int = 0  # pages with news
    children: list[Entry] = field(default_factory=list)
    changes: Changes | None = None
    kept: CachedBody | None = None
    unkept: str | None = None  # why it was not cached

    def take(self, other: Held) -> None:
        """Copy the contents of another one."""
        for each in fields(Held):
            setattr(self, each.name, getattr(other, each.name))


class Contents(NamedTuple):
    """The contents of a segment, and the end of the spool after it."""

    held: Held
    end: int


class Segment(Held):
    """The rows of one file, as an `EntrySink`, appended to a spool.

    Pages beyond `room` are counted in `refused` and dropped. Entries for sitemaps go to `children`, up to
    `child_room`.
    """

    def __init__(self, spool: RowSpool, sitemap: str, room: int, child_room: int) -> None:
        super().__init__()
        self.spool = spool
        self._sitemap = sitemap
        self._page_types = PageTypes(sitemap)
        self.room = room
        self._child_room = child_room
        self._start = spool.end
        self._waiting: list[Row] = []
        self._weight = 0
        self.reading: Callable[[BinaryIO, Segment], Document] | None = None

    def cancel(self) -> None:
        """End the parser that fills this segment, from another thread: its next batch raises `Cancelled`."""
        self.spool.cancelled = True

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add entries."""
        if self.spool.cancelled:
            raise Cancelled
        pages = [entry for entry in entries if entry.type == "url"]
        if len(pages) < len(entries):
            children = [entry for entry in entries if entry.type != "url"]
            self.children.extend(children[: self._child_room - len(self.children)])
            self.entries += len(children)
        self.outside += sum(not entry.in_scope for entry in pages)
        self._put(rows_of(pages[: max(0, self.room - self.pages)], self._page_types.of), len(pages))

    def extend_plain(self, entries: PlainEntries, *, in_scope: bool) -> None:
        """Add plain entries, all of them pages."""
        if self.spool.cancelled:
            raise Cancelled
        rows = rows_of_plain(entries, self._page_types.of_plain(entries), in_scope=in_scope)
        offered = len(rows)
        self.outside += 0 if in_scope else offered
        del rows[max(0, self.room - self.pages) :]
        self._put(rows, offered)

    def extend_problems(self, problems: Sequence[Problem]) -> None:
        """Add problems of the document."""
        rows = [(each.code, each.line, each.message, each.count, each.url) for each in problems]
        self.problem_batches.append(self.spool.append(rows))

    def problems(self) -> Iterator[Problem]:
        """Yield all problems of the document, if `Limits.details` asked for them."""
        for offset in self.problem_batches:
            yield from (Problem(*row) for row in self.spool.at(offset))

    def _put(self, rows: list[Row], offered: int) -> None:
        self.refused += offered - len(rows)
        self.pages += len(rows)
        self.entries += len(rows)
        self._waiting += rows
        length, news = count_extras(rows)
        self._weight += length
        self.news += news
        if len(self._waiting) >= RUN or self._weight >= RUN_WEIGHT:
            self.finish()

    def clear(self) -> None:
        """Drop all entries so far and reuse their space in the spool."""
        self.spool.rewind(self, self._start)
        self.runs.clear()
        self.problem_batches.clear()
        self._waiting.clear()
        self._weight = 0
        self.children.clear()
        self.changes = None
        self.entries = self.pages = self.refused = self.outside = self.news = 0

    def changes_only(self, since: Beginning, gone: list[str], document: Document, body: bytes) -> None:
        """Mark the rows as the added ones of a document. Spool the removed URLs and the whole body."""
        offsets = [self.spool.append(urls) for urls in batched(sorted(gone), BATCH)]
        self.changes = Changes(since, offsets, self.spool.append((body,)), document.is_gzipped)
        self.pages = self.entries = document.entries

    def gone(self) -> Iterator[str]:
        """Yield the removed URLs in order."""
        return chain.from_iterable(map(self.spool.at, self.changes.gone if self.changes else ()))

    def whole(self, spool: RowSpool) -> tuple[Document, Segment]:
        """Read the whole body of a segment of changes into another spool with `reading`.

        The cached body is removed, since its changes may not suffice the next time either.
        """
        assert self.changes is not None  # noqa: S101 - otherwise it is whole
        assert self.reading is not None  # noqa: S101 - set with them
        if self.kept is not None:
            with suppress(OSError):
                self.kept.place.unlink()
        segment = spool.segment(self._sitemap, room=self.room, child_room=self._child_room)
        (body,) = self.spool.at(self.changes.body)
        document = self.reading(BytesIO(body), segment)
        segment.finish()
        return replace(document, is_gzipped=self.changes.came_gzipped), segment

    def contents(self) -> Contents:
        """Return the contents after `finish`."""
        held = Held()
        held.take(self)
        return Contents(held, self.spool.end)

    def adopt(self, contents: Contents) -> None:
        """Take over what another process wrote to this segment's spool."""
        self.take(contents.held)
        self.spool.end = contents.end

    def finish(self) -> None:
        """Write the remaining rows."""
        if self._waiting:
            rows = sorted_unique(self._waiting)
            self._waiting = []
            self._weight = 0
            offsets = [self.spool.append((len(batch.columns), batch.values)) for batch in _batches(rows)]
            self.runs.append(array("q", offsets) if len(offsets) > _FEW else offsets)

    def read(self) -> Iterator[RowBatch]:
        """Yield the rows ordered by URL, one per URL, in batches of at most `BATCH`."""
        runs = [(RowBatch.of_values(*self.spool.at(offset)) for offset in run) for run in self.runs]
        return runs[0] if len(runs) == 1 else _batches(chain.from_iterable(_merged(runs)))


class RowSpool(BatchFile):
    """One file for many segments.

    One segment is written at a time; finished ones may be read in any order, also while another is written.
    """

    def __init__(self, file: IO[bytes] | None = None, end: int = 0) -> None:
        super().__init__(file, end)
        self._last: Segment | None = None
        self.cancelled = False

    def segment(self, sitemap: str, *, room: int, child_room: int) -> Segment:
        """Start the segment of a sitemap at the end of the spool."""
        self._last = Segment(self, sitemap, room, child_room)
        return self._last

    def rewind(self, segment: Segment, offset: int) -> None:
        """Truncate the spool to an offset, if the segment is the last one."""
        if segment is self._last:
            self.end = offset


class Spools:
    """A domain's spools: one for each file that is parsed at the same time."""

    def __init__(self) -> None:
        self._free: list[RowSpool] = []
        self._all: list[RowSpool] = []
        self._cancelled = False

    @contextmanager
    def one(self) -> Iterator[RowSpool]:
        """Use a spool that no one else writes to meanwhile."""
        spool = self._free.pop() if self._free else RowSpool()
        if spool not in self._all:
            self._all.append(spool)
        try:
            yield spool
        finally:
            self._free.append(spool)

    def add(self, spool: RowSpool) -> None:
        """Add a spool, to be closed with the others."""
        spool.cancelled = self._cancelled
        self._all.append(spool)

    def cancel(self) -> None:
        """End the parsers that fill the spools, from another thread: their next batch raises `Cancelled`."""
        self._cancelled = True
        for spool in self._all:
            spool.cancelled = True

    def __iter__(self) -> Iterator[RowSpool]:
        return iter(self._all)

    @property
    def size(self) -> int:
        """The bytes in all of them."""
        return sum(spool.end for spool in self._all)

    def close(self) -> None:
        """Close all spools."""
        for spool in self._all:
            spool.close()


def _merged(runs: Sequence[Iterator[RowBatch]]) -> Iterator[list[Row]]:
    """Merge sorted runs, in pieces of any size; of equal URLs that of the earliest run stays.

    One batch of each run is in memory: the rows up to the first of their ends are complete. Sorting them
    takes a quarter of the time of a heap.
    """
    heads = [([*next(run, ())], run) for run in runs]
    while heads:
        end = min(batch[-1][URL] for batch, _ in heads)
        ready: list[Row] = []
        left = []
        for batch, run in heads:
            cut = bisect_right(batch, end, key=url_of)
            ready += batch[:cut]
            rest = batch[cut:] or [*next(run, ())]
            if rest:
                left.append((rest, run))
        heads = left
        yield sorted_unique(ready)


def _batches(rows: Iterable[Row]) -> Iterator[RowBatch]:
    return map(RowBatch.of, batched(rows, BATCH))
