"""Requests that are repeated, hosts that are slowed down, and the time of a domain."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.politeness import CURRENT_SLOT, Politeness
from contentmap_cli.crawl.http.retries import RETRIED, retry_after
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import Limits, ScanStatus

NewRaw = Callable[..., Awaitable[int]]
NewSite = Callable[..., Awaitable[Any]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
CUT = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nbo",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nbo",
    "framing": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\nzz\r\n",
}


def request(**changes: Any) -> FetchRequest:
    """Return the parameters of a fetch."""
    return FetchRequest(**({"max_bytes": 100_000, "clock": DomainClock(60)} | changes))


def options(port: int, **changes: Any) -> CrawlOptions:
    """Return options that connect every host to this port."""
    return CrawlOptions(
        connect_to=(ConnectTo(None, None, "127.0.0.1", port),),
        **({"backoff": 0.01, "limits": Limits(request_timeout=10)} | changes),
    )


@pytest.mark.parametrize("status", sorted(RETRIED))
async def test_a_status_that_passes(new_site: NewSite, status: int) -> None:
    """The file is requested again; the retry is counted."""
    site = await new_site()

    async def pass_on(_: Any) -> Any:
        return "ok" if len(site.asked) > 1 else (status, {}, b"")

    site.pages["/map.xml"] = pass_on
    async with Fetcher(site.options()) as fetcher:
        with await fetcher.fetch("http://site.test/map.xml", request()) as fetched:
            assert (fetched.failure, fetched.status, fetched.requests, fetched.retries) == (None, 200, 2, 1)


@pytest.mark.parametrize("status", [400, 412])
async def test_a_condition_that_is_refused(new_site: NewSite, status: int) -> None:
    """The file is requested without conditions."""
    site = await new_site()

    async def refuse(sent: Any) -> Any:
        return (status, {}, b"") if "If-None-Match" in sent.headers else "ok"

    site.pages["/map.xml"] = refuse
    async with Fetcher(site.options()) as fetcher:
        ask = request(conditions={"If-None-Match": '"a"'}, validated="http://site.test/map.xml")
        with await fetcher.fetch("http://site.test/map.xml", ask) as fetched:
            assert (fetched.failure, fetched.status, fetched.retries) == (None, 200, 1)


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("again", [True, False])
async def test_a_body_that_breaks_off(new_raw: NewRaw, cut: str, again: bool) -> None:
    """It is requested once more; what was read is kept if the second one breaks off, too."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await reader.readuntil(b"\r\n\r\n")
        count += 1
        writer.write(CUT[cut] if count == 1 or again else OK)
        await writer.drain()
        writer.close()

    async with Fetcher(options(await new_raw(serve))) as fetcher:
        with await fetcher.fetch("http://site.test/map.xml", request()) as fetched:
            assert (fetched.requests, fetched.discarded, count) == (2, 2, 2)
            assert fetched.body is not None
            assert fetched.body.read() == (b"bo" if again else b"body")
            assert (fetched.failure is None) is not again


@pytest.mark.parametrize("reset", [True, False])
async def test_a_handshake_that_breaks_off(new_raw: NewRaw, reset: bool) -> None:
    """A new connection is made once."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await reader.read(100)
        count += 1
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async with Fetcher(options(await new_raw(serve))) as fetcher:
        fetched = await fetcher.fetch("https://site.test/map.xml", request())
    assert (fetched.failure is not None, count, fetched.retries) == (True, 2, 1)


async def test_a_port_that_refuses() -> None:
    """It is tried once more, and as often as any request if the host has answered before."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Fetcher(options(taken.getsockname()[1])) as fetcher:
            assert (await fetcher.fetch("http://site.test/a", request())).requests == 2
            clock = DomainClock(60)
            clock.answered.add("site.test")
            assert (await fetcher.fetch("http://site.test/a", request(clock=clock))).requests == 3


@pytest.mark.parametrize(
    "value", ["Mon, 30 Nov 2020 08:01:40 GMT", "Monday, 30-Nov-20 08:01:40 GMT", "Mon Nov 30 08:01:40 2020"]
)
def test_a_date_is_relative_to_that_of_the_answer(value: str) -> None:
    """The clock of the server counts, in all forms of a date."""
    assert retry_after(value, "Mon, 30 Nov 2020 08:00:00 GMT") == 100
    assert retry_after(value) == 0


async def test_a_host_that_refuses_everything_is_deferred(new_site: NewSite) -> None:
    """After a few refusals in a row the rest is left for later; nothing is requested meanwhile."""
    names = "abcdefghijklmnop"
    site = await new_site(
        {
            "/robots.txt": "".join(f"Sitemap: http://site.test/{name}.xml\n" for name in names),
            "*": (429, {}, b""),
        }
    )
    async with Crawler(site.options()) as crawler:
        result = await crawler.crawl(parse_target("http://site.test"))
    assert result.status is ScanStatus.DEFERRED
    assert len(site.asked) < 12
    assert result.retries > 3


async def test_the_delay_of_a_host() -> None:
    """It doubles with each refusal, not with each of several at once, and is removed step by step."""
    politeness = Politeness(first_delay=0.01)
    async with politeness.slot("a") as one, politeness.slot("a") as two:
        politeness.slow_down("a", 429, one)
        politeness.slow_down("a", 429, two)
    assert politeness.slowed("a") == 0.01
    async with politeness.slot("a") as slot:
        politeness.slow_down("a", 503, slot)
    assert politeness.slowed("a") == 0.02
    second = asyncio.create_task(politeness.slot("a").__aenter__())
    async with politeness.slot("a"):
        await asyncio.sleep(0.1)
        assert not second.done()  # one at a time
    second.cancel()
    for _ in range(10):
        politeness.speed_up("a", slot)
    assert politeness.slowed("a") == 0


async def test_the_limit_of_an_address_that_refuses() -> None:
    """It is halved once for requests at once, and raised by one after ten successes per slot."""
    politeness = Politeness(per_host=6, per_address=6, first_delay=0.01)
    async with AsyncExitStack() as held:
        slots = [await held.enter_async_context(politeness.slot(name, "192.0.2.1")) for name in "abcde"]
        limits = politeness._addresses["192.0.2.1"]
        for name, slot in zip("abcde", slots, strict=True):
            politeness.slow_down(name, 429, slot)
        assert limits.limit == 2
        for name in "abcdefghijklmnopqrs":
            politeness.speed_up(name, slots[0])
        assert limits.limit == 2
        for _ in range(200):
            politeness.speed_up("t", slots[0])
        assert limits.limit == 6


@pytest.mark.parametrize("shared", [None, "192.0.2.1"])
async def test_a_delayed_host_takes_no_slot_of_its_address(shared: str | None) -> None:
    """Others at the address are requested meanwhile; the delay of the host holds all the same."""
    politeness = Politeness(per_address=1)
    politeness.set_delay("a", 0.2)
    starts: list[tuple[str, float]] = []

    async def request(name: str) -> None:
        async with politeness.slot(name, shared):
            starts.append((name, asyncio.get_running_loop().time()))

    await asyncio.gather(*map(request, "aaab"))
    assert sorted(name for name, _ in starts[:2]) == ["a", "b"]
    times = [time for name, time in starts if name == "a"]
    assert all(later - earlier > 0.19 for earlier, later in pairwise(times))


async def test_the_clock_stops_while_everything_waits() -> None:
    """Waits have a limit of their own; a wait beside a request counts as time of the domain."""
    clock = DomainClock(0.3, 0.5)
    with clock.working():
        async with clock.waiting():
            await asyncio.sleep(0.4)
        assert clock.left > 0.2
        with pytest.raises(TimeoutError):
            async with clock.waiting():
                await asyncio.sleep(60)
    assert clock.expired is not None
    assert "--domain-wait" in clock.expired
    clock = DomainClock(0.2, 60)
    with clock.working(), clock.working(), pytest.raises(TimeoutError):
        async with clock.waiting():
            await asyncio.sleep(60)
    assert clock.left == 0


async def test_the_address_that_is_connected_to_is_counted() -> None:
    """No socket is made for an address whose slots are taken; a settled connection counts at its own."""
    politeness = Politeness(per_address=1)
    async with politeness.slot("a", "192.0.2.1") as one:
        assert CURRENT_SLOT.get() is None
        assert one.may_connect("192.0.2.1")
        async with politeness.slot("b", "192.0.2.2"):
            assert not one.may_connect("192.0.2.2")
            assert one.busy == "192.0.2.2"
        assert one.may_connect("192.0.2.2")
        one.settle(asyncio.BaseTransport({"peername": ("192.0.2.2", 80)}))
        async with politeness.slot("c", "192.0.2.1"):
            pass
    assert politeness._addresses == {}


async def test_a_busy_address_is_waited_for(new_site: NewSite) -> None:
    """Twelve hosts with an address of their own that refuses share the one that answers: two at a time."""
    site = await new_site()
    active = most = 0

    async def slow(_: Any) -> str:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.05)
        active -= 1
        return "ok"

    site.pages["*"] = slow

    class Names:
        async def addresses(self, host: str) -> tuple[tuple[socket.AddressFamily, str], ...]:
            number = int(host.partition(".")[0][1:])
            return (socket.AF_INET, f"127.0.1.{number + 1}"), (socket.AF_INET, "127.0.0.1")

        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
            return [
                {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
                for kind, address in await self.addresses(host)
            ]

        async def close(self) -> None:
            pass

    terms = CrawlOptions(allow_private=True, per_address=2, retries=0)
    async with Fetcher(terms, Names()) as fetcher:  # type: ignore[arg-type]
        found = await asyncio.gather(
            *(fetcher.fetch(f"http://h{n}.test:{site.port}/a", request()) for n in range(12))
        )
    for each in found:
        each.close()
    assert [each.failure for each in found] == [None] * 12
    assert most <= 2
