"""Ask for the pages that sitemaps list, host by host, and return their facts as they are known.

PageCrawl.facts: listed pages -> HostQueue of each host -> its two workers -> PageClient.follow -> PageFacts

A host is asked for its pages in order, then for made-up paths (`SoftProbes`), then again for what failed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import replace
from typing import Final, NamedTuple

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.listed_pages.endings import Ending, NotAsked
from contentmap_cli.crawl.listed_pages.host_queue import HostQueue
from contentmap_cli.crawl.listed_pages.page_client import PageClient, PageRequest
from contentmap_cli.crawl.listed_pages.soft_probes import SoftProbes
from contentmap_cli.models.pages import PageFacts, PageState

MAX_HOSTS: Final = 16
"""Hosts that are asked at once."""

MAX_QUEUED: Final = 4096
"""Pages that wait for their host, in all."""

MAX_PAUSES: Final = 4
"""Answers 429 or 503 with Retry-After to one page, after which it is left."""


class ListedPage(NamedTuple):
    """A page to ask for: its normalised URL, and the facts that are recorded of it.

    `is_known` says that they are of this run, so that the page is not asked for again.
    """

    url: str
    earlier: PageFacts | None = None
    is_known: bool = False


class PageCrawl:
    """Asks for the pages of one run; call `facts` once.

    `not_asked` counts the listed pages without facts, by reason, once `facts` has ended. `asked` are the
    listed pages with facts.
    """

    def __init__(self, context: CrawlContext, client: PageClient, probes: SoftProbes) -> None:
        self._context = context
        self._client = client
        self._probes = probes
        self._hosts: dict[str, HostQueue] = {}
        self._active: set[str] = set()
        self._waiting: deque[HostQueue] = deque()  # for one of `MAX_HOSTS` to end
        self._workers: set[asyncio.Task[None]] = set()
        self._queued = 0
        self._room = asyncio.Event()
        self._fed = False  # all pages are queued
        self._ended = False
        self._found: asyncio.Queue[PageFacts | BaseException | None] = asyncio.Queue(100)
        self.not_asked: Counter[NotAsked] = Counter()
        self.asked = 0

    @property
    def bytes(self) -> int:
        """The bytes of bodies that were read."""
        return self._client.bytes

    async def facts(self, pages: AsyncIterable[ListedPage]) -> AsyncGenerator[PageFacts]:
        """Yield the facts of the pages, of their redirects and of made-up paths as they are known.

        Use it with `contextlib.aclosing`: closed early, it ends all requests.
        """
        feeding = asyncio.create_task(self._feed(pages))
        self._workers.add(feeding)
        try:
            while (found := await self._found.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                self.asked += found.listed
                yield found
        finally:
            workers = list(self._workers)
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._context.forget_hosts()

    def stop(self) -> None:
        """Send no further request. `facts` ends when the answers to those that were sent are read."""
        self._ended = True
        self._context.clock.end()
        self._room.set()

    async def _feed(self, pages: AsyncIterable[ListedPage]) -> None:
        """Queue the pages at their hosts, as many as there is room for."""
        try:
            async for page in pages:
                while self._queued >= MAX_QUEUED and self._stopped is None:
                    self._room.clear()
                    await self._room.wait()
                self._put(page)
            self._fed = True
            for host in list(self._hosts.values()):
                self._start(host)
            await self._end_if_done()
        except Exception as error:
            await self._found.put(error)

    def _put(self, page: ListedPage) -> None:
        request = PageRequest(page.url, page.earlier)
        host = self._hosts.get(request.host)
        reason = self._stopped or (host.stopped if host is not None else None)
        if reason is not None and not page.is_known:
            self.not_asked[reason] += 1
            return
        if host is None:
            host = self._hosts[request.host] = HostQueue(request.host)
        if page.is_known and page.earlier is not None:
            self._probes.note(page.earlier)
            return
        host.queue.append(request)
        self._queued += 1
        self._start(host)

    @property
    def _stopped(self) -> NotAsked | None:
        """Why no further page is asked for; None if there is time."""
        if self._ended:
            return NotAsked.STOPPED
        if self._context.clock.expired is not None:
            return NotAsked.TIME
        if self.bytes >= self._context.limits.domain_bytes:
            return NotAsked.BYTES
        return None

    # -- workers

    def _start(self, host: HostQueue) -> None:
        """Start workers for what is queued at a host, if fewer than `MAX_HOSTS` are asked."""
        if host.name not in self._active:
            if len(self._active) >= MAX_HOSTS:
                if not host.is_waiting:
                    host.is_waiting = True
                    self._waiting.append(host)
                return
            self._active.add(host.name)
        while host.workers < min(self._context.options.per_host, max(1, len(host.queue) + len(host.again))):
            host.workers += 1
            task = asyncio.create_task(self._work(host))
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)

    async def _work(self, host: HostQueue) -> None:
        """Ask for the pages of a host until none is queued."""
        try:
            while (page := await self._next(host)) is not None:
                host.running += 1
                host.asking_pages += not page.probe
                await self._request(host, page)
                host.running -= 1
                host.asking_pages -= not page.probe
        except Exception as error:
            await self._found.put(error)
        host.workers -= 1
        if host.workers:
            return
        self._active.discard(host.name)
        while self._waiting and len(self._active) < MAX_HOSTS:
            other = self._waiting.popleft()
            other.is_waiting = False
            self._start(other)
        await self._end_if_done()

    async def _end_if_done(self) -> None:
        if self._fed and not self._active and not self._waiting:
            await self._found.put(None)

    async def _next(self, host: HostQueue) -> PageRequest | None:
        """Return the next page of a host; None if there is none, or not until another worker is done."""
        page = None
        if self._stopped is None and host.stopped is None:
            page = host.next(fed=self._fed and host.probed)
        reason = self._stopped or host.stopped
        if page is None and reason is not None:
            await self._drop(host, reason)
            return None
        if page is None and self._fed and not (host.probed or host.silent):
            if host.asking_pages:
                return None  # the last page may show where to ask for a made-up path
            url = self._probes.choose(host.name)
            host.probed = url is None
            page = host.next(fed=True) if url is None else PageRequest(url, probe=True)
        if page is not None:
            self._note_dequeued(page)
            self._start(host)  # a second worker, if there was none
        return page

    def _note_dequeued(self, page: PageRequest) -> None:
        if page.chain is None and not page.probe:
            self._queued -= 1
            self._room.set()

    async def _request(self, host: HostQueue, page: PageRequest) -> None:
        """Ask for a page and the redirects from it, and decide what follows from how that ended."""
        if page.not_before:
            wait = page.not_before - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, min(wait, self._context.clock.left)))
        ending = await self._client.follow(page)
        own = host if page.last_host == host.name else None
        if own is not None and page.last is not None and ending in (Ending.DONE, Ending.FAILED):
            if page.last.status is not None:
                own.note_answer()
            else:
                own.note_silence(first=not page.failures)
        final = ending in (Ending.DONE, Ending.FORBIDDEN)
        if final or (ending is Ending.FAILED and (page.failures or page.probe)):
            await self._finish(page)
        elif ending is Ending.FAILED:
            page.failures += 1
            page.not_before = asyncio.get_running_loop().time() + self._context.options.backoff
            host.again.append(page)
        elif ending is Ending.PAUSED and page.pauses < MAX_PAUSES:
            if own is not None:
                own.note_pause()
            (host.again.append if own is None else host.queue.appendleft)(page)
        else:
            if ending is Ending.REFUSED and own is not None:
                own.stopped = NotAsked.HOST_REFUSES
            over = self._stopped or NotAsked.TIME
            await self._leave(page, over if ending is Ending.EXPIRED else NotAsked.HOST_REFUSES)

    # -- ends

    async def _finish(self, page: PageRequest) -> None:
        """Return the facts of a chain that has ended."""
        for facts in page.found.values():
            self._probes.note(facts)
            await self._found.put(facts)

    async def _leave(self, page: PageRequest, reason: NotAsked) -> None:
        """Return what is certain about a chain that has not ended, and count a page without facts.

        What the host refused for the moment is throttled; what failed once is unknown.
        """
        current = page.found.pop(page.asked, None)
        if page.pauses and current is not None:
            page.found[current.url] = replace(current, state=PageState.THROTTLED)
        if not page.found and not page.probe:
            self.not_asked[reason] += 1
        await self._finish(page)

    async def _drop(self, host: HostQueue, reason: NotAsked) -> None:
        """Leave all pages of a host. Where it does not answer any more, those that failed are unreachable."""
        while host.queue or host.again:
            if host.queue:
                page = host.queue.popleft()
                self._note_dequeued(page)
                await self._leave(page, reason)
            elif reason is NotAsked.HOST_SILENT and not host.again[0].pauses:
                await self._finish(host.again.popleft())
            else:
                await self._leave(host.again.popleft(), reason)
