"""Ask for the URLs of a redirect chain. Each URL has `PageFacts` of its own.

PageClient.follow -> OriginRules.check -> CrawlContext.ask -> PageBody.read -> PageFacts -> next URL
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.http.headers import ReplyHeaders, conditional_headers
from contentmap_cli.crawl.http.redirects import REDIRECT_STATUSES, RedirectChain, resolve_location
from contentmap_cli.crawl.http.responses import Reply
from contentmap_cli.crawl.http.retries import retry_after
from contentmap_cli.crawl.listed_pages.endings import Ending
from contentmap_cli.crawl.listed_pages.origin_rules import OriginRules
from contentmap_cli.crawl.listed_pages.page_body import PageBody, is_html_type
from contentmap_cli.crawl.pages.contents import page_contents
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.hosts import origin_of
from contentmap_cli.models.pages import MAX_HOPS, PageFacts, PageHead, PageState, PageText
from contentmap_cli.sitemap.problems import redact_userinfo
from contentmap_cli.sitemap.urls import strip_credentials

log = logging.getLogger("contentmap.crawl")

INLINE: Final = 32 * 1024
"""Maximum bytes of a page that is parsed on the event loop, faster than in a thread."""

_REPEATED: Final = frozenset({408, 425})
"""Statuses besides 5xx that may pass."""

Recall = Callable[[str], Awaitable[PageFacts | None]]


@dataclass(slots=True)
class PageRequest:
    """A page to ask for, and the chain of its redirects as far as it was followed.

    `earlier` are the facts of an earlier run, for a conditional request. `found` are the facts of the chain's
    URLs; those of the last one are provisional until the chain has ended. `failures` and `pauses` count the
    answers to the current URL, `asked`, that may pass. `not_before` is when the next request may start, on
    the event loop's clock.
    """

    url: str
    earlier: PageFacts | None = None
    probe: bool = False
    chain: RedirectChain | None = None
    asked: str = ""
    found: dict[str, PageFacts] = field(default_factory=dict)
    hops: int = 0
    failures: int = 0
    pauses: int = 0
    not_before: float = 0.0

    @property
    def host(self) -> str:
        """The host and port of the page, which is the key of politeness."""
        return _host(self.url)

    @property
    def last_host(self) -> str:
        """The host and port of the URL that was asked for last."""
        return _host(self.asked)

    @property
    def last(self) -> PageFacts | None:
        """The facts of the URL that was asked for last."""
        return self.found.get(self.asked)


class PageClient:
    """Asks for pages within the limits of a `CrawlContext`.

    `has_answer` says that a URL is asked for by itself in this run, so that a redirect to it is not followed.
    `recall` returns the facts that an earlier run has of a redirect's target. `bytes` counts those of
    bodies that were read.
    """

    def __init__(
        self,
        context: CrawlContext,
        rules: OriginRules,
        has_answer: Callable[[str], bool],
        recall: Recall | None = None,
    ) -> None:
        self._context = context
        self._rules = rules
        self._has_answer = has_answer
        self._recall = recall
        self._hops: set[int] = set()  # hashes of the targets of redirects that were asked for
        self.bytes = 0

    async def follow(self, page: PageRequest) -> Ending:
        """Ask for the URLs of a chain from the current one on, until it ends or is interrupted."""
        if page.chain is None:
            page.chain = self._context.new_chain()
            page.chain.start(page.url)
        while True:
            page.asked = page.chain.current
            refused = await self._rules.check(page.asked)
            if isinstance(refused, Ending):
                return refused
            if refused is not None:
                self._note(page, PageFacts("", refused[0], _now(), failure=refused[1]))
                return Ending.FORBIDDEN
            reply, ending = await self._ask(page, page.chain)
            if ending is not Ending.DONE or not self._go_on(page, page.chain, reply):
                return ending

    def _go_on(self, page: PageRequest, chain: RedirectChain, reply: Reply) -> bool:
        """Go to the target of a redirect; return whether it is to be asked for."""
        location = reply.headers.location
        if reply.status not in REDIRECT_STATUSES or location is None or page.hops >= self._max_hops:
            return False
        if chain.follow(location, reply.headers.set_cookie) is not None:
            return False  # a loop, or no http URL: the facts say where it leads
        page.hops += 1
        if chain.current in page.found:
            return True  # with other cookies than before
        if self._has_answer(chain.current) or hash(chain.current) in self._hops:
            return False
        self._hops.add(hash(chain.current))
        page.failures = page.pauses = 0
        return True

    @property
    def _max_hops(self) -> int:
        return min(MAX_HOPS, self._context.limits.redirects)

    async def _ask(self, page: PageRequest, chain: RedirectChain) -> tuple[Reply, Ending]:
        """Request one URL and note its facts."""
        url = page.asked
        earlier = page.earlier
        if url != page.url:
            earlier = await self._recall(url) if self._recall is not None and not page.probe else None
        conditions = _conditions(earlier)
        body = PageBody(self._context.limits)
        asked_at = _now()
        reply, fetched = await self._context.ask(chain, body.read, conditions)
        self.bytes += body.received
        failure = reply.failure
        if failure is not None and failure.code == Code.DEADLINE:
            return reply, Ending.EXPIRED
        if reply.status is None and fetched.retry_after is not None:
            return reply, Ending.REFUSED
        if reply.status == 304 and earlier is not None and conditions:
            self._note(page, _confirmed(earlier, reply, asked_at))
            return reply, Ending.DONE
        self._note(page, await self._facts(url, reply, body, asked_at))
        seconds = retry_after(reply.headers.retry_after, reply.headers.date)
        if reply.status == 429 or (reply.status == 503 and seconds is not None):
            if seconds is not None:
                extra = {"action": "host.paused", "url": url, "seconds": seconds}
                log.info("%s: answered %s, retry after %g s", url, reply.status, seconds, extra=extra)
                self._context.pause(url, seconds)
            page.pauses += 1
            return reply, Ending.PAUSED
        invalid = reply.status is None and failure is not None and failure.code == Code.HTTP_PROTOCOL
        passes = reply.transient or invalid or (reply.status or 0) >= 500 or reply.status in _REPEATED
        return reply, Ending.FAILED if passes else Ending.DONE

    def _note(self, page: PageRequest, facts: PageFacts) -> None:
        listed = page.asked == page.url and not page.probe
        page.found[page.asked] = replace(facts, url=page.asked, listed=listed, probe=page.probe)

    async def _facts(self, url: str, reply: Reply, body: PageBody, asked_at: datetime) -> PageFacts:
        headers = reply.headers
        location = headers.location if reply.status in REDIRECT_STATUSES else None
        failure = reply.failure
        head: PageHead | None = None
        text: PageText | None = None
        if reply.status is not None and location is None and is_html_type(headers.content_type):
            try:
                head, text = await self._read(body.data, url, headers)
            except Exception:
                extra = {"action": "parse.failed", "url": url}
                log.exception("parser failed on %s", url, extra=extra)
                failure = Failure(Code.INTERNAL_ERROR, "the parser failed, which is a bug")
        return PageFacts(
            url=url,
            state=PageState.UNREACHABLE if reply.status is None else PageState.ANSWERED,
            asked_at=asked_at,
            status=reply.status,
            failure=failure,
            location=None if location is None else resolve_location(url, location) or _printable(location),
            content_type=headers.content_type,
            size=body.size,
            etag=headers.etag,
            last_modified=headers.last_modified,
            date=headers.date,
            first_byte_ms=None if reply.first_byte is None else round(reply.first_byte * 1000),
            robots_tags=headers.robots_tags,
            links=tuple(map(redact_userinfo, headers.link)),
            head=head,
            text=text,
        )

    async def _read(self, data: bytes, url: str, headers: ReplyHeaders) -> tuple[PageHead, PageText]:
        if len(data) <= INLINE:
            return page_contents(data, url, headers)
        return await self._context.reader.in_thread(partial(page_contents, data, url, headers))


def _host(url: str) -> str:
    return (origin_of(url) or "").partition("://")[2]


def _now() -> datetime:
    return datetime.now(UTC)


def _printable(location: str) -> str:
    return strip_credentials("".join(each for each in location if each.isprintable()))[:500]


def _conditions(earlier: PageFacts | None) -> dict[str, str]:
    """Return the headers of a conditional request, for facts that a 304 can confirm."""
    if earlier is None or earlier.status != 200 or earlier.failure is not None:
        return {}
    return conditional_headers(earlier.etag, earlier.last_modified)


def _confirmed(earlier: PageFacts, reply: Reply, now: datetime) -> PageFacts:
    """Return the facts that a 304 confirms, with the headers that it carries (RFC 9111 section 3.2)."""
    headers = reply.headers
    return replace(
        earlier,
        etag=headers.etag or earlier.etag,
        last_modified=headers.last_modified or earlier.last_modified,
        date=headers.date or earlier.date,
        robots_tags=headers.robots_tags or earlier.robots_tags,
        links=tuple(map(redact_userinfo, headers.link)) or earlier.links,
        first_byte_ms=None if reply.first_byte is None else round(reply.first_byte * 1000),
        validated_at=now,
    )
