"""Runs every family of rules over files and entries, once or twice, and returns the findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from contentmap_cli.check.conventions import Conventions
from contentmap_cli.check.dates import Dates
from contentmap_cli.check.delivery import Delivery
from contentmap_cli.check.documents import Documents
from contentmap_cli.check.languages import Languages
from contentmap_cli.check.media import Media
from contentmap_cli.check.occurrences import OccurrenceStore
from contentmap_cli.check.pages import rules as page_rules  # noqa: F401 - adds its rules to the registry
from contentmap_cli.check.registry import RULES, Family, Notes
from contentmap_cli.check.site.blocked import Blocked
from contentmap_cli.check.site.coverage import Coverages
from contentmap_cli.check.urls import Repetitions, Urls, UrlShape
from contentmap_cli.models import Entry
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Coverage, Finding

__all__ = ["FAMILIES", "RULES", "Checker"]

FAMILIES: Final[tuple[type[Family], ...]] = (
    *(Documents, Urls, UrlShape, Repetitions, Dates, Delivery, Languages, Media, Conventions),
    *(Blocked, Coverages),
)


class Checker:
    """The check of one target: `start`, `entries` and `end` for each file, then `finish`.

    If `finish` returns True, give it the same files and entries once more (`start`, `entries`). Then call
    `findings`.
    """

    def __init__(
        self,
        site: CheckedSite,
        selected: Collection[str] = frozenset(RULES),
        store: OccurrenceStore | None = None,
    ) -> None:
        self.target = site.target
        self.notes = Notes(site, selected, store)
        self._families = [family(site, self.notes) for family in FAMILIES]
        self._entry_families = [
            family for family in self._families if self.notes.is_selected(*family.entry_rules)
        ]
        self._file: CheckedFile | None = None
        self._second_pass: list[Family] | None = None
        self.files = 0
        self.seen = 0

    def start(self, file: CheckedFile) -> None:
        """Begin the next file."""
        self._file = file
        if self._second_pass is None:
            self.files += 1
            for family in self._families:
                family.start(file)

    def entries(self, entries: Sequence[Entry]) -> None:
        """Check the next entries of that file, in which each URL occurs once."""
        file = self._file
        if file is None:
            raise ValueError("entries() before start()")
        self.notes.at(entries)
        if self._second_pass is not None:
            for family in self._second_pass:
                family.second_pass(file, entries)
            return
        self.seen += len(entries)
        for family in self._entry_families:
            family.entries(file, entries)

    def end(self) -> None:
        """End that file."""
        self.notes.at(())
        if self._second_pass is None and self._file is not None:
            for family in self._families:
                family.end(self._file)
        self._file = None

    def finish(self) -> bool:
        """End the first pass. Returns True if a second one is needed."""
        for family in self._families:
            family.finish()
        self._second_pass = [family for family in self._entry_families if family.needs_second_pass]
        return bool(self._second_pass)

    def repeat(self) -> bool:
        """Call `finish` after the first pass and return its result; return False after the second one."""
        return self._second_pass is None and self.finish()

    def incomplete(self) -> list[str]:
        """Return a sentence for each rule that could not be checked completely."""
        return [family.incomplete for family in self._entry_families if family.incomplete]

    def coverage(self) -> Coverage | None:
        """Return the comparison with a list of URLs, after `findings`; None if there is none."""
        return next((each.result() for each in self._families if isinstance(each, Coverages)), None)

    def findings(self) -> list[Finding]:
        """Return the findings."""
        for family in self._second_pass or ():
            family.conclude()
        return self.notes.findings()
