"""Fetch one URL: wait for a slot, follow redirects, retry, and return the outcome as a value.

Fetcher.fetch -> hop by hop: Connector.route -> Politeness.slot -> one exchange -> Reply -> FetchedFile

Each hop has its own robots rules, address policy, validators, user's headers and cookies.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from contentmap_cli.crawl.access.identity import Identity
from contentmap_cli.crawl.access.proxy_gate import is_forwarded, proxy_arguments, refused_by
from contentmap_cli.crawl.http.connector import Connector, Resolver, Route, client_context
from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.crawl.http.own_headers import NOTHING_OWN, OwnHeaders, with_own
from contentmap_cli.crawl.http.politeness import HostPaused, HostSlots, Politeness, retry_after
from contentmap_cli.crawl.http.redirects import REDIRECT_STATUSES, RedirectChain
from contentmap_cli.crawl.http.responses import FetchedFile, Reply, drain, read_body, read_sample
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import Code, Failure, http_code
from contentmap_cli.models.hosts import normalise_url

log = logging.getLogger("contentmap.crawl")

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
ACCEPT = "application/xml, text/xml, text/plain, text/html;q=0.9, */*;q=0.8"
MAX_LINE = 16 * 1024
MAX_HEADERS = 200


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """The parameters of one fetch.

    `until` is on the event loop's clock. `own` are the user's headers. `conditions` are the headers of a
    conditional request: they are sent to the URL `validated` only, which gave the validators. `retries` None
    means the number of the options. With `https_only` http URLs are requested over https. `may_follow`
    returns why a redirect to a URL is not followed, None if it is.
    """

    max_bytes: int
    until: float
    own: OwnHeaders = NOTHING_OWN
    conditions: Mapping[str, str] = field(default_factory=dict)
    validated: str | None = None
    retries: int | None = None
    https_only: bool = False
    may_follow: Callable[[str], Awaitable[Failure | None]] | None = None


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
            host_slots=host_slots,
        )
        self._usual_headers = (
            ("User-Agent", options.user_agent),
            ("Accept", ACCEPT),
            ("Accept-Encoding", "gzip"),
        )
        self._told_of_http = False
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    async def __aenter__(self) -> Fetcher:
        self._connector = self.connector = Connector(self._options, self._resolver)
        self._identity = Identity(self._options, client_context(self._options))
        self._session = self._new_session(self._connector.connector)
        self._socks = {proxy: self._new_session(each) for proxy, each in self._connector.socks.items()}
        return self

    def _new_session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        limits = self._options.limits
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(connect=limits.connect_timeout, sock_read=limits.read_timeout),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
        )

    def _session_of(self, route: Route) -> aiohttp.ClientSession:
        return self._session if route.proxy is None else self._socks.get(route.proxy, self._session)

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, *self._socks.values()):
            await session.close()
        await self._connector.close()

    async def fetch(self, url: str, request: FetchRequest) -> FetchedFile:
        """Return the file at a URL, or why there is none. Raise nothing for network or server errors."""
        debug = log.isEnabledFor(logging.DEBUG)
        if debug:
            log.debug("fetching %s", url, extra={"action": "fetch.started", "url": url})
        fetched = await self._follow(url, request)
        if debug:
            _log_result(fetched)
        return fetched

    async def _follow(self, url: str, request: FetchRequest) -> FetchedFile:
        fetched = FetchedFile(url=url, final_url=url)
        first = normalise_url(url)
        if first is None:
            fetched.failure = Failure(Code.REJECTED_URL, "the URL is not an http or https URL")
            return fetched
        chain = RedirectChain(https_only=request.https_only)
        fetched.failure = chain.start(first)
        while fetched.failure is None:
            fetched.final_url = chain.current
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
        """Request one hop, again after transient failures while time is left."""
        retries = self._options.retries if request.retries is None else request.retries
        attempt = 0
        url = chain.current
        while True:
            reply = await self._attempt(chain, request, fetched)
            retried = reply.status in RETRIED_STATUSES or (reply.status is None and reply.transient)
            if not retried:
                return reply
            wanted = retry_after(reply.headers.retry_after) if reply.status in (429, 503) else None
            wait = max(self._options.backoff * 2**attempt * self._random.uniform(0.5, 1.5), wanted or 0.0)
            if wanted is not None and wanted > self._max_wait(request):
                fetched.retry_after = wanted
                self.politeness.pause(self._connector.route(url).authority, wanted)
                return reply
            if attempt >= retries or asyncio.get_running_loop().time() + wait > request.until:
                return reply
            if wanted:
                self.politeness.pause(self._connector.route(url).authority, wanted)
            attempt += 1
            await asyncio.sleep(wait)

    def _max_wait(self, request: FetchRequest) -> float:
        """Return how many seconds this fetch can wait for a host that asked to retry later."""
        return min(self._options.retry_after_cap, request.until - asyncio.get_running_loop().time())

    async def _attempt(self, chain: RedirectChain, request: FetchRequest, fetched: FetchedFile) -> Reply:
        """Send one request within a slot. The deadline includes the wait for the slot."""
        try:
            route = self._connector.route(chain.current)
            async with asyncio.timeout_at(request.until) as waiting:
                address = await self._connector.address(route, self._options.limits.connect_timeout)
                async with (
                    self.politeness.slot(route.authority, address, max_wait=self._max_wait(request)),
                    self._connector.through(route.proxy),
                ):
                    headers = self._headers(chain, request)
                    self._identity.add_headers(headers, chain.current, route.authority, request.own.site)
                    return await self._exchange(
                        route,
                        headers,
                        request,
                        fetched,
                        waiting,
                        request.own.middlewares(chain.current),
                    )
        except HostPaused as paused:
            fetched.retry_after = paused.seconds
            return Reply(failure=Failure(http_code(429), str(paused)))
        except EXPECTED as error:
            if isinstance(error, TimeoutError) and asyncio.get_running_loop().time() >= request.until:
                return Reply(failure=Failure(Code.DEADLINE, "the domain's time limit was reached"))
            fault = http_error_of(error)
            return Reply(failure=fault.failure, transient=fault.transient)

    def _headers(self, chain: RedirectChain, request: FetchRequest) -> list[tuple[str, str]]:
        """Return the headers of a request to the current hop."""
        url, own = chain.current, request.own
        headers = [*self._usual_headers]
        if url == request.validated:
            headers += request.conditions.items()
        sent = own.sent_to(url)
        if not sent and own.belongs_to(url) and not self._told_of_http:
            self._told_of_http = True
            log.warning(
                "%s is requested over http without --header, --user and credentials: to send them over http,"
                " type the target with http://",
                own.site,
                extra={"action": "headers.withheld", "domain": own.site},
            )
        return with_own(headers, own.headers if sent else (), chain.cookies())

    async def _exchange(
        self,
        route: Route,
        headers: list[tuple[str, str]],
        request: FetchRequest,
        fetched: FetchedFile,
        clock: asyncio.Timeout,
        middlewares: Sequence[aiohttp.ClientMiddlewareType],
    ) -> Reply:
        """Send one request and read its answer. `clock` is the timeout of the caller until the response head
        is there."""
        if route.host_header is not None:
            headers.append(("Host", route.host_header))
        loop = asyncio.get_running_loop()
        until = min(request.until, loop.time() + self._options.limits.request_timeout)
        begin = time.monotonic()
        fetched.requests += 1
        clock.reschedule(until)
        try:
            response = await self._session_of(route).get(
                URL(route.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                server_hostname=route.server_hostname,
                ssl=self._identity.tls(route.requested, request.own.site),
                **proxy_arguments(route.proxy, route.url, headers),
                middlewares=middlewares,
            )
            clock.reschedule(None)  # reading the body has its own timeout, and keeps what was received
            try:
                reply = Reply(status=response.status, headers=ReplyHeaders.of(response))
                if (
                    response.status == 407
                    and route.proxy is not None
                    and is_forwarded(route.proxy, route.url)
                ):
                    raise refused_by(route.proxy)
                if response.status < 100:
                    return Reply(failure=Failure(Code.HTTP_PROTOCOL, "the status is not an HTTP status"))
                if response.status in REDIRECT_STATUSES and reply.headers.location is not None:
                    await drain(response)
                elif response.status != 200:
                    await read_sample(response, reply)
                else:
                    await read_body(
                        response,
                        reply,
                        self._options.limits,
                        max_bytes=request.max_bytes,
                        until=until,
                    )
                    if until == request.until and loop.time() >= until and reply.failure is not None:
                        reply.failure = Failure(Code.DEADLINE, "the domain's time limit was reached")
            finally:
                response.close()
        finally:
            fetched.ms = round((time.monotonic() - begin) * 1000)
        return reply


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


def _conclude(fetched: FetchedFile, reply: Reply, chain: RedirectChain, request: FetchRequest) -> FetchedFile:
    """Return the answer of the last hop as the outcome: success is 200, and 304 for a conditional request."""
    fetched.status = reply.status
    fetched.headers = reply.headers
    fetched.body = reply.body
    fetched.size = reply.size
    fetched.failure = reply.failure
    fetched.sample = reply.sample
    if reply.failure is not None:
        if chain.upgraded and reply.status is None:
            message = f"{reply.failure.message}; {chain.current} was requested over https only"
            fetched.failure = Failure(reply.failure.code, message)
    elif reply.status == 304 and request.conditions and chain.current == request.validated:
        fetched.not_modified = True
    elif reply.status != 200:
        fetched.remark = request.own.remark(chain.current, reply.status)
        message = f"the server answered {reply.status}{fetched.remark}"
        fetched.failure = Failure(http_code(reply.status or 0), message)
    return fetched
