"""How many of the selected pages `check --pages` has asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

REASONS: Final = {
    "robots": "disallowed by robots.txt",
    "time": "out of time",
    "host_refuses": "refused for the moment",
    "host_silent": "on a host that does not answer",
    "bytes": "over the limit of bytes",
    "url_length": "with URLs of over 2,048 characters",
    "stopped": "stopped",
}
"""Why pages are not asked, in words."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """The number of pages that were selected and asked, and of the others by reason (see `REASONS`).

    `finished` says that the next run starts over; it continues this one otherwise.
    """

    selected: int = 0
    asked: int = 0
    not_asked: Mapping[str, int] = field(default_factory=dict)
    finished: bool = True

    def __add__(self, other: PageCounts) -> PageCounts:
        reasons = dict(self.not_asked)
        for reason, count in other.not_asked.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return PageCounts(
            self.selected + other.selected,
            self.asked + other.asked,
            reasons,
            self.finished and other.finished,
        )

    def __str__(self) -> str:
        """Return the counts as a sentence without a full stop."""
        text = f"{self.asked:,} of {self.selected:,} pages asked"
        if not self.not_asked:
            return text
        reasons = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in self.not_asked.items())
        return f"{text}; not asked: {reasons}"
