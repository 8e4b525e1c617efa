"""How a request for a page ends, and why a page is not asked for."""

from __future__ import annotations

from enum import Enum, StrEnum, auto


class Ending(Enum):
    """How the requests for the URLs of a redirect chain ended."""

    DONE = auto()
    """The facts are final."""

    FORBIDDEN = auto()
    """The facts are final: robots.txt disallows the last URL, or its host does not give a robots.txt."""

    FAILED = auto()
    """The last request failed in a way that may pass: it is repeated once, later."""

    PAUSED = auto()
    """The host answered that it is to be asked later, and is paused."""

    REFUSED = auto()
    """The host is paused for longer than there is time."""

    EXPIRED = auto()
    """The time is over."""


class NotAsked(StrEnum):
    """Why a listed page was not asked for."""

    TIME = "time"
    """The time was over (`--domain-time`, `--max-time`)."""

    HOST_REFUSES = "host_refuses"
    """The host answered 429 or 503, and asked for a longer pause than there was time."""

    HOST_SILENT = "host_silent"
    """The host did not answer the pages that were asked for before."""

    URL_LENGTH = "url_length"
    """The URL has over 2,048 characters: its answer could not be recorded."""

    STOPPED = "stopped"
    """The run was stopped (`PageCrawl.stop`)."""

    BYTES = "bytes"
    """The bytes of the domain were used up (`--max-bytes`)."""
