"""Well-known paths of a site for which nothing names a sitemap: paced, and given up at the first refusal."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.discovery import Candidate
from contentmap_cli.crawl.http.responses import decoded
from contentmap_cli.crawl.known_paths import FEED_PATHS, MAIN_PATHS, MORE_PATHS, NEWS_PATHS
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Probe
from contentmap_cli.models.sources import Source, SourceKind, SourceState

PER_SECOND: Final = 11
"""Paths that are requested in one second, the one that does not exist among them. With robots.txt, home page
and the other origins that makes at most 15 requests. Rules that ban scanners allow bursts of 40 requests, or
ten paths that do not exist."""

MOST_UNANSWERED: Final = 2
"""Known paths that may end without any answer before the rest is not requested."""

PROBE_BYTES: Final = 256 * 1024

_PRINCIPAL: Final = tuple(f"/{path}" for path in MAIN_PATHS[:2])

_ORDER: Final = (
    SourceState.REFUSED,
    SourceState.UNREACHABLE,
    SourceState.ELSEWHERE,
    SourceState.NOT_UNDERSTOOD,
)


class Soft404Probe:
    """How a host answers for a path that cannot exist.

    `answer` is None until it is known. A host that answers with a body (`is_page`) does so for every path.
    """

    def __init__(self, context: CrawlContext) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._final_url: str | None = None
        self._digest: str | None = None
        self.answer: Answer | None = None
        self.code: str | None = None
        self.is_page = False

    def start(self) -> None:
        """Request the path, once, beside whatever else goes on."""
        if self._task is None:
            self._task = asyncio.create_task(self._request())

    async def wait(self) -> None:
        """Wait for the answer, if it was requested."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Cancel the request, if it is still under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def resembles(self, final_url: str, digest: str | None) -> bool:
        """Whether an answer is the one that any path gets: a soft 404."""
        redirected = self._final_url is not None and final_url == self._final_url
        return redirected or self.is_body_of(digest)

    def is_body_of(self, digest: str | None) -> bool:
        """Whether a body is the one that any path gets."""
        return digest is not None and digest == self._digest

    async def _request(self) -> None:
        context = self._context
        url = f"{context.decider.origin}/{secrets.token_hex(12)}.xml"
        if not context.allows(url):
            return
        with await context.fetch(url, max_bytes=PROBE_BYTES, retries=0) as fetched:
            self.answer = await context.answer(fetched, "a path that does not exist")
            self.code = fetched.failure.code if fetched.failure is not None else None
            if fetched.body is not None and fetched.failure is None:
                self.is_page = True
                body = decoded(fetched.body, PROBE_BYTES)
                self._digest = hashlib.blake2b(body, digest_size=16).hexdigest()
                self._final_url = fetched.final_url if fetched.redirects else None


class PathProber:
    """Requests well-known paths, two at a time, until one name of each kind is found."""

    def __init__(
        self, context: CrawlContext, soft404: Soft404Probe, read_queue: Callable[[], Awaitable[None]]
    ) -> None:
        self._context = context
        self._soft404 = soft404
        self._read_queue = read_queue
        self._starts: deque[float] = deque(maxlen=PER_SECOND)
        self._disallowed = False  # robots.txt forbids one of the principal paths
        self._requested = 0
        self.unanswered = 0  # known paths that gave no answer at all
        self._ended: dict[SourceState, Failure] = {}  # the first path that ended in a way that proves nothing

    def take(self, state: SourceState, failure: Failure) -> None:
        """Note a path that ended in another way than one that does not exist."""
        self._ended.setdefault(state, failure)

    async def run(self, others: Sequence[str]) -> None:
        """Request the paths of the site, the principal ones of its other origins, and note how that ended."""
        decider = self._context.decider
        everything = self._context.options.probe is Probe.ALWAYS
        await self._pace(1)
        self._soft404.start()
        await self._probe(MAIN_PATHS, everything=everything)
        if others and not decider.found:
            await self._probe(MAIN_PATHS[:2], origins=others, everything=everything)
        await self._probe(NEWS_PATHS, everything=True)
        if everything or not self._context.ledger.lists_pages:
            await self._probe(FEED_PATHS, everything=everything)
        if everything:
            await self._probe(MORE_PATHS, everything=True)
        await self._soft404.wait()
        self._context.ledger.note(self._source())

    async def _probe(self, paths: Sequence[str], *, everything: bool, origins: Sequence[str] = ()) -> None:
        context = self._context
        waiting = context.decider.probes(paths, origins)
        while waiting and not context.ledger.stopped and (everything or not context.decider.found):
            answer = self._soft404.answer
            if answer is not None and answer.state is SourceState.REFUSED and answer.failure is not None:
                self.take(answer.state, answer.failure)
            if SourceState.REFUSED in self._ended or self.unanswered > MOST_UNANSWERED:
                return
            allowed: list[Candidate] = []
            robots = context.ledger.robots_source
            careful = (
                robots is not None and robots.state is SourceState.REFUSED
            )  # it is likely to refuse again
            while waiting and len(allowed) < (1 if careful and not self._requested else 2):
                candidate = waiting.pop(0)
                if context.may_request(candidate):
                    allowed.append(candidate)
                else:
                    self._disallowed = self._disallowed or candidate.url.endswith(_PRINCIPAL)
            await self._pace(len(allowed))
            self._requested += len(allowed)
            context.decider.queue.extend(allowed)
            await self._read_queue()

    async def _pace(self, count: int) -> None:
        """Wait until no more than `PER_SECOND` requests began in the last second."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            now = loop.time()
            if len(self._starts) == PER_SECOND and now - self._starts[0] < 1:
                await asyncio.sleep(self._starts[0] + 1 - now)
            self._starts.append(loop.time())

    def _source(self) -> Source:
        """How the known paths ended, as one source."""
        url = f"{self._context.decider.origin}/"
        answer, robots = self._soft404.answer, self._context.ledger.robots_source
        state, failure = SourceState.ABSENT, None
        listed = self._context.ledger.lists_pages
        order = _ORDER[:2] if listed else _ORDER  # a page in the place of one name says nothing of another
        ended = next((each for each in order if each in self._ended), None)
        if ended is not None:
            state, failure = ended, self._ended[ended]
        elif self._disallowed and not listed:
            failure = Failure(
                Code.DISALLOWED, "robots.txt disallows the paths of sitemaps and names no sitemap"
            )
            state = SourceState.DISALLOWED
        elif answer is None or listed:
            pass
        elif answer.state is not SourceState.WHOLE:
            state, failure = answer.state, answer.failure
        elif self._soft404.is_page and (robots is None or not robots.state.is_proof):
            failure = Failure(
                Code.NOT_UNDERSTOOD, "every path answers with a page, so that nothing can be concluded"
            )
            state = SourceState.NOT_UNDERSTOOD
        return Source(SourceKind.KNOWN_PATHS, url, state, failure)
