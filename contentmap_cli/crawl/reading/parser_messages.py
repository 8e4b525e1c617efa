"""What `processes` and `worker` say to each other, so that neither loads what only the other needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from contentmap_cli.crawl.reading.body_changes import Memory, Reading
    from contentmap_cli.crawl.reading.spool import Contents
    from contentmap_cli.models import Document

LENGTH = 8
"""Bytes before each message that say how long it is."""


class Work(NamedTuple):
    """A document to parse; `end` is where the spool ends."""

    reading: Reading
    memory: Memory | None
    room: int
    child_room: int
    end: int


class Done(NamedTuple):
    """What came of it: a document and its rows, that no room was left for them, or the traceback of a bug."""

    document: Document | None = None
    contents: Contents | None = None
    full: str | None = None
    bug: str | None = None
