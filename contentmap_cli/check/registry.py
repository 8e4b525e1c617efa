"""The registry of rules, and the collection of findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from contentmap_cli.check.occurrences import OccurrenceStore, StoredOccurrences
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Finding, Rule

MAX_URL = 8_192
MAX_VALUE = 2_048
"""Characters of a URL and of a value that an occurrence names."""

PROTOCOL = "https://www.sitemaps.org/protocol.html"
GOOGLE = "https://developers.google.com/search/docs/crawling-indexing"
XML = "https://www.w3.org/TR/xml/"
RFC_9309 = "https://www.rfc-editor.org/rfc/rfc9309.html"

RULES: dict[str, Rule] = {}
"""Every rule by its id, family by family. Complete once `checker` is imported."""


def rule(name: str, severity: Severity, what: str, why: str, link: str) -> Rule:
    """Create a rule and add it to the registry."""
    if name in RULES:
        raise ValueError(f"duplicate rule id: {name}")
    RULES[name] = Rule(name, severity, what, why, link)
    return RULES[name]


def chosen_rules(
    select: Sequence[str] = (), ignore: Sequence[str] = (), least: Severity = Severity.INFO
) -> frozenset[str]:
    """Return the ids of the selected rules.

    They are those that `select` names (all if it is empty), without those that `ignore` names and those below
    the severity `least`. A name is an id or a prefix of ids. Raises UsageError for a name that matches none.
    """
    for option, names in (("--select", select), ("--ignore", ignore)):
        for name in names:
            if not _with_prefix(name, RULES):
                raise UsageError(
                    f"{option}: no rule id starts with '{name[:80]}'",
                    hint="see `contentmap check --list-rules`",
                )
    chosen = _matching(select) if select else frozenset(RULES)
    return frozenset(
        name for name in chosen - _matching(ignore) if RULES[name].severity.weight >= least.weight
    )


def _matching(names: Iterable[str]) -> frozenset[str]:
    return frozenset(chain.from_iterable(_with_prefix(name, RULES) for name in names))


def _with_prefix(name: str, ids: Iterable[str]) -> list[str]:
    return [each for each in ids if name and each.startswith(name)]


@dataclass
class _Note:
    number: int
    message: str
    line: int | None
    count: int = 0
    unnamed: int = 0


class Notes:
    """Collects occurrences in findings: one finding per rule and file."""

    def __init__(
        self, site: CheckedSite, selected: Collection[str], store: OccurrenceStore | None = None
    ) -> None:
        self._site = site
        self._store = store or OccurrenceStore()
        self._selected = selected
        self._lines: dict[str, int] = {}
        self._notes: dict[tuple[str | None, str], _Note] = {}

    def is_selected(self, *rules: Rule) -> bool:
        """Return whether any of these rules is selected."""
        return any(each.id in self._selected for each in rules)

    def at(self, entries: Sequence[Entry]) -> None:
        """Take the lines of these entries for the occurrences that follow."""
        self._lines = {entry.url: entry.line for entry in entries if entry.line}

    def add(
        self,
        broken: Rule,
        file: CheckedFile | None,
        message: str | None = None,
        *,
        url: str | None = None,
        value: str | None = None,
        line: int | None = None,
        unnamed: int = 0,
    ) -> None:
        """Record an occurrence. The message of the first one and the first line are those of the finding.

        Without a message it is that of the rule. `url` is the listed URL, or that of the sitemap; `value` the
        text that offends, None where that is the URL. `unnamed` occurrences more were only counted.
        """
        if broken.id not in self._selected:
            return
        key = (file.name if file else None, broken.id)
        note = self._notes.get(key)
        if note is None:
            text = broken.what if message is None else message
            note = self._notes[key] = _Note(self._store.new_finding(), text, None)
        if line is None and url is not None:
            line = self._lines.get(url)
        note.count += 1
        note.unnamed += unnamed
        if line is not None and (note.line is None or line < note.line):
            note.line = line
        differing = None if message == note.message else message
        url, value = url and url[:MAX_URL], value and value[:MAX_VALUE]
        self._store.add((note.number, note.count, line, url, value, differing))

    def findings(self) -> list[Finding]:
        """Return the findings: those about the target, then those of each file, in the order of the
        registry."""
        order = {name: number for number, name in enumerate(RULES)}
        files = {
            file: number for number, file in enumerate(dict.fromkeys(file for file, _ in self._notes), 1)
        }
        ordered = sorted(
            self._notes.items(),
            key=lambda each: (files[each[0][0]] if each[0][0] is not None else 0, order[each[0][1]]),
        )
        return [
            Finding(
                RULES[name],
                self._site.target,
                file,
                note.line,
                note.message,
                note.count + note.unnamed,
                StoredOccurrences(self._store, note.number),
                is_local=not self._site.is_site,
                unnamed=note.unnamed,
            )
            for (file, name), note in ordered
        ]


class Family:
    """A family of rules. Each file is given to `start`, `entries` (any number of times) and `end`.

    `finish` follows the last file. If `needs_second_pass` is true then, all entries are given to
    `second_pass`, and `conclude` follows. `entry_rules` are the rules that need entries: if none of them is
    selected, `entries` is not called. After `finish`, `incomplete` says what could not be checked completely.
    """

    entry_rules: ClassVar[tuple[Rule, ...]] = ()

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        self.site = site
        self.notes = notes
        self.needs_second_pass = False
        self.incomplete: str | None = None

    def start(self, file: CheckedFile) -> None:
        """Begin a file."""

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check the next entries of a file."""

    def end(self, file: CheckedFile) -> None:
        """End a file."""

    def finish(self) -> None:
        """End the first pass."""

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Look at entries in the second pass."""

    def conclude(self) -> None:
        """End the second pass."""
