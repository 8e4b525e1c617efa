"""Messages between a crawler in a process of its own and the one that records.

    Setup, then Order, Recall … Close ->
                         <- News, Said, Crawled

Each is pickled, behind its length; both ends are one program.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from dataclasses import dataclass

from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.parcel import Parcel
from contentmap_cli.crawl.results import CrawlProgress
from contentmap_cli.crawl.work import LENGTH
from contentmap_cli.errors import Failure
from contentmap_cli.values import RememberedFile, Target

_LOADED_ASIDE = 64 * 1024
"""Bytes of a message whose loading would hold up the event loop."""

PACKED_ASIDE = 500
"""Files of a domain whose packing, a few microseconds each, would hold up the event loop."""

MANY = 253
"""Descriptors that go together (Linux takes no more)."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message: how to crawl, and from which level up log records are wanted."""

    options: CrawlOptions
    level: int


@dataclass(frozen=True, slots=True)
class Order:
    """A domain to crawl, by a number of the sender's."""

    number: int
    target: Target
    remembered: tuple[RememberedFile, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """An order that nobody waits for any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """No more orders."""


@dataclass(frozen=True, slots=True)
class Crawled:
    """What came of an order: a parcel, or why there is none."""

    number: int
    domain: str
    parcel: Parcel | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class News:
    """How far some orders have come."""

    progress: dict[int, CrawlProgress]


@dataclass(frozen=True, slots=True)
class Said:
    """A log record, as plain values."""

    record: dict[str, object]


Message = Setup | Order | Recall | Close | Crawled | News | Said


class Channel:
    """Messages over a socket, on an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """A channel over one end of a pair of sockets, which it owns."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Message) -> None:
        """Sends a message as soon as there is room."""
        self.post(packed(message))

    def post(self, data: bytes) -> None:
        """Sends what `packed` made."""
        self._writer.write(data)

    async def drained(self) -> None:
        """Waits while much is still to be sent."""
        await self._writer.drain()

    async def emptied(self) -> None:
        """Waits until the system has all that was sent."""
        self._writer.transport.set_write_buffer_limits(0)
        await self._writer.drain()

    async def receive(self) -> Message:
        """The next message. Raises asyncio.IncompleteReadError or OSError at the end."""
        length = int.from_bytes(await self._reader.readexactly(LENGTH), "big")
        data = await self._reader.readexactly(length)
        if length > _LOADED_ASIDE:
            return await asyncio.to_thread(_load, data)
        return _load(data)

    def close(self) -> None:
        """Lets the socket go."""
        self._writer.close()


def packed(message: Message) -> bytes:
    """A message as it is sent."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH, "big") + data


def _load(data: bytes) -> Message:
    message: Message = pickle.loads(data)  # noqa: S301 - from our own process
    return message
