"""Input and results of `check`: values that the rules take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Lastmod, Problem
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.models.robots import RobotsRefusal
from contentmap_cli.models.statuses import DiscoveryMethod, DocumentKind, Severity

STANDARD_INPUT = "standard input"
"""The name of a target that was read from there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `id` is stable and begins with the name of its family (`lastmod-future`)."""

    id: str
    severity: Severity
    what: str  # what is wrong, in a few words
    why: str  # why it matters, one line
    link: str  # the section of the standard


class Occurrence(NamedTuple):
    """One place where a file breaks a rule.

    `line` counts from 1. `url` is the listed URL, `value` the text that offends, None where that is the URL.
    `message` is None where it is that of the finding.
    """

    line: int | None = None
    url: str | None = None
    value: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a file breaks: one finding per file, however many occurrences there are.

    `file` is the sitemap's URL or a file's name, None if the finding is about the target as a whole. `line`
    is that of the first occurrence which has one. `count` is the number of occurrences; a recorded file has
    more than it names. `is_local` says that the target is a file of this machine.
    """

    rule: Rule
    target: str
    file: str | None
    line: int | None
    message: str
    count: int = 1
    occurrences: Iterable[Occurrence] = ()
    is_local: bool = False

    @property
    def place(self) -> str:
        """The file, or the target if the finding is about all of it."""
        return self.file or self.target


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """The result of a check: its targets, its findings by severity, and how many were suppressed as known."""

    targets: tuple[str, ...]
    files: int
    entries: int
    counts: dict[Severity, int]
    known: int = 0
    pages: PageCounts | None = None

    @property
    def findings(self) -> int:
        """The number of findings that are reported."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One document as the rules see it, live, recorded or from a file. What a source does not tell is
    None.

    `name` is how findings name it. `url` was requested, `final_url` answered. `trusted`: robots.txt names it,
    directly or through an index, so that it may list any page of the site. `named`: robots.txt or an index
    names it. `index_lastmod` is the lastmod in its index. `was_changed` and `date_changed` compare content
    and `index_lastmod` with an earlier scan. `read_at` is the time of reading.
    """

    name: str
    kind: DocumentKind | None
    entries: int = 0
    problems: tuple[Problem, ...] = ()
    failure: Failure | None = None
    url: str | None = None
    final_url: str | None = None
    discovered_by: DiscoveryMethod | None = None
    parent: str | None = None
    trusted: bool = False
    named: bool | None = None
    content_type: str | None = None
    encoding: str | None = None
    is_gzipped: bool = False
    decoded_bytes: int = 0
    has_lastmod: bool = False
    root: str | None = None  # its start tag, as published
    index_lastmod: Lastmod | None = None
    was_changed: bool | None = None
    date_changed: bool | None = None
    read_at: datetime | None = None

    @property
    def address(self) -> str | None:
        """The final URL, or the requested one."""
        return self.final_url or self.url


@dataclass(frozen=True, slots=True)
class CheckScope:
    """What is checked: the ids of rules, and the crawlers that robots.txt is judged for."""

    wanted: frozenset[str]
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedSite:
    """The target of a check.

    `refusals` returns the lines of robots.txt that disallow a URL to one of `agents`, None if no robots.txt
    is known. `failures` are those of the site, the limits that were reached, and notes. `robots` is its
    robots.txt, if one was read.
    """

    target: str
    now: datetime
    refusals: Callable[[str], Sequence[RobotsRefusal]] | None = None
    agents: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    is_site: bool = True  # False for a file
    robots: CheckedFile | None = None
