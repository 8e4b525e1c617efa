"""A site's robots.txt as plain data: what one scan found, and what the database has of it."""

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
    """What a server answers for robots.txt, as far as it is an answer about robots.txt."""

    READ = "read"  # a robots.txt, also an empty one
    ABSENT = "absent"  # there is none: 404 or 410
    NOT_UNDERSTOOD = "not_understood"  # another document


def costly(problems: Iterable[Problem]) -> int:
    """How many of these problems of a robots.txt cost something: its rules or its sitemaps are not known
    whole, or other crawlers may read them otherwise."""
    return sum(problem.count for problem in problems if problem.code not in _HARMLESS)


@dataclass(frozen=True, slots=True)
class RobotsFile:
    """The robots.txt of one origin, as one request found it.

    `body` holds the decoded bytes, at most `Limits.robots_bytes` of them, None where none were served, and
    `digest` is their blake2b-128, hexadecimal. `failure` says why it was not read, or not read whole.
    `understood` is False for a body without a single line that RFC 9309 or the sitemap protocol defines; an
    empty one, or one of comments only, is understood and allows everything. `losses` counts what it names and
    what could not be read: refused Sitemap values, and a cut-off end.
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
        """What it is; None where it was refused, or the server could not be reached."""
        if self.body is not None:
            return RobotsState.READ if self.understood else RobotsState.NOT_UNDERSTOOD
        return RobotsState.ABSENT if self.http_status in (404, 410) else None


@dataclass(frozen=True, slots=True)
class RobotsVersion:
    """A robots.txt as the database has it, from the scan that first saw it to the last one that did.

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
        """The body as text, without a byte order mark; bytes that do not fit are U+FFFD."""
        body = self.body or b""
        for mark, codec in _MARKS:
            if body.startswith(mark):
                return body[len(mark) :].decode(codec, "replace")
        return body.decode("utf-8", "replace")


class DomainRobots(NamedTuple):
    """The current robots.txt of a domain, among what else is listed of it."""

    domain: str
    version: RobotsVersion


@dataclass(frozen=True, slots=True)
class RobotsVerdict:
    """Whether a robots.txt allows a crawler to request a URL, and what decides it (RFC 9309 section 2.2.2).

    `group` is the user agent of the group that applies, None where none does. `line` and `rule` are the
    number and the text of the deciding line; without one, no rule matches, and the URL is allowed.
    """

    url: str
    agent: str
    allowed: bool
    group: str | None = None
    line: int | None = None
    rule: str | None = None
