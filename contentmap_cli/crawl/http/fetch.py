"""Fetch one URL: wait for a slot, follow redirects, retry, and return the outcome as a value.

Fetcher.fetch -> hop by hop: Connector.route -> Politeness.slot -> one exchange -> Reply -> FetchedFile
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from contentmap_cli.crawl.http.connector import Connector, Resolver, Route
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.politeness import CURRENT_SLOT, HostPaused, HostSlots, Politeness, Slot
from contentmap_cli.crawl.http.responses import FetchedFile, Reply, drain, read_body, read_sample
from contentmap_cli.crawl.http.retries import RETRIED, SLOWING, UNCONDITIONAL, retries_of, retry_after
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure, http_code
from contentmap_cli.models.hosts import normalise_url, site_of

log = logging.getLogger("contentmap.crawl")

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
REFUSED_SECONDS = 3600.0  # pause of a host that refuses everything
ACCEPT = "application/xml, text/xml, text/plain, text/html;q=0.9, */*;q=0.8"
MAX_LINE = 100 * 1024  # as curl
MAX_HEADERS = 1000


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """The parameters of one fetch.

    `clock` is that of the domain. The user's own headers are sent to `site` only. `conditions` are the
    headers of a conditional request. `retries` None means the number of the options.
    """

    site: str
    max_bytes: int
    clock: DomainClock
    conditions: Mapping[str, str] = field(default_factory=dict)
    retries: int | None = None


class Fetcher:
    """Fetches URLs over one aiohttp session. An async context manager: it owns connections and resolver."""

    def __init__(
        self, options: CrawlOptions, resolver: Resolver | None = None, host_slots: HostSlots | None = None
    ) -> None:
        self._options = options
        self._resolver = resolver
        self.politeness = Politeness(
            per_host=options.per_host,
            per_address=options.per_address,
            delay=options.delay or 0.0,
            first_delay=options.backoff,
            host_slots=host_slots,
        )
        self._usual_headers = (
            ("User-Agent", options.user_agent),
            ("Accept", ACCEPT),
            ("Accept-Encoding", "gzip"),
        )
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    async def __aenter__(self) -> Fetcher:
        self._connector = Connector(self._options, self._resolver)
        limits = self._options.limits
        self._session = aiohttp.ClientSession(
            connector=self._connector.connector,
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
        await self._connector.close()

    async def fetch(self, url: str, request: FetchRequest) -> FetchedFile:
        """Return the file at a URL, or why there is none. Raise nothing for network or server errors."""
        debug = log.isEnabledFor(logging.DEBUG)
        if debug:
            log.debug("fetching %s", url, extra={"action": "fetch.started", "url": url})
        with request.clock.working():
            fetched = await self._follow(url, request)
        if debug:
            _log_result(fetched)
        return fetched

    async def _follow(self, url: str, request: FetchRequest) -> FetchedFile:
        fetched = FetchedFile(url=url, final_url=url)
        current = normalise_url(url)
        if current is None:
            fetched.failure = Failure(Code.REJECTED_URL, "the URL is not an http or https URL")
            return fetched
        first = current
        visited = [current]
        for _ in range(self._options.limits.redirects + 1):
            fetched.final_url = current
            reply = await self._fetch_with_retries(current, first, request, fetched)
            if (
                reply.status not in REDIRECT_STATUSES
                or reply.headers.location is None
                or reply.failure is not None
            ):
                return _conclude(fetched, reply, request)
            fetched.status = reply.status
            target, failure = _redirect_target(current, reply.headers.location, visited)
            if target is None:
                fetched.failure = failure
                return fetched
            current = target
            visited.append(current)
            fetched.redirects = tuple(visited[1:])
        fetched.failure = Failure(
            Code.TOO_MANY_REDIRECTS, f"more than {self._options.limits.redirects} redirects"
        )
        return fetched

    async def _fetch_with_retries(
        self, url: str, first: str, request: FetchRequest, fetched: FetchedFile
    ) -> Reply:
        """Request one hop, again after transient failures while time is left (see `retries`)."""
        host = self._connector.route(url).authority
        truncated: Reply | None = None
        attempt = 0
        while True:
            try:
                reply = await self._attempt(url, first, request, fetched)
            except BaseException:
                _discard(truncated, fetched)
                raise
            if reply.status in UNCONDITIONAL and request.conditions:
                request = replace(request, conditions={})
                fetched.retries += 1
                continue
            wait = self._wait_before_retry(host, reply, attempt, request, fetched)
            if wait is None:
                return _better(truncated, reply, fetched)
            if reply.body is not None:
                truncated = reply
            attempt += 1
            fetched.retries += 1
            await asyncio.sleep(wait)

    def _wait_before_retry(
        self, host: str, reply: Reply, attempt: int, request: FetchRequest, fetched: FetchedFile
    ) -> float | None:
        """Return the seconds to wait before the next attempt; None if the reply is final."""
        retries = self._options.retries if request.retries is None else request.retries
        wanted = (
            retry_after(reply.headers.retry_after, reply.headers.date) if reply.status in RETRIED else None
        )
        if wanted is not None:
            self.politeness.pause(host, wanted)
            if wanted > self._max_wait(request):
                fetched.retry_after = wanted
                return None
        if fetched.retry_after is not None:
            return None  # the host refuses everything
        if attempt >= retries_of(reply, retries, known=host in request.clock.answered):
            return None
        if reply.status in SLOWING:
            return 0.0  # the host is paused, which the next attempt waits for
        wait = self._options.backoff * 2**attempt * self._random.uniform(0.5, 1.5)
        return wait if wait < request.clock.left else None

    def _max_wait(self, request: FetchRequest) -> float:
        """Return how many seconds this fetch can wait for a host that asked to retry later."""
        return min(self._options.retry_after_cap, request.clock.wait_left)

    async def _attempt(self, url: str, first: str, request: FetchRequest, fetched: FetchedFile) -> Reply:
        """Send one request within a slot."""
        clock, limits = request.clock, self._options.limits
        try:
            route = self._connector.route(url)
            address = await self._connector.address(route, min(limits.connect_timeout, clock.left))
            while True:
                async with self.politeness.slot(
                    route.authority, address, max_wait=self._max_wait(request), clock=clock
                ) as slot:
                    if clock.expired is not None:
                        return _out_of_time(clock)
                    try:
                        reply = await self._exchange(
                            route, self._headers(url, first, request), request, fetched, slot
                        )
                    except aiohttp.ClientConnectorError:
                        if slot.busy is None:
                            raise
                        address = slot.busy  # the others failed, this one had no free slot
                        continue
                    self._note_answer(route.authority, reply, slot, request, fetched)
                    return reply
        except HostPaused as paused:
            fetched.retry_after = paused.seconds
            return Reply(failure=Failure(http_code(429), str(paused)))
        except EXPECTED as error:
            if isinstance(error, TimeoutError) and clock.expired is not None:
                slowed = self.politeness.slowed(route.authority)
                if slowed and clock.left:
                    fetched.retry_after = slowed
                return _out_of_time(clock)
            fault = http_error_of(error, limits)
            return Reply(failure=fault.failure, transient=fault.transient, connecting=fault.connecting)

    def _note_answer(
        self, host: str, reply: Reply, slot: Slot, request: FetchRequest, fetched: FetchedFile
    ) -> None:
        """Slow down or speed up the requests to a host, depending on the status of its answer."""
        if reply.status not in SLOWING:
            request.clock.answered.add(host)
            if reply.status is not None and reply.status < 500:
                self.politeness.speed_up(host)
            return
        refused = self.politeness.slow_down(host, reply.status or 503, slot.started)
        if refused and host in request.clock.answered:
            fetched.retry_after = REFUSED_SECONDS
            self.politeness.pause(host, fetched.retry_after)

    def _headers(self, url: str, first: str, request: FetchRequest) -> list[tuple[str, str]]:
        """Return the request's headers. The user's own are sent to the target's site only, and not from https
        to http."""
        headers = [*self._usual_headers, *request.conditions.items()]
        own = self._options.headers
        if (
            not own
            or site_of(url) != request.site
            or (first.startswith("https:") and url.startswith("http:"))
        ):
            return headers
        replaced = {name.lower() for name, _ in own}
        return [*((name, value) for name, value in headers if name.lower() not in replaced), *own]

    async def _exchange(
        self,
        route: Route,
        headers: list[tuple[str, str]],
        request: FetchRequest,
        fetched: FetchedFile,
        slot: Slot,
    ) -> Reply:
        """Send one request and read its answer."""
        if route.host_header is not None:
            headers.append(("Host", route.host_header))
        limits = self._options.limits
        until = asyncio.get_running_loop().time() + min(request.clock.left, limits.request_timeout)
        begin = time.monotonic()
        fetched.requests += 1
        connecting = CURRENT_SLOT.set(slot)
        try:
            async with asyncio.timeout_at(until):
                response = await self._session.get(
                    URL(route.url, encoded=True),
                    headers=headers,
                    allow_redirects=False,
                    server_hostname=route.server_hostname,
                )
            try:
                _settle(slot, response)
                return await self._read(response, request, until)
            finally:
                response.close()
        finally:
            CURRENT_SLOT.reset(connecting)
            fetched.ms = round((time.monotonic() - begin) * 1000)

    async def _read(self, response: aiohttp.ClientResponse, request: FetchRequest, until: float) -> Reply:
        """Read an answer. Reading the body has its own timeout, and keeps what was received."""
        reply = Reply(status=response.status, headers=ReplyHeaders.of(response))
        if response.status < 100:
            return Reply(failure=Failure(Code.HTTP_PROTOCOL, "the status is not an HTTP status"))
        if response.status in REDIRECT_STATUSES and reply.headers.location is not None:
            await drain(response)
        elif not is_success(reply):
            await read_sample(response, reply)
        else:
            limits = self._options.limits
            await read_body(response, reply, limits, max_bytes=request.max_bytes, until=until)
            if response.status == 206 and not _is_whole(reply):
                reply.failure = Failure(Code.BODY_TRUNCATED, "the server sent a part of the file only (206)")
            if reply.failure is not None and request.clock.left <= 0:
                reply.failure = _out_of_time(request.clock).failure
                reply.transient = False
        return reply


def is_success(reply: Reply) -> bool:
    """Return whether an answer has the body that was requested: 2xx, but for the challenge of a service."""
    return reply.status == 200 or (200 <= (reply.status or 0) < 300 and not reply.headers.challenge)


def _is_whole(reply: Reply) -> bool:
    """Return whether the Content-Range of a body is the whole file, or not stated."""
    found = re.fullmatch(r"bytes 0-(\d{1,15})/(\d{1,15})", reply.headers.content_range or "bytes 0-0/1")
    return found is not None and int(found[1]) + 1 == int(found[2])


def _settle(slot: Slot, response: aiohttp.ClientResponse) -> None:
    """Count the connection of a response at the address that it is connected to."""
    transport = response.connection.transport if response.connection is not None else None
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple):
        slot.settle(str(peer[0]).partition("%")[0])


def _out_of_time(clock: DomainClock) -> Reply:
    return Reply(failure=Failure(Code.DEADLINE, clock.expired or "the domain's time limit was reached"))


def _discard(reply: Reply | None, fetched: FetchedFile) -> None:
    if reply is not None and reply.body is not None:
        reply.body.close()
        fetched.discarded += reply.size


def _better(truncated: Reply | None, reply: Reply, fetched: FetchedFile) -> Reply:
    """Return the more complete one of a truncated reply and that of the next attempt; discard the other."""
    if truncated is None:
        return reply
    if reply.body is not None and (reply.failure is None or reply.size >= truncated.size):
        _discard(truncated, fetched)
        return reply
    _discard(reply, fetched)
    return truncated


def _log_result(fetched: FetchedFile) -> None:
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


def _redirect_target(current: str, location: str, visited: list[str]) -> tuple[str | None, Failure | None]:
    """Return the target of a redirect, or why it is not followed. Messages do not quote the location."""
    try:
        joined = urljoin(current, location.strip())
    except ValueError:
        return None, Failure(Code.REJECTED_URL, "the redirect target is not a URL")
    target = normalise_url(joined)
    if target is None:
        return None, Failure(Code.REDIRECT_SCHEME, "the redirect target is not an http or https URL")
    if target in visited:
        return None, Failure(Code.REDIRECT_LOOP, "the redirects form a loop")
    return target, None


def _conclude(fetched: FetchedFile, reply: Reply, request: FetchRequest) -> FetchedFile:
    """Return the answer of the last hop as the outcome: success is 2xx, and 304 for a conditional request."""
    fetched.status = reply.status
    fetched.headers = reply.headers
    fetched.body = reply.body
    fetched.size = reply.size
    fetched.failure = reply.failure
    fetched.sample = reply.sample
    if reply.failure is None and not is_success(reply):
        if reply.status == 304 and request.conditions:
            fetched.not_modified = True
        else:
            fetched.failure = Failure(http_code(reply.status or 0), f"the server answered {reply.status}")
    return fetched
