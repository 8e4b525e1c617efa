"""The address policy on real sockets: listeners on loopback addresses that count their connections.

127.0.0.5 is allowed and represents the public web; 127.0.0.2 to 127.0.0.4 are blocked and must get no
connection. The resolver is a real one with the answers of the test; the address policy is not replaced.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.http.connector import Addresses, Resolver
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import Limits
from contentmap_cli.models.hosts import normalise_host

SHUT = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
OPEN = "127.0.0.5"
QUICK = Limits(connect_timeout=2, read_timeout=1, request_timeout=3)


class Answers(Resolver):
    """Looks names up in a table: each name has a list of answers, given one after the other, the last for
    good."""

    def __init__(self, table: dict[str, list[tuple[str, ...]]]) -> None:
        super().__init__(1)
        self._table = table
        self.asked: Counter[str] = Counter()

    async def addresses(self, host: str) -> Addresses:
        answers = self._table.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        given = answers[min(self.asked[host], len(answers) - 1)]
        self.asked[host] += 1
        return tuple((socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in given)


@dataclass
class Wire:
    """The listeners: one port on all addresses, how many connections each accepted, what it answers."""

    port: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    pages: dict[str, bytes] = field(default_factory=dict)

    async def answer(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted[address] += 1
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            page = self.pages.get(path, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            writer.write(page.replace(b"PORT", str(self.port).encode()))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def options(self) -> CrawlOptions:
        """Options that allow 127.0.0.5 only."""
        return CrawlOptions(limits=QUICK, retries=0, allow_nets=(f"{OPEN}/32",))

    async def fetch(self, url: str, resolver: Resolver | None = None) -> str | None:
        """Fetches a URL; its failure's code, None for success."""
        ask = FetchRequest(max_bytes=10_000, clock=DomainClock(10))
        async with Fetcher(self.options(), resolver) as fetcher:
            with await fetcher.fetch(url, ask) as fetched:
                return fetched.failure.code if fetched.failure else None

    @property
    def reached(self) -> list[str]:
        """The blocked addresses that were connected to."""
        return [address for address in SHUT if self.accepted[address]]


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Listeners on all four addresses, on one port."""
    wire = Wire()
    servers: list[asyncio.Server] = []

    def listener(address: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        return lambda reader, writer: wire.answer(address, reader, writer)

    for address in (OPEN, *SHUT):
        server = await asyncio.start_server(listener(address), address, wire.port)
        servers.append(server)
        wire.port = server.sockets[0].getsockname()[1]
    yield wire
    for server in servers:
        server.close()


def page(body: str, status: str = "200 OK", *headers: str) -> bytes:
    """An answer; PORT in it becomes the listeners' port."""
    lines = (f"HTTP/1.1 {status}", *headers, "Connection: close")
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


SPELLINGS = {
    "127.0.0.2": "address_blocked",
    "127.0.0.2.": "address_blocked",
    "127.0.0.3": "address_blocked",
    "[::ffff:127.0.0.2]": "address_blocked",
    "[::ffff:7f00:2]": "address_blocked",
    "[::FFFF:127.0.0.2]": "address_blocked",
    "[0:0:0:0:0:ffff:7f00:0002]": "address_blocked",
    "[::127.0.0.2]": "address_blocked",
    "[64:ff9b::127.0.0.2]": "address_blocked",
    "[2002:7f00:2::]": "address_blocked",
    "[::1]": "address_blocked",
    "[::]": "address_blocked",
    "0.0.0.0": "address_blocked",
    "%31%32%37.0.0.2": "address_blocked",
    "１２７.０.０.２": "address_blocked",
    "127。0。0。2": "address_blocked",
    "localhost": "address_blocked",
    "LOCALHOST.": "address_blocked",
    "user@127.0.0.2": "address_blocked",
    "127.0.0.5@127.0.0.2": "address_blocked",
    "169.254.169.254": "address_blocked",
    "[fd00:ec2::254]": "address_blocked",
    "168.63.129.16": "address_blocked",
    "100.100.100.200": "address_blocked",
    "2130706434": "address_blocked",
    "0x7f000002": "address_blocked",
    "0x7f.0.0.2": "address_blocked",
    "0177.0.0.2": "address_blocked",
    "017700000002": "address_blocked",
    "127.2": "address_blocked",
    "127.0.2": "address_blocked",
    "127.0.0.0x2": "address_blocked",
    "[::1%25lo]": "rejected_url",
    "[fe80::1%25eth0]": "rejected_url",
    "[127.0.0.2]": "rejected_url",
    "127.0.0.2..": "rejected_url",
}


@pytest.mark.parametrize(("host", "expected"), SPELLINGS.items(), ids=str)
async def test_no_spelling_reaches_a_shut_address(wire: Wire, host: str, expected: str) -> None:
    """Blocked directly and through a redirect: no connection is made."""
    assert await wire.fetch(f"http://{host}:{wire.port}/") == expected
    wire.pages["/go"] = page("", "302 Found", f"Location: http://{host}:PORT/")
    if host.isascii():
        code = await wire.fetch(f"http://{OPEN}:{wire.port}/go")
        assert code in (expected, "redirect_scheme" if expected == "rejected_url" else expected)
        assert wire.accepted[OPEN] == 1
    assert wire.reached == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2130706434", "127.0.0.2"),
        ("0x7f.2", "127.0.0.2"),
        ("0177.0.0.2", "127.0.0.2"),
        ("127.2", "127.0.0.2"),
        ("4294967295", "255.255.255.255"),
        ("0x", "0.0.0.0"),
    ],
)
def test_numbers_are_addresses_as_browsers_read_them(host: str, address: str) -> None:
    """They are normalised (URL Standard, IPv4 parser), so that the policy checks the address of the
    connection."""
    assert normalise_host(host) == address


@pytest.mark.parametrize(
    "answer",
    [
        (OPEN, "127.0.0.2"),
        ("127.0.0.2", OPEN),
        ("127.0.0.2", "127.0.0.3", OPEN, "127.0.0.4"),
        ("::ffff:127.0.0.2", "::1", OPEN),
    ],
    ids=str,
)
async def test_of_a_mixed_answer_only_what_is_open_is_dialled(wire: Wire, answer: tuple[str, ...]) -> None:
    """Of a name with allowed and blocked addresses, only the allowed ones are connected to."""
    wire.pages["/"] = page("ok")
    code = await wire.fetch(f"http://mixed.test:{wire.port}/", Answers({"mixed.test": [answer]}))
    assert code in (None, "address_blocked")
    assert wire.reached == []


async def test_a_name_that_changes_its_answer_is_judged_by_the_last(wire: Wire) -> None:
    """DNS rebinding: the address of the connection is checked, for each request."""
    resolver = Answers({"rebind.test": [(OPEN,), ("127.0.0.2",)]})
    assert await wire.fetch(f"http://rebind.test:{wire.port}/", resolver) == "address_blocked"
    assert resolver.asked["rebind.test"] >= 2
    assert wire.accepted == Counter()


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(wire: Wire) -> None:
    """A redirect to a name with a blocked address fails."""
    wire.pages["/go"] = page("", "302 Found", "Location: http://inside.test:PORT/")
    resolver = Answers({"site.test": [(OPEN,)], "inside.test": [("127.0.0.3",)]})
    assert await wire.fetch(f"http://site.test:{wire.port}/go", resolver) == "address_blocked"
    assert wire.accepted == Counter({OPEN: 1})


async def test_sitemaps_that_robots_and_indexes_name_are_no_way_in(wire: Wire) -> None:
    """Named by robots.txt, an index or the home page: each is a failed file."""
    names = ["127.0.0.2:PORT", "[::ffff:127.0.0.3]:PORT", "inside.test:PORT", "169.254.169.254"]
    lines = "".join(f"Sitemap: http://{name}/sitemap.xml\n" for name in names)
    wire.pages["/robots.txt"] = page(f"{lines}Sitemap: http://site.test:PORT/index.xml\n")
    wire.pages["/index.xml"] = page(
        "<sitemapindex><sitemap><loc>http://127.0.0.4:PORT/a.xml</loc></sitemap>"
        "<sitemap><loc>http://2130706434:PORT/a.xml</loc></sitemap></sitemapindex>"
    )
    resolver: Any = Answers({"site.test": [(OPEN,)], "inside.test": [("127.0.0.2",)]})
    async with Crawler(wire.options(), resolver) as crawler:
        with await crawler.crawl(parse_target(f"http://site.test:{wire.port}")) as result:
            blocked = [
                file.url for file in result.files if file.error and file.error.code == "address_blocked"
            ]
    assert len(blocked) == 5
    assert wire.reached == []
    assert wire.accepted[OPEN] > 0
