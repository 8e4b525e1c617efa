"""The entry point of this package: targets in, `DomainCrawl` values out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import TraceConfig

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.domain_crawl import DomainCrawler
from contentmap_cli.crawl.http.connector import Resolver
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.politeness import HostSlots
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses
from contentmap_cli.crawl.reading.reader import CachedBodies, Reader
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl
from contentmap_cli.errors import UsageError
from contentmap_cli.models import RememberedFile, Target
from contentmap_cli.models.diagnosis import Check

if TYPE_CHECKING:  # loaded where pages are asked for
    from contentmap_cli.crawl.listed_pages.page_client import Recall
    from contentmap_cli.crawl.listed_pages.page_crawl import PageCrawl
    from contentmap_cli.crawl.robots import Robots
    from contentmap_cli.models.pages import PageFacts

__all__ = ["CrawlProgress", "Crawler", "DomainCrawl"]

log = logging.getLogger("contentmap.crawl")

_PARSERS = 2
"""Parsing threads, and parsing processes for large files. Threads share the interpreter; two of them keep one
domain's file from holding up the rest."""


def require_temporary_folder() -> None:
    """Raise UsageError if there is no folder for temporary files, as in a container that is read-only."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        raise UsageError(
            "no writable folder for temporary files", hint="name one with the variable TMPDIR"
        ) from None


class Crawler:
    """Crawls domains concurrently. An async context manager: it owns connections, threads and processes.

    The caller limits how many domains are crawled at once; `options.concurrency` only sizes the DNS pool.
    `host_slots` limits connections across crawlers. `traces` receive the events of requests.
    """

    def __init__(
        self,
        options: CrawlOptions,
        resolver: Resolver | None = None,
        host_slots: HostSlots | None = None,
        traces: Sequence[TraceConfig] = (),
    ) -> None:
        self.options = options
        self._traces = traces
        self._resolver = resolver
        self._host_slots = host_slots

    async def __aenter__(self) -> Crawler:
        require_temporary_folder()
        self._fetcher = await Fetcher(
            self.options, self._resolver, self._host_slots, self._traces
        ).__aenter__()
        self._pool = ThreadPoolExecutor(_PARSERS, thread_name_prefix="contentmap-parse")
        self._processes = ParserProcesses.where_possible(_PARSERS)
        folder = self.options.bodies
        self._bodies = CachedBodies(BodyCache(folder)) if folder is not None else None
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._fetcher.__aexit__(*exc)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
        if self._bodies is not None:
            self._bodies.close()

    async def diagnose(self, target: Target) -> list[Check]:
        """Check why a site can or cannot be read, with the connections of a crawl."""
        from contentmap_cli.crawl.diagnosis.site import Diagnosis

        diagnosis = Diagnosis(self._context(target), self._fetcher.connector)
        return [check async for check in diagnosis.run()]

    def _context(
        self,
        target: Target,
        options: CrawlOptions | None = None,
        *,
        remembered: Sequence[RememberedFile] = (),
        progress: Callable[[CrawlProgress], None] | None = None,
        waiting: Callable[[bool], None] | None = None,
    ) -> CrawlContext:
        return CrawlContext(
            target,
            options=options or self.options,
            fetcher=self._fetcher,
            reader=Reader(self._pool, self.options.limits, self._processes, self._bodies),
            remembered=remembered,
            progress=progress,
            waiting=waiting,
        )

    def pages(
        self,
        target: Target,
        *,
        has_answer: Callable[[str], bool],
        recall: Recall | None = None,
        robots: Iterable[Robots] = (),
        probed: Iterable[PageFacts] = (),
        seconds: float | None = None,
    ) -> PageCrawl:
        """Return what asks for the pages that a target's sitemaps list (see `PageCrawl.facts`).

        `has_answer` says whether a normalised URL has facts of its own in this run, now or later: a redirect
        to it is not followed. `recall` returns the facts of an earlier run about a redirect's target.
        `robots` are rules that were read already, `probed` the facts of made-up paths of an interrupted run.
        `seconds` is the time for all pages, waits included; None means that of the options.
        """
        from contentmap_cli.crawl.listed_pages.origin_rules import OriginRules
        from contentmap_cli.crawl.listed_pages.page_client import PageClient
        from contentmap_cli.crawl.listed_pages.page_crawl import PageCrawl
        from contentmap_cli.crawl.listed_pages.soft_probes import SoftProbes

        # A listed URL is requested with the scheme that is listed. Secrets are still sent over https only.
        context = self._context(target, replace(self.options, allow_http=True))
        limits = self.options.limits
        context.clock = DomainClock(limits.domain_time if seconds is None else seconds, counts_waits=True)
        client = PageClient(context, OriginRules(context, robots), has_answer, recall)
        return PageCrawl(context, client, SoftProbes(probed))

    async def crawl(
        self,
        target: Target,
        remembered: Sequence[RememberedFile] = (),
        progress: Callable[[CrawlProgress], None] | None = None,
        waiting: Callable[[bool], None] | None = None,
    ) -> DomainCrawl:
        """Crawl one domain. Raise nothing for network or server errors; close the result.

        `remembered` are the files of an earlier scan, for conditional requests. `progress` is called on the
        event loop after each file, `waiting` with True when the crawl only waits for its turn at hosts and
        addresses, and with False when that ends.
        """
        log.info("crawling %s", target.domain, extra={"action": "crawl.started", "domain": target.domain})
        context = self._context(target, remembered=remembered, progress=progress, waiting=waiting)
        result = await DomainCrawler(context).run()
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
                "retries": result.retries,
                "bytes": result.fetched_bytes,
                "code": result.error.code if result.error else None,
            },
        )
        return result
