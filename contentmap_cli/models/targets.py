"""Targets of a scan, and the limits of a crawl."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Target:
    """One site to scan, from one or more lines of user input.

    `domain` is its name in every table and answer: lower case, A-labels, no `www.`, with the port if it is
    not the scheme's own. `origins` are requested in order (`https://example.com`, …). `sitemaps` are sitemap
    URLs in the input. `path` is the folder to search below, `/` for the whole site, and `more_paths` are the
    folders of further input lines for the same site. `credentials` are the user name and password in the
    input: they are in memory only, and no part of a comparison. `only_given`: nothing is read but `sitemaps`
    and what they name.
    """

    domain: str
    origins: tuple[str, ...]
    sitemaps: tuple[str, ...] = ()
    path: str = "/"
    more_paths: tuple[str, ...] = ()
    credentials: tuple[str, str] | None = field(default=None, repr=False, compare=False)
    only_given: bool = False

    @property
    def typed_scheme(self) -> str | None:
        """The scheme in the input: `https` has no http origin, `http` comes first; None without a scheme."""
        if all(origin.startswith("https:") for origin in self.origins):
            return "https"
        return "http" if self.origins[0].startswith("http:") else None


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a crawl. Each is an option, and is reported when it is reached; what was read is kept.

    Times in seconds, sizes in bytes.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0  # without any data
    request_timeout: float = 60.0
    slow_after: float = 10.0  # then a body must arrive at `slow_rate` bytes per second or more
    slow_rate: int = 1024
    domain_time: float = 900.0  # without the waits
    domain_wait: float = 3600.0  # for slots, delays and pauses
    body_bytes: int = 50 * 1024 * 1024  # of one file, decoded
    domain_bytes: int = 5 * 1024**3
    domain_urls: int = 5_000_000
    file_urls: int = 50_000  # the protocol's limit: more is a problem, but is read
    file_urls_hard: int = 1_000_000
    url_length: int = 2048
    index_depth: int = 5
    domain_files: int = 50_000
    robots_bytes: int = 512 * 1024
    redirects: int = 5
    gzip_layers: int = 2
    gzip_members: int = 64
    xml_depth: int = 256
    xml_token_bytes: int = 2 * 1024 * 1024
    details: bool = False  # give the sink every problem, repeated URLs too, and the line of every entry


class Probe(StrEnum):
    """Whether known paths are requested."""

    AUTO = "auto"  # only if no other source gives a sitemap that lists pages
    ALWAYS = "always"
    NEVER = "never"
