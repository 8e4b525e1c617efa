"""The server: HTTP/1.1 on one loopback port for all sites, by the Host header, able to misbehave.

It speaks plain HTTP. Who comes with TLS gets the alert that a server without TLS 1.x would send, and the
connection closes, so that a client learns at once to try without.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http import HTTPStatus

from internet.catalogue import build
from internet.site import Fate, Reply, failing

TLS_HANDSHAKE = b"\x16"  # the first byte of every TLS connection (RFC 8446 section 5.1)
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # fatal, protocol_version
MAX_HEAD = 32 * 1024
IDLE_SECONDS = 30.0
PIECES = 20  # in which a drawn out body is sent

Watcher = Callable[[str, str, int], None]
"""Called with host, path and status after each answer."""


class Internet:
    """The simulated internet. `day` may be set while it runs: from then on the sites are that day's."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        self._watcher = watcher
        self.day = 1

    @property
    def day(self) -> int:
        """The day it is there, from 1."""
        return self._day

    @day.setter
    def day(self, day: int) -> None:
        self._day = day
        self._sites = build(day)

    async def listen(self, port: int = 0) -> asyncio.Server:
        """Starts to serve on 127.0.0.1; port 0 takes any free one. Raises `OSError` if it is taken."""
        return await asyncio.start_server(self._converse, "127.0.0.1", port, limit=MAX_HEAD)

    def reply_to(self, host: str, path: str) -> Reply:
        """The answer of the site of that host name."""
        site = self._sites.get(host.removeprefix("www."))
        return site.answer(host, path) if site else failing(421)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # CancelledError is how `running` ends a conversation; Python 3.11 would report it as an error
        gone = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
        with suppress(*gone):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. True if the connection stays open for another."""
        async with asyncio.timeout(IDLE_SECONDS):
            first = await reader.readexactly(1)
            if first == TLS_HANDSHAKE:
                writer.write(TLS_ALERT)
                return False
            head = first + await reader.readuntil(b"\r\n\r\n")
        try:
            method, path, headers = parse_head(head)
        except ValueError:
            await send(writer, failing(400), "GET", None)
            return False
        host = headers.get("host", "").partition(":")[0].lower()
        reply = self.reply_to(host, path)
        if method not in ("GET", "HEAD"):
            reply = failing(405, Allow="GET, HEAD")
        whole = await send(writer, reply, method, headers.get("if-none-match"))
        if self._watcher:
            self._watcher(host, path, reply.status)
        return whole and headers.get("connection", "").lower() != "close"


def parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers (names in lower case) of a request head. Raises `ValueError`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    fields = (line.partition(":") for line in lines if line)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in fields}


async def send(writer: asyncio.StreamWriter, reply: Reply, method: str, known: str | None) -> bool:
    """Sends an answer as its values say. True if the connection can be used again.

    `known` is the request's If-None-Match: a body of bytes has an entity tag, and 304 spares it.
    """
    if reply.wait:
        await asyncio.sleep(reply.wait)
    if reply.fate is Fate.RESET:
        reset(writer)
        return False
    status, body = reply.status, reply.body
    headers = [("Date", formatdate(usegmt=True)), ("Content-Type", reply.content_type), *reply.headers]
    if isinstance(body, bytes):
        if status == HTTPStatus.OK:
            tag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
            headers.append(("ETag", tag))
            if tag == known:
                status, body = HTTPStatus.NOT_MODIFIED, b""
        if status != HTTPStatus.NOT_MODIFIED:
            headers.append(("Content-Length", str(len(body))))
    else:
        headers.append(("Transfer-Encoding", "chunked"))
    reason = reply.reason or HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    if method != "HEAD":
        if not isinstance(body, bytes):
            await send_chunks(writer, body())
        elif reply.fate is Fate.CUT:
            writer.write(body[: len(body) // 2])
        elif reply.pace:
            await send_slowly(writer, body, reply.pace)
        else:
            writer.write(body)
    await writer.drain()
    return reply.fate is Fate.WHOLE


async def send_chunks(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    """A body of unknown length (RFC 9112 section 7.1). Each part is made when the one before has left."""
    for part in parts:
        if part:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
        await asyncio.sleep(0)  # other connections want their turn, however fast this one takes its parts
    writer.write(b"0\r\n\r\n")


async def send_slowly(writer: asyncio.StreamWriter, body: bytes, seconds: float) -> None:
    """A body in small pieces over that time."""
    size = len(body) // PIECES + 1
    for start in range(0, len(body), size):
        writer.write(body[start : start + size])
        await writer.drain()
        await asyncio.sleep(seconds / PIECES)


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST instead of FIN: a linger time of zero says so (socket(7), SO_LINGER)."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running(port: int = 0, watcher: Watcher | None = None) -> Iterator[tuple[Internet, int]]:
    """The internet, served from a thread as long as the block lasts; gives it and its port.

    Raises `OSError` if the port is taken.
    """
    internet = Internet(watcher)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(internet.listen(port))
    thread = threading.Thread(target=loop.run_forever, name="demo internet", daemon=True)
    thread.start()
    try:
        yield internet, server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(hang_up(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def hang_up() -> None:
    """Ends every conversation that is still open."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
