"""Fetch one URL: wait for a slot, follow redirects, retry, and return the outcome as a value.

Fetcher.fetch -> hop by hop: Connector.route -> Politeness.slot -> one exchange -> Reply -> FetchedFile

Each hop has its own robots rules, address policy, validators, user's headers and cookies.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import aiohttp
from yarl import URL

from contentmap_cli.crawl.access.proxy_gate import is_forwarded, proxy_arguments, refused_by
from contentmap_cli.crawl.http.connector import Connector, Resolver, Route, client_context
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.politeness import CURRENT_SLOT, HostPaused, HostSlots, Politeness, Slot
from contentmap_cli.crawl.http.protocol import first_byte_seconds
from contentmap_cli.crawl.http.redirects import REDIRECT_STATUSES, RedirectChain
from contentmap_cli.crawl.http.responses import (
    FetchedFile,
    Reply,
    drain,
    is_success,
    is_whole,
    read_body,
    read_sample,
)
from contentmap_cli.crawl.http.retries import (
    RETRIED,
    SLOWING,
    UNCONDITIONAL,
    better,
    discard,
    retries_of,
    retry_after,
)
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure, http_code
from contentmap_cli.models import Limits
from contentmap_cli.models.hosts import normalise_url

log = logging.getLogger("contentmap.crawl")

REFUSED_SECONDS = 3600.0  # pause of a host that refuses everything
MAX_LINE = 100 * 1024  # as curl
MAX_HEADERS = 1000
MAX_CHALLENGES = 2  # of digest authentication that one request answers: the second for a stale nonce


class Fetcher:
    """Fetches URLs over one aiohttp session. An async context manager: it owns connections and resolver."""

    def __init__(
        self,
        options: CrawlOptions,
        resolver: Resolver | None = None,
        host_slots: HostSlots | None = None,
        traces: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        self._options = options
        self._traces = list(traces)
        self._resolver = resolver
        self.politeness = Politeness(
            per_host=options.per_host,
            per_address=options.per_address,
            delay=options.delay or 0.0,
            first_delay=options.backoff,
            host_slots=host_slots,
        )
        self._warned_of_http = False
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    async def __aenter__(self) -> Fetcher:
        self.connector = Connector(self._options, self._resolver)
        self._client_context = client_context(self._options)
        self._session = self._new_session(self.connector.connector)
        self._sessions = {proxy: self._new_session(each) for proxy, each in self.connector.socks.items()}
        return self

    def _new_session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        limits = self._options.limits
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=self._traces,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(connect=limits.connect_timeout, sock_read=limits.read_timeout),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
        )

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, *self._sessions.values()):
            await session.close()
        await self.connector.close()

    async def fetch(self, url: str, request: FetchRequest) -> FetchedFile:
        """Return the file at a URL, or why there is none. Raise nothing for network or server errors."""
        fetched = FetchedFile(url=url, final_url=url)
        first = normalise_url(url)
        if first is None:
            fetched.failure = Failure(Code.REJECTED_URL, "the URL is not an http or https URL")
            return fetched
        chain = RedirectChain(https_only=request.https_only, plain=request.own.plain, site=request.own.site)
        fetched.failure = chain.start(first)
        while fetched.failure is None:
            fetched.final_url = chain.current
            with request.clock.working():
                reply = await self._fetch_with_retries(chain, request, fetched)
            location = reply.headers.location
            if reply.status not in REDIRECT_STATUSES or location is None or reply.failure is not None:
                return _conclude(fetched, reply, chain, request)
            fetched.status = reply.status
            if len(fetched.redirects) >= self._options.limits.redirects:
                message = f"more than {self._options.limits.redirects} redirects"
                fetched.failure = Failure(Code.TOO_MANY_REDIRECTS, message)
                break
            fetched.failure = chain.follow(location, reply.headers.set_cookie)
            if fetched.failure is None:
                fetched.final_url = chain.current
                fetched.redirects = (*fetched.redirects, chain.current)
                if request.may_follow is not None:
                    fetched.failure = await request.may_follow(chain.current)
        return fetched

    async def _fetch_with_retries(
        self, chain: RedirectChain, request: FetchRequest, fetched: FetchedFile
    ) -> Reply:
        """Request one hop, again after transient failures while time is left (see `retries`)."""
        route = self.connector.route(chain.current)
        truncated: Reply | None = None
        attempt = 0
        while True:
            try:
                reply, request = await self._answer(route, chain, request, fetched)
            except BaseException:
                discard(truncated, fetched)
                raise
            final = reply.status not in RETRIED and not reply.transient
            wait = (
                None if final else self._wait_before_retry(route.authority, reply, attempt, request, fetched)
            )
            if wait is None:
                return reply if truncated is None else better(truncated, reply, fetched)
            if reply.body is not None:
                truncated = reply
            attempt += 1
            fetched.retries += 1
            await asyncio.sleep(wait)

    async def ask(self, chain: RedirectChain, request: FetchRequest, fetched: FetchedFile) -> Reply:
        """Request the current URL of a chain once, neither following a redirect nor repeating a failure."""
        with request.clock.working():
            reply, _ = await self._answer(self.connector.route(chain.current), chain, request, fetched)
        return reply

    async def _answer(
        self, route: Route, chain: RedirectChain, request: FetchRequest, fetched: FetchedFile
    ) -> tuple[Reply, FetchRequest]:
        """Send a request, again without refused conditions or with the answer to a challenge."""
        challenges = 0
        while True:
            answered = request.own.challenge(chain.current)
            reply = await self._attempt(route, chain, request, fetched)
            if reply.status in UNCONDITIONAL and request.conditions and chain.current == request.validated:
                request = replace(request, conditions={})
                fetched.retries += 1
                continue
            if answered is not None and reply.status not in (None, 401):
                request.own.note_accepted(chain.current)
            if reply.status != 401 or challenges == MAX_CHALLENGES:
                return reply, request
            challenges += 1
            if not request.own.accept_challenge(chain.current, reply.headers.authenticate, answered):
                return reply, request

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
        cap = self._options.retry_after_cap if request.max_wait is None else request.max_wait
        return min(cap, request.clock.wait_left)

    async def _attempt(
        self, route: Route, chain: RedirectChain, request: FetchRequest, fetched: FetchedFile
    ) -> Reply:
        """Send one request within a slot."""
        clock, limits = request.clock, self._options.limits
        if clock.silent and not clock.answered:  # a server that is slow to connect costs no full timeout
            limits = replace(limits, request_timeout=min(limits.connect_timeout, limits.request_timeout))
        try:
            address = await self.connector.address(route, min(limits.connect_timeout, clock.left))
            while True:
                async with (
                    self.politeness.slot(
                        route.authority, address, max_wait=self._max_wait(request), clock=clock
                    ) as slot,
                    nullcontext() if route.proxy is None else self.connector.gates[route.proxy].request(),
                ):
                    if clock.expired is not None:
                        return _out_of_time(clock)
                    headers = self._headers(chain, request)
                    try:
                        reply = await self._exchange(route, headers, request, fetched, slot, limits)
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
                self.politeness.speed_up(host, slot)
            return
        refused = self.politeness.slow_down(host, reply.status or 503, slot)
        if refused and host in request.clock.answered:
            fetched.retry_after = REFUSED_SECONDS
            self.politeness.pause(host, fetched.retry_after)

    def _headers(self, chain: RedirectChain, request: FetchRequest) -> list[tuple[str, str]]:
        """Return the headers of a request to the current hop."""
        url, own = chain.current, request.own
        agent = request.user_agent or self._options.user_agent
        headers = [("User-Agent", agent), ("Accept", request.accept), ("Accept-Encoding", "gzip")]
        if url == request.validated:
            headers += request.conditions.items()
        if not self._warned_of_http and own.is_withheld(url):
            self._warned_of_http = True
            log.warning(
                "%s is requested over http without --header, --user and credentials: to send them over http,"
                " type the target with http://",
                own.site,
                extra={"action": "headers.withheld", "domain": own.site},
            )
        return own.add_to(headers, url, chain.cookies)

    async def _exchange(
        self,
        route: Route,
        headers: list[tuple[str, str]],
        request: FetchRequest,
        fetched: FetchedFile,
        slot: Slot,
        limits: Limits,
    ) -> Reply:
        """Send one request and read its answer. aiohttp repeats it if a kept connection was closed."""

        async def send(
            sent: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            fetched.retries += fetched.requests > before
            fetched.requests += 1
            if self._options.signer is not None:  # contains no secret
                sent.headers.update(self._options.signer.headers(route.authority))
            return await handler(sent)

        if route.host_header is not None:
            headers.append(("Host", route.host_header))
        proxy, context = route.proxy, self._client_context
        start, left = asyncio.get_running_loop().time(), request.clock.left
        until = start + min(left, self._options.limits.request_timeout)
        begin, before = time.monotonic(), fetched.requests
        slot.proxied, kept = proxy is not None, False
        connecting = CURRENT_SLOT.set(slot)
        try:
            async with asyncio.timeout_at(start + min(left, limits.request_timeout)):
                session = self._session if proxy is None else self._sessions.get(proxy, self._session)
                response = await session.get(
                    URL(route.url, encoded=True),
                    headers=headers,
                    allow_redirects=False,
                    server_hostname=route.server_hostname,
                    ssl=True if context is None or not request.own.is_private(route.requested) else context,
                    **({} if proxy is None else proxy_arguments(proxy, route.url, headers)),
                    middlewares=(send,),
                )
            try:
                if response.connection is not None and proxy is None:
                    slot.settle(response.connection.transport)
                if response.status == 407 and proxy is not None and is_forwarded(proxy, route.url):
                    raise refused_by(proxy)
                return await self._read(response, request, until)
            finally:
                kept = response.connection is None
                response.close()
        finally:
            CURRENT_SLOT.reset(connecting)
            if not kept:
                await asyncio.sleep(0)  # the socket is closed before the slot is free
            fetched.ms = round((time.monotonic() - begin) * 1000)

    async def _read(self, response: aiohttp.ClientResponse, request: FetchRequest, until: float) -> Reply:
        """Read an answer. Reading the body has its own timeout, and keeps what was received."""
        reply = Reply(status=response.status, headers=ReplyHeaders.of(response))
        if response.status < 100:
            return Reply(failure=Failure(Code.HTTP_PROTOCOL, "the status is not an HTTP status"))
        reply.first_byte = first_byte_seconds(response)
        if response.status in REDIRECT_STATUSES and reply.headers.location is not None:
            await drain(response)
        elif request.read is not None:
            await request.read(response, reply, until)
        elif not is_success(reply):
            await read_sample(response, reply)
        else:
            limits = self._options.limits
            await read_body(
                response, reply, limits, max_bytes=request.max_bytes, until=until, unwanted=request.unwanted
            )
            if response.status == 206 and not is_whole(reply) and not reply.stopped:
                reply.failure = Failure(Code.BODY_TRUNCATED, "the server sent a part of the file only (206)")
        if reply.failure is not None and request.clock.left <= 0:
            reply.failure = _out_of_time(request.clock).failure
            reply.transient = False
        return reply


def _out_of_time(clock: DomainClock) -> Reply:
    return Reply(failure=Failure(Code.DEADLINE, clock.expired or "the domain's time limit was reached"))


def _conclude(fetched: FetchedFile, reply: Reply, chain: RedirectChain, request: FetchRequest) -> FetchedFile:
    """Return the answer of the last hop as the outcome: success is 2xx, and 304 for a conditional request."""
    fetched.status = reply.status
    fetched.headers = reply.headers
    fetched.body = reply.body
    fetched.size = reply.size
    fetched.failure = reply.failure
    fetched.sample = reply.sample
    fetched.stopped = reply.stopped
    if reply.failure is not None:
        hopeless = request.clock.silent and not request.clock.answered
        timed_out = reply.failure.code == Code.TIMEOUT and reply.status is None
        fetched.silent = timed_out and (reply.connecting or hopeless) and not fetched.redirects
        if chain.upgraded and reply.status is None:
            message = f"{reply.failure.message}; {chain.current} was requested over https only"
            fetched.failure = Failure(reply.failure.code, message)
    elif reply.status == 304 and request.conditions and chain.current == request.validated:
        fetched.not_modified = True
    elif not is_success(reply):
        later = retry_after(reply.headers.retry_after, reply.headers.date)
        fetched.remark = request.own.remark(chain.current, reply.status)
        if later and reply.status in RETRIED:
            fetched.remark = f": retry after {later:.0f} seconds"
        message = f"the server answered {reply.status}{fetched.remark}"
        fetched.failure = Failure(http_code(reply.status or 0), message)
    return fetched
