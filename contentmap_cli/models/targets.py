"""What is scanned and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Target:
    """One site to scan, from one or more lines of what the user typed.

    `domain` is its name in every table and answer: lower case, A-labels, no `www.`, with the port if it
    is not the scheme's own. `origins` are asked in order (`https://example.com`, …). `sitemaps` are
    sitemap URLs given outright. `path` is the folder to search below, `/` for the whole site, and
    `more_paths` are the folders that further lines of the same site named.
    """

    domain: str
    origins: tuple[str, ...]
    sitemaps: tuple[str, ...] = ()
    path: str = "/"
    more_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a crawl: each an option, each reported when hit, what was read is kept.

    Times in seconds, sizes in bytes.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 15.0
    request_timeout: float = 60.0
    slow_after: float = 10.0  # from then on a body must come at `slow_rate` at least
    slow_rate: int = 1024
    domain_time: float = 900.0
    body_bytes: int = 50 * 1024 * 1024  # decoded, a file
    domain_bytes: int = 5 * 1024**3
    domain_urls: int = 5_000_000
    file_urls: int = 50_000  # the protocol's own: more is a problem, not a cut
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


class Probe(StrEnum):
    """Whether the well-known paths are asked for."""

    AUTO = "auto"  # only when nothing else names a sitemap that works
    ALWAYS = "always"
    NEVER = "never"
