"""Proxies on loopback: HTTP with CONNECT, and SOCKS5, both with or without a user name and password."""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ProxyServer:
    """A proxy that connects every request to one port on loopback.

    `asked` has the targets of all requests, as `host:port` or a URL, `heads` the heads of HTTP requests.
    """

    to_port: int
    user: str | None = None
    status: int = 200  # of every answer to CONNECT
    port: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    certificates: list[object] = field(default_factory=list)  # of the clients of an https proxy
    refused: int = 0

    @property
    def proof(self) -> str | None:
        return None if self.user is None else f"Basic {base64.b64encode(self.user.encode()).decode()}"

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (secure := writer.get_extra_info("ssl_object")) is not None:
            self.certificates.append(secure.getpeercert())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        self.asked.append(target)
        if self.proof is not None and f"Proxy-Authorization: {self.proof}\r\n" not in head:
            self.refused += 1
            writer.write(
                b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
        elif method != "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        else:
            writer.write(f"HTTP/1.1 {self.status} Some\r\n\r\n".encode())
            if self.status == 200:
                await self._relay(reader, writer)
        await writer.drain()
        writer.close()

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if self.user is None:
            writer.write(b"\x05\x00")
        elif 2 not in methods:
            self.refused += 1
            writer.write(b"\x05\xff")
            writer.close()
            return
        else:
            writer.write(b"\x05\x02")
            _, size = await reader.readexactly(2)
            name = await reader.readexactly(size)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            good = f"{name.decode()}:{password.decode()}" == self.user
            writer.write(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                self.refused += 1
                writer.close()
                return
        kind = (await reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        address = await reader.readexactly(size)
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        host = address.decode() if kind == 3 else ".".join(map(str, address))
        self.asked.append(f"{host}:{port}")
        reply = 0 if self.status == 200 else self.status
        writer.write(bytes([5, reply, 0, 1, 127, 0, 0, 1, 0, 0]))
        if not reply:
            await self._relay(reader, writer)
        await writer.drain()
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.to_port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
                target.close()

        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


@asynccontextmanager
async def proxy_server(
    kind: str, to_port: int = 0, tls: ssl.SSLContext | None = None, **more: object
) -> AsyncIterator[ProxyServer]:
    """Run a proxy of a kind, `http` or `socks`."""
    proxy = ProxyServer(to_port, **more)  # type: ignore[arg-type]
    handle = proxy.socks if kind == "socks" else proxy.http
    tasks: set[asyncio.Task[None]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handle(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
