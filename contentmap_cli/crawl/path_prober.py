"""Request the known paths of a site without a named sitemap, at a limited rate, until the first refusal."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from contentmap_cli.crawl.candidate import Candidate
from contentmap_cli.crawl.context import CrawlContext
from contentmap_cli.crawl.http.responses import decoded
from contentmap_cli.crawl.known_paths import FEED_PATHS, MAIN_PATHS, MORE_PATHS, NEWS_PATHS
from contentmap_cli.crawl.pages.answers import Answer
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Probe
from contentmap_cli.models.evidence import Source, SourceKind, SourceState

PER_SECOND: Final = 11
"""Maximum paths per second, including the one that cannot exist. With robots.txt, home page and other origins
at most 15 requests: common rules against scanners allow 40, or ten absent paths."""

MAX_UNANSWERED: Final = 2
"""Known paths without an answer after which no more are requested."""

PROBE_BYTES: Final = 256 * 1024

_MAIN: Final = tuple(f"/{path}" for path in MAIN_PATHS[:2])

_ORDER: Final = (
    SourceState.REFUSED,
    SourceState.UNREACHABLE,
    SourceState.ELSEWHERE,
    SourceState.NOT_UNDERSTOOD,
    SourceState.DISALLOWED,  # a redirect to a path that robots.txt disallows
)


class Soft404Probe:
    """Requests a path that cannot exist.

    `answer` is None until it is known. `is_page` says that the host answers with a body, as it does for every
    path.
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
        """Start the request, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._request())

    async def wait(self) -> None:
        """Wait for the answer, if the request was started."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Cancel the request if it is running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def matches(self, final_url: str, digest: str | None) -> bool:
        """Return whether an answer equals that of the path that cannot exist: a soft 404."""
        redirected = self._final_url is not None and final_url == self._final_url
        return redirected or self.has_body(digest)

    def has_body(self, digest: str | None) -> bool:
        """Return whether this is the digest of the answer."""
        return digest is not None and digest == self._digest

    async def _request(self) -> None:
        context = self._context
        url = f"{context.discovery.origin}/{secrets.token_hex(12)}.xml"
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
    """Requests known paths, two at a time, until one of each kind is found."""

    def __init__(
        self, context: CrawlContext, soft404: Soft404Probe, read_queue: Callable[[], Awaitable[None]]
    ) -> None:
        self._context = context
        self._soft404 = soft404
        self._read_queue = read_queue
        self._request_times: deque[float] = deque(maxlen=PER_SECOND)
        self._main = _MAIN  # endings of the main paths
        self._disallowed = False  # robots.txt disallows one of the main paths
        self._requested = 0
        self.unanswered = 0  # paths without any answer
        self._outcomes: dict[SourceState, Failure] = {}  # first failure by state, absent paths excluded

    def add_outcome(self, state: SourceState, failure: Failure) -> None:
        """Record the first path with this state."""
        self._outcomes.setdefault(state, failure)

    async def run(self, paths: Sequence[str], others: Sequence[str]) -> None:
        """Request these paths of the site and the main ones of its other origins, all known ones with
        `--probe always`, and record the outcome."""
        all_paths = self._context.options.probe is Probe.ALWAYS
        self._main = (*_MAIN, f"/{paths[0]}")  # where the platform of the site has its sitemap
        await self._pace(1)
        self._soft404.start()
        await self._probe(MAIN_PATHS if all_paths else paths, all_paths=all_paths)
        if others and not self._context.discovery.found:
            await self._probe(MAIN_PATHS[:2], origins=others, all_paths=all_paths)
        if all_paths:
            await self._probe((*NEWS_PATHS, *FEED_PATHS, *MORE_PATHS, *paths), all_paths=True)
        await self._soft404.wait()
        self._context.stats.add_source(self._source())

    async def _probe(self, paths: Sequence[str], *, all_paths: bool, origins: Sequence[str] = ()) -> None:
        context = self._context
        remaining = context.discovery.known_path_candidates(paths, origins)
        while remaining and not context.stats.stopped and (all_paths or not context.discovery.found):
            answer = self._soft404.answer
            if answer is not None and answer.state is SourceState.REFUSED and answer.failure is not None:
                self.add_outcome(answer.state, answer.failure)
            if SourceState.REFUSED in self._outcomes or self.unanswered > MAX_UNANSWERED:
                return
            allowed: list[Candidate] = []
            robots = context.stats.robots_source
            # likely to refuse again
            careful = robots is not None and robots.state is SourceState.REFUSED
            while remaining and len(allowed) < (1 if careful and not self._requested else 2):
                candidate = remaining.pop(0)
                if context.may_request(candidate):
                    allowed.append(candidate)
                else:
                    self._disallowed = self._disallowed or candidate.url.endswith(self._main)
            await self._pace(len(allowed))
            self._requested += len(allowed)
            context.discovery.queue.extend(allowed)
            await self._read_queue()

    async def _pace(self, count: int) -> None:
        """Wait until fewer than `PER_SECOND` requests were started in the last second."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            now = loop.time()
            if len(self._request_times) == PER_SECOND and now - self._request_times[0] < 1:
                await asyncio.sleep(self._request_times[0] + 1 - now)
            self._request_times.append(loop.time())

    def _source(self) -> Source:
        """Return the outcome of the known paths as one source."""
        url = f"{self._context.discovery.origin}/"
        answer, robots = self._soft404.answer, self._context.stats.robots_source
        state, failure = SourceState.ABSENT, None
        listed = self._context.stats.lists_pages
        order = _ORDER[:2] if listed else _ORDER  # a page at one path proves nothing for others
        ended = next((each for each in order if each in self._outcomes), None)
        if ended is not None:
            state, failure = ended, self._outcomes[ended]
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
            failure = Failure(Code.NOT_UNDERSTOOD, "every path returns a page, so nothing can be concluded")
            state = SourceState.NOT_UNDERSTOOD
        return Source(SourceKind.KNOWN_PATHS, url, state, failure)
