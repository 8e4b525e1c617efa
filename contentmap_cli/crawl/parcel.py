"""What a crawl came to, on its way from one process to another.

Plain values are pickled. Rows go with them where they are few, and else as the descriptors of the files that
hold them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO, NamedTuple

from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.crawl.spool import Contents, RowSpool, Segment, Spools
from contentmap_cli.values import Document


class SpoolImage(NamedTuple):
    """A spool: where it ends, and all of it, or None where its descriptor is sent."""

    end: int
    content: bytes | None


class SegmentImage(NamedTuple):
    """A segment: which spool holds it, and what `Segment` is made from."""

    spool: int
    sitemap: str
    room: int
    child_room: int
    contents: Contents
    reading: Callable[[BinaryIO, Segment], Document] | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A DomainCrawl without files: what can be pickled. The rules of its robots.txt stay behind."""

    crawl: DomainCrawl
    spools: tuple[SpoolImage, ...]
    segments: tuple[SegmentImage | None, ...]

    @property
    def on_disk(self) -> int:
        """How many descriptors are sent beside it."""
        return sum(spool.content is None for spool in self.spools)


def pack(crawl: DomainCrawl) -> tuple[Parcel, list[int]]:
    """The parcel, and the descriptors to send beside it. The crawl is to be closed once both are sent."""
    numbers = {id(spool): number for number, spool in enumerate(crawl.spools)}
    images = tuple(SpoolImage(spool.end, spool.content()) for spool in crawl.spools)
    descriptors = [
        spool.fileno() for spool, image in zip(crawl.spools, images, strict=True) if image.content is None
    ]
    segments = tuple(
        _image(segment, numbers[id(segment.spool)]) if segment is not None else None
        for segment in crawl.segments
    )
    bare = replace(crawl, spools=Spools(), segments=(), robots=None)
    return Parcel(bare, images, segments), descriptors


def _image(segment: Segment, spool: int) -> SegmentImage:
    # all can only be read once more of a file of which nothing but the changes were
    reading = segment.reading if segment.changes is not None else None
    return SegmentImage(spool, *segment.origin(), segment.contents(), reading)


def unpack(parcel: Parcel, descriptors: list[int]) -> DomainCrawl:
    """The crawl that was packed. It owns the descriptors."""
    left = iter(descriptors)
    spools = Spools()
    for end, content in parcel.spools:
        file = BytesIO(content) if content is not None else os.fdopen(next(left), "r+b", buffering=0)
        spools.add(RowSpool(file, end))
    held = list(spools)
    segments = []
    for image in parcel.segments:
        segment = None
        if image is not None:
            spool = held[image.spool]
            segment = Segment(spool, image.sitemap, image.room, image.child_room)
            segment.adopt(image.contents._replace(end=spool.end))
            segment.reading = image.reading
        segments.append(segment)
    return replace(parcel.crawl, spools=spools, segments=tuple(segments))
