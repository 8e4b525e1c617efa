"""Interfaces to which a parser delivers entries: one by one, or plain ones as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from contentmap_cli.models.entries import Entry, Lastmod, Problem

Extras = tuple[int, int, int, str]
"""The extensions of an entry: number of images, videos and news items, and their JSON text in a row."""


class PlainEntries(NamedTuple):
    """Entries with the protocol's four fields and common extensions, as columns of equal length.

    A lastmod is in `seconds` and `zones` if it is published to the second and in UTC (`YYYY-MM-DDTHH:MM:SS`
    and `Z` or `+00:00`), otherwise in `dates`. `folders` has the first folder of a path, or the name of a
    file there, if it is a short word of letters. `extras` is empty if no entry has extensions.
    """

    urls: Sequence[str]
    folders: Sequence[str | None]
    seconds: Sequence[str | None]
    zones: Sequence[str | None]
    dates: Sequence[Lastmod | None]
    changefreqs: Sequence[str | None]
    priorities: Sequence[float | None]
    extras: Sequence[Extras | None] = ()

    def entries(self, *, in_scope: bool) -> list[Entry]:
        """Return the entries one by one, without their extensions."""
        return [
            Entry(
                url,
                Lastmod(f"{moment}Z", "second", f"{moment}{zone}") if moment else date,
                changefreq,
                priority,
                in_scope,
            )
            for url, _, moment, zone, date, changefreq, priority in zip(*self[:-1], strict=True)
        ]


class EntrySink(Protocol):
    """The interface to which a parser delivers entries, batch by batch, in document order."""

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add the next entries."""

    def clear(self) -> None:
        """Drop all entries so far: the strict reading failed and a tolerant one starts over."""


class EntryList:
    """An `EntrySink` that collects entries in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add the next entries."""
        self.entries.extend(entries)

    def clear(self) -> None:
        """Drop all entries so far."""
        self.entries.clear()


@runtime_checkable
class ProblemSink(Protocol):
    """An entry sink that takes every problem of the document, too (`Limits.details`)."""

    def extend_problems(self, problems: Sequence[Problem]) -> None:
        """Add the next problems."""


@runtime_checkable
class ColumnSink(Protocol):
    """An entry sink that takes plain entries as columns, too."""

    def extend_plain(self, entries: PlainEntries, *, in_scope: bool) -> None:
        """Add the next entries, all of them pages."""
