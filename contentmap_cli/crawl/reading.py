"""Bodies to entries: parsing off the event loop, cancellable, into a domain's spool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.parsing import parse_document, site_links
from contentmap_cli.crawl.parsing.decode import Body
from contentmap_cli.crawl.responses import FetchedFile
from contentmap_cli.crawl.robots import Robots, read_robots
from contentmap_cli.crawl.spool import Cancelled, RowSpool, Segment
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import DiscoveryMethod, Document, DocumentKind, Limits

log = logging.getLogger("contentmap.crawl")

INLINE = 64 * 1024
"""Bytes of a plain body that are parsed at once: that takes less time than to hand them to a thread."""

INLINE_ROBOTS = 4 * 1024
"""Likewise for robots.txt, whose reading costs more for each byte."""

_GZIP = b"\x1f\x8b"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A body to parse, its `url`, its `base` after redirects, and which of its entries are the target's."""

    url: str
    body: BinaryIO
    size: int
    base: str
    in_scope: Callable[[str], bool]


class Reader:
    """One domain's parser: one document at a time, since they share a spool and the interpreter."""

    def __init__(self, pool: ThreadPoolExecutor, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._one_at_a_time = asyncio.Lock()
        self.spool = RowSpool()

    async def read(self, source: Source, *, room: Callable[[], int]) -> tuple[Document, Segment]:
        """What the parser says, and the segment that holds the entries, at most `room()` of them, asked
        when its turn comes: files that were read meanwhile have used up their share.

        A bug in a parser is the file's failure (`internal_error`), logged with its traceback.
        """
        async with self._one_at_a_time:
            segment = self.spool.segment(source.url, room=room(), child_room=self._limits.domain_files + 1)
            source.body.seek(0)
            small = source.size <= INLINE and source.body.read(2) != _GZIP  # a small gzip may hold much
            source.body.seek(0)
            if small:
                return self._parse(source, segment), segment
            return await self._in_thread(lambda: self._parse(source, segment), stop=segment.cancel), segment

    async def digest(self, source: Source) -> str | None:
        """`Document.digest` of a body without parsing it, at a tenth of the cost; None if it is damaged."""

        def read() -> str | None:
            body = Body(source.body, self._limits)
            body.drain(body.chunks())
            return body.digest if body.failure is None else None

        return await self._in_thread(read)

    async def robots(self, fetched: FetchedFile, options: CrawlOptions) -> Robots:
        """What a fetched robots.txt means."""

        def read() -> Robots:
            return read_robots(
                fetched,
                limits=self._limits,
                user_agent=options.user_agent,
                delay_cap=options.crawl_delay_cap,
            )

        return read() if fetched.size <= INLINE_ROBOTS else await self._in_thread(read)

    async def links(self, html: bytes, base: str) -> list[tuple[str, DiscoveryMethod]]:
        """What a home page links to that may be a sitemap or feed."""
        return await self._in_thread(lambda: site_links(html, base))

    async def _in_thread(self, work: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
        """The work's result. Cancelled, it tells the work to stop and waits until it has: the thread reads a
        body and writes a spool that are closed next."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if stop is not None:
                stop()
            await asyncio.wait([running])
            running.exception()
            raise

    def _parse(self, source: Source, segment: Segment) -> Document:
        try:
            document = parse_document(
                source.body, segment, base=source.base, limits=self._limits, in_scope=source.in_scope
            )
        except Cancelled:
            return _broken("the crawl was cancelled")
        except Exception:
            log.exception(
                "parser failed on %s", source.base, extra={"action": "parse.failed", "url": source.base}
            )
            segment.clear()
            return _broken("the parser failed, which is a bug")
        segment.finish()
        return document


def _broken(message: str) -> Document:
    return Document(DocumentKind.UNKNOWN, 0, complete=False, failure=Failure(Code.INTERNAL_ERROR, message))
