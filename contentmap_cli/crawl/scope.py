"""Which entries of a file belong to the target."""

from __future__ import annotations

from dataclasses import dataclass

from contentmap_cli.models.hosts import origin_parts, site_of


@dataclass(frozen=True, slots=True)
class Scope:
    """Tells whether a URL belongs to the target. Can be sent to another process.

    `host` is that of a file which the target's robots.txt names: such a file may list its own pages.
    """

    site: str
    host: str | None = None

    def __call__(self, url: str) -> bool:
        """Return whether a URL is on the target's site or on `host`."""
        return site_of(url) == self.site or (self.host is not None and host_of(url) == self.host)


def host_of(url: str) -> str | None:
    """Return the normalised host of an http or https URL; None for others."""
    parts = origin_parts(url)
    return None if parts is None else parts[1]
