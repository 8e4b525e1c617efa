"""What a run reports of its domains while it scans them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl
from contentmap_cli.models import DomainSummary
from contentmap_cli.slots import Slots
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.session import GuardedSession, Sessions


class ProgressListener:
    """Receives the progress of a run. Each method may be called many times a second.

    `unexpected` is the number of domains that miss --expect-urls."""

    unexpected = 0

    def started(self, domain: str) -> None:
        """A domain's crawl has begun."""

    def updated(self, progress: CrawlProgress) -> None:
        """A domain's crawl has read one more file."""

    def finished(self, summary: DomainSummary) -> None:
        """A domain has an outcome. It is committed unless its status is `interrupted` or `skipped`."""


class DomainProgress:
    """The progress of one domain's scan. Holds one of the engine's `slots` for crawls until the crawl ends,
    and one of its `places` for domains that are crawled or wait to be written until the scan ends.

    It keeps the `crawl`, which took `seconds`, until the scan has ended: a transaction that is repeated
    requests nothing again."""

    def __init__(
        self,
        claim: Claim,
        listener: ProgressListener,
        slots: Slots,
        places: Slots,
        sessions: Sessions,
    ) -> None:
        self._claim = claim
        self.listener = listener
        self._slots = slots
        self._places = places
        self._sessions = sessions
        self._holds_slot = self._lends = False
        self._kept = ExitStack()
        self.crawl: DomainCrawl | None = None
        self.seconds = 0.0

    async def __aenter__(self) -> Self:
        await self._places.acquire()
        try:
            await self._slots.acquire()
        except BaseException:
            self._places.release()
            raise
        self._holds_slot = True
        self.listener.started(self._claim.domain)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release_slot()
        self._places.release()
        self._kept.close()

    def crawled(self, crawl: DomainCrawl, seconds: float) -> DomainCrawl:
        """Keep the crawl and release its slot: the network part is done, the next domain may be crawled."""
        self.crawl, self.seconds = self._kept.enter_context(crawl), seconds
        self._release_slot()
        return crawl

    def waiting(self, only_waits: bool) -> None:
        """Lend slot and place while the crawl only waits for its turn at a host or an address. They are taken
        back at once; the domain that has them keeps them too, and others wait until both are free."""
        if only_waits and self._holds_slot:
            self._lends = True
            self._places.release()
            self._slots.release()
        elif self._lends and not only_waits:
            self._lends = False
            self._places.take()
            self._slots.take()

    def _release_slot(self) -> None:
        self.waiting(False)
        if self._holds_slot:
            self._holds_slot = False
            self._slots.release()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[GuardedSession]:
        """Open a read-only session, and its block, to compare the crawl with what is recorded."""
        async with (
            self._sessions.comparing(self._claim.job_id, self._claim.domain) as session,
            session.begin(),
        ):
            yield session
