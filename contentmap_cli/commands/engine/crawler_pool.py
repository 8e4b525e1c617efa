"""The crawlers of a worker: one for each set of crawl options, kept for reuse."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import TraceConfig

from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.http.politeness import HostSlots

_IDLE = 2
"""Maximum number of unused crawlers that are kept; each has threads and connections of its own."""


@dataclass
class _PooledCrawler:
    crawler: Crawler
    users: int = 0


class CrawlerPool:
    """Provides crawlers by a job's recorded options.

    `proxy`, `body_cache` and `concurrency` are those of the worker; all crawlers share the slots at hosts and
    addresses. `traces` receive the events of their requests. Close it with `close`.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        proxy: str | None,
        host_slots: HostSlots,
        body_cache: str | None = None,
        traces: Sequence[TraceConfig] = (),
    ) -> None:
        self._concurrency = concurrency
        self._proxy = proxy
        self._body_cache = body_cache
        self._host_slots = host_slots
        self._traces = traces
        self._crawlers: OrderedDict[str, _PooledCrawler] = OrderedDict()

    @asynccontextmanager
    async def use(self, options: Mapping[str, Any]) -> AsyncIterator[Crawler]:
        """Provide a crawler for a job. Raises UsageError if its options are not possible on this machine."""
        key = json.dumps(options, sort_keys=True)
        pooled = self._crawlers.get(key)
        if pooled is None:
            settings = ScanSettings.from_recorded(options)
            settings = replace(
                settings, proxy=self._proxy, concurrency=self._concurrency, body_cache=self._body_cache
            )
            crawler = Crawler(settings.crawl_options(), host_slots=self._host_slots, traces=self._traces)
            # entering does not suspend, so no other task can create the same crawler; on an error none is
            # kept
            pooled = self._crawlers[key] = _PooledCrawler(await crawler.__aenter__())
        pooled.users += 1
        self._crawlers.move_to_end(key)
        try:
            yield pooled.crawler
        finally:
            pooled.users -= 1
            await self._close_idle(_IDLE)

    async def close(self) -> None:
        """Close all unused crawlers."""
        await self._close_idle(0)

    async def _close_idle(self, keep: int) -> None:
        idle = [key for key, pooled in self._crawlers.items() if not pooled.users]
        for key in idle[: max(0, len(idle) - keep)]:
            pooled = self._crawlers.pop(key)
            await pooled.crawler.__aexit__(None, None, None)
