"""Every rule by its id, and where findings are noted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

from contentmap_cli.errors import UsageError
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Finding, Rule

EXAMPLES = 5
"""How many examples a finding has; the others are counted."""

PROTOCOL = "https://www.sitemaps.org/protocol.html"
GOOGLE = "https://developers.google.com/search/docs/crawling-indexing"
XML = "https://www.w3.org/TR/xml/"
RFC_9309 = "https://www.rfc-editor.org/rfc/rfc9309.html"

RULES: dict[str, Rule] = {}
"""Every rule by its id, family by family. Whole once `checker` is imported."""


def rule(name: str, severity: Severity, what: str, why: str, link: str) -> Rule:
    """Enters a rule into the registry."""
    if name in RULES:
        raise ValueError(f"two rules are called {name}")
    RULES[name] = Rule(name, severity, what, why, link)
    return RULES[name]


def chosen_rules(
    select: Sequence[str] = (), ignore: Sequence[str] = (), least: Severity = Severity.INFO
) -> frozenset[str]:
    """The ids of the rules that are wanted: those that `select` names (all, if it names none), less those
    that `ignore` names and those below `least`. A name is an id or the beginning of ids.

    Raises UsageError for a name that fits none.
    """
    for option, names in (("--select", select), ("--ignore", ignore)):
        for name in names:
            if not _begins(name, RULES):
                raise UsageError(
                    f"{option}: no rule begins with '{name[:80]}'", hint="see contentmap check --list-rules"
                )
    chosen = _named(select) if select else frozenset(RULES)
    return frozenset(name for name in chosen - _named(ignore) if RULES[name].severity.weight >= least.weight)


def _named(names: Iterable[str]) -> frozenset[str]:
    return frozenset(chain.from_iterable(_begins(name, RULES) for name in names))


def _begins(name: str, ids: Iterable[str]) -> list[str]:
    return [each for each in ids if name and each.startswith(name)]


@dataclass
class _Note:
    message: str
    line: int | None
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Notes:
    """Findings in the making: one for each rule and file, with a count and the first few examples."""

    def __init__(self, target: str, wanted: Collection[str]) -> None:
        self._target = target
        self._wanted = wanted
        self._notes: dict[tuple[str | None, str], _Note] = {}

    def wants(self, *rules: Rule) -> bool:
        """Whether any of these rules is to be checked."""
        return any(each.id in self._wanted for each in rules)

    def add(
        self,
        broken: Rule,
        file: CheckedFile | None,
        message: str,
        *,
        example: str | None = None,
        line: int | None = None,
        count: int = 1,
    ) -> None:
        """Notes that a rule is broken. The first message and line stand for all of the same file."""
        if broken.id not in self._wanted:
            return
        key = (file.name if file else None, broken.id)
        note = self._notes.get(key)
        if note is None:
            note = self._notes[key] = _Note(message, line)
        note.count += count
        if note.line is None:
            note.line = line
        if example is not None and len(note.examples) < EXAMPLES:
            note.examples.append(example[:2048])

    def findings(self) -> list[Finding]:
        """All of them: what is about the target first, then file by file, in the order of the registry."""
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
                RULES[name], self._target, file, note.line, note.message, note.count, tuple(note.examples)
            )
            for (file, name), note in ordered
        ]


class Family:
    """A family of rules. Files come one after the other: `start`, `entries` any number of times, `end`.

    After the last, `finish`. Where `wants_more` is true then, all files come once more through `again`, and
    `conclude` ends it. `sees` are its rules that look at entries: with none of them wanted, it gets none.
    `given_up` says, after `finish`, what was too much to be checked whole.
    """

    sees: ClassVar[tuple[Rule, ...]] = ()

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        self.site = site
        self.notes = notes
        self.wants_more = False
        self.given_up: str | None = None
        """What was not compared because there was too much of it."""

    def start(self, file: CheckedFile) -> None:
        """A file begins."""

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """The next entries of a file."""

    def end(self, file: CheckedFile) -> None:
        """A file has ended."""

    def finish(self) -> None:
        """All files have been seen."""

    def again(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """The same entries a second time."""

    def conclude(self) -> None:
        """All files have been seen again."""
