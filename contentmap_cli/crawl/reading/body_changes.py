"""Read only the changes of a body, if the body of an earlier scan is cached.

New entries become rows, and URLs of removed entries are listed. If the result might differ from reading the
whole body, the whole body is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from contentmap_cli.crawl.reading.body_cache import WORTH_KEEPING, BodyCache, Kept, decode, packed
from contentmap_cli.crawl.reading.spool import Beginning, CachedBody, Reading, Segment
from contentmap_cli.models import Document, DocumentKind, Entry
from contentmap_cli.sitemap.encoding import charset_of
from contentmap_cli.sitemap.xml.body_diff import Pieces, compare, frame_of, framed, opening_of

MOST = 3
"""At most one entry in this many may differ: with more, reading all is faster."""

_NOTHING = Document(DocumentKind.URLSET, 0, complete=True)


class Facts(NamedTuple):
    """Which fields the entries of a body have."""

    has_lastmod: bool
    has_priority: bool
    has_changefreq: bool


class Memory(NamedTuple):
    """The body cache, and the digest of the body that an earlier scan recorded, if any."""

    bodies: BodyCache
    known: str | None


def cached_path(reading: Reading, bodies: BodyCache, digest: str) -> Path:
    """Return the path in the cache of a body that is read like this."""
    charset = charset_of(reading.content_type)
    return bodies.name(digest, reading.url, reading.scope, reading.limits, charset)


def read_body(reading: Reading, source: BinaryIO, segment: Segment, memory: Memory | None) -> Document:
    """Read a body into a segment: its changes if the old body is cached, else all of it.

    A body with the recorded digest gives no rows.
    """
    if memory is None:
        return reading(source, segment)
    document = _read_changes(reading, source, segment, memory) if memory.known is not None else None
    if document is None:
        source.seek(0)
        document = reading(source, segment)
        kept = document.plain and document.entries >= WORTH_KEEPING
        if kept and not (segment.refused or segment.outside):
            _keep(reading, memory, document, packed(source, is_gzipped=document.is_gzipped), segment)
    return document


def _keep(reading: Reading, memory: Memory, document: Document, body: bytes, segment: Segment) -> None:
    assert document.digest is not None  # noqa: S101 - always set here
    place = cached_path(reading, memory.bodies, document.digest)
    try:
        segment.kept = CachedBody(place, memory.bodies.store(place, document, body))
    except OSError as error:
        segment.unkept = str(error)


def _read_changes(reading: Reading, source: BinaryIO, segment: Segment, memory: Memory) -> Document | None:
    """Read the changes. Return None, having done nothing, if all must be read."""
    assert memory.known is not None  # noqa: S101 - the caller asked
    place = cached_path(reading, memory.bodies, memory.known)
    if not memory.bodies.has(place):
        return None
    new = decode(source, reading.limits)
    if not new.whole:
        return None
    if new.digest == memory.known:
        memory.bodies.touch(place)
        return replace(_NOTHING, digest=new.digest)
    kept = memory.bodies.load(place, reading.limits)
    if kept is None:
        return None
    pieces = compare(kept.body, new.content, kept.document.entries // MOST)
    if pieces is None:
        return None
    entries = kept.document.entries + len(pieces.come) - len(pieces.gone)
    if not 0 < entries <= min(reading.limits.file_urls, segment.room):
        return None
    gone: list[str] = []
    facts = _read_pieces(reading, kept, new.content, pieces, (segment, _Urls(gone.extend)))
    if facts is None:
        segment.clear()
        return None
    document = replace(
        kept.document,
        entries=entries,
        digest=new.digest,
        decoded_bytes=new.size,
        is_gzipped=new.is_gzipped,
        has_lastmod=facts.has_lastmod,
        has_priority=facts.has_priority,
        has_changefreq=facts.has_changefreq,
    )
    body = packed(source, is_gzipped=new.is_gzipped)
    if not segment.outside and entries >= WORTH_KEEPING:
        _keep(reading, memory, document, body, segment)
    segment.changes_only(Beginning(memory.known, kept.document.entries), gone, document, body)
    return document


def _read_pieces(
    reading: Reading, kept: Kept, new: bytearray, pieces: Pieces, sinks: tuple[Segment, _Urls]
) -> Facts | None:
    """Read added and removed entries into the sinks. Return the facts of the new body; None if uncertain."""
    came = _read(reading, kept.body, pieces.come, sinks[0])
    went = _read(reading, kept.body, pieces.gone, sinks[1])
    if came is None or went is None:
        return None
    facts = []
    for name in Facts._fields:
        before, here, there = (getattr(document, name) for document in (kept.document, came, went))
        if before and not here and there:  # the entry with it may be removed: check the first entries
            some = _read(reading, new, opening_of(new), _Urls(lambda _: None))
            if some is None or not getattr(some, name):
                return None
        facts.append(before or here)
    return Facts(*facts)


def _read(
    reading: Reading, body: bytearray, pieces: Sequence[bytes], sink: Segment | _Urls
) -> Document | None:
    """Parse these entries between the body's beginning and end. Return None unless all are plain."""
    frame = frame_of(body)
    if frame is None or not pieces:
        return None if frame is None else _NOTHING
    document = reading(BytesIO(framed(body, frame, pieces)), sink)
    return document if document.plain and document.entries == len(pieces) else None


class _Urls:
    """A sink that keeps URLs only."""

    def __init__(self, put: Callable[[list[str]], None]) -> None:
        self._put = put

    def extend(self, entries: Sequence[Entry]) -> None:
        self._put([entry.url for entry in entries])

    def clear(self) -> None:
        """Do nothing: the caller discards the URLs."""
