"""Which entries of a file belong to the target."""

from __future__ import annotations

from dataclasses import dataclass

from contentmap_cli.models.hosts import origin_parts, site_of


@dataclass(frozen=True, slots=True)
class Scope:
    """Whether a URL belongs to the target, as plain data that another process can ask too.

    `host` is that of a file which the target's robots.txt vouches for: it may list its own pages.
    """

    site: str
    host: str | None = None

    def __call__(self, url: str) -> bool:
        """Whether it is the target's site, or the host that is vouched for."""
        return site_of(url) == self.site or (self.host is not None and host_of(url) == self.host)


def host_of(url: str) -> str | None:
    """The normalised host of an http or https URL; None for anything else."""
    parts = origin_parts(url)
    return None if parts is None else parts[1]
