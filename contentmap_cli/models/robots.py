"""The robots.txt of a site: as one scan found it, and as it is stored."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contentmap_cli.errors import Failure
from contentmap_cli.models.entries import Problem

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HARMLESS = frozenset({"unknown_line", "byte_order_mark", "relative_url"})


class RobotsState(StrEnum):
    """What a server's answer to a request for robots.txt is."""

    READ = "read"  # a robots.txt, even if empty
    ABSENT = "absent"  # 404 or 410
    NOT_UNDERSTOOD = "not_understood"  # another document


def relevant_problems(problems: Iterable[Problem]) -> int:
    """Return how many of these problems of a robots.txt have an effect.

    With such a problem, rules or sitemaps are not known whole, or other crawlers may read them differently.
    """
    return sum(problem.count for problem in problems if problem.code not in _HARMLESS)


@dataclass(frozen=True, slots=True)
class RobotsFile:
    """The robots.txt of one origin, as one request found it.

    `body` has the decoded bytes, at most `Limits.robots_bytes` of them, None if none were served; `digest` is
    their blake2b-128, hexadecimal. `failure` says why it was not read, or not read whole. `understood` is
    False for a body without a single line that RFC 9309 or the sitemap protocol defines; one that is empty or
    has only comments is understood and allows everything. `losses` counts what could not be read: refused
    Sitemap values, and a cut-off end.
    """

    origin: str
    url: str
    final_url: str
    http_status: int | None = None
    failure: Failure | None = None
    body: bytes | None = None
    digest: str | None = None
    understood: bool = False
    problems: tuple[Problem, ...] = ()
    sitemaps: tuple[str, ...] = ()
    losses: int = 0

    @property
    def state(self) -> RobotsState | None:
        """What it is; None if it was refused or the server was unreachable."""
        if self.body is not None:
            return RobotsState.READ if self.understood else RobotsState.NOT_UNDERSTOOD
        return RobotsState.ABSENT if self.http_status in (404, 410) else None


@dataclass(frozen=True, slots=True)
class RobotsVersion:
    """A version of a robots.txt in the database, from the first scan that saw it to the last one.

    `number` counts a domain's versions from 1, the oldest.
    """

    number: int
    state: RobotsState
    url: str
    final_url: str
    http_status: int | None
    body: bytes | None
    digest: str | None
    problems: tuple[Problem, ...]
    first_seen: datetime
    last_seen: datetime

    @property
    def text(self) -> str:
        """The body as text, without a byte order mark; bytes that cannot be decoded are U+FFFD."""
        body = self.body or b""
        for mark, codec in _MARKS:
            if body.startswith(mark):
                return body[len(mark) :].decode(codec, "replace")
        return body.decode("utf-8", "replace")


class DomainRobots(NamedTuple):
    """The current robots.txt of a domain, in a list of its sitemap files."""

    domain: str
    version: RobotsVersion


@dataclass(frozen=True, slots=True)
class RobotsRefusal:
    """A line of a robots.txt that disallows a URL, and the crawlers that obey it.

    `agents` are as they were asked for, `*` for all crawlers without a group of their own. `group` is the
    user agent of the line's group.
    """

    agents: tuple[str, ...]
    group: str
    line: int
    rule: str


@dataclass(frozen=True, slots=True)
class RobotsVerdict:
    """Whether a robots.txt allows a crawler to request a URL, and which line decides (RFC 9309 section
    2.2.2).

    `group` is the user agent of the group that applies, None if none does. `line` and `rule` are number and
    text of the deciding line; without one no rule matches, and the URL is allowed.
    """

    url: str
    agent: str
    allowed: bool
    group: str | None = None
    line: int | None = None
    rule: str | None = None
