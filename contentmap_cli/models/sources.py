"""The sources of a domain, and how each of them ended: the evidence of a scan.

A source is a robots.txt, a home page, the group of known paths, or a sitemap file. `evidence.conclude`
derives the outcome from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from contentmap_cli.errors import Failure


class SourceKind(StrEnum):
    """The kind of a source."""

    ROBOTS = "robots"  # robots.txt of one origin
    HOME_PAGE = "home_page"  # the home page of one origin
    KNOWN_PATHS = "known_paths"  # the well-known paths, as one group
    SITEMAP = "sitemap"  # one sitemap file, index or feed


class SourceState(StrEnum):
    """How the request for a source ended."""

    WHOLE = "whole"  # read whole
    PARTIAL = "partial"  # read in part: entries or children refused, cut off, a limit
    ABSENT = "absent"  # 404 or 410
    REFUSED = "refused"  # 401, 403, 407, 429, 451, a challenge or login page whatever its status
    DISALLOWED = "disallowed"  # robots.txt forbids the request
    UNREACHABLE = "unreachable"  # 5xx, a timeout, TLS, DNS, a connection that failed
    ELSEWHERE = "elsewhere"  # redirected to another site
    NOT_UNDERSTOOD = "not_understood"  # answered with something else, such as an HTML page

    @property
    def is_proof(self) -> bool:
        """Whether it is known what the source lists: it was read whole, or it does not exist."""
        return self in (SourceState.WHOLE, SourceState.ABSENT)


class Source(NamedTuple):
    """One source and how it ended.

    `failure` says why it is not `whole`; its code becomes the domain's where this source decides the outcome.
    `named`: the user, robots.txt or an index says that it exists. `entries`: the number of pages and sitemaps
    it lists, as read in this scan or, if it did not change, in the scan that read it.
    """

    kind: SourceKind
    url: str
    state: SourceState
    failure: Failure | None = None
    named: bool = False
    entries: int = 0
