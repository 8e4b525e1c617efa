"""Checks of a site over HTTP: robots.txt, redirects, the home page, user agents and sitemaps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.diagnosis.actions import action_for, as_information, failed
from contentmap_cli.crawl.diagnosis.network import NetworkChecks
from contentmap_cli.crawl.http.connector import Connector
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.known_paths import MAIN_PATHS
from contentmap_cli.crawl.origins import HOME_PAGE_BYTES, OriginRobots, SiteFinder
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DocumentKind
from contentmap_cli.models.diagnosis import Check, Level
from contentmap_cli.models.evidence import SourceState
from contentmap_cli.models.hosts import host_of, site_of
from contentmap_cli.sitemap.document import NullSink, parse_document

MAX_SITEMAPS = 5
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""A common browser, to see whether a refusal depends on the User-Agent. No other crawler is impersonated."""

_NOT_AGAIN = frozenset({401, 407, 429})
_ABSENT = frozenset({"http_404", "http_410", Code.NOT_A_SITEMAP})
"""Codes that are no findings for a path that was only guessed."""


class NetworkGroup(NamedTuple):
    """The checks of one host, and whether a connection was made."""

    host: str | None
    works: bool
    checks: list[Check]


class Diagnosis:
    """Checks one site as a scan meets it, with at most a dozen requests. Nothing is recorded."""

    def __init__(self, context: CrawlContext, connector: Connector) -> None:
        self._context = context
        self._connector = connector
        self._finder = SiteFinder(context)
        self._absent: set[str | None] = set()  # hosts that do not exist
        self._deferred = False  # the host asked to retry later

    async def run(self) -> AsyncIterator[Check]:
        """Yield the checks in the order of a scan."""
        groups = await self._network()
        failures: list[Check] = []
        robots: Robots | None = None
        for origin in self._context.origins:
            if host_of(origin) in self._absent:
                continue
            checks, robots = await self._robots(origin)
            if robots is not None:
                break
            failures += checks
        answering = host_of(origin) if robots is not None else None
        network = _network_checks(groups, answering)
        codes = [check.code for check in network if check.level.is_finding]
        for check in network:
            yield check
        for check in failures:
            yield as_information(check) if robots is not None or check.code in codes else check
        if robots is None:
            code = next((code for code in [*codes, *(check.code for check in failures)] if code), None)
            text = "no origin of the target answers"
            yield Check("site", Level.ERROR, self._context.target.domain, text, code or Code.CONNECT_ERROR)
            return
        for check in checks:
            yield check
        if self._deferred or (self._context.options.obey_robots and not robots.reachable):
            return  # the rest would be refused for the same reason
        origin = (robots.file.origin if robots.file is not None else None) or origin
        for check in await self._home(f"{origin}/", robots):
            yield check
        for check in await self._sitemaps(origin, robots):
            yield check

    async def _network(self) -> list[NetworkGroup]:
        """Return the checks of each host."""
        hosts: dict[str | None, str] = {}
        for origin in self._context.origins:
            hosts.setdefault(host_of(origin), origin)
        groups = []
        for host, origin in hosts.items():
            network = NetworkChecks(self._connector, self._context.options)
            checks = [check async for check in network.run(origin)]
            groups.append(NetworkGroup(host, network.works, checks))
            if not network.exists:
                self._absent.add(host)
        return groups

    async def _robots(self, origin: str) -> tuple[list[Check], Robots | None]:
        """Return the checks of an origin's robots.txt, and its rules if the origin answers."""
        found = await self._finder.request_robots(origin)
        if found is None:
            return [], None
        url, fetched = found.source.url, found.fetched
        checks = _redirects(url, fetched, self._context.target.domain)
        self._deferred = fetched.retry_after is not None
        if not found.responded:
            failure = fetched.failure or Failure(Code.CONNECT_ERROR, "no answer")
            return [*checks, failed("robots.txt", url, failure, Level.WARNING)], None
        checks.append(_robots_check(found))
        if found.robots.delay is not None and self._context.options.obey_robots:
            self._context.set_delay(found.robots.delay)
        return checks, found.robots

    async def _home(self, url: str, robots: Robots) -> list[Check]:
        context = self._context
        if context.options.obey_robots and not robots.allows(url):
            text = f"robots.txt disallows it for {robots.product}"
            return [failed("home page", url, Failure(Code.DISALLOWED, text))]
        with await context.fetch(url, max_bytes=HOME_PAGE_BYTES) as fetched:
            answer = await context.answer(fetched, "the home page")
            checks = _redirects(url, fetched, context.target.domain)
            checks.append(_answer_check("home page", url, fetched, answer))
            self._deferred = fetched.retry_after is not None
            status = fetched.status
            refused = (
                answer.state is SourceState.REFUSED
                or status == 406
                or (status is None and bool(answer.failure))
            )
        # credentials that were refused are not sent again, and a page with 200 does not tell
        if (
            refused
            and not self._deferred
            and (status is None or (status >= 400 and status not in _NOT_AGAIN))
        ):
            checks.append(await self._browser(url, status))
        return checks

    async def _browser(self, url: str, status: int | None) -> Check:
        """Request a URL that refused the crawler once more as a browser does."""
        with await self._context.fetch(url, max_bytes=HOME_PAGE_BYTES, user_agent=BROWSER) as fetched:
            other = fetched.status
        if other == status or other is None or other >= 400:
            text = f"a browser's User-Agent is refused as well ({other or 'no answer'})"
            return Check("user agent", Level.INFO, url, text)
        text = f"a browser's User-Agent gets {other}, the crawler's gets {status or 'no answer'}"
        action = "the site refuses this User-Agent: set another with --user-agent, or ask the operator"
        return Check("user agent", Level.WARNING, url, text, Code.BLOCKED, action)

    async def _sitemaps(self, origin: str, robots: Robots) -> list[Check]:
        given = (*robots.sitemaps[:MAX_SITEMAPS], *self._context.target.sitemaps)
        checks: list[Check] = []
        for url in dict.fromkeys(given or [f"{origin}/{path}" for path in MAIN_PATHS[:2]]):
            if not self._deferred:
                checks += await self._sitemap(url, robots, guessed=not given)
        if len(robots.sitemaps) > MAX_SITEMAPS:
            text = (
                f"{len(robots.sitemaps) - MAX_SITEMAPS} more are named in robots.txt and were not requested"
            )
            checks.append(Check("sitemap", Level.INFO, origin, text))
        sitemaps = [check for check in checks if check.step == "sitemap"]
        if checks and not given and all(check.code in _ABSENT for check in sitemaps):
            text = "robots.txt names no sitemap, and there is none at the common paths"
            action = "name the sitemap in robots.txt; a scan also tries other paths and the home page"
            checks.append(Check("sitemap", Level.WARNING, origin, text, None, action))
        return checks

    async def _sitemap(self, url: str, robots: Robots, *, guessed: bool) -> list[Check]:
        context = self._context
        if guessed and context.options.obey_robots and not robots.allows(url):
            text = f"robots.txt disallows it for {robots.product}"
            return [failed("sitemap", url, Failure(Code.DISALLOWED, text), Level.INFO)]
        with await context.fetch(url, max_bytes=context.limits.body_bytes, exempt=not guessed) as fetched:
            answer = await context.answer(fetched, "the sitemap")
            checks = _redirects(url, fetched, context.target.domain)
            self._deferred = fetched.retry_after is not None
            check = _answer_check("sitemap", url, fetched, answer)
            body = fetched.body
            if check.level is Level.OK and body is not None:
                base = fetched.final_url
                document = await context.reader.in_thread(
                    lambda: parse_document(body, NullSink(), base=base, limits=context.limits)
                )
                count = document.entries
                what = f"{check.message}: {document.kind}, {count} entr{'y' if count == 1 else 'ies'}"
                if document.failure is not None:
                    check = failed("sitemap", url, document.failure)
                elif document.kind is DocumentKind.UNKNOWN or not document.kind.is_sitemap:
                    failure = Failure(Code.NOT_A_SITEMAP, f"{check.message}: not a sitemap")
                    check = failed("sitemap", url, failure)
                else:
                    check = Check("sitemap", Level.OK, url, what)
        if guessed and check.level.is_finding and check.code in _ABSENT:
            check = Check("sitemap", Level.INFO, url, check.message, check.code)
        return [*checks, check]


def _network_checks(groups: Sequence[NetworkGroup], answering: str | None) -> list[Check]:
    """Return the checks of all hosts; `answering` is the host whose robots.txt was answered.

    A failure is no finding if another origin of the host answers, or if another host than the first fails.
    """
    works = answering is not None or any(group.works for group in groups)
    checks: list[Check] = []
    for number, group in enumerate(groups):
        lowered = not group.works and (group.host == answering or (number > 0 and works))
        checks += map(as_information, group.checks) if lowered else group.checks
    return checks


def _redirects(url: str, fetched: FetchedFile, domain: str) -> list[Check]:
    """Return a check of each redirect of a fetch."""
    checks = []
    for target in fetched.redirects:
        level, action = Level.OK, None
        if url.startswith("https:") and target.startswith("http:"):
            level, action = Level.WARNING, "redirect to https: credentials are not sent over http"
        elif site_of(target) != domain and site_of(url) == domain:
            level, action = Level.WARNING, action_for(Code.MOVED)
        checks.append(Check("redirect", level, url, f"to {target}", None, action))
        url = target
    return checks


def _robots_check(found: OriginRobots) -> Check:
    url, robots, fetched = found.source.url, found.robots, found.fetched
    if (
        found.source.state in (SourceState.REFUSED, SourceState.ELSEWHERE)
        and found.source.failure is not None
    ):
        return failed("robots.txt", url, found.source.failure)
    if not robots.reachable and robots.failure is not None:
        return failed("robots.txt", url, robots.failure)
    if robots.failure is not None:
        return failed("robots.txt", url, robots.failure, Level.WARNING)
    if (
        robots.rules is None
        and found.source.failure is not None
        and found.source.state is not SourceState.ABSENT
    ):
        return failed("robots.txt", url, found.source.failure)
    if robots.rules is None:
        return Check("robots.txt", Level.OK, url, f"{_transfer(fetched)}: absent, everything is allowed")
    count = len(robots.sitemaps)
    delay = f", Crawl-delay {robots.delay:g} s" if robots.delay else ""
    named = f"{count} sitemap{'s' * (count != 1)} named"
    return Check("robots.txt", Level.OK, url, f"{_transfer(fetched)}: {named}{delay} for {robots.product}")


def _answer_check(step: str, url: str, fetched: FetchedFile, answer: Answer) -> Check:
    failure = answer.failure or fetched.failure
    if failure is None and answer.state is SourceState.WHOLE:
        return Check(step, Level.OK, url, _transfer(fetched))
    failure = failure or Failure(Code.NOT_UNDERSTOOD, f"the answer is {answer.state}")
    check = failed(step, url, failure)
    if check.action is None and fetched.status is not None:
        return Check(step, check.level, url, check.message, check.code, action_for(f"http_{fetched.status}"))
    return check


def _transfer(fetched: FetchedFile) -> str:
    """Return status, size, content coding and time of an answer."""
    codings = ", ".join(coding for coding in fetched.headers.codings if coding)
    coding = f" ({codings})" if codings else ""
    return f"{fetched.status}, {fetched.size:,} bytes{coding} in {fetched.ms or 0} ms"
