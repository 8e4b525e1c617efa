"""Find the origin of a target that serves the site: apex or www, http or https.

The first origin that answers is used. If it lists nothing, the robots.txt and home pages of the others are
requested before known paths.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.http.responses import FetchedFile, decoded
from contentmap_cli.crawl.known_paths import default_paths
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.crawl.pages.refusals import PageKind
from contentmap_cli.crawl.robots import CAPPED_DELAY, Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.models.hosts import is_related, origin_of, site_of
from contentmap_cli.models.robots import RobotsFile

HOME_PAGE_BYTES = 2 * 1024 * 1024
_SIGN_BYTES = 256 * 1024  # first bytes of a home page that are kept to recognise the platform

_READ = (SourceState.WHOLE, SourceState.PARTIAL)


class OriginRobots(NamedTuple):
    """The answer of one origin for robots.txt. `origin` is where the answer came from."""

    origin: str
    robots: Robots
    source: Source
    fetched: FetchedFile  # closed

    @property
    def responded(self) -> bool:
        """Whether there was an HTTP response."""
        return self.fetched.status is not None or self.fetched.retry_after is not None

    @property
    def usable(self) -> bool:
        """Whether this origin can be the site's: it is neither elsewhere nor unreachable."""
        return self.source.state not in (SourceState.ELSEWHERE, SourceState.UNREACHABLE)

    @property
    def digest(self) -> str | None:
        """The digest of the body."""
        return self.robots.file.digest if self.robots.file is not None else None


class SiteFinder:
    """Finds the origin that serves the site, and reads its robots.txt and home page."""

    def __init__(self, context: CrawlContext) -> None:
        self._context = context
        self._results: dict[str, OriginRobots] = {}
        self._unreachable: list[str] = []
        self._unresolved_hosts: set[str] = set()
        self._silent_servers: set[str] = set()  # that accept no connection, under any name
        self._home_sources: list[Source] = []
        self._skipped_source: Source | None = None  # of an origin before the current one
        self._home_is_usable = False  # the home page is one of the site
        self._disallowed = False  # the home page may not be requested
        self._signs: list[bytes] = []  # what shows the platform of the site
        self.current: OriginRobots | None = None
        self.others: list[str] = []  # further origins that answer
        context.site_robots = self._robots_at

    async def select_first(self) -> bool:
        """Select the first origin that can be the site's; return False if there is none."""
        fallback: OriginRobots | None = None
        first: Failure | None = None
        for origin in self._context.origins:
            if fallback is not None and _host_port(origin) == _host_port(fallback.origin):
                continue  # same host, other scheme
            if self._context.stats.deferred:
                break
            found = await self.request_robots(origin, retries=0 if fallback is not None else None)
            if found is None:
                continue
            if not found.responded:
                self._unreachable.append(origin)
                first = first or found.source.failure
                continue
            if found.usable and (fallback is None or found.source.state in _READ):
                self._select(found)
                self._skipped_source = fallback.source if fallback is not None else None
                return True
            fallback = fallback or found
        if fallback is not None:
            return await self._select_fallback(fallback)
        self._context.stats.error = first or Failure(
            Code.CONNECT_ERROR, "the target has no origin to request"
        )
        return False

    async def _select_fallback(self, found: OriginRobots) -> bool:
        """Handle a site whose origins are all unreachable or redirect to another site."""
        context = self._context
        if found.source.state is SourceState.ELSEWHERE:
            home = await self._home(f"{found.origin}/")
            if home.state is SourceState.ELSEWHERE and home.failure is not None:
                context.stats.add_source(found.source)
                moved = home.failure.message.replace("the home page", "the site", 1)
                context.stats.error = Failure(Code.MOVED, moved)
                return False
        self._select(found)
        return True

    async def request_robots(self, origin: str, *, retries: int | None = None) -> OriginRobots | None:
        """Read an origin's robots.txt; None if that was done before, or no server can be reached."""
        context = self._context
        host = _host_port(origin)
        if host in self._unresolved_hosts or origin in self._results or context.stats.stopped:
            return None
        if self._silent_servers:
            servers = await context.servers(origin)
            if servers and servers <= self._silent_servers:
                return None
        url = f"{origin}/robots.txt"
        with await context.fetch(
            url, max_bytes=context.limits.robots_bytes, retries=retries, robots=True
        ) as fetched:
            robots = await context.reader.robots(fetched, context.options)
            answer = await context.answer(fetched, "robots.txt")
            final = robots.file.origin if robots.file is not None else origin
            found = OriginRobots(final, robots, _robots_source(url, fetched, answer, robots), fetched)
        self._results[origin] = self._results[final] = found
        if found.responded:
            context.robots_of[final] = robots if found.source.state is not SourceState.ELSEWHERE else Robots()
        elif fetched.failure is not None and fetched.failure.code == Code.DNS_ERROR:
            self._unresolved_hosts.add(host)
        if fetched.silent:
            context.clock.silent = True
            self._silent_servers |= await context.servers(origin)
        return found

    async def _robots_at(self, origin: str) -> Robots:
        """Return the robots.txt of an origin of the site, to which a redirect leads."""
        found = self._results.get(origin) or await self.request_robots(origin)
        if found is None:
            return Robots(reachable=False, failure=Failure(Code.ROBOTS_UNREACHABLE, "robots.txt: no answer"))
        if not found.responded and found.source.failure is not None:
            return replace(found.robots, reachable=False, failure=found.source.failure)
        return found.robots

    def _select(self, found: OriginRobots) -> None:
        """Make an origin the site's: its robots.txt applies from now on."""
        context, robots = self._context, found.robots
        self.current = found
        context.discovery.select_origin(found.origin, self._unreachable)
        if robots.delay is not None and context.options.obey_robots:
            context.set_delay(robots.delay)
            capped = (
                [each for each in robots.file.problems if each.code == CAPPED_DELAY] if robots.file else []
            )
            context.stats.notes += [Failure(each.code, f"robots.txt: {each.message}") for each in capped]
        self._home_sources.clear()  # of an origin that does not serve the site
        if robots.failure is not None and not robots.reachable and context.options.obey_robots:
            refused = found.source.state is SourceState.REFUSED
            context.stats.error = found.source.failure if refused else robots.failure
        elif found.source.state is SourceState.ELSEWHERE:
            own = tuple(url for url in robots.sitemaps if site_of(url) == context.target.domain)
            robots = replace(robots, sitemaps=own)
        elif robots.failure is not None:
            robots = Robots(product=robots.product, file=robots.file)
        context.robots = robots
        context.stats.robots_source = found.source

    def robots_files(self) -> dict[str, RobotsFile]:
        """Return the robots.txt of each origin that was asked for one and has one."""
        return {
            origin: found.robots.file
            for origin, found in self._results.items()
            if found.source.state in _READ and found.robots.file is not None
        }

    def discard_soft_robots(self) -> None:
        """Mark a robots.txt as not understood if every path has this answer."""
        source = self._context.stats.robots_source
        if source is not None and source.state is SourceState.WHOLE:
            failure = Failure(Code.NOT_UNDERSTOOD, "robots.txt is the page that every path returns")
            self._context.stats.robots_source = source._replace(
                state=SourceState.NOT_UNDERSTOOD, failure=failure
            )

    def accept_missing_robots(self, *, listed: bool) -> None:
        """Treat an HTML page as no robots.txt, if pages are `listed` and it never named a file."""
        stats, source = self._context.stats, self._context.stats.robots_source
        if source is None or source.state is not SourceState.NOT_UNDERSTOOD or source.failure is None:
            return
        if listed and not self._context.discovery.had_robots_sitemaps:
            stats.notes.append(source.failure)
            stats.robots_source = source._replace(state=SourceState.ABSENT, failure=None)

    def record_home_pages(self) -> None:
        """Record the outcome of the home pages of the site's origin."""
        for source in self._home_sources:
            self._context.stats.add_source(source)
        if self._skipped_source is not None and not self._context.robots.sitemaps:
            self._context.stats.add_source(self._skipped_source)

    async def likely_paths(self) -> tuple[str, ...]:
        """Return the known paths to request by default, by what the home page and robots.txt show."""
        file = self.current.robots.file if self.current is not None else None
        texts = (*self._signs, (file.body if file is not None else None) or b"")
        return await self._context.reader.in_thread(lambda: default_paths(*texts))

    # -- home pages

    async def search_home_pages(self) -> None:
        """Queue the links of the home pages of the site's folders. A redirect may select another origin."""
        for folder in self._context.discovery.folders():
            if self._context.stats.stopped:
                return
            if not self._context.allows(folder):
                failure = Failure(Code.DISALLOWED, f"robots.txt disallows {folder} and names no sitemap")
                source = Source(SourceKind.HOME_PAGE, folder, SourceState.DISALLOWED, failure)
                self._home_sources.append(source)
                self._disallowed = True
                continue
            await self._home(folder, note=True)

    async def _home(self, url: str, *, note: bool = False) -> Answer:
        """Request a home page, queue its links and, with `note`, keep it as a source."""
        context = self._context
        with await context.fetch(url, max_bytes=HOME_PAGE_BYTES) as fetched:
            answer = await context.answer(fetched, "the home page")
            if answer.state is SourceState.ELSEWHERE or fetched.body is None:
                self._home_is_usable = False
                if note:
                    self._home_sources.append(Source(SourceKind.HOME_PAGE, url, answer.state, answer.failure))
                return answer
            html = decoded(fetched.body, HOME_PAGE_BYTES)
            if fetched.failure is not None and answer.state is SourceState.WHOLE:
                cut = Failure(fetched.failure.code, f"the home page: {fetched.failure.message}")
                answer = Answer(SourceState.PARTIAL, cut)
            self._signs = [html[:_SIGN_BYTES], *(link.encode() for link in fetched.headers.link)]
            links = await context.reader.links(html, fetched.final_url, fetched.headers.link)
            target = await context.reader.refresh(html, fetched.final_url) or fetched.final_url
            final = origin_of(target)
        if answer.state in (SourceState.WHOLE, SourceState.PARTIAL) and not is_related(
            target, context.target.domain
        ):
            moved = Failure(Code.MOVED, f"the home page redirects to {final}")
            answer = Answer(SourceState.ELSEWHERE, moved)
        if answer.page is PageKind.DEFAULT_PAGE:  # not a page of the site
            lost = Failure(Code.NOT_UNDERSTOOD, "the home page is the default page of a web server")
            answer = Answer(SourceState.NOT_UNDERSTOOD, lost, answer.page)
        if (
            note
            and answer.state is not SourceState.ELSEWHERE
            and final is not None
            and self.current is not None
            and final != self.current.origin
            and site_of(final) == context.target.domain
        ):
            await self._switch(final)
        if note:
            self._home_sources.append(Source(SourceKind.HOME_PAGE, url, answer.state, answer.failure))
        self._home_is_usable = answer.state is SourceState.WHOLE
        if answer.state is not SourceState.ELSEWHERE:
            context.discovery.add_links(links)
        return answer

    async def _switch(self, origin: str) -> None:
        """Select another origin if its robots.txt can be read, and queue the sitemaps in it."""
        found = self._results.get(origin) or await self.request_robots(origin)
        if found is not None and found.usable and found.responded:
            self._select(found)
            self._context.discovery.add_roots(found.robots.sitemaps)

    # -- the other origins

    async def search_other_origins(self) -> None:
        """Try the other origins if the current one lists nothing.

        The first one whose robots.txt names sitemaps is selected, else the first one with a home page if the
        current one has none.
        """
        current = self.current
        if current is None or current.robots.sitemaps:
            return
        context = self._context
        answering: list[str] = []
        for origin in self._context.origins:
            same_host = _host_port(origin) == _host_port(current.origin)
            if (same_host and self._home_is_usable) or any(
                _host_port(origin) == _host_port(other) for other in answering
            ):
                continue
            found = await self.request_robots(origin, retries=0)
            if found is None or not found.responded or not found.usable or found.origin == current.origin:
                continue
            if found.robots.sitemaps:
                await self._switch(found.origin)
                return
            refused = found.source.state is SourceState.REFUSED
            same = found.source.state is SourceState.WHOLE and found.digest == current.digest
            if not refused and not same:
                answering.append(found.origin)
        if self._disallowed:
            return
        if not self._home_is_usable:
            for origin in answering:
                home = f"{origin}/"
                if context.allows(home):
                    await self._home(home)
                if self._home_is_usable:
                    await self._switch(origin)
                    self._home_sources.append(Source(SourceKind.HOME_PAGE, home, SourceState.WHOLE))
                    return
        self.others = answering


def _robots_source(url: str, fetched: FetchedFile, answer: Answer, robots: Robots) -> Source:
    """Return the outcome of a robots.txt as a source."""
    state, failure = answer.state, answer.failure
    if state is SourceState.WHOLE and fetched.body is not None:
        if robots.failure is not None:
            state, failure = SourceState.NOT_UNDERSTOOD, robots.failure
        elif robots.file is not None and not robots.file.understood:
            failure = Failure(Code.NOT_UNDERSTOOD, "robots.txt contains no valid line")
            state = SourceState.NOT_UNDERSTOOD
        elif fetched.failure is not None:
            state = SourceState.PARTIAL
            failure = Failure(fetched.failure.code, f"robots.txt: {fetched.failure.message}")
        elif robots.file is not None and robots.file.losses:
            lines = "1 Sitemap line" if robots.file.losses == 1 else f"{robots.file.losses} Sitemap lines"
            state = SourceState.PARTIAL
            failure = Failure(Code.ENTRIES_REFUSED, f"robots.txt: {lines} cannot be read")
    elif state is SourceState.UNREACHABLE and fetched.status is not None and fetched.body is None:
        failure = robots.failure or failure
    elif fetched.status is None:
        failure = fetched.failure
    return Source(SourceKind.ROBOTS, url, state, failure)


def _host_port(origin: str) -> str:
    """Return the host of an origin, with an explicit port."""
    return origin.partition("://")[2]
