"""The trust in the dates of a section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

HIGH: Final = 80
_MEDIUM: Final = 50


@dataclass(frozen=True, slots=True)
class Trust:
    """A figure from 0 to 100 with its reason; None where there is too little to judge.

    `dates` were judged, in scans of `days` days. `signs` counts dates by sign, and under `together` the days;
    `moved_share` is the share of dates that moved from one day of scans to the next, nothing else in their
    entries having changed; None for a single day.
    """

    score: int | None
    reason: str
    dates: int = 0
    days: int = 0
    signs: Mapping[str, int] = field(default_factory=dict)
    moved_share: float | None = None

    @property
    def level(self) -> str | None:
        """The score as `high`, `medium` or `low`."""
        if self.score is None:
            return None
        return "high" if self.score >= HIGH else "medium" if self.score >= _MEDIUM else "low"


SIGNS: Final = ("request", "moved", "together", "equal", "impossible", "backwards")
UNKNOWN: Final = Trust(None, "no dates")
