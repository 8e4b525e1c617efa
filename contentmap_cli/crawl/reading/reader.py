"""Parse bodies off the event loop into a domain's spools; cancellable."""

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
from contentmap_cli.sitemap.decode import Body
from contentmap_cli.threads import run_in_thread

log = logging.getLogger("contentmap.crawl")

INLINE = 64 * 1024
"""Maximum bytes of an uncompressed body that is parsed on the event loop, faster than in a thread."""

INLINE_ROBOTS = 4 * 1024
"""The same for robots.txt, which takes more time per byte."""

LARGE = 256 * 1024
"""Minimum bytes of a body as transferred that is parsed in another process, which takes 0.5 s or more."""

SWOLLEN = 1024 * 1024
"""The same for the decoded bytes of a gzipped body: a few kilobytes may decode to 50 MB."""

LANES = 2
"""Documents of one domain that are parsed concurrently."""

TRIMMED_AFTER = 64 * 1024 * 1024
"""Bytes stored in the body cache between two trims."""

_GZIP = b"\x1f\x8b"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A body to parse, and how.

    `known` is the digest of the body that an earlier scan recorded, if reading the changes suffices.
    """

    reading: Reading
    body: BinaryIO
    size: int
    until: float | None = None  # deadline, on the event loop's clock
    known: str | None = None


class CachedBodies:
    """A crawler's use of the body cache: the bytes stored since the last trim, and whether it failed."""

    def __init__(self, cache: BodyCache) -> None:
        self.cache = cache
        self._fresh = 0
        self._warned = False

    def note(self, segment: Segment) -> bool:
        """Count a stored body. Return True if the cache is to be trimmed."""
        if segment.unkept is not None and not self._warned:
            self._warned = True
            log.warning(
                "the next scan will read large files whole, their bodies cannot be kept: %s",
                segment.unkept,
                extra={"action": "bodies.not_stored"},
            )
        self._fresh += segment.kept.bytes if segment.kept is not None else 0
        if self._fresh < TRIMMED_AFTER:
            return False
        self._fresh = 0
        return True

    def close(self) -> None:
        """Trim the cache if bodies were stored."""
        if self._fresh:
            self.cache.trim()


class Reader:
    """Parses one domain's documents, one at a time per spool."""

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
        """Return the document and the segment with its rows, at most `room()`, which is called when the
        parser starts.

        A bug in a parser is the failure of the file (`internal_error`), logged with its traceback.
        """
        async with self._lane(room):
            with self.spools.one() as spool:
                segment = spool.segment(
                    source.reading.url, room=room(), child_room=self._limits.domain_files + 1
                )
                document = await self._read(source, spool, segment)
                if self._bodies is not None and self._bodies.note(segment):
                    await self.in_thread(self._bodies.cache.trim)
                segment.reading = source.reading
                return document, segment

    def remembers(self, source: Source) -> bool:
        """Return whether the recorded body is cached, so that only its changes are read."""
        if self._bodies is None or source.known is None:
            return False
        cache = self._bodies.cache
        return cache.has(cached_path(source.reading, cache, source.known))

    @asynccontextmanager
    async def _lane(self, room: Callable[[], int]) -> AsyncIterator[None]:
        """Wait for a slot to parse. If the largest files could exceed the limit of the domain, there is one
        slot."""
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
        """Return whether a gzipped body has more than `SWOLLEN` decoded bytes."""
        trial = Body(body, replace(self._limits, body_bytes=SWOLLEN))
        for _ in trial.chunks():
            pass
        return trial.failure is not None and trial.failure.code == Code.BODY_TOO_LARGE

    async def _in_process(
        self, processes: ParserProcesses, source: Source, body: int, spool: RowSpool, segment: Segment
    ) -> Document:
        work = Work(
            reading=source.reading,
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
            log.error(  # noqa: TRY400 - no traceback of ours
                "a parsing process exited while it parsed %s: %s",
                source.reading.base,
                error,
                extra={"action": "parse.process_exited", "url": source.reading.base},
            )
            return _broken("the process that parsed it was killed")
        if done.full is not None:
            return _broken(done.full, Code.STORAGE_ERROR)
        if done.document is None or done.contents is None:
            details = {"action": "parse.failed", "url": source.reading.base}
            log.error("parser failed on %s", source.reading.base, extra=details)
            for line in (done.bug or "").splitlines():  # the traceback is logged at debug level
                log.debug("%s", line, extra=details)
            return _broken("the parser failed, which is a bug")
        segment.adopt(done.contents)
        return done.document

    async def digest(self, source: Source) -> str | None:
        """Return the `Document.digest` of a body without parsing it; None if it is damaged."""

        def read() -> str | None:
            body = Body(source.body, self._limits)
            for _ in body.chunks():
                pass
            return body.digest if body.failure is None else None

        return await self.in_thread(read)

    async def robots(self, fetched: FetchedFile, options: CrawlOptions) -> Robots:
        """Parse a fetched robots.txt."""

        read = partial(
            read_robots,
            fetched,
            limits=self._limits,
            user_agent=options.robots_agent or options.user_agent,
            delay_cap=options.crawl_delay_cap,
        )
        return read() if fetched.size <= INLINE_ROBOTS else await self.in_thread(read)

    async def links(
        self, html: bytes, base: str, link_headers: Sequence[str]
    ) -> list[tuple[str, DiscoveryMethod]]:
        """Return the links of a home page and its Link headers to sitemaps and feeds."""
        from contentmap_cli.sitemap.html.links import site_links  # not needed by most scans

        return await self.in_thread(lambda: site_links(html, base, link_headers))

    async def refresh(self, html: bytes, base: str) -> str | None:
        """Return the target of a `meta http-equiv=refresh`, or None."""
        from contentmap_cli.sitemap.html.links import page_metadata

        return await self.in_thread(lambda: page_metadata(html, base).refresh)

    async def in_thread(self, work: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
        """Run `work` in a parsing thread and return its result (see `run_in_thread`)."""
        return await run_in_thread(work, pool=self._pool, stop=stop)

    def _parse(self, source: Source, segment: Segment, memory: Memory | None) -> Document:
        try:
            if memory is None:
                document = source.reading(source.body, segment)
            else:
                document = read_body(source.reading, source.body, segment, memory)
            segment.finish()
        except Cancelled:
            return _broken("the crawl was cancelled")
        except Exception as error:
            segment.clear()
            if (full := disk_full_message(error)) is not None:
                return _broken(full, Code.STORAGE_ERROR)
            log.exception(
                "parser failed on %s",
                source.reading.base,
                extra={"action": "parse.failed", "url": source.reading.base},
            )
            return _broken("the parser failed, which is a bug")
        return document


def _broken(message: str, code: Code = Code.INTERNAL_ERROR) -> Document:
    return Document(DocumentKind.UNKNOWN, 0, complete=False, failure=Failure(code, message))


def _descriptor(body: BinaryIO) -> int | None:
    """Return the file descriptor of a body, flushed; None if it has no file."""
    try:
        number = body.fileno()
        body.flush()
    except OSError:  # io.UnsupportedOperation is one
        return None
    return number
