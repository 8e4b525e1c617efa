"""Crawl one domain, from its origins to its last sitemap, in the order of the `DiscoveryQueue`.

origin and robots.txt -> named files -> files that are no longer named -> home page -> other origins -> known
paths -> pages of feeds -> DomainCrawl
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace
from typing import BinaryIO, Final

from contentmap_cli.crawl.candidate import Candidate
from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.origins import SiteFinder
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.crawl.path_prober import PathProber, Soft404Probe
from contentmap_cli.crawl.reading.reader import Source as Body
from contentmap_cli.crawl.reading.spool import Reading, Segment
from contentmap_cli.crawl.results import DomainCrawl, file_outcome
from contentmap_cli.crawl.selection import lists_pages
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import (
    DiscoveryMethod,
    Document,
    DocumentKind,
    Entry,
    FileStatus,
)
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.models.hosts import is_related

log = logging.getLogger("contentmap.crawl")

CONCURRENT_FILES: Final = 4
"""Files of one domain that are requested concurrently, within the limits of politeness."""

ABSENT_CODES: Final = ("http_3", "http_4", "redirect_", "too_many_redirects", "address_blocked")
"""Prefixes of the codes that mean that a guessed path is absent."""

CHILDREN_PER_BATCH: Final = 500
"""Children of an index that are queued per batch, which takes a few milliseconds."""

MAX_REFUSALS: Final = 3
"""Consecutive refusals after which files that are no longer named are not requested."""

MAX_NEWS_ROWS: Final = 2_000
"""Maximum entries of a news sitemap; the protocol allows 1,000."""

_NOT_REQUESTED: Final = (SourceState.REFUSED, SourceState.DISALLOWED)
"""States of a known path that is no sitemap file of the result."""

_FILE: Final = re.compile(r"\.(?:xml|txt)(?:\.gz)?\Z", re.IGNORECASE)
"""Names of sitemaps and feeds: an HTML page at such a path is an error of the site."""


class DomainCrawler:
    """Crawls one domain; call `run` once."""

    def __init__(self, context: CrawlContext) -> None:
        self._context = context
        self._limits = context.limits
        self._reader = context.reader
        self._stats = context.stats
        self._discovery = context.discovery
        self._finder = SiteFinder(context)
        self._soft404 = Soft404Probe(context)
        self._prober = PathProber(context, self._soft404, self._read_queue)
        self._digests: set[str] = set()
        self._refusals = 0  # in a row

    async def run(self) -> DomainCrawl:
        """Crawl the domain. Raise nothing for network or server errors. Close the spools on cancellation."""
        try:
            await self._crawl()
        except BaseException:
            self._reader.spools.close()
            raise
        finally:
            await self._soft404.close()
            self._context.forget_hosts()
        self._stats.notes.extend(self._discovery.notes())
        self._stats.not_selected = self._discovery.not_selected()
        self._stats.has_old = self._discovery.selected.any_old
        if self._discovery.selected.skipped:
            self._stats.add_source(self._selection())
        found = self._stats.result(self._reader.spools, self._discovery.limits_hit, self._context.robots)
        return replace(found, robots_files=self._finder.robots_files())

    def _selection(self) -> Source:
        """Return the files that are not selected as one source, with a failure if no other lists pages."""
        selected = self._discovery.selected
        origin, skipped = f"{self._discovery.origin}/", len(selected.skipped)
        failure = None
        if not selected.any_old and not self._stats.has_page_lists:
            named = "the sitemap" if skipped == 1 else f"any of the {skipped:,} sitemaps"
            first = next(iter(selected.skipped))
            failure = Failure(
                Code.NOT_SELECTED,
                f"{selected.selection} does not select {named} that the site has, such as {first}",
            )
        return Source(SourceKind.SELECTION, origin, SourceState.NOT_SELECTED, failure, True, skipped)

    async def _crawl(self) -> None:
        if not await self._finder.select_first():
            return
        only_given = self._context.target.only_given
        self._discovery.add_roots(() if only_given else self._context.robots.sitemaps)
        await self._read_queue()
        if only_given or not self._context.robots.reachable:
            return
        while not self._stats.stopped and self._discovery.add_unreferenced():
            await self._read_queue()
        if self._discovery.wants_more and not self._stats.stopped:
            await self._finder.search_home_pages()
            await self._read_queue()
        if self._discovery.wants_more and not self._stats.stopped:
            await self._finder.search_other_origins()
            await self._read_queue()
        self._finder.record_home_pages()
        if self._discovery.probes_paths and not self._stats.stopped:
            await self._prober.run(await self._finder.likely_paths(), self._finder.others)
        while not self._discovery.found and not self._stats.stopped and self._discovery.add_feed_page():
            await self._read_queue()
        await self._check_robots()
        if not self._stats.urls_left and (self._discovery.queue or self._discovery.has_unreferenced):
            self._stats.too_many_urls()  # files were not requested

    async def _check_robots(self) -> None:
        """Compare a robots.txt that is a page with the answer for a path that does not exist."""
        current = self._finder.current
        if current is not None and self._soft404.has_body(current.digest):
            self._finder.discard_soft_robots()
        robots = self._stats.robots_source
        if robots is not None and robots.state is SourceState.NOT_UNDERSTOOD and not self._stats.stopped:
            self._soft404.start()
            await self._soft404.wait()
            self._finder.accept_missing_robots(listed=self._stats.lists_pages and self._soft404.is_page)

    # -- files

    async def _read_queue(self) -> None:
        """Read the queued files and those they add, breadth first, several at once."""
        await self._drain_queue()
        while self._discovery.add_held():
            await self._drain_queue()

    async def _drain_queue(self) -> None:
        running: set[asyncio.Task[None]] = set()
        queue = self._discovery.queue
        try:
            while running or (queue and not self._stats.stopped):
                if not running and len(queue) == 1:
                    await self._read(queue.popleft())
                    continue
                while queue and len(running) < CONCURRENT_FILES and not self._stats.stopped:
                    running.add(asyncio.create_task(self._read(queue.popleft())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _read(self, candidate: Candidate) -> None:
        if not self._context.may_request(candidate):
            return
        if candidate.unchanged:
            self._unchanged(candidate, None)
            return
        if candidate.discovered_by is DiscoveryMethod.REMEMBERED and self._refusals >= MAX_REFUSALS:
            failure = Failure(
                Code.BLOCKED, f"{candidate.url}: not requested, because the site refuses the crawl"
            )
            self._stats.add_source(Source(SourceKind.SITEMAP, candidate.url, SourceState.REFUSED, failure))
            return
        probe = candidate.discovered_by is DiscoveryMethod.KNOWN_PATH
        conditions, validated = self._discovery.conditions(candidate)
        with await self._context.fetch(
            candidate.url,
            max_bytes=self._limits.body_bytes,
            conditions=conditions,
            validated=validated,
            retries=0 if probe else None,
            exempt=candidate.exempt,
            unwanted=lists_pages if candidate.peek else None,
            excluded=None if candidate.discovered_by is DiscoveryMethod.GIVEN else self._discovery.excludes,
        ) as fetched:
            if probe:
                await self._soft404.wait()  # to recognise soft 404s
            answer = await self._context.answer(fetched, candidate.url)
            self._refusals = self._refusals + 1 if answer.state is SourceState.REFUSED else 0
            if fetched.stopped:
                self._discovery.skip(candidate, DocumentKind.URLSET)
            elif fetched.failure is not None and fetched.failure.code == Code.NOT_SELECTED:
                self._discovery.skip(candidate)
            elif fetched.not_modified:
                self._unchanged(candidate, fetched)
            elif fetched.body is None or (fetched.failure is not None and fetched.size == 0):
                self._record_missing(candidate, fetched, answer)
            elif self._discovery.is_new(candidate, fetched.final_url):
                await self._parse(candidate, fetched, fetched.body, answer)
            elif self._discovery.is_replaced(candidate, fetched.final_url):
                lost = Failure(Code.NOT_UNDERSTOOD, f"{candidate.url} redirects to {fetched.final_url}")
                source = Source(SourceKind.SITEMAP, candidate.url, SourceState.NOT_UNDERSTOOD, lost)
                self._stats.add_source(source)

    def _record_missing(self, candidate: Candidate, fetched: FetchedFile, answer: Answer) -> None:
        """Record a file without a body: a failure, unless the path was guessed and is absent."""
        if not fetched.requests and fetched.retry_after is not None:
            return  # not requested: the host asked to retry later
        failure = fetched.failure or Failure(Code.HTTP_PROTOCOL, "the server sent no body")
        if candidate.discovered_by is DiscoveryMethod.KNOWN_PATH:
            if answer.state in _NOT_REQUESTED and answer.failure is not None:
                self._prober.add_outcome(answer.state, answer.failure)
                return
            if failure.code.startswith(ABSENT_CODES):
                return
            self._prober.unanswered += fetched.status is None
            if answer.failure is not None:
                self._prober.add_outcome(answer.state, answer.failure)
            if failure.code == self._soft404.code:
                return
        elif self._discovery.is_gone(candidate, failure):
            self._stats.add_source(Source(SourceKind.SITEMAP, candidate.url, SourceState.ABSENT))
            return
        if answer.state is SourceState.REFUSED and answer.page is not None and answer.failure is not None:
            failure = answer.failure  # more specific than the status
        self._stats.add_file(candidate, fetched, FileStatus.FAILED, error=failure, answer=answer)

    async def _parse(
        self, candidate: Candidate, fetched: FetchedFile, body: BinaryIO, answer: Answer
    ) -> None:
        reading = Reading(
            url=candidate.url,
            base=fetched.final_url,
            scope=self._discovery.scope(candidate),
            limits=self._limits,
            content_type=fetched.headers.content_type,
            cut=fetched.failure is not None,
        )
        source = Body(reading, body, fetched.size, self._context.clock.until)
        known = self._discovery.known_digest(candidate)
        if known is not None and fetched.failure is None and not self._discovery.needs_content(candidate):
            source = replace(source, known=known)
            if not self._reader.remembers(source) and await self._reader.digest(source) == known:
                self._unchanged(candidate, fetched)
                return
        with self._context.clock.working():
            document, segment = await self._reader.read(source, room=lambda: self._stats.urls_left)
        if source.known is not None and document.digest == known and document.failure is None:
            segment.clear()
            self._unchanged(candidate, fetched)
            return
        if document.failure is not None and document.failure.code == Code.DEADLINE:
            self._stats.out_of_time()
        children, segment.children = segment.children, []
        if self._is_not_sitemap(candidate, fetched, document, answer):
            segment.clear()
            return
        if candidate.peek and document.kind.is_sitemap and document.kind is not DocumentKind.INDEX:
            segment.clear()
            self._discovery.skip(candidate, document.kind)
            return
        if answer.state is SourceState.ELSEWHERE and self._lists_other_site_only(document, segment, children):
            segment.clear()
            self._stats.add_file(candidate, fetched, FileStatus.FAILED, error=answer.failure, answer=answer)
            return
        if document.digest is not None:
            self._digests.add(document.digest)
        soft = self._soft404.matches(fetched.final_url, document.digest)
        status, error = file_outcome(document, segment.entries, fetched.failure, soft=soft)
        if status is FileStatus.FAILED and answer.failure is not None:
            error = answer.failure
        if status is FileStatus.OK and known is not None and document.digest == known:
            status = FileStatus.UNCHANGED
            segment.clear()
        if segment.refused:
            self._stats.too_many_urls()
            status = FileStatus.PARTIAL
        self._stats.add_file(
            candidate,
            fetched,
            status,
            error=error,
            document=document,
            segment=segment,
            answer=answer,
            entries=document.entries,
        )
        if document.kind is DocumentKind.INDEX:
            await self._queue_children(candidate, children)
        news = self._lists_news_only(document, segment)
        self._discovery.record_file(candidate, status, document, entries=document.entries, news=news)

    def _is_not_sitemap(
        self, candidate: Candidate, fetched: FetchedFile, document: Document, answer: Answer
    ) -> bool:
        """Return whether a file that was only guessed is no sitemap of this site, or a duplicate.

        A page that refuses the crawl is recorded as evidence.
        """
        probe = candidate.discovered_by is DiscoveryMethod.KNOWN_PATH
        if candidate.named or candidate.discovered_by is DiscoveryMethod.REMEMBERED:
            return False
        soft = self._soft404.matches(fetched.final_url, document.digest)
        if answer.failure is not None:
            failure: Failure | None = answer.failure
        elif document.kind.is_sitemap or soft or self._soft404.is_page or not _FILE.search(candidate.url):
            failure = None
        else:
            failure = Failure(Code.NOT_UNDERSTOOD, f"{candidate.url}: a page instead of a sitemap")
        if failure is not None and not soft:
            state = answer.state if answer.failure is not None else SourceState.NOT_UNDERSTOOD
            if probe:
                self._prober.add_outcome(state, failure)
            else:
                self._stats.add_source(Source(SourceKind.SITEMAP, candidate.url, state, failure))
        return (
            soft
            or not document.kind.is_sitemap
            or answer.state is SourceState.ELSEWHERE
            or (probe and document.digest in self._digests)
        )

    def _lists_other_site_only(self, document: Document, segment: Segment, children: list[Entry]) -> bool:
        """Return whether a file served by another site lists nothing of this one."""
        if document.kind is DocumentKind.INDEX:
            domain = self._context.target.domain
            return not any(is_related(child.url, domain) for child in children)
        return segment.outside >= segment.pages

    def _unchanged(self, candidate: Candidate, fetched: FetchedFile | None) -> None:
        entries = self._discovery.known_entries(candidate)
        self._stats.add_file(candidate, fetched, FileStatus.UNCHANGED, entries=entries)
        self._discovery.record_file(candidate, FileStatus.UNCHANGED, entries=entries)

    async def _queue_children(self, index: Candidate, children: list[Entry]) -> None:
        """Queue the children of an index in batches, yielding to other tasks and freeing memory."""
        while children:
            self._discovery.add_children(index, children[:CHILDREN_PER_BATCH])
            del children[:CHILDREN_PER_BATCH]
            await asyncio.sleep(0)

    def _lists_news_only(self, document: Document, segment: Segment) -> bool:
        """Return whether each entry has news: such a file lists the articles of two days."""
        if document.kind is not DocumentKind.URLSET or segment.changes is not None:
            return False
        return "news" in (document.root or "") and 0 < segment.pages == segment.news <= MAX_NEWS_ROWS
