"""The robots.txt of every origin that pages are asked for at, and what it means for a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.listed_pages.endings import Ending
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.hosts import origin_of
from contentmap_cli.models.pages import PageState

ORIGINS: Final = 1000
"""Maximum number of origins whose robots.txt is kept."""

Refusal = tuple[PageState, Failure]


class OriginRules:
    """Reads the robots.txt of an origin once and keeps its Crawl-delay. `known` are rules read before."""

    def __init__(self, context: CrawlContext, known: Iterable[Robots] = ()) -> None:
        self._context = context
        self._rules: dict[str, Robots] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        for robots in known:
            if robots.file is not None:
                self._keep(robots.file.origin, robots)

    async def check(self, url: str) -> Ending | Refusal | None:
        """Return why a normalised URL is not to be requested, None if it may be.

        Where robots.txt cannot be read now, it is the ending of the request.
        """
        if not self._context.options.obey_robots:
            return None
        robots = await self._of(origin_of(url) or "")
        if isinstance(robots, Ending):
            return robots
        if robots.allows(url):
            return None
        if robots.reachable or robots.failure is None:
            return PageState.DISALLOWED, Failure(Code.DISALLOWED, "robots.txt disallows it")
        unreachable = robots.failure.code != Code.ROBOTS_UNREACHABLE  # the host does not answer at all
        return PageState.UNREACHABLE if unreachable else PageState.DISALLOWED, robots.failure

    async def _of(self, origin: str) -> Robots | Ending:
        robots = self._rules.get(origin)
        if robots is not None:
            return robots
        async with self._locks.setdefault(origin, asyncio.Lock()):
            robots = self._rules.get(origin)
            if robots is not None:
                return robots
            robots, fetched = await self._context.request_robots(origin)
            if robots.reachable or fetched.failure is None:
                pass
            elif fetched.failure.code == Code.DEADLINE:
                return Ending.EXPIRED
            elif fetched.retry_after is not None:
                return Ending.REFUSED
            self._keep(origin, robots)
        self._locks.pop(origin, None)
        return robots

    def _keep(self, origin: str, robots: Robots) -> None:
        if len(self._rules) >= ORIGINS:
            del self._rules[next(iter(self._rules))]
        self._rules[origin] = robots
        if robots.delay is not None and self._context.options.obey_robots:
            self._context.set_host_delay(origin.partition("://")[2], robots.delay)
