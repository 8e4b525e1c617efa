"""A crawler in a process of its own, beside the one that records.

To crawl many small domains keeps an interpreter busy, and so does recording them. The other process is told
which domains to crawl and sends back what came of each; rows on disk stay where they are, and their
descriptors are sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import NamedTuple

from contentmap_cli.crawl import child
from contentmap_cli.crawl.channel import (
    MANY,
    PACKED_ASIDE,
    Channel,
    Close,
    Crawled,
    News,
    Order,
    Recall,
    Said,
    Setup,
    packed,
)
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.parcel import unpack
from contentmap_cli.crawl.results import CrawlProgress, Crawls, DomainCrawl
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import RememberedFile, Target

WORTH_A_PROCESS = 16
"""Domains: fewer are crawled before another interpreter has started, which takes a third of a second."""

ENDING = 5.0
"""Seconds that the process may take to put its things away."""

_BOOT = (
    "import sys; sys.path[:] = {path!r}; from contentmap_cli.crawl.crawler_main import main; main({number})"
)

Progress = Callable[[CrawlProgress], None]

log = logging.getLogger("contentmap.crawl")


class CrawlerDied(Exception):
    """The process ended while it crawled: killed, as a rule, for want of memory."""


class Spawned(NamedTuple):
    """A process that is starting, and our ends of the sockets that lead to it."""

    process: subprocess.Popen[bytes]
    orders: socket.socket
    descriptors: socket.socket

    def end(self) -> None:
        """Ends it, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.orders.close()
        self.descriptors.close()


class HeadStart:
    """Begins the process for so many domains, if they are worth one, while much is still to be loaded here.
    A context manager: a process that nobody took is ended. For one that cannot be started `crawler_for` tries
    again, and tells."""

    def __init__(self, domains: int) -> None:
        self._domains = domains
        self._spawned: Spawned | None = None

    def __enter__(self) -> HeadStart:
        if _worth_a_process(self._domains):
            with suppress(OSError):
                self._spawned = _spawn()
        return self

    def __exit__(self, *_: object) -> None:
        spawned = self.take()
        if spawned is not None:
            spawned.end()

    def take(self) -> Spawned | None:
        """The process, if there is one; it is the caller's from now on."""
        spawned, self._spawned = self._spawned, None
        return spawned


@asynccontextmanager
async def crawler_for(
    options: CrawlOptions, domains: int, ahead: HeadStart | None = None
) -> AsyncIterator[Crawls]:
    """Who crawls so many domains: a process of its own where there is a core for it, else this one. `ahead`
    is where that has begun already."""
    process = None
    if _worth_a_process(domains):
        try:
            process = await CrawlerProcess(options, ahead).__aenter__()
        except OSError as error:
            log.warning("no process to crawl in: %s", error, extra={"action": "crawl.no_process"})
    if process is not None:
        try:
            yield process
        finally:
            await process.__aexit__()
        return
    from contentmap_cli.crawl.crawler import Crawler  # loads much that the other process needs alone

    async with Crawler(options) as crawler:
        yield crawler


def _worth_a_process(domains: int) -> bool:
    return domains >= WORTH_A_PROCESS and child.possible()


def _spawn() -> Spawned:
    """Starts a process. Raises OSError if it cannot be started."""
    ours, theirs = socket.socketpair()
    taking, handing = socket.socketpair()
    with theirs, handing:
        try:
            process = subprocess.Popen(  # noqa: S603 - this interpreter with a line of our own
                [sys.executable, "-c", _BOOT.format(path=sys.path, number=handing.fileno())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(handing.fileno(),),
            )
        except OSError:
            ours.close()
            taking.close()
            raise
    return Spawned(process, ours, taking)


class CrawlerProcess:
    """Crawls domains as a `Crawler` does, in another process. An async context manager.

    A process that dies is replaced by another, which is asked once more for what the first was at. What was
    under way when that one dies too is crawled apart, one domain at a time, so that only the one to blame
    fails. To enter raises OSError where no process can be started.
    """

    def __init__(self, options: CrawlOptions, ahead: HeadStart | None = None) -> None:
        """`ahead` is where its first process may have begun already."""
        self._options = options
        self._ahead = ahead
        self._process: _Process | None = None
        self._apart: _Process | None = None
        self._starting = asyncio.Lock()
        self._alone = asyncio.Lock()

    async def __aenter__(self) -> CrawlerProcess:
        await self._living()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for process in (self._process, self._apart):
            if process is not None:
                await process.close()

    @property
    def number(self) -> int | None:
        """The id of the process, None while none runs."""
        return self._process.number if self._process is not None and not self._process.ended else None

    @property
    def numbers(self) -> list[int]:
        """The ids of all that run: of the process, and of the one for what is crawled apart."""
        return [each.number for each in (self._process, self._apart) if each is not None and not each.ended]

    async def crawl(
        self,
        target: Target,
        remembered: Sequence[RememberedFile] = (),
        progress: Progress | None = None,
    ) -> DomainCrawl:
        """One domain, whole; see `Crawls`."""
        died: Exception | None = None
        for _ in range(2):
            try:
                return await (await self._living()).crawl(target, remembered, progress)
            except (CrawlerDied, OSError) as error:
                died = error
        try:
            async with self._alone:  # which of those that were under way is to blame shows now
                if self._apart is None or self._apart.ended:
                    self._apart = await _Process.started(self._options)
                return await self._apart.crawl(target, remembered, progress)
        except (CrawlerDied, OSError) as error:
            died = error
        log.error(
            "the crawling process died over %s: %s",
            target.domain,
            died,
            extra={"action": "crawl.died", "domain": target.domain},
        )
        why = "the process that crawled it was killed"
        if isinstance(died, OSError):
            why = f"no process to crawl in: {died.strerror or died}"
        failure = Failure(Code.INTERNAL_ERROR, why)
        return DomainCrawl.failed(target.domain, failure)

    async def _living(self) -> _Process:
        async with self._starting:  # all that a dead one was at come here at once
            if self._process is None or self._process.ended:
                begun = self._ahead.take() if self._ahead is not None else None
                self._process = await _Process.started(self._options, begun)
            return self._process


class _Process:
    """One process, and the sockets that lead to it. Made by `started`."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: Channel, descriptors: socket.socket
    ) -> None:
        self.ended = False
        self._process = process
        self._channel = channel
        self._descriptors = descriptors
        self._numbers = count()
        self._waiting: dict[int, tuple[asyncio.Future[DomainCrawl], Progress | None]] = {}
        self._listener = asyncio.create_task(self._listen(), name="crawler-process")

    @classmethod
    async def started(cls, options: CrawlOptions, spawned: Spawned | None = None) -> _Process:
        """A process that is starting: one that has begun, or a new one. Raises OSError if it cannot be."""
        spawned = spawned or _spawn()
        try:
            channel = await Channel.over(spawned.orders)
        except BaseException:
            spawned.end()
            raise
        channel.send(Setup(options, logging.getLogger("contentmap").getEffectiveLevel()))
        return cls(spawned.process, channel, spawned.descriptors)

    @property
    def number(self) -> int:
        """The process's id."""
        return self._process.pid

    async def crawl(
        self, target: Target, remembered: Sequence[RememberedFile], progress: Progress | None
    ) -> DomainCrawl:
        """One domain. Raises CrawlerDied if the process does."""
        number = next(self._numbers)
        answer: asyncio.Future[DomainCrawl] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer, progress
        order = Order(number, target, tuple(remembered))
        try:
            if len(remembered) > PACKED_ASIDE:
                self._channel.post(await asyncio.to_thread(packed, order))
            else:
                self._channel.send(order)
            return await answer
        except asyncio.CancelledError:
            if self._waiting.pop(number, None) is None:  # it has come all the same
                _let_go(answer)
            elif not self.ended:
                self._channel.send(Recall(number))
            raise

    async def _listen(self) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    await self._hear(await self._channel.receive())
        except Exception as error:
            told = {"action": "crawl.not_understood"}
            log.exception("the crawling process is not understood: %s", type(error).__name__, extra=told)
        finally:
            self.ended = True
            self._channel.close()
            self._descriptors.close()
            if self._process.poll() is None:
                self._process.kill()  # it has closed its end, or what it says cannot be understood
            code = await asyncio.to_thread(self._process.wait)
            if self._waiting:
                told = {"action": "crawl.died"}
                log.warning("the crawling process died: exit code %d", code, extra=told)
            for answer, _ in self._waiting.values():
                if not answer.done():
                    answer.set_exception(CrawlerDied(f"exit code {code}"))
            self._waiting.clear()

    async def _hear(self, message: object) -> None:
        if isinstance(message, Crawled):
            await self._deliver(message)
        elif isinstance(message, News):
            for number, progress in message.progress.items():
                _, told = self._waiting.get(number, (None, None))
                if told is not None:
                    _tell(told, progress)
        elif isinstance(message, Said):
            logging.getLogger(str(message.record["name"])).handle(logging.makeLogRecord(message.record))

    async def _deliver(self, crawled: Crawled) -> None:
        crawl = await self._taken(crawled)
        answer, _ = self._waiting.pop(crawled.number, (None, None))
        if answer is None or answer.done():
            crawl.close()
        else:
            answer.set_result(crawl)

    async def _taken(self, crawled: Crawled) -> DomainCrawl:
        if crawled.parcel is None:
            assert crawled.failure is not None  # noqa: S101 - one of the two is there
            return DomainCrawl.failed(crawled.domain, crawled.failure)
        descriptors: list[int] = []
        if crawled.parcel.on_disk:  # they were sent before, so this waits for nothing
            _, descriptors, _, _ = socket.recv_fds(self._descriptors, 1, MANY)
        if len(descriptors) < crawled.parcel.on_disk:  # the system lets go of those that find no room
            for descriptor in descriptors:
                os.close(descriptor)
            failure = Failure(Code.STORAGE_ERROR, "what was read cannot be kept: too many open files")
            return DomainCrawl.failed(crawled.domain, failure)
        if len(crawled.parcel.segments) > PACKED_ASIDE:
            return await asyncio.to_thread(unpack, crawled.parcel, descriptors)
        return unpack(crawled.parcel, descriptors)

    async def close(self) -> None:
        """Ends the process, in good order if it is quick about it."""
        if not self.ended:
            self._channel.send(Close())
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._listener), ENDING)
        if not self.ended:
            self._process.kill()
        await self._listener


def _tell(told: Progress, progress: CrawlProgress) -> None:
    try:
        told(progress)
    except Exception:  # who watches one domain must not end all the others
        log.exception("progress could not be shown", extra={"action": "crawl.progress_failed"})


def _let_go(answer: asyncio.Future[DomainCrawl]) -> None:
    if answer.done() and not answer.cancelled() and answer.exception() is None:
        answer.result().close()
