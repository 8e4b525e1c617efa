"""A server on loopback that attacks whoever asks it: one host name a case, every byte made when it is sent.

A case is a few pages by path. A page is bytes (a whole answer, sent as it stands) or a coroutine that does
with the connection what it likes. `serving` runs the server in a process of its own, which ends with the
block, and after `SECONDS` or `BYTES` at the latest.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection

SECONDS = 440.0
BYTES = 8 * 1024**3
XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
HEAD = b"HTTP/1.1 200 OK\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_HANDSHAKE = b"\x16"


class SpentError(Exception):
    """The server has sent all that it may."""


@dataclass
class Call:
    """One request, and the connection it came on."""

    host: str
    path: str
    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    counter: Counter

    async def send(self, data: bytes) -> None:
        """Sends, as fast as the other side takes it."""
        self.counter.sent += len(data)
        if self.counter.sent > BYTES:
            raise SpentError
        self.writer.write(data)
        await self.writer.drain()

    async def stream(self, head: bytes, pieces: Iterable[bytes], *, every: float = 0.0) -> None:
        """Sends a head and then piece after piece, `every` so many seconds."""
        await self.send(head)
        for piece in pieces:
            await self.send(piece)
            await asyncio.sleep(every)

    def reset(self) -> None:
        """Ends the connection with a reset instead of a goodbye."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(frozen=True)
class Made:
    """An answer that is made when the server starts: in full size, or in one that is enough."""

    make: Callable[[bool], bytes]


Page = bytes | Made | Callable[[Call], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One way to attack. `outcome` and `code` are what a scan of it must come to, `urls` how many are kept.

    `pages` are by path, `*` for every other path. Without a robots.txt there is one that names /sitemap.xml.
    `heavy` cases are for the benchmark only.
    """

    name: str
    outcome: str
    code: str | None
    pages: Mapping[str, Page]
    urls: int | None = None
    scheme: str = "http"
    heavy: bool = False

    @property
    def host(self) -> str:
        """Its host name, which is its target too."""
        return f"{self.name}.test"

    @property
    def target(self) -> str:
        """What is typed to scan it."""
        return f"{self.scheme}://{self.host}"

    def page(self, path: str) -> Page:
        """What is served at a path."""
        found = self.pages.get(path)
        if found is None and path == "/robots.txt" and "*" not in self.pages:
            return robots(self.host)
        return self.pages.get("*", MISSING) if found is None else found


@dataclass
class Counter:
    """What the whole server has sent."""

    sent: int = 0
    asked: dict[str, int] = field(default_factory=dict)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer with its right length."""
    lines = (b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def robots(host: str) -> bytes:
    """A robots.txt that names one sitemap."""
    return answer(f"User-agent: *\nAllow: /\nSitemap: http://{host}/sitemap.xml\n".encode())


def urlset(host: str, count: int, *, start: int = 0) -> bytes:
    """A good sitemap."""
    entries = "".join(
        f"<url><loc>http://{host}/page-{number}</loc></url>\n" for number in range(start, start + count)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{XMLNS}">\n{entries}</urlset>\n'.encode()


def index(*urls: str) -> bytes:
    """A sitemap index."""
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>\n" for url in urls)
    return f'<?xml version="1.0"?>\n<sitemapindex xmlns="{XMLNS}">\n{entries}</sitemapindex>\n'.encode()


@contextmanager
def serving(module: str, names: Iterable[str], *, full: bool = False) -> Iterator[int]:
    """Serves these of a module's `CASES` on a loopback port, from a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, module, frozenset(names), full), daemon=True)
    process.start()
    theirs.close()
    try:
        yield int(ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()


def _run(pipe: Connection, module: str, names: frozenset[str], full: bool) -> None:
    cases = [case for case in __import__(module).CASES if case.name in names]
    by_host = {case.host: _made(case, full) for case in cases}
    counter = Counter()

    async def serve() -> None:
        asyncio.get_running_loop().call_later(SECONDS, os._exit, 0)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, SpentError
            ):
                while await _one(by_host, counter, reader, writer):
                    pass
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def _made(case: Case, full: bool) -> Case:
    pages = {path: page.make(full) if isinstance(page, Made) else page for path, page in case.pages.items()}
    return replace(case, pages=pages)


async def _one(
    by_host: Mapping[str, Case], counter: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answers one request; whether the connection lives on."""
    first = await reader.readexactly(1)
    if first == _HANDSHAKE:
        await _greeted(by_host, counter, reader, writer)
        return False
    head = first + await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ", 2)[1].decode("latin-1")
    host = next(
        line[5:].strip().decode("latin-1")
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"host:")
    )
    case = by_host.get(host.removeprefix("www."))
    page = MISSING if case is None else case.page(path)
    call = Call(host, path, head, reader, writer, counter)
    if isinstance(page, bytes):
        await call.send(page)
        return b"Content-Length:" in page
    assert not isinstance(page, Made), "made when the server started"
    await page(call)
    return False


async def _greeted(
    by_host: Mapping[str, Case], counter: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """A TLS handshake: the case is found by the server name in it. Nobody here speaks TLS."""
    hello = await reader.read(65536)
    named = max((host for host in by_host if host.encode() in hello), key=len, default="")
    page = by_host[named].pages.get("tls") if named else None
    call = Call("", "tls", hello, reader, writer, counter)
    if isinstance(page, bytes):
        await call.send(page)
    elif page is not None and not isinstance(page, Made):
        await page(call)
