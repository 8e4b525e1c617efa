"""Choose `--per-address` and `--per-host`: what a scan of sites on one server costs with several values.

    python benchmarks/shared_host.py [--only per_address|per_host]

Sites on loopback, each with robots.txt, an index and some sitemaps, with a delay per answer. First all sites
are at one address, and `--per-address` varies; then each site has an address of its own, and `--per-host`
varies. The server of an address is one of:

- free: it answers any number of requests at once
- N workers: it works on N requests at once, others wait in its queue
- 429 above N, 503 above N: it refuses a request that arrives while N are being answered

Columns: wall time of the scan; the most requests that a server had at once; the mean time of an answer;
refusals (429, 503); retries; files that were lost; domains that did not end `ok`. Exit code 1 if a server
without refusals lost a file.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aiohttp import web
from machine import machine

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.http.connector import Addresses, Resolver
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import FileStatus

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


@dataclass
class Server:
    """The server of one address: how it treats requests at once, and what it has seen."""

    delay: float
    workers: int = 0
    above: int = 0
    status: int = 0
    files: int = 6
    busy: int = 0
    most: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.workers or 10_000)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request after the delay, or refuse it."""
        self.busy += 1
        self.most = max(self.most, self.busy)
        begin = time.monotonic()
        try:
            if self.above and self.busy > self.above:
                self.refused += 1
                return web.Response(status=self.status)
            async with self._free:
                await asyncio.sleep(self.delay)
            return self._page(request)
        finally:
            self.busy -= 1
            self.times.append(time.monotonic() - begin)

    def _page(self, request: web.Request) -> web.Response:
        origin = f"http://{request.host}"
        if request.path == "/robots.txt":
            return web.Response(text=f"Sitemap: {origin}/index.xml\n")
        if request.path == "/index.xml":
            names = (f"<sitemap><loc>{origin}/{number}.xml</loc></sitemap>" for number in range(self.files))
            return _xml(f'<sitemapindex xmlns="{NAMESPACE}">{"".join(names)}</sitemapindex>')
        urls = (f"<url><loc>{origin}{request.path}/{number}</loc></url>" for number in range(10))
        return _xml(f'<urlset xmlns="{NAMESPACE}">{"".join(urls)}</urlset>')


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


class Names(Resolver):
    """Resolves `site-N.test` to the first loopback address, or with `own` to one for each site."""

    def __init__(self, *, own: bool) -> None:
        super().__init__(1)
        self._own = own

    async def addresses(self, host: str) -> Addresses:
        """Return the address of a site."""
        number = int(host.removeprefix("site-").removesuffix(".test")) if self._own else 0
        return ((socket.AF_INET, f"127.0.0.{number + 1}"),)


SERVERS = {
    "free": lambda _: {},
    "{} workers": lambda number: {"workers": number},
    "429 above {}": lambda number: {"above": number, "status": 429},
    "503 above {}": lambda number: {"above": number, "status": 503},
}
"""The arguments of `Server` by name, for a number of requests at once."""


async def scan(
    options: CrawlOptions, terms: dict[str, int], arguments: argparse.Namespace, *, own: bool
) -> str:
    """Crawl the sites at once, and return the cells of the table."""
    files = arguments.files * 4 if own else arguments.files
    count = arguments.hosts if own else arguments.sites
    servers = [Server(arguments.delay, files=files, **terms) for _ in range(count if own else 1)]
    async with AsyncExitStack() as stack:
        port = 0
        for number, server in enumerate(servers):
            application = web.Application()
            application.router.add_get("/{path:.*}", server.answer)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, f"127.0.0.{number + 1}", port).start()
            port = runner.addresses[0][1]
        crawler = await stack.enter_async_context(Crawler(options, Names(own=own)))

        async def crawl(number: int) -> tuple[str, int, int]:
            with await crawler.crawl(parse_target(f"http://site-{number}.test:{port}")) as result:
                read = sum(file.status is FileStatus.OK for file in result.files)
                return result.status.value, result.retries, files + 1 - read

        begin = time.monotonic()
        found = await asyncio.gather(*map(crawl, range(count)))
        wall = time.monotonic() - begin
    times = [each for server in servers for each in server.times]
    others = Counter(status for status, _, _ in found if status != "ok")
    figures = (
        f"{wall:.1f}",
        max(server.most for server in servers),
        f"{sum(times) / len(times) * 1000:.0f}",
        sum(server.refused for server in servers),
        sum(retries for _, retries, _ in found),
        sum(lost for _, _, lost in found),
        ", ".join(f"{number} {name}" for name, number in others.items()) or "-",
    )
    return " | ".join(map(str, figures))


async def sweep(
    arguments: argparse.Namespace, name: str, values: Sequence[int], capacities: Sequence[int]
) -> bool:
    """Print the table of one option; return whether a server without refusals lost a file."""
    own = name == "per_host"
    columns = ("wall s", "at once", "answer ms", "refusals", "retries", "lost files", "domains not ok")
    print(
        f"\n| server | --{name.replace('_', '-')} | {' | '.join(columns)} |\n{'|---' * (len(columns) + 2)}|"
    )
    failed = False
    for title, terms in SERVERS.items():
        for capacity in capacities[: 1 if title == "free" else None]:
            for value in values:
                limits = {"per_host": 2, "per_address": 64 if own else 0, name: value}
                options = CrawlOptions(allow_nets=("127.0.0.0/8",), **limits)
                cells = await scan(options, terms(capacity), arguments, own=own)
                print(f"| {title.format(capacity)} | {value} | {cells} |", flush=True)
                failed |= not title.startswith(("429", "503")) and not cells.endswith("| 0 | -")
    return failed


def main() -> int:
    """Read the options and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=("per_address", "per_host"), help="one of the tables")
    parser.add_argument("--per-address", type=int, nargs="+", default=[2, 4, 6, 8, 12, 16])
    parser.add_argument("--per-host", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--sites", type=int, default=40, help="sites at the shared address")
    parser.add_argument("--hosts", type=int, default=10, help="sites with an address of their own")
    parser.add_argument("--files", type=int, default=6, help="sitemaps per site; four times as many per host")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds per answer")
    arguments = parser.parse_args()
    print(machine("aiohttp"))
    print(f"{arguments.sites} sites of {arguments.files} sitemaps, {arguments.delay:g} s per answer")
    failed = False
    if arguments.only != "per_host":
        failed |= asyncio.run(sweep(arguments, "per_address", arguments.per_address, (4, 8)))
    if arguments.only != "per_address":
        failed |= asyncio.run(sweep(arguments, "per_host", arguments.per_host, (1, 2)))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
