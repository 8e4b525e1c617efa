"""What the parts of one domain's crawl share: target, statistics, queue, rules and the way to the network."""

from __future__ import annotations

import asyncio
import logging

from contentmap_cli.crawl.crawl_stats import CrawlStats
from contentmap_cli.crawl.discovery import Candidate, DiscoveryQueue
from contentmap_cli.crawl.http.fetch import NO_VALIDATORS, Ask, Fetcher
from contentmap_cli.crawl.http.headers import Validators
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.crawl.reading.reader import Reader
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DiscoveryMethod, Target
from contentmap_cli.models.hosts import origin_of, site_of
from contentmap_cli.models.sources import Source, SourceKind, SourceState

log = logging.getLogger("contentmap.crawl")


class CrawlContext:
    """The state of one domain's crawl. `robots` are the rules of the site's origin, once it is known."""

    def __init__(
        self,
        target: Target,
        *,
        options: CrawlOptions,
        fetcher: Fetcher,
        reader: Reader,
        ledger: CrawlStats,
        decider: DiscoveryQueue,
    ) -> None:
        self.target = target
        self.options = options
        self.limits = options.limits
        self.reader = reader
        self.ledger = ledger
        self.decider = decider
        self.robots = Robots()
        self.robots_of: dict[str, Robots] = {}  # by origin, of those whose robots.txt was requested
        self._fetcher = fetcher
        self._until = asyncio.get_running_loop().time() + options.limits.domain_time
        self._hosts = {host_port(origin) for origin in target.origins}

    @property
    def until(self) -> float:
        """When the domain's time is over, on the event loop's clock."""
        return self._until

    async def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        validators: Validators = NO_VALIDATORS,
        retries: int | None = None,
    ) -> FetchedFile:
        """Request a URL within what is left of the domain's bytes and time, and count it."""
        ask = Ask(
            site=self.target.domain,
            max_bytes=min(max_bytes, self.ledger.bytes_left),
            until=self._until,
            validators=validators,
            retries=retries,
        )
        fetched = await self._fetcher.fetch(url, ask)
        self.ledger.fetched(fetched)
        return fetched

    async def answer(self, fetched: FetchedFile, name: str) -> Answer:
        """Return what an answer to this crawl says; `name` is how a message names the source."""
        return await self.reader.answer(fetched, self.target.domain, name)

    def set_delay(self, seconds: float) -> None:
        """Keep this Crawl-delay at every host of the site."""
        for host in self._hosts:
            self._fetcher.politeness.set_delay(host, seconds)

    def forget_hosts(self) -> None:
        """Drop what politeness keeps of the site's hosts."""
        for host in self._hosts:
            self._fetcher.politeness.forget(host)

    def allows(self, url: str) -> bool:
        """Whether robots.txt of the URL's origin, or else of the site's, lets the crawl request it."""
        robots = self.robots_of.get(origin_of(url) or "", self.robots)
        return not self.options.obey_robots or robots.allows(url)

    def may_request(self, candidate: Candidate) -> bool:
        """Whether robots.txt allows a file; it has no say over another host that one of its files names.

        A file that is known to exist and that it forbids is noted as a source.
        """
        if candidate.exempt or site_of(candidate.url) != self.target.domain or self.allows(candidate.url):
            return True
        if self.robots.reachable and candidate.discovered_by is not DiscoveryMethod.KNOWN_PATH:
            failure = Failure(Code.DISALLOWED, f"{candidate.url}: robots.txt disallows it")
            self.ledger.note(Source(SourceKind.SITEMAP, candidate.url, SourceState.DISALLOWED, failure))
        log.debug("robots.txt disallows %s", candidate.url, extra={"action": "robots.disallowed"})
        return False


def host_port(origin: str) -> str:
    """Return what politeness counts an origin by: its host, with the port where that is named."""
    return origin.partition("://")[2]
