"""The parameters of one fetch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.own_headers import NOTHING_OWN, OwnHeaders
from contentmap_cli.crawl.http.responses import Reply
from contentmap_cli.errors import Failure

ACCEPT = "application/xml, text/xml, text/plain, text/html;q=0.9, */*;q=0.8"

ReadBody = Callable[[aiohttp.ClientResponse, Reply, float], Awaitable[None]]
"""Reads the body of a response into a `Reply`, until a time of the event loop."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """The parameters of one fetch.

    `clock` is that of the domain. `own` are the user's headers. `conditions` are the headers of a
    conditional request: they are sent to the URL `validated` only, which gave the validators. `retries` None
    means the number of the options. With `https_only` http URLs are requested over https. `may_follow`
    returns why a redirect to a URL is not followed, None if it is; its time is not that of this request.
    `user_agent` replaces that of the options, `accept` is the Accept header. `max_wait` are the seconds to
    wait for a host that asked to retry later, None for those of the options. `read` reads the body instead of
    `read_body`. `unwanted` is given the first bytes of a body: with True the rest is not read, with None it
    is asked again when there are more.
    """

    max_bytes: int
    clock: DomainClock
    own: OwnHeaders = NOTHING_OWN
    conditions: Mapping[str, str] = field(default_factory=dict)
    validated: str | None = None
    retries: int | None = None
    https_only: bool = False
    may_follow: Callable[[str], Awaitable[Failure | None]] | None = None
    user_agent: str | None = None
    accept: str = ACCEPT
    max_wait: float | None = None
    read: ReadBody | None = None
    unwanted: Callable[[bytes], bool | None] | None = None
