"""What a check looks at and what it finds: values that the rules take and give. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Lastmod, Problem
from contentmap_cli.models.statuses import DiscoveryMethod, DocumentKind, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is checked. `id` is stable and begins with the name of its family (`lastmod-future`)."""

    id: str
    severity: Severity
    what: str  # what is wrong, in a few words
    why: str  # a line on why it matters
    link: str  # the section that says so


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a rule is broken: once for each file, however often it happens there.

    `file` is the sitemap's URL or a file's name, None where it is about the target as a whole. `line` counts
    from 1 and is that of the first place, None where none is known. `count` says how often; `examples` are
    the first few URLs or values.
    """

    rule: Rule
    target: str
    file: str | None
    line: int | None
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The file, or the target where it is about all of it."""
        return self.file or self.target


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """What a check came to: its targets, its findings by severity, and how many were known already."""

    targets: tuple[str, ...]
    files: int
    entries: int
    counts: dict[Severity, int]
    known: int = 0

    @property
    def findings(self) -> int:
        """How many findings are reported."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One document as the rules see it, wherever it comes from. What a source cannot tell is None.

    `name` is what findings call it. `url` is where it was asked for, `final_url` where it was found.
    `trusted`: robots.txt names it, itself or through an index, so that it may list any page of the site.
    `named`: robots.txt or an index names it. `index_lastmod` is what its index says of it. `was_changed` and
    `date_changed` hold content and `index_lastmod` against an earlier scan. `read_at` is when it was read.
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
        """Where it was found, or was asked for."""
        return self.final_url or self.url


@dataclass(frozen=True, slots=True)
class CheckedSite:
    """The target of a check: `allows` is what its robots.txt says of a URL, None where that is not known.
    `failures` are its own, its limits and its notes. `robots` is that robots.txt, where one was read."""

    target: str
    now: datetime
    allows: Callable[[str], bool] | None = None
    failures: tuple[Failure, ...] = ()
    is_site: bool = True  # False for a file
    robots: CheckedFile | None = None
