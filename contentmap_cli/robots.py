"""A site's robots.txt as plain data: what one scan found, and what the database has of it."""

from __future__ import annotations

from dataclasses import dataclass

from contentmap_cli.errors import Failure
from contentmap_cli.values import Problem


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
    def is_absent(self) -> bool:
        """Whether the server says that there is none (404 or 410)."""
        return self.body is None and self.http_status in (404, 410)
