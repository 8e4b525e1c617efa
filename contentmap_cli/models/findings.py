"""Input and results of `check`: values that the rules take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Lastmod, Problem
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.models.robots import RobotsRefusal
from contentmap_cli.models.statuses import DiscoveryMethod, DocumentKind, Grouping, Severity

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
    is that of the first occurrence with a line. `count` is the number of occurrences; `unnamed` of them were
    only counted, as a recorded scan names the first ones. `is_local` says that the target is a file of this
    machine.
    """

    rule: Rule
    target: str
    file: str | None
    line: int | None
    message: str
    count: int = 1
    occurrences: Iterable[Occurrence] = ()
    is_local: bool = False
    unnamed: int = 0

    @property
    def place(self) -> str:
        """The file, or the target if the finding is about all of it."""
        return self.file or self.target


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """The result of a check: its targets, those that pass, its findings by severity, and how many were
    suppressed as known."""

    targets: tuple[str, ...]
    files: int
    entries: int
    counts: dict[Severity, int]
    known: int = 0
    passed: tuple[str, ...] = ()
    pages: PageCounts | None = None
    coverage: tuple[Coverage, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All that the output of a check needs.

    `rules` are those that were checked. `by_url` yields all occurrences ordered by their URL. Findings below
    the severity `fail_on` do not fail the check.
    """

    findings: Sequence[Finding]
    summary: CheckSummary
    rules: Sequence[Rule]
    by_url: Callable[[], Iterator[tuple[Finding, Occurrence]]] = lambda: iter(())
    by: Grouping = Grouping.FILE
    fail_on: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One document as the rules see it, live, recorded or from a file. What a source does not tell is
    None.

    `name` is how findings name it. `problems` are the first ones of each kind with their number; `details`,
    if given, yields them one by one. `url` was requested, `final_url` answered. `trusted`: robots.txt names
    it, directly or through an index, so that it may list any page of the site. `named`: robots.txt or an
    index names it. `index_lastmod` is the lastmod in its index. `was_changed` and `date_changed` compare
    content and `index_lastmod` with an earlier scan. `read_at` is the time of reading.
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
    details: Callable[[], Iterable[Problem]] | None = None

    @property
    def address(self) -> str | None:
        """The final URL, or the requested one."""
        return self.final_url or self.url


class ListedUrl(NamedTuple):
    """A row of a list of URLs: the URL or path as it is there, and its line.

    `defect` says why it is no page to be listed in a sitemap, such as `status 404`. `is_page` is False for an
    image, a style sheet and the like.
    """

    url: str
    line: int
    defect: str | None = None
    is_page: bool = True


class UrlList(Protocol):
    """A list of URLs to compare the sitemaps with. `column` is the one that was read, None if it has none."""

    name: str
    column: str | None

    def rows(self) -> Iterator[ListedUrl]:
        """Yield the rows, each time from the start."""


@dataclass(frozen=True, slots=True)
class CheckScope:
    """What is checked: the ids of rules, the crawlers that robots.txt is judged for, and a list of URLs."""

    wanted: frozenset[str]
    agents: tuple[str, ...]
    against: UrlList | None = None


@dataclass(slots=True)
class CoverageSection:
    """The numbers of URLs in a folder: in both, only in the list, only in the sitemaps."""

    url: str
    both: int = 0
    only_list: int = 0
    only_sitemaps: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """The URLs of a site's sitemaps, compared with a list.

    `differing` URLs are in both with another scheme, with or without `www.` or a slash at the end.
    `defective` ones are listed, but the list says that they are no page to be listed. `skipped` counts the
    rows of the list that were not compared, by reason. `sections` are folders, the most differences first.
    """

    target: str
    name: str
    column: str | None
    both: int
    differing: int
    defective: int
    only_list: int
    only_sitemaps: int
    skipped: dict[str, int]
    sections: tuple[CoverageSection, ...]


@dataclass(frozen=True, slots=True)
class CheckedSite:
    """The target of a check.

    `refusals` returns the lines of robots.txt that disallow a URL to one of `agents`, None if no robots.txt
    is known. `failures` are those of the site, the limits that were reached, and notes. `robots` is its
    robots.txt, if one was read. `against` is a list of URLs to compare with.
    """

    target: str
    now: datetime
    refusals: Callable[[str], Sequence[RobotsRefusal]] | None = None
    agents: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    is_site: bool = True  # False for a file
    robots: CheckedFile | None = None
    against: UrlList | None = None
