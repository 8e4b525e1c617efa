"""The shared state of one domain's crawl: target, statistics, queue, robots rules and fetcher."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from contentmap_cli.crawl.discovery import Candidate, DiscoveryQueue
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher, FetchRequest
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.pages.answers import Answer, answer_of, is_html
from contentmap_cli.crawl.reading.reader import Reader
from contentmap_cli.crawl.results import CrawlProgress, CrawlStats
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DiscoveryMethod, RememberedFile, Target
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.models.hosts import origin_of, site_of

log = logging.getLogger("contentmap.crawl")


class CrawlContext:
    """The shared state of one domain's crawl. `robots` are the rules of the site's origin, once selected."""

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
        self.target = target
        self.options = options
        self.limits = options.limits
        self.reader = reader
        self.stats = CrawlStats(target.domain, options.limits, progress)
        self.discovery = DiscoveryQueue(
            target,
            limits=options.limits,
            probe=options.probe,
            conditional=options.conditional,
            remembered=remembered,
        )
        self.robots = Robots()
        self.robots_of: dict[str, Robots] = {}  # by origin, of those whose robots.txt was requested
        self._fetcher = fetcher
        self.clock = DomainClock(options.limits.domain_time, options.limits.domain_wait)
        self._hosts = {origin.partition("://")[2] for origin in target.origins}

    async def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        conditions: Mapping[str, str] | None = None,
        retries: int | None = None,
    ) -> FetchedFile:
        """Request a URL within the remaining bytes and time of the domain, and count it.

        `conditions` are the headers of a conditional request.
        """
        request = FetchRequest(
            site=self.target.domain,
            max_bytes=min(max_bytes, self.stats.bytes_left),
            clock=self.clock,
            conditions=conditions or {},
            retries=retries,
        )
        fetched = await self._fetcher.fetch(url, request)
        self.stats.count_fetch(fetched)
        return fetched

    async def answer(self, fetched: FetchedFile, name: str) -> Answer:
        """Classify an answer; `name` is the name of the source in messages. HTML is read in a thread."""
        if not is_html(fetched):
            return answer_of(fetched, self.target.domain, name, html=False)
        return await self.reader.in_thread(lambda: answer_of(fetched, self.target.domain, name, html=True))

    def set_delay(self, seconds: float) -> None:
        """Set the Crawl-delay for every host of the site."""
        for host in self._hosts:
            self._fetcher.politeness.set_delay(host, seconds)

    def forget_hosts(self) -> None:
        """Drop the politeness state of the site's hosts."""
        for host in self._hosts:
            self._fetcher.politeness.forget(host)

    def allows(self, url: str) -> bool:
        """Return whether the robots.txt of the URL's origin, or else of the site's, allows a request."""
        robots = self.robots_of.get(origin_of(url) or "", self.robots)
        return not self.options.obey_robots or robots.allows(url)

    def may_request(self, candidate: Candidate) -> bool:
        """Return whether robots.txt allows a file; files on other hosts are always allowed.

        A disallowed file that is not just a guess is recorded as a source.
        """
        if candidate.exempt or site_of(candidate.url) != self.target.domain or self.allows(candidate.url):
            return True
        if self.robots.reachable and candidate.discovered_by is not DiscoveryMethod.KNOWN_PATH:
            failure = Failure(Code.DISALLOWED, f"{candidate.url}: robots.txt disallows it")
            self.stats.add_source(Source(SourceKind.SITEMAP, candidate.url, SourceState.DISALLOWED, failure))
        log.debug("robots.txt disallows %s", candidate.url, extra={"action": "robots.disallowed"})
        return False
