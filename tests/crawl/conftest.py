"""Servers on loopback for the tests of the crawl: a web site from a dict, and raw sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from crawls import close_opened

from contentmap_cli.crawl.options import ConnectTo, CrawlOptions

DATA = Path(__file__).parent / "data"
CERTIFICATE = DATA / "tls-cert.pem"  # for tls.test, *.tls.test and 127.0.0.1, self-made, for a hundred years
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Page = bytes | str | int | tuple[int, dict[str, str], bytes] | Callable[[web.Request], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _close_crawls() -> Iterator[None]:
    yield
    close_opened()


@dataclass
class Site:
    """A web server whose pages are the values of a dict, by `host/path` or by `/path` for any host.

    A page is a body, a status, a status with headers and body, or a handler. `asked` lists what was asked
    for, `peak` the most requests that were open at once.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    open: int = 0
    peak: int = 0
    port: int = 0
    hold: float = 0.0  # seconds that each answer takes

    @property
    def paths(self) -> list[str]:
        """The requested paths, in order."""
        return [each[each.index("/") :] for each in self.asked]

    def options(self, **changes: Any) -> CrawlOptions:
        """Options of a crawl for which every host is this server, quick to retry."""
        base = CrawlOptions(connect_to=(ConnectTo(None, None, "127.0.0.1", self.port),), backoff=0.01)
        return replace(base, **changes)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        key = f"{request.host}{request.rel_url.raw_path_qs}"
        self.asked.append(key)
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            if self.hold:
                await asyncio.sleep(self.hold)
            page = self.pages.get(key, self.pages.get(request.rel_url.raw_path_qs, self.pages.get("*", 404)))
            if callable(page):
                page = await page(request)
            if isinstance(page, web.StreamResponse):
                return page
            if isinstance(page, int):
                return web.Response(status=page)
            if isinstance(page, tuple):
                return web.Response(status=page[0], headers=page[1], body=page[2])
            return web.Response(body=page.encode() if isinstance(page, str) else page)
        finally:
            self.open -= 1


SiteFactory = Callable[..., Awaitable[Site]]


@pytest.fixture
async def new_site() -> AsyncIterator[SiteFactory]:
    """Starts sites; `tls=True` for https, `host` for another loopback address, `client_ca` asks
    for a client certificate."""
    runners: list[web.AppRunner] = []

    async def start(
        pages: dict[str, Page] | None = None,
        *,
        tls: bool = False,
        host: str = "127.0.0.1",
        client_ca: Path | None = None,
    ) -> Site:
        site = Site(pages or {})
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE, DATA / "tls-key.pem")
            if client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_ca)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", site.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, 0, ssl_context=context).start()
        site.port = runner.addresses[0][1]
        return site

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def new_raw() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Starts raw servers: takes what handles one connection, gives the port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(handle: Handler, *, host: str = "127.0.0.1") -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handle(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(guarded, host, 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def ca_file() -> str:
    """The certificate that the https sites here show, as an authority to trust."""
    return str(CERTIFICATE)
