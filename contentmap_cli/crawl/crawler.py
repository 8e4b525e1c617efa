"""The network wing's one way in: targets in, `DomainCrawl` values out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from contentmap_cli.crawl.domain_crawl import DomainCrawler
from contentmap_cli.crawl.http.connector import Resolver
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.host_slots import HostSlots
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses
from contentmap_cli.crawl.reading.reader import CachedBodies, Reader
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl
from contentmap_cli.models import RememberedFile, Target

__all__ = ["CrawlProgress", "Crawler", "DomainCrawl"]

log = logging.getLogger("contentmap.crawl")

_PARSERS = 2
"""Parsing threads, and parsing processes for large files. Threads share the interpreter; two of them keep one
domain's file from holding up the rest."""


class Crawler:
    """Crawls domains, any number at once. An async context manager: it owns connections, threads, processes.

    How many domains are crawled at once is the caller's business; `options.concurrency` only sizes the pool
    of name look-ups. `places` are asked for where crawlers elsewhere ask the same hosts.
    """

    def __init__(
        self, options: CrawlOptions, resolver: Resolver | None = None, places: HostSlots | None = None
    ) -> None:
        self._options = options
        self._resolver = resolver
        self._places = places

    async def __aenter__(self) -> Crawler:
        self._fetcher = await Fetcher(self._options, self._resolver, self._places).__aenter__()
        self._pool = ThreadPoolExecutor(_PARSERS, thread_name_prefix="contentmap-parse")
        self._processes = ParserProcesses.where_possible(_PARSERS)
        folder = self._options.bodies
        self._bodies = CachedBodies(BodyCache(folder)) if folder is not None else None
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._fetcher.__aexit__(*exc)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
        if self._bodies is not None:
            self._bodies.close()

    async def crawl(
        self,
        target: Target,
        remembered: Sequence[RememberedFile] = (),
        progress: Callable[[CrawlProgress], None] | None = None,
    ) -> DomainCrawl:
        """One domain, whole. Raises nothing for what the world did; close the result.

        `remembered` is what an earlier scan recorded, so that unchanged files are not sent again. `progress`
        is called on the event loop after each file.
        """
        log.info("crawling %s", target.domain, extra={"action": "crawl.started", "domain": target.domain})
        visit = DomainCrawler(
            target,
            options=self._options,
            fetcher=self._fetcher,
            reader=Reader(self._pool, self._options.limits, self._processes, self._bodies),
            remembered=remembered,
            progress=progress,
        )
        result = await visit.run()
        log.info(
            "crawled %s: %s, %d files",
            target.domain,
            result.status,
            len(result.files),
            extra={
                "action": "crawl.complete",
                "domain": target.domain,
                "outcome": result.status.value,
                "files": len(result.files),
                "requests": result.requests,
                "bytes": result.fetched_bytes,
                "code": result.error.code if result.error else None,
            },
        )
        return result
