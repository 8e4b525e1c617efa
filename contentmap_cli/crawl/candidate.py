"""A URL that may be a sitemap of a site."""

from __future__ import annotations

from typing import NamedTuple

from contentmap_cli.models import DiscoveryMethod

NAMING_METHODS = frozenset({DiscoveryMethod.GIVEN, DiscoveryMethod.ROBOTS, DiscoveryMethod.INDEX})
"""Methods by which a source names a file as a sitemap."""


class Candidate(NamedTuple):
    """A URL that may be a sitemap, and how it was discovered.

    `number` is its position in the order of discovery. `proven`: named by the target's robots.txt, directly
    or through an index (sitemaps.org, "cross submits"). `exempt`: named by the user or by robots.txt,
    directly or through an index, so that Disallow does not apply.
    """

    url: str
    discovered_by: DiscoveryMethod
    number: int = 0
    parent: str | None = None
    depth: int = 0
    proven: bool = False
    exempt: bool = False
    lastmod: str | None = None
    unchanged: bool = False  # by the index's lastmod: not requested
    peek: bool = False  # not selected: read only if it is an index

    @property
    def named(self) -> bool:
        """Whether a source names this as a sitemap, so that its absence is a failure."""
        return self.discovered_by in NAMING_METHODS
