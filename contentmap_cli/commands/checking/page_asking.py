"""Ask for the selected pages of a domain, and record what they answer while it goes on.

Selection -> PageCrawl -> PageFacts -> PageStore
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from contentmap_cli.commands.checking.page_store import PageStore
from contentmap_cli.commands.checking.selection import Listing, Selection, normalised
from contentmap_cli.crawl.listed_pages.endings import NotAsked
from contentmap_cli.crawl.listed_pages.page_crawl import ListedPage, PageCrawl
from contentmap_cli.models.pages import PageFacts, PageState
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.storage.pages.facts import LONGEST_URL

ROBOTS = "robots"
"""Why a page was not asked: robots.txt disallows it."""

LAST_SECONDS = 2.0
"""Seconds for the answers to the requests that were sent before `stop`."""

_UNFINISHED = frozenset({NotAsked.TIME, NotAsked.HOST_REFUSES, NotAsked.BYTES})
"""Reasons that may not apply to the next run, which continues this one then."""


class PageAsking:
    """Asks for the selected pages of one domain that its run has not asked; call `run` once.

    `asked` counts the selected pages that the server was asked for, in this run, by this process or an
    earlier one. `not_asked` counts the others by reason.
    """

    def __init__(
        self,
        store: PageStore,
        selection: Selection,
        listing: Callable[[], Listing],
        note: Callable[[int], None],
    ) -> None:
        self._store = store
        self._selection = selection
        self._listing = listing
        self._note = note
        self._source: PageCrawl | None = None
        self._stopped = asyncio.Event()
        self._reason = NotAsked.STOPPED
        self.asked = 0
        self.not_asked: Counter[str] = Counter()

    def stop(self, reason: NotAsked) -> None:
        """Send no further request, and record what is known. `reason` counts for the other pages."""
        self._reason = reason
        self._stopped.set()
        if self._source is not None:
            self._source.stop()

    async def run(self, source: PageCrawl) -> PageCounts:
        """Ask for the pages until all are asked, the time is over, or `stop` is called. Then end the run."""
        self._source = source
        if self._stopped.is_set():
            source.stop()
        async with aclosing(source.facts(self._pages())) as found:
            await self._record(found)
        self.not_asked.update({str(reason): count for reason, count in source.not_asked.items() if count})
        left = len(self._selection) - self.asked - self.not_asked.total()
        if left > 0 and self._stopped.is_set():
            self.not_asked[NotAsked.STOPPED] += left
        if stopped := self.not_asked.pop(NotAsked.STOPPED, 0):
            self.not_asked[self._reason] += stopped
        finished = not self._stopped.is_set() and not any(self.not_asked[each] for each in _UNFINISHED)
        counts = PageCounts(len(self._selection), self.asked, dict(self.not_asked), finished)
        await self._store.end(counts)
        return counts

    async def _pages(self) -> AsyncIterator[ListedPage]:
        """Yield the selected pages in the order in which they are listed."""
        async for _, listed, _ in self._listing():
            if self._stopped.is_set():
                return
            urls = [url for url in normalised(listed) if self._selection.take(url)]
            if too_long := [url for url in urls if len(url) > LONGEST_URL]:
                self.not_asked[NotAsked.URL_LENGTH] += len(too_long)
                urls = [url for url in urls if len(url) <= LONGEST_URL]
            known = await self._store.find(urls)
            for url in urls:
                if (found := known.get(url)) is None:
                    yield ListedPage(url)
                else:
                    yield ListedPage(url, found.facts, found.now)
                    if found.now:
                        self._count(found.facts)

    async def _record(self, found: AsyncGenerator[PageFacts]) -> None:
        """Record facts as they come. After `stop`, those of requests that are answered soon."""
        stopped = asyncio.create_task(self._stopped.wait())
        coming: asyncio.Task[PageFacts | None] | None = None
        try:
            async with asyncio.timeout(None) as limit:
                while True:
                    if coming is None:
                        coming = asyncio.create_task(anext(found, None))
                    waiting = (coming,) if stopped.done() else (coming, stopped)
                    await asyncio.wait(waiting, timeout=self._store.due, return_when=asyncio.FIRST_COMPLETED)
                    if stopped.done() and limit.when() is None:
                        limit.reschedule(asyncio.get_running_loop().time() + LAST_SECONDS)
                    if coming.done():
                        facts, coming = coming.result(), None
                        if facts is None:
                            return
                        await self._take(facts)
                    if not self._store.due:
                        await self._store.write()
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            for task in (stopped, coming):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    async def _take(self, facts: PageFacts) -> None:
        if facts.state is not PageState.THROTTLED:  # nothing is known of it
            await self._store.add(facts)
        if facts.listed:
            self._count(facts)

    def _count(self, facts: PageFacts) -> None:
        if facts.state is PageState.DISALLOWED:
            self.not_asked[ROBOTS] += 1
        elif facts.state is PageState.THROTTLED:
            self.not_asked[NotAsked.HOST_REFUSES] += 1
        else:
            self.asked += 1
        self._note(self.asked)
