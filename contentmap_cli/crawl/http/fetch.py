"""One URL asked for: its turn taken, redirects followed, retries made, the outcome a value.

Fetcher.fetch -> hop by hop: Connector.route -> Politeness.turn -> one exchange -> Reply -> FetchedFile
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from contentmap_cli.crawl.http.connector import Connector, Resolver, Route
from contentmap_cli.crawl.http.headers import ReplyHeaders, Validators
from contentmap_cli.crawl.http.host_slots import HostSlots
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.politeness import HostPaused, Politeness, retry_after
from contentmap_cli.crawl.http.responses import FetchedFile, Reply, drain, read_body, read_sample
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure, http_code
from contentmap_cli.models.hosts import normalise_url, site_of

log = logging.getLogger("contentmap.crawl")

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRIED = frozenset({429, 500, 502, 503, 504})
ACCEPT = "application/xml, text/xml, text/plain, text/html;q=0.9, */*;q=0.8"
MAX_LINE = 16 * 1024
MAX_HEADERS = 200
NO_VALIDATORS = Validators()


@dataclass(frozen=True, slots=True)
class Ask:
    """The terms of one fetch. `until` is on the event loop's clock; `site` is the only one that is sent the
    user's own headers; `retries` None means the run's own number."""

    site: str
    max_bytes: int
    until: float
    validators: Validators = NO_VALIDATORS
    retries: int | None = None


class Fetcher:
    """Asks for URLs over one aiohttp session. An async context manager: it owns connections and look-ups."""

    def __init__(
        self, options: CrawlOptions, resolver: Resolver | None = None, places: HostSlots | None = None
    ) -> None:
        self._options = options
        self._resolver = resolver
        self.politeness = Politeness(
            per_host=options.per_host,
            per_address=options.per_address,
            delay=options.delay or 0.0,
            places=places,
        )
        self._usual_headers = (
            ("User-Agent", options.user_agent),
            ("Accept", ACCEPT),
            ("Accept-Encoding", "gzip"),
        )
        self._random = random.Random()  # noqa: S311 - jitter, no secret

    async def __aenter__(self) -> Fetcher:
        self._dialler = Connector(self._options, self._resolver)
        limits = self._options.limits
        self._session = aiohttp.ClientSession(
            connector=self._dialler.connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(connect=limits.connect_timeout, sock_read=limits.read_timeout),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            proxy=self._options.proxy,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._dialler.close()

    async def fetch(self, url: str, ask: Ask) -> FetchedFile:
        """The file at a URL, or why there is none. Raises nothing for what the world did."""
        told = log.isEnabledFor(logging.DEBUG)
        if told:
            log.debug("fetching %s", url, extra={"action": "fetch.started", "url": url})
        fetched = await self._follow(url, ask)
        if told:
            _tell(fetched)
        return fetched

    async def _follow(self, url: str, ask: Ask) -> FetchedFile:
        fetched = FetchedFile(url=url, final_url=url)
        current = normalise_url(url)
        if current is None:
            fetched.failure = Failure(Code.REJECTED_URL, "the URL is not an http or https URL")
            return fetched
        first = current
        visited = [current]
        for _ in range(self._options.limits.redirects + 1):
            fetched.final_url = current
            reply = await self._persist(current, first, ask, fetched)
            if reply.status not in REDIRECTS or reply.headers.location is None or reply.failure is not None:
                return _conclude(fetched, reply, ask)
            fetched.status = reply.status
            onward, failure = _onward(current, reply.headers.location, visited)
            if onward is None:
                fetched.failure = failure
                return fetched
            current = onward
            visited.append(current)
            fetched.redirects = tuple(visited[1:])
        fetched.failure = Failure(
            Code.TOO_MANY_REDIRECTS, f"more than {self._options.limits.redirects} redirects"
        )
        return fetched

    async def _persist(self, url: str, first: str, ask: Ask, fetched: FetchedFile) -> Reply:
        """One hop, asked again while that may help and there is time."""
        retries = self._options.retries if ask.retries is None else ask.retries
        attempt = 0
        while True:
            reply = await self._attempt(url, first, ask, fetched)
            retried = reply.status in RETRIED or (reply.status is None and reply.transient)
            if not retried:
                return reply
            wanted = retry_after(reply.headers.retry_after) if reply.status in (429, 503) else None
            wait = max(self._options.backoff * 2**attempt * self._random.uniform(0.5, 1.5), wanted or 0.0)
            if wanted is not None and wanted > self._patience(ask):
                fetched.retry_after = wanted
                self.politeness.pause(self._dialler.route(url).host, wanted)
                return reply
            if attempt >= retries or asyncio.get_running_loop().time() + wait > ask.until:
                return reply
            if wanted:
                self.politeness.pause(self._dialler.route(url).host, wanted)
            attempt += 1
            await asyncio.sleep(wait)

    def _patience(self, ask: Ask) -> float:
        """How many seconds this fetch can wait for a host that asks for time."""
        return min(self._options.retry_after_cap, ask.until - asyncio.get_running_loop().time())

    async def _attempt(self, url: str, first: str, ask: Ask, fetched: FetchedFile) -> Reply:
        """One request in its turn. The deadline counts from before the wait for it."""
        try:
            route = self._dialler.route(url)
            async with asyncio.timeout_at(ask.until) as waiting:
                address = await self._dialler.address(url, self._options.limits.connect_timeout)
                async with self.politeness.turn(route.host, address, patience=self._patience(ask)):
                    return await self._exchange(route, self._headers(url, first, ask), ask, fetched, waiting)
        except HostPaused as paused:
            fetched.retry_after = paused.seconds
            return Reply(failure=Failure(http_code(429), str(paused)))
        except EXPECTED as error:
            if isinstance(error, TimeoutError) and asyncio.get_running_loop().time() >= ask.until:
                return Reply(failure=Failure(Code.DEADLINE, "the domain's time was up"))
            fault = http_error_of(error)
            return Reply(failure=fault.failure, transient=fault.transient)

    def _headers(self, url: str, first: str, ask: Ask) -> list[tuple[str, str]]:
        """The request's headers: the user's own stay on the site that they were meant for, and on TLS."""
        headers = [*self._usual_headers, *ask.validators.headers().items()]
        own = self._options.headers
        if not own or site_of(url) != ask.site or (first.startswith("https:") and url.startswith("http:")):
            return headers
        replaced = {name.lower() for name, _ in own}
        return [*((name, value) for name, value in headers if name.lower() not in replaced), *own]

    async def _exchange(
        self,
        route: Route,
        headers: list[tuple[str, str]],
        ask: Ask,
        fetched: FetchedFile,
        clock: asyncio.Timeout,
    ) -> Reply:
        """One request and its answer. Raises `EXPECTED` errors until the answer's head has come, and no more
        than so long is the caller's `clock` running."""
        if route.host_header is not None:
            headers.append(("Host", route.host_header))
        loop = asyncio.get_running_loop()
        until = min(ask.until, loop.time() + self._options.limits.request_timeout)
        begin = time.monotonic()
        fetched.requests += 1
        clock.reschedule(until)
        try:
            response = await self._session.get(
                URL(route.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                server_hostname=route.server_hostname,
            )
            clock.reschedule(None)  # what reads the body minds the time itself, and keeps what has come
            try:
                reply = Reply(status=response.status, headers=ReplyHeaders.of(response))
                if response.status < 100:
                    return Reply(failure=Failure(Code.HTTP_PROTOCOL, "the status is none that HTTP has"))
                if response.status in REDIRECTS and reply.headers.location is not None:
                    await drain(response)
                elif response.status != 200:
                    await read_sample(response, reply)
                else:
                    await read_body(
                        response,
                        reply,
                        self._options.limits,
                        max_bytes=ask.max_bytes,
                        until=until,
                    )
                    if until == ask.until and loop.time() >= until and reply.failure is not None:
                        reply.failure = Failure(Code.DEADLINE, "the domain's time was up")
            finally:
                response.close()
        finally:
            fetched.ms = round((time.monotonic() - begin) * 1000)
        return reply


def _tell(fetched: FetchedFile) -> None:
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


def _onward(current: str, location: str, visited: list[str]) -> tuple[str | None, Failure | None]:
    """Where a redirect leads, or why it is not followed. A location's text is never repeated."""
    try:
        joined = urljoin(current, location.strip())
    except ValueError:
        return None, Failure(Code.REJECTED_URL, "the redirect leads to no URL")
    onward = normalise_url(joined)
    if onward is None:
        return None, Failure(Code.REDIRECT_SCHEME, "the redirect leads to no http or https URL")
    if onward in visited:
        return None, Failure(Code.REDIRECT_LOOP, "the redirects lead in a circle")
    return onward, None


def _conclude(fetched: FetchedFile, reply: Reply, ask: Ask) -> FetchedFile:
    """The last hop's answer as the outcome: 200 is success, 304 too if it was asked for, nothing else."""
    fetched.status = reply.status
    fetched.headers = reply.headers
    fetched.body = reply.body
    fetched.size = reply.size
    fetched.failure = reply.failure
    fetched.sample = reply.sample
    if reply.failure is None and reply.status != 200:
        if reply.status == 304 and ask.validators.headers():
            fetched.not_modified = True
        else:
            fetched.failure = Failure(http_code(reply.status or 0), f"the server answered {reply.status}")
    return fetched
