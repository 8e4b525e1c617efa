"""Bodies to entries: parsing off the event loop, cancellable, into a domain's spool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, TypeVar

from contentmap_cli.batches import disk_full_message
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.crawl.reading.body_changes import Memory, cached_path, read_body
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses, WorkerDied
from contentmap_cli.crawl.reading.parser_worker import Work
from contentmap_cli.crawl.reading.spool import Cancelled, Reading, RowSpool, Segment, Spools
from contentmap_cli.crawl.robots import Robots, read_robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DiscoveryMethod, Document, DocumentKind, Limits
from contentmap_cli.models.hosts import Scope
from contentmap_cli.sitemap.decode import Body
from contentmap_cli.threads import run_in_thread

log = logging.getLogger("contentmap.crawl")

INLINE = 64 * 1024
"""Bytes of a plain body that are parsed at once: that takes less time than to hand them to a thread."""

INLINE_ROBOTS = 4 * 1024
"""Likewise for robots.txt, whose reading costs more for each byte."""

LARGE = 256 * 1024
"""Bytes of a body, as transferred, that are worth another process: half a second of parsing, or more."""

SWOLLEN = 1024 * 1024
"""Likewise for what a gzipped body holds: a few kilobytes may be fifty megabytes. A thread that parses them
would hold up every small file that waits for it, and the event loop with them."""

LANES = 2
"""Documents of one domain that are parsed at once."""

TRIMMED_AFTER = 64 * 1024 * 1024
"""Bytes that are put into the cache of bodies before it is seen whether there is too much."""

_GZIP = b"\x1f\x8b"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A body to parse, its `url`, its `base` after redirects, and which of its entries are the target's.

    `known` is the digest of the body that an earlier scan recorded, if it may do to read what changed.
    `content_type` is the header that it came with.
    """

    url: str
    body: BinaryIO
    size: int
    base: str
    in_scope: Scope
    until: float | None = None  # on the event loop's clock: when nobody waits for it any more
    known: str | None = None
    content_type: str | None = None
    cut: bool = False  # it ends before the document does


class CachedBodies:
    """A crawler's part in the cache of bodies: how much was put there, and whether it took it."""

    def __init__(self, cache: BodyCache) -> None:
        self.cache = cache
        self._fresh = 0
        self._warned = False

    def note(self, segment: Segment) -> bool:
        """Takes in what became of one body. True where it is time to see whether there is too much."""
        if segment.unkept is not None and not self._warned:
            self._warned = True
            log.warning(
                "the next scan will read large files whole, their bodies cannot be kept: %s",
                segment.unkept,
                extra={"action": "bodies.unkept"},
            )
        self._fresh += segment.kept.bytes if segment.kept is not None else 0
        if self._fresh < TRIMMED_AFTER:
            return False
        self._fresh = 0
        return True

    def close(self) -> None:
        """Sees for a last time whether there is too much."""
        if self._fresh:
            self.cache.trim()


class Reader:
    """One domain's parser: a document at a time for each of its spools."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        limits: Limits,
        processes: ParserProcesses | None = None,
        bodies: CachedBodies | None = None,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._processes = processes
        self._bodies = bodies
        self._entrance = asyncio.Lock()
        self._lanes = asyncio.Semaphore(LANES)
        self.spools = Spools()

    async def read(self, source: Source, *, room: Callable[[], int]) -> tuple[Document, Segment]:
        """What the parser says, and the segment that holds the rows, at most `room()` of them, asked when its
        turn comes: files that were read meanwhile have used up their share.

        A bug in a parser is the file's failure (`internal_error`), logged with its traceback.
        """
        async with self._lane(room):
            with self.spools.one() as spool:
                segment = spool.segment(source.url, room=room(), child_room=self._limits.domain_files + 1)
                document = await self._read(source, spool, segment)
                if self._bodies is not None and self._bodies.note(segment):
                    await self.in_thread(self._bodies.cache.trim)
                segment.reading = self._reading(source)
                return document, segment

    def remembers(self, source: Source) -> bool:
        """Whether the body that an earlier scan recorded is at hand, so that only changes need be read."""
        if self._bodies is None or source.known is None:
            return False
        cache = self._bodies.cache
        return cache.has(cached_path(self._reading(source), cache, source.known))

    def _reading(self, source: Source) -> Reading:
        return Reading(
            source.url, source.base, source.in_scope, self._limits, source.content_type, source.cut
        )

    @asynccontextmanager
    async def _lane(self, room: Callable[[], int]) -> AsyncIterator[None]:
        """A turn to parse. Where the largest files could fill the domain's room, one goes at a time."""
        taken = 0
        try:
            async with self._entrance:
                wide = room() >= LANES * self._limits.file_urls_hard
                while taken < (1 if wide else LANES):
                    await self._lanes.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._lanes.release()

    async def _read(self, source: Source, spool: RowSpool, segment: Segment) -> Document:
        body = source.body
        body.seek(0)
        packed = body.read(2) == _GZIP
        body.seek(0)
        if self._processes is not None and (
            source.size >= LARGE or (packed and await self.in_thread(lambda: self._swells(body)))
        ):
            try:
                if (number := _descriptor(body)) is not None:
                    return await self._in_process(self._processes, source, number, spool, segment)
            except OSError as error:
                log.warning("no process to parse in: %s", error, extra={"action": "parse.no_process"})
        body.seek(0)
        if source.size <= INLINE and not packed:
            return self._parse(source, segment, None)
        memory = self._memory(source)
        return await self.in_thread(lambda: self._parse(source, segment, memory), stop=segment.cancel)

    def _memory(self, source: Source) -> Memory | None:
        return None if self._bodies is None else Memory(self._bodies.cache, source.known)

    def _swells(self, body: BinaryIO) -> bool:
        """Whether a gzipped body holds more than `SWOLLEN` bytes."""
        trial = Body(body, replace(self._limits, body_bytes=SWOLLEN))
        trial.drain(trial.chunks())
        return trial.failure is not None and trial.failure.code == Code.BODY_TOO_LARGE

    async def _in_process(
        self, processes: ParserProcesses, source: Source, body: int, spool: RowSpool, segment: Segment
    ) -> Document:
        work = Work(
            reading=self._reading(source),
            memory=self._memory(source),
            room=segment.room,
            child_room=self._limits.domain_files + 1,
            end=spool.end,
        )
        try:
            async with asyncio.timeout_at(source.until):
                done = await processes.parse(work, body, spool.fileno())
        except TimeoutError:
            message = f"the domain took longer than {self._limits.domain_time:g} seconds"
            return _broken(message, Code.DEADLINE)
        except WorkerDied as error:
            log.error(  # noqa: TRY400 - the other process's end is all there is to tell
                "a parsing process died over %s: %s",
                source.base,
                error,
                extra={"action": "parse.died", "url": source.base},
            )
            return _broken("the process that parsed it was killed")
        if done.full is not None:
            return _broken(done.full, Code.STORAGE_ERROR)
        if done.document is None or done.contents is None:
            told = {"action": "parse.failed", "url": source.base}
            log.error("parser failed on %s", source.base, extra=told)
            for line in (done.bug or "").splitlines():  # a traceback is for who asked for every step
                log.debug("%s", line, extra=told)
            return _broken("the parser failed, which is a bug")
        segment.adopt(done.contents)
        return done.document

    async def digest(self, source: Source) -> str | None:
        """`Document.digest` of a body without parsing it, at a tenth of the cost; None if it is damaged."""

        def read() -> str | None:
            body = Body(source.body, self._limits)
            body.drain(body.chunks())
            return body.digest if body.failure is None else None

        return await self.in_thread(read)

    async def robots(self, fetched: FetchedFile, options: CrawlOptions) -> Robots:
        """What a fetched robots.txt means."""

        read = partial(
            read_robots,
            fetched,
            limits=self._limits,
            user_agent=options.user_agent,
            delay_cap=options.crawl_delay_cap,
        )
        return read() if fetched.size <= INLINE_ROBOTS else await self.in_thread(read)

    async def links(
        self, html: bytes, base: str, link_headers: Sequence[str]
    ) -> list[tuple[str, DiscoveryMethod]]:
        """Return what a home page and its Link headers link to that may be a sitemap or feed."""
        from contentmap_cli.sitemap.html.links import site_links  # most sites name their sitemaps

        return await self.in_thread(lambda: site_links(html, base, link_headers))

    async def refresh(self, html: bytes, base: str) -> str | None:
        """Return the URL that a home page sends browsers to (`meta http-equiv=refresh`), or None."""
        from contentmap_cli.sitemap.html.links import page_metadata

        return await self.in_thread(lambda: page_metadata(html, base).refresh)

    async def in_thread(self, work: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
        """Return what `work` returns in one of the parsing threads (see `run_in_thread`)."""
        return await run_in_thread(work, pool=self._pool, stop=stop)

    def _parse(self, source: Source, segment: Segment, memory: Memory | None) -> Document:
        try:
            reading = self._reading(source)
            if memory is None:
                document = reading(source.body, segment)
            else:
                document = read_body(reading, source.body, segment, memory)
            segment.finish()
        except Cancelled:
            return _broken("the crawl was cancelled")
        except Exception as error:
            segment.clear()
            if (full := disk_full_message(error)) is not None:
                return _broken(full, Code.STORAGE_ERROR)
            log.exception(
                "parser failed on %s", source.base, extra={"action": "parse.failed", "url": source.base}
            )
            return _broken("the parser failed, which is a bug")
        return document


def _broken(message: str, code: Code = Code.INTERNAL_ERROR) -> Document:
    return Document(DocumentKind.UNKNOWN, 0, complete=False, failure=Failure(code, message))


def _descriptor(body: BinaryIO) -> int | None:
    """The descriptor of a body, all of which is in its file now; None for one that has no file."""
    try:
        number = body.fileno()
        body.flush()
    except OSError:  # io.UnsupportedOperation is one
        return None
    return number
