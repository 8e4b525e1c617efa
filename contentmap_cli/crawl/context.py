"""The shared state of one domain's crawl: target, statistics, queue, robots rules and fetcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from contentmap_cli.crawl.candidate import Candidate
from contentmap_cli.crawl.discovery import DiscoveryQueue
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest, ReadBody
from contentmap_cli.crawl.http.own_headers import OwnHeaders
from contentmap_cli.crawl.http.redirects import RedirectChain
from contentmap_cli.crawl.http.responses import FetchedFile, Reply
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.pages.answers import Answer, answer_of, is_html
from contentmap_cli.crawl.reading.reader import Reader
from contentmap_cli.crawl.results import CrawlProgress, CrawlStats
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.crawl.targets import with_http
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DiscoveryMethod, RememberedFile, Target
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.models.hosts import origin_of, site_of

log = logging.getLogger("contentmap.crawl")

ACCEPT_PAGE = "text/html, application/xhtml+xml, */*;q=0.8"

_OTHER_HOSTS = 100
"""Origins of other sites whose robots.txt is kept, per domain."""


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
        waiting: Callable[[bool], None] | None = None,
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
            selection=options.selection,
        )
        self.robots = Robots()
        self.robots_of: dict[str, Robots] = {}  # by origin, of those whose robots.txt was requested
        self.site_robots: Callable[[str], Awaitable[Robots]] | None = None  # of an origin of the site
        self._other_robots: dict[str, Robots] = {}  # by origin, of other sites
        self._robots_lock = asyncio.Lock()
        self._fetcher = fetcher
        typed = target.typed_scheme
        self.origins = with_http(target.origins) if options.allow_http else target.origins
        self._https_only = typed == "https" and not options.allow_http
        login = target.credentials or options.credentials.get(target.domain) or options.user
        self._own = OwnHeaders.of(
            target.domain, options.headers, login, plain=typed == "http", netrc=options.netrc
        )
        self.clock = DomainClock(options.limits.domain_time, options.limits.domain_wait, on_change=waiting)
        self._hosts = {origin.partition("://")[2] for origin in self.origins}
        self._delayed_hosts: set[str] = set()  # to which a redirect leads

    async def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        conditions: Mapping[str, str] | None = None,
        validated: str | None = None,
        retries: int | None = None,
        exempt: bool = False,
        robots: bool = False,
        user_agent: str | None = None,
        unwanted: Callable[[bytes], bool | None] | None = None,
        excluded: Callable[[str], bool] | None = None,
    ) -> FetchedFile:
        """Request a URL within the remaining bytes and time of the domain, and count it.

        `conditions` are the headers of a conditional request for the URL `validated`. A redirect is followed
        if the robots.txt of its target's origin allows that; it is not asked with `robots`, for robots.txt
        itself. An `exempt` file may be redirected to the same path of another origin of the site. No
        redirect to an `excluded` URL is followed; the rest of a body that is `unwanted` is not read (see
        `FetchRequest`).
        """
        request = FetchRequest(
            max_bytes=min(max_bytes, self.stats.bytes_left),
            clock=self.clock,
            own=self._own,
            conditions=conditions or {},
            validated=validated,
            retries=retries,
            https_only=self._https_only,
            may_follow=None if robots else partial(self._may_follow, url if exempt else None, excluded),
            user_agent=user_agent,
            unwanted=unwanted,
        )
        debug = log.isEnabledFor(logging.DEBUG)
        if debug:
            log.debug("fetching %s", url, extra={"action": "fetch.started", "url": url})
        fetched = await self._fetcher.fetch(url, request)
        if debug:
            _log_fetch(fetched)
        self.stats.count_fetch(fetched)
        return fetched

    def new_chain(self) -> RedirectChain:
        """Return an empty redirect chain of the site."""
        return RedirectChain(plain=self._own.plain, site=self._own.site)

    async def ask(
        self, chain: RedirectChain, read: ReadBody, conditions: Mapping[str, str]
    ) -> tuple[Reply, FetchedFile]:
        """Request the current URL of a chain, that of a page, once, and read its body with `read`.

        A host that asks to retry later is waited for as long as there is time.
        """
        fetched = FetchedFile(url=chain.current, final_url=chain.current)
        request = FetchRequest(
            max_bytes=0,
            clock=self.clock,
            own=self._own,
            conditions=conditions,
            validated=chain.current,
            accept=ACCEPT_PAGE,
            max_wait=self.clock.left,
            read=read,
        )
        return await self._fetcher.ask(chain, request, fetched), fetched

    def pause(self, url: str, seconds: float) -> None:
        """Send no request to the host of a URL for this many seconds."""
        self._fetcher.politeness.pause((origin_of(url) or "").partition("://")[2], seconds)

    def set_host_delay(self, host: str, seconds: float) -> None:
        """Set the Crawl-delay of a host until `forget_hosts`."""
        self._delayed_hosts.add(host)
        self._fetcher.politeness.set_delay(host, seconds)

    async def servers(self, origin: str) -> frozenset[str]:
        """Return the servers of an origin (see `Connector.servers`)."""
        seconds = min(self.limits.connect_timeout, self.clock.left)
        return await self._fetcher.connector.servers(origin, seconds)

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
        """Drop the politeness state of the site's hosts, and of those whose Crawl-delay was set."""
        for host in self._hosts | self._delayed_hosts:
            self._fetcher.politeness.forget(host)

    def allows(self, url: str) -> bool:
        """Return whether the robots.txt of the URL's origin, or else of the site's, allows a request."""
        robots = self.robots_of.get(origin_of(url) or "", self.robots)
        return not self.options.obey_robots or robots.allows(url)

    async def _may_follow(
        self, exempt_url: str | None, excluded: Callable[[str], bool] | None, url: str
    ) -> Failure | None:
        """Return why robots.txt of a URL's origin does not allow to follow a redirect to it; None if it does.

        `exempt_url` is the URL that was redirected, if Disallow does not apply to it. An `excluded` URL is
        not requested at all.
        """
        if excluded is not None and excluded(url):
            return Failure(Code.NOT_SELECTED, f"it redirects to {url}, which --exclude matches")
        origin = origin_of(url)
        if not self.options.obey_robots or origin is None:
            return None
        if exempt_url is not None and _same_file(exempt_url, url):
            return None
        robots = await self._robots_at(origin, own=site_of(url) == self.target.domain)
        if robots.delay is not None:
            self.set_host_delay(origin.partition("://")[2], robots.delay)
        if robots.allows(url):
            return None
        if robots.failure is not None and not robots.reachable:
            return Failure(robots.failure.code, f"it redirects to {url}: {robots.failure.message}")
        return Failure(Code.DISALLOWED, f"it redirects to {url}, which robots.txt disallows")

    async def _robots_at(self, origin: str, *, own: bool) -> Robots:
        """Return the robots.txt of an origin, which is requested once."""
        async with self._robots_lock:
            known = self.robots_of.get(origin) or self._other_robots.get(origin)
            if known is not None:
                return known
            if own and self.site_robots is not None:
                return await self.site_robots(origin)
            robots, _ = await self.request_robots(origin)
            if len(self._other_robots) >= _OTHER_HOSTS:
                del self._other_robots[next(iter(self._other_robots))]
            self._other_robots[origin] = robots
            return robots

    async def request_robots(self, origin: str) -> tuple[Robots, FetchedFile]:
        """Return the rules of an origin, and the answer (closed) that they were read from."""
        url = f"{origin}/robots.txt"
        with await self.fetch(url, max_bytes=self.limits.robots_bytes, robots=True) as fetched:
            robots = await self.reader.robots(fetched, self.options)
            if fetched.status is None and fetched.failure is not None:  # the code says why
                robots = replace(robots, failure=fetched.failure)
        return robots, fetched

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


def _log_fetch(fetched: FetchedFile) -> None:
    log.debug(
        "%s %s",
        fetched.failure.code if fetched.failure else fetched.status,
        fetched.url,
        extra={
            "action": "fetch.complete" if fetched.failure is None else "fetch.failed",
            "url": fetched.url,
            "status": fetched.status,
            "bytes": fetched.size,
            "requests": fetched.requests,
            "ms": fetched.ms,
        },
    )


def _same_file(url: str, other: str) -> bool:
    """Return whether two normalised URLs of one site differ in scheme or `www.` only."""
    rest, its = url.partition("://")[2].partition("/")[2], other.partition("://")[2].partition("/")[2]
    return site_of(url) == site_of(other) and rest == its
