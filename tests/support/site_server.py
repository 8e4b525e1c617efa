"""A server on loopback for simulated sites: the Host header picks the site, damages are sent as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from site_damages import Active, Where, sent
from site_model import Answer, Site, html, not_found

ELSEWHERE_HOST = "elsewhere.test"
_HANDSHAKE = b"\x16"  # the first byte of TLS, which nobody here speaks


@dataclass
class SiteServer:
    """A running server. `sites` holds what each host publishes and its damages, `log` the requests for them.

    `www.` of a host redirects to it, unless the whole site is damaged. `elsewhere.test` is another site.
    """

    port: int = 0
    sites: dict[str, tuple[Site, Sequence[Active]]] = field(default_factory=dict)
    log: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    @property
    def connect_to(self) -> str:
        """The value of --connect-to that leads every host to this server."""
        return f"::127.0.0.1:{self.port}"

    def publish(self, site: Site, active: Sequence[Active]) -> None:
        """Serve a site with these damages from now on, and start its log again."""
        self.sites[site.host] = (site, tuple(active))
        self.log[site.host] = []

    def answer(self, host: str, path: str) -> Answer:
        """What is sent for a path of a host."""
        bare = host.removeprefix("www.")
        if bare == ELSEWHERE_HOST:
            return Answer(body=html("Another shop")) if path == "/" else not_found()
        if bare not in self.sites:
            return not_found()
        site, active = self.sites[bare]
        if host != bare and not any(each.damage.where is Where.SITE for each in active):
            found = Answer(301, location=site.url(path))
        else:
            found = sent(site, active, path)
        self.log[bare].append((path if host == bare else f"{host}{path}", 0 if found.reset else found.status))
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while True:
                    first = await reader.readexactly(1)
                    if first == _HANDSHAKE:
                        break
                    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    lines = head.split("\r\n")
                    headers = {
                        name.lower(): value.strip()
                        for name, _, value in (line.partition(":") for line in lines[1:] if line)
                    }
                    found = self.answer(headers.get("host", "").partition(":")[0], lines[0].split(" ")[1])
                    if found.reset:
                        break
                    if (
                        found.conditional
                        and found.etag is not None
                        and found.etag == headers.get("if-none-match")
                    ):
                        found = replace(found, status=304, body=b"")
                    writer.write(_wire(found))
                    await writer.drain()
                    if found.missing:
                        break
        finally:
            writer.close()


def _wire(found: Answer) -> bytes:
    """An answer as it is sent."""
    lines = [f"HTTP/1.1 {found.status} {HTTPStatus(found.status).phrase}"]
    if found.status != 304:
        lines += [f"Content-Length: {len(found.body) + found.missing}", f"Content-Type: {found.content_type}"]
    if found.location is not None:
        lines.append(f"Location: {found.location}")
    if found.etag is not None:
        lines.append(f"ETag: {found.etag}")
    lines += [f"{name}: {value}" for name, value in found.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + found.body


@contextmanager
def serving_sites() -> Iterator[SiteServer]:
    """Serve on a free port of 127.0.0.1, in a thread, until the block ends."""
    server = SiteServer()
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024))
    server.port = listener.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_stop(listener), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(listener: asyncio.Server) -> None:
    """Close the listener and end the connections that are open."""
    listener.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # transports close in the next turn of the loop
