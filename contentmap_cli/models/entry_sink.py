"""Where a parser puts what it reads: entries one by one, or many plain ones as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from contentmap_cli.models.entries import Entry, Lastmod

Extras = tuple[int, int, int, str]
"""What an entry carries beyond its own fields: how many images, videos and news, and a row's text of them."""


class PlainEntries(NamedTuple):
    """Entries that have the protocol's four fields and what is usual behind them, as columns of equal length.

    A lastmod is in `seconds` and `zones` where it is published to the second and in UTC
    (`YYYY-MM-DDTHH:MM:SS` and `Z` or `+00:00`), otherwise in `dates`. `folders` holds the first folder of a
    path, or the name of a file there, if it is a short word of letters. `extras` is empty where no entry
    carries any.
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
        """The same, entry by entry, without their extras."""
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
    """Where a parser puts entries, batch by batch, in document order."""

    def extend(self, entries: Sequence[Entry]) -> None:
        """Takes the next entries."""

    def clear(self) -> None:
        """Forgets all entries so far: the strict reading failed and a tolerant one starts over."""


@runtime_checkable
class ColumnSink(Protocol):
    """An entry sink that takes plain entries as columns, too."""

    def extend_plain(self, entries: PlainEntries, *, in_scope: bool) -> None:
        """Takes the next entries, pages all of them."""
