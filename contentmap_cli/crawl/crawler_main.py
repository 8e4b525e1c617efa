"""The other side of `crawler_process`: a process that crawls domains for another one.

Started with one end of a socket as its standard input, and with the number of a second one's end, which
descriptors go through. It ends when the socket does, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable
from functools import partial

from contentmap_cli.batches import no_room
from contentmap_cli.crawl.channel import (
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
from contentmap_cli.crawl.child import live_with_parent
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.parcel import pack
from contentmap_cli.crawl.results import CrawlProgress, Crawls, DomainCrawl
from contentmap_cli.errors import Code, Failure

_NEWS_EVERY = 0.1
"""Seconds between two tellings of how far crawls have come."""

_ROOM_AFTER = 0.01
"""Seconds until it is tried again to send descriptors where there was no room for them."""

log = logging.getLogger("contentmap.crawl")


class RecordsAway(logging.Handler):
    """Sends log records on, from any thread. A traceback becomes lines for who asked for every step."""

    def __init__(self, send: Callable[[Said], None]) -> None:
        super().__init__()
        self._send = send
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record, and one for each line of its traceback."""
        try:
            self._send_on(record)
        except Exception:  # a log that cannot be sent must not spoil a crawl
            self.handleError(record)

    def _send_on(self, record: logging.LogRecord) -> None:
        plain = vars(record) | {"msg": record.getMessage(), "args": None, "exc_info": None, "exc_text": None}
        self._pass_on(plain)
        if record.exc_info and logging.getLogger("contentmap").isEnabledFor(logging.DEBUG):
            for line in "".join(traceback.format_exception(*record.exc_info)).splitlines():
                self._pass_on(plain | {"msg": line, "levelno": logging.DEBUG, "levelname": "DEBUG"})

    def _pass_on(self, record: dict[str, object]) -> None:
        if threading.get_ident() == self._thread:
            self._send(Said(record))
        else:
            self._loop.call_soon_threadsafe(self._send, Said(record))


class Service:
    """Carries orders out, as many at once as come."""

    def __init__(self, channel: Channel, descriptors: socket.socket, crawler: Crawls) -> None:
        self._channel = channel
        self._descriptors = descriptors
        self._crawler = crawler
        self._turn = asyncio.Lock()  # descriptors go in the order of their parcels
        self._orders: dict[int, asyncio.Task[None]] = {}
        self._recalled: set[int] = set()
        self._news: dict[int, CrawlProgress] = {}

    async def serve(self) -> None:
        """Returns when no more orders come; what is under way then is given up."""
        teller = asyncio.create_task(self._tell())
        try:
            while not isinstance(message := await self._channel.receive(), Close):
                if isinstance(message, Order):
                    task = self._orders[message.number] = asyncio.create_task(self._carry_out(message))
                    task.add_done_callback(partial(self._done, message))
                elif isinstance(message, Recall) and message.number in self._orders:
                    self._recalled.add(message.number)
                    self._orders[message.number].cancel()
        finally:
            teller.cancel()
            self._recalled.update(self._orders)
            orders = [*self._orders.values()]
            for order in orders:
                order.cancel()
            await asyncio.gather(*orders, return_exceptions=True)

    async def _carry_out(self, order: Order) -> None:
        def moved(progress: CrawlProgress) -> None:
            self._news[order.number] = progress

        try:
            with await self._crawler.crawl(order.target, order.remembered, moved) as crawl:
                if len(crawl.files) > PACKED_ASIDE:
                    message, descriptors = await asyncio.to_thread(_wrapped, order, crawl)
                else:
                    message, descriptors = _wrapped(order, crawl)
                async with self._turn:
                    await self._hand_over(descriptors)
                    self._channel.post(message)  # at once: who is sent descriptors without it is out of step
            await self._channel.drained()
        except Exception as error:
            if (full := no_room(error)) is None:
                told = {"action": "crawl.failed", "domain": order.target.domain}
                log.exception("crawling %s failed", order.target.domain, extra=told)
                failure = Failure(Code.INTERNAL_ERROR, f"a bug in ContentMap: {type(error).__name__}")
            else:
                failure = Failure(Code.STORAGE_ERROR, full)
            self._channel.send(Crawled(order.number, order.target.domain, None, failure))

    def _done(self, order: Order, task: asyncio.Task[None]) -> None:
        """Also of one that was recalled before it began, and of one that was called off from within: who
        waits for that must hear of it."""
        del self._orders[order.number]
        self._news.pop(order.number, None)
        if task.cancelled() and order.number not in self._recalled:
            failure = Failure(Code.INTERNAL_ERROR, "a bug in ContentMap: CancelledError")
            self._channel.send(Crawled(order.number, order.target.domain, None, failure))
        self._recalled.discard(order.number)

    async def _hand_over(self, descriptors: list[int]) -> None:
        """Sends a parcel's descriptors, one for each file that was read at a time, or nothing."""
        while descriptors:
            try:
                socket.send_fds(self._descriptors, [b"."], descriptors)
            except BlockingIOError:
                await asyncio.sleep(_ROOM_AFTER)
            else:
                return

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_NEWS_EVERY)
            if self._news:
                self._channel.send(News(self._news))
                self._news = {}


def _wrapped(order: Order, crawl: DomainCrawl) -> tuple[bytes, list[int]]:
    parcel, descriptors = pack(crawl)
    return packed(Crawled(order.number, order.target.domain, parcel)), descriptors


async def serve(orders: socket.socket, descriptors: socket.socket) -> None:
    """Crawls what is ordered through a socket, until no more is."""
    channel = await Channel.over(orders)
    descriptors.setblocking(False)
    setup = await channel.receive()
    assert isinstance(setup, Setup)  # noqa: S101 - it comes first
    root = logging.getLogger("contentmap")
    root.addHandler(RecordsAway(channel.send))
    root.setLevel(setup.level)
    root.propagate = False
    async with Crawler(setup.options) as crawler:
        await Service(channel, descriptors, crawler).serve()
    await channel.emptied()


def main(descriptors: int) -> None:
    """The process."""
    live_with_parent()
    # as for the process that records: full passes over what is loaded would stop the event loop
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    asyncio.run(serve(socket.socket(fileno=os.dup(0)), socket.socket(fileno=descriptors)))
    os._exit(0)  # a name look-up that hangs cannot be called off, and would be waited for
