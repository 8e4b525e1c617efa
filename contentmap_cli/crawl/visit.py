"""One domain, from its origins to its last sitemap. Moves what the `Decider` decides.

origin and robots.txt -> files that are named -> home page -> known paths -> DomainCrawl
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import BinaryIO

from contentmap_cli.crawl.discovery import MAIN_PATHS, NEWS_PATHS, PART_PATHS, Candidate, Decider
from contentmap_cli.crawl.fetch import NO_VALIDATORS, Ask, Fetcher
from contentmap_cli.crawl.hosts import origin_of, site_of
from contentmap_cli.crawl.ledger import Ledger
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.reading import Reader, Source
from contentmap_cli.crawl.responses import FetchedFile, Notice, Validators, decoded
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl, Nonsense, judge
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import (
    DiscoveryMethod,
    DocumentKind,
    Entry,
    FileStatus,
    Probe,
    RememberedFile,
    Target,
)

log = logging.getLogger("contentmap.crawl")

IN_FLIGHT = 4
"""Files of one domain that are asked for at once; politeness still counts by host."""

PATIENCE = 2
"""Known paths that may give no answer at all before the rest is not asked for."""

NOT_THERE = ("http_3", "http_4", "redirect_", "too_many_redirects", "address_blocked")
"""How the codes begin that mean, for a path that was only guessed, that there is nothing."""

SLICE = 500
"""Children of an index that are queued at a time: a few milliseconds' work."""

HOME_PAGE_BYTES = 2 * 1024 * 1024


class Visit:
    """One domain's crawl. `run` once."""

    def __init__(
        self,
        target: Target,
        *,
        options: CrawlOptions,
        fetcher: Fetcher,
        reader: Reader,
        remembered: Sequence[RememberedFile],
        progress: Callable[[CrawlProgress], None] | None,
    ) -> None:
        self._target = target
        self._options = options
        self._limits = options.limits
        self._fetcher = fetcher
        self._reader = reader
        self._ledger = Ledger(target.domain, options.limits, progress)
        self._decider = Decider(
            target,
            limits=options.limits,
            probe=options.probe,
            conditional=options.conditional,
            remembered=remembered,
        )
        self._until = asyncio.get_running_loop().time() + options.limits.domain_time
        self._robots = Robots()
        self._hosts = {_host(origin) for origin in target.origins}
        self._silent = 0  # known paths that gave no answer at all
        self._digests: set[str] = set()
        self._nonsense: Nonsense | None = None
        self._asking: asyncio.Task[None] | None = None  # for nonsense

    async def run(self) -> DomainCrawl:
        """The whole visit. Raises nothing for what the world did; cancelled, it closes what it opened."""
        try:
            await self._visit()
        except BaseException:
            self._reader.spools.close()
            raise
        finally:
            for host in self._hosts:
                self._fetcher.politeness.forget(host)
        self._ledger.notes.extend(self._decider.notes())
        return self._ledger.result(self._reader.spools, self._decider.limits_hit, self._robots)

    async def _visit(self) -> None:
        if not await self._find_origin():
            return
        self._decider.add_roots(self._robots.sitemaps)
        await self._read_queue()
        if self._ledger.stopped or not self._robots.reachable:
            return
        refusal = None
        if self._decider.wants_home_page:
            refusal = await self._search_home_pages()
            await self._read_queue()
        if self._decider.wants_probes and not self._ledger.stopped:
            await self._probe_paths()
        # A closed front door alone proves little: a site that answers 404 behind it does answer.
        shut = refusal is not None and (self._nonsense is None or self._nonsense.code == refusal.code)
        if shut and self._ledger.empty and self._ledger.error is None:
            self._ledger.error = refusal

    # -- where the site answers

    async def _find_origin(self) -> bool:
        """Asks origin after origin for robots.txt until one speaks HTTP; False if none does."""
        dead: list[str] = []
        nameless: set[str] = set()
        first: Failure | None = None
        for origin in self._target.origins:
            host = _host(origin)
            if host in nameless or self._ledger.stopped:
                continue
            with await self._fetch(f"{origin}/robots.txt", max_bytes=self._limits.robots_bytes) as fetched:
                if fetched.status is not None or fetched.retry_after is not None:
                    await self._settle(origin, fetched, dead)
                    return True
                dead.append(origin)
                first = first or fetched.failure
                if fetched.failure is not None and fetched.failure.code == Code.DNS_ERROR:
                    nameless.add(host)
        self._ledger.error = first or Failure(Code.CONNECT_ERROR, "the target has no origin to ask")
        return False

    async def _settle(self, origin: str, fetched: FetchedFile, dead: Iterable[str]) -> None:
        """The origin that answers is the site's, or the one of its names that it redirects to."""
        final = origin_of(fetched.final_url)
        if final is not None and site_of(final) == self._target.domain:
            origin = final
        self._decider.settle(origin, dead)
        robots = await self._reader.robots(fetched, self._options)
        if robots.delay is not None and self._options.obey_robots:
            for host in self._hosts:
                self._fetcher.politeness.set_delay(host, robots.delay)
        if robots.failure is not None and not robots.reachable and self._options.obey_robots:
            self._ledger.error = robots.failure
        elif robots.failure is not None:
            self._ledger.notes.append(robots.failure)
            robots = Robots(file=robots.file)
        self._robots = robots

    # -- files

    async def _read_queue(self) -> None:
        """Reads what is queued, and what that queues in turn, breadth first, a few at once."""
        running: set[asyncio.Task[None]] = set()
        queue = self._decider.queue
        try:
            while running or (queue and not self._ledger.stopped):
                if not running and len(queue) == 1:
                    await self._read(queue.popleft())
                    continue
                while queue and len(running) < IN_FLIGHT and not self._ledger.stopped:
                    running.add(asyncio.create_task(self._read(queue.popleft())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _read(self, candidate: Candidate) -> None:
        if not self._may_ask(candidate):
            return
        if candidate.unchanged:
            self._ledger.record(candidate, None, FileStatus.UNCHANGED)
            self._decider.file_done(candidate, FileStatus.UNCHANGED, None)
            return
        probe = candidate.discovered_by is DiscoveryMethod.KNOWN_PATH
        with await self._fetch(
            candidate.url,
            max_bytes=self._limits.body_bytes,
            validators=self._decider.validators(candidate),
            retries=0 if probe else None,
            notice=self._reader.notice(self._decider.known_digest(candidate)),
        ) as fetched:
            if probe and self._asking is not None:
                await asyncio.shield(self._asking)  # what nonsense gets tells what an answer is worth
            if fetched.not_modified:
                self._unchanged(candidate, fetched)
            elif fetched.body is None or (fetched.failure is not None and fetched.size == 0):
                self._missed(candidate, fetched)
            elif self._decider.arrived(candidate, fetched.final_url):
                await self._parse(candidate, fetched, fetched.body)

    def _may_ask(self, candidate: Candidate) -> bool:
        """Whether robots.txt allows it; it has no say over another host that one of its files names."""
        if (
            candidate.exempt
            or not self._options.obey_robots
            or site_of(candidate.url) != self._target.domain
            or self._robots.allows(candidate.url)
        ):
            return True
        if candidate.discovered_by in (DiscoveryMethod.REMEMBERED, DiscoveryMethod.INDEX):
            self._ledger.overlooked = True
        log.debug("robots.txt disallows %s", candidate.url, extra={"action": "robots.disallowed"})
        return False

    async def _fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        validators: Validators = NO_VALIDATORS,
        retries: int | None = None,
        notice: Notice | None = None,
    ) -> FetchedFile:
        """A fetch on this domain's account: its bytes, its requests, its time."""
        ask = Ask(
            site=self._target.domain,
            max_bytes=min(max_bytes, self._ledger.bytes_left),
            until=self._until,
            validators=validators,
            retries=retries,
            notice=notice,
        )
        fetched = await self._fetcher.fetch(url, ask)
        self._ledger.fetched(fetched)
        return fetched

    def _missed(self, candidate: Candidate, fetched: FetchedFile) -> None:
        """A file that brought nothing to parse: a failure, unless it is only one that is not there."""
        if not fetched.requests and fetched.retry_after is not None:
            return  # the host wants to be left alone: what was not asked for did not fail
        failure = fetched.failure or Failure(Code.HTTP_PROTOCOL, "the server sent no body")
        if candidate.discovered_by is DiscoveryMethod.KNOWN_PATH:
            if failure.code.startswith(NOT_THERE):
                return
            self._ledger.overlooked = True
            self._silent += fetched.status is None
            if self._nonsense is not None and failure.code == self._nonsense.code:
                return
        elif self._decider.is_gone(candidate, failure):
            return
        self._ledger.record(candidate, fetched, FileStatus.FAILED, error=failure)

    async def _parse(self, candidate: Candidate, fetched: FetchedFile, body: BinaryIO) -> None:
        source = Source(
            url=candidate.url,
            body=body,
            size=fetched.size,
            base=fetched.final_url,
            in_scope=self._decider.scope(candidate),
            until=self._until,
            content_type=fetched.headers.content_type,
        )
        known = self._decider.known_digest(candidate)
        if known is not None and fetched.failure is None and not self._decider.needs_content(candidate):
            source = replace(source, known=known)
            if not self._reader.remembers(source) and await self._reader.digest(source) == known:
                self._unchanged(candidate, fetched)
                return
        document, segment = await self._reader.read(source, room=lambda: self._ledger.urls_left)
        if source.known is not None and document.digest == known and document.failure is None:
            segment.clear()
            self._unchanged(candidate, fetched)
            return
        if document.failure is not None and document.failure.code == Code.DEADLINE:
            self._ledger.out_of_time()
        children, segment.children = segment.children, []
        soft = self._nonsense is not None and self._nonsense.resembles(fetched.final_url, document.digest)
        probe = candidate.discovered_by is DiscoveryMethod.KNOWN_PATH
        guessed = not candidate.named and candidate.discovered_by is not DiscoveryMethod.REMEMBERED
        if (guessed and (soft or not document.kind.is_sitemap)) or (
            probe and document.digest in self._digests
        ):
            segment.clear()  # no sitemap, or the same one under a second name
            return
        if document.digest is not None:
            self._digests.add(document.digest)
        status, error = judge(document, segment.entries, fetched.failure, soft=soft)
        if status is FileStatus.OK and known is not None and document.digest == known:
            status = FileStatus.UNCHANGED
            segment.clear()
        if segment.refused:
            self._ledger.too_many_urls()
            status = FileStatus.PARTIAL
        self._ledger.record(candidate, fetched, status, error=error, document=document, segment=segment)
        if document.kind is DocumentKind.INDEX:
            await self._queue_children(candidate, children)
        self._decider.file_done(candidate, status, document.kind)

    def _unchanged(self, candidate: Candidate, fetched: FetchedFile) -> None:
        self._ledger.record(candidate, fetched, FileStatus.UNCHANGED)
        self._decider.file_done(candidate, FileStatus.UNCHANGED, None)

    async def _queue_children(self, index: Candidate, children: list[Entry]) -> None:
        """Queues an index's children, with room for others in between: there may be 50,000 of them, which are
        let go as they are queued."""
        while children:
            self._decider.add_children(index, children[:SLICE])
            del children[:SLICE]
            await asyncio.sleep(0)

    # -- where nobody names a sitemap

    async def _search_home_pages(self) -> Failure | None:
        """Queues what the home pages link to; the site's refusal to show its own, if it refuses."""
        refusal: Failure | None = None
        for folder in self._decider.folders():
            if self._ledger.stopped or (self._options.obey_robots and not self._robots.allows(folder)):
                continue
            with await self._fetch(folder, max_bytes=HOME_PAGE_BYTES) as fetched:
                refusal = fetched.failure
                if fetched.body is not None:
                    html = decoded(fetched.body, HOME_PAGE_BYTES)
                    refusal = None
                    links = await self._reader.links(html, fetched.final_url)
                    self._decider.add_links(links)
        if refusal is not None and refusal.code in ("http_404", "http_410"):
            return None
        return refusal

    async def _probe_paths(self) -> None:
        """Asks for well-known paths: one at first, beside one that cannot exist, then two at once, until one
        name of each kind is found."""
        self._asking = asyncio.create_task(self._ask_nonsense())
        try:
            everything = self._options.probe is Probe.ALWAYS
            await self._probe(MAIN_PATHS[:1], everything=everything)
            await self._probe(MAIN_PATHS[1:], everything=everything)
            await self._probe(NEWS_PATHS, everything=True)
            if everything or not self._decider.found:
                await self._probe(PART_PATHS, everything=True)
            await self._read_queue()
            await self._asking
        finally:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _probe(self, paths: Sequence[str], *, everything: bool) -> None:
        waiting = self._decider.probes(paths)
        while waiting and not self._ledger.stopped and (everything or not self._decider.found):
            if self._silent > PATIENCE:
                return
            self._decider.queue.extend(waiting[:2])
            del waiting[:2]
            await self._read_queue()

    async def _ask_nonsense(self) -> None:
        """Learns how the host answers for a path that does not exist (soft 404)."""
        url = f"{self._decider.origin}/{secrets.token_hex(12)}.xml"
        if self._options.obey_robots and not self._robots.allows(url):
            return
        with await self._fetch(url, max_bytes=HOME_PAGE_BYTES, retries=0) as fetched:
            if fetched.failure is not None:
                self._nonsense = Nonsense(code=fetched.failure.code)
            elif fetched.body is not None:
                digest = hashlib.blake2b(decoded(fetched.body, HOME_PAGE_BYTES), digest_size=16).hexdigest()
                moved = fetched.final_url if fetched.redirects else None
                self._nonsense = Nonsense(final_url=moved, digest=digest)


def _host(origin: str) -> str:
    """What politeness counts an origin by: its host, with the port where that is named."""
    return origin.partition("://")[2]
