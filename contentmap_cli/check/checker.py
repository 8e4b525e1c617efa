"""Leads files and entries past every family of rules, once or twice, and gives back the findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from contentmap_cli.check.dates import Dates
from contentmap_cli.check.delivery import Delivery
from contentmap_cli.check.documents import Documents
from contentmap_cli.check.languages import Languages
from contentmap_cli.check.media import Media
from contentmap_cli.check.registry import RULES, Family, Notes
from contentmap_cli.check.urls import Repetitions, Urls
from contentmap_cli.models import Entry
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Finding

__all__ = ["FAMILIES", "RULES", "Checker"]

FAMILIES: Final[tuple[type[Family], ...]] = (
    *(Documents, Urls, Repetitions, Dates, Delivery, Languages, Media),
)


class Checker:
    """One target's check: `start`, `entries` and `end` for each file, then `finish`.

    Where that answers True, the same files and entries are led past once more (`start`, `entries`), before
    `findings` ends it.
    """

    def __init__(self, site: CheckedSite, wanted: Collection[str] = frozenset(RULES)) -> None:
        self.target = site.target
        self._notes = Notes(site.target, wanted)
        self._families = [family(site, self._notes) for family in FAMILIES]
        self._looking = [family for family in self._families if self._notes.wants(*family.sees)]
        self._file: CheckedFile | None = None
        self._again: list[Family] | None = None
        self.files = 0
        self.seen = 0

    def start(self, file: CheckedFile) -> None:
        """The next file."""
        self._file = file
        if self._again is None:
            self.files += 1
            for family in self._families:
                family.start(file)

    def entries(self, entries: Sequence[Entry]) -> None:
        """The next entries of that file: each URL of a file comes once."""
        file = self._file
        if file is None:
            raise ValueError("entries of no file")
        if self._again is not None:
            for family in self._again:
                family.again(file, entries)
            return
        self.seen += len(entries)
        for family in self._looking:
            family.entries(file, entries)

    def end(self) -> None:
        """That file has ended."""
        if self._again is None and self._file is not None:
            for family in self._families:
                family.end(self._file)
        self._file = None

    def finish(self) -> bool:
        """All files have been seen; True if they are wanted a second time."""
        for family in self._families:
            family.finish()
        self._again = [family for family in self._looking if family.wants_more]
        return bool(self._again)

    def repeat(self) -> bool:
        """`finish` after the first time round; False after the second."""
        return self._again is None and self.finish()

    def given_up(self) -> list[str]:
        """What was not compared because there was too much of it, a sentence a rule."""
        return [family.given_up for family in self._looking if family.given_up]

    def findings(self) -> list[Finding]:
        """What was found."""
        for family in self._again or ():
            family.conclude()
        return self._notes.findings()
