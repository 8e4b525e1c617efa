"""Politeness, measured by the clock and at the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.http.politeness import HostPaused, Politeness
from contentmap_cli.crawl.http.retries import retry_after
from contentmap_cli.crawl.targets import parse_target

NewSite = Callable[..., Awaitable[Any]]


async def most_at_once(politeness: Politeness, turns: list[tuple[str, str | None]]) -> int:
    """Return the maximum number of concurrent slots."""
    taken = peak = 0

    async def take(host: str, address: str | None) -> None:
        nonlocal taken, peak
        async with politeness.slot(host, address):
            taken += 1
            peak = max(peak, taken)
            await asyncio.sleep(0.02)
            taken -= 1

    await asyncio.gather(*(take(host, address) for host, address in turns))
    return peak


async def test_two_at_once_for_a_host() -> None:
    """One host has two slots, two hosts have four."""
    assert await most_at_once(Politeness(), [("a", None)] * 6) == 2
    assert await most_at_once(Politeness(), [("a", None), ("b", None)] * 3) == 4


async def test_two_at_once_for_an_address() -> None:
    """Hosts on one address share its slots; another address has its own."""
    assert await most_at_once(Politeness(), [(f"host-{n}", "192.0.2.1") for n in range(8)]) == 2
    assert await most_at_once(Politeness(), [(f"host-{n}", f"192.0.2.{n % 2}") for n in range(8)]) == 4


async def test_a_delay_is_kept_between_starts() -> None:
    """Concurrent requests start one delay apart."""
    politeness = Politeness(delay=0.05)
    loop = asyncio.get_running_loop()
    starts: list[float] = []
    begin = loop.time()

    async def take() -> None:
        async with politeness.slot("a"):
            starts.append(loop.time())

    await asyncio.gather(*(take() for _ in range(5)))
    # a start that the machine has made late does not put off the next one
    assert all(start - begin > number * 0.05 - 0.005 for number, start in enumerate(starts))


async def test_a_pause_holds_for_everyone() -> None:
    """Waiting and later requests wait for the end of a pause; other hosts do not."""
    politeness = Politeness()
    loop = asyncio.get_running_loop()
    politeness.pause("c", 600)
    async with asyncio.timeout(60), politeness.slot("b"):
        pass
    politeness.pause("a", 0.2)
    begin = loop.time()
    async with politeness.slot("a"):
        assert loop.time() - begin > 0.19


async def test_a_pause_that_begins_during_a_delay() -> None:
    """A request that waits for the delay waits for the pause too."""
    politeness = Politeness(delay=0.05)
    loop = asyncio.get_running_loop()

    async def take() -> float:
        async with politeness.slot("a"):
            return loop.time()

    await take()
    waiting = asyncio.create_task(take())
    await asyncio.sleep(0.01)
    begin = loop.time()
    politeness.pause("a", 0.3)
    assert await waiting - begin > 0.29


async def test_a_host_that_waits_has_no_slot_at_its_address() -> None:
    """Neighbours of a paused host, or of one with a delay, are requested meanwhile."""
    politeness = Politeness(per_address=1)
    politeness.pause("paused", 600)
    politeness.set_delay("delayed", 600)
    async with politeness.slot("delayed", "192.0.2.1"):
        pass
    waiting = [
        asyncio.create_task(most_at_once(politeness, [(host, "192.0.2.1")])) for host in ("paused", "delayed")
    ]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(60), politeness.slot("calm", "192.0.2.1"):
        assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert politeness._addresses == {}


async def test_a_delay_or_pause_that_begins_during_the_wait_for_an_address() -> None:
    """It holds all the same, without the slot."""
    politeness = Politeness(per_address=2)
    politeness.set_delay("delayed", 0.1)
    loop = asyncio.get_running_loop()
    starts: list[tuple[str, float]] = []

    async def take(host: str) -> None:
        async with politeness.slot(host, "192.0.2.1"):
            starts.append((host, loop.time()))

    async with politeness.slot("x", "192.0.2.1"), politeness.slot("y", "192.0.2.1"):
        queued = [asyncio.create_task(take(host)) for host in ("delayed", "delayed", "paused", "calm")]
        await asyncio.sleep(0.01)
        politeness.pause("paused", 0.3)
        begin = loop.time()
    await asyncio.gather(*queued)
    assert [host for host, _ in starts] == ["delayed", "calm", "delayed", "paused"]
    assert starts[2][1] - starts[0][1] > 0.099
    assert starts[3][1] - begin > 0.29


async def test_a_pause_beyond_patience() -> None:
    """A request that cannot wait that long fails at once, also if it was queued before."""
    politeness = Politeness(per_host=1)

    async def impatient() -> float:
        with pytest.raises(HostPaused) as caught:
            async with politeness.slot("a", max_wait=5):
                pass
        return caught.value.seconds

    async with politeness.slot("a"):
        queued = asyncio.create_task(impatient())
        await asyncio.sleep(0.01)
        politeness.pause("a", 500)
    assert 430 < await asyncio.wait_for(queued, 60) < 501
    assert await asyncio.wait_for(impatient(), 60) > 430


async def test_nothing_is_kept_of_hosts_that_are_done() -> None:
    """The state of finished hosts is dropped."""
    politeness = Politeness()
    for number in range(100):
        async with politeness.slot(f"host-{number}", f"address-{number}"):
            pass
    politeness.set_delay("slow", 0.02)
    async with politeness.slot("slow"):
        pass
    politeness.forget("slow")
    assert "slow" in politeness._hosts  # who comes back at once waits all the same
    await asyncio.sleep(0.05)
    assert (politeness._hosts, politeness._addresses) == ({}, {})


async def test_a_crawl_delay_outlives_a_429(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a slowed host is dropped after a while, but not its Crawl-delay."""
    monkeypatch.setattr("contentmap_cli.crawl.http.politeness._KEPT_SECONDS", 0.01)
    politeness = Politeness(first_delay=0.01)
    politeness.set_delay("delayed", 0.02)
    for host in ("delayed", "other"):
        async with politeness.slot(host) as slot:
            pass
        politeness.slow_down(host, 429, slot)
        for _ in range(20):
            politeness.speed_up(host, slot)
    await asyncio.sleep(0.1)
    assert list(politeness._hosts) == ["delayed"]
    assert politeness._hosts["delayed"].delay == 0.02
    politeness.forget("delayed")
    assert politeness._hosts == {}


async def test_a_turn_that_is_cancelled_is_given_back() -> None:
    """A cancelled wait takes no slot."""
    politeness = Politeness(per_host=1)
    async with politeness.slot("a"):
        waiting = asyncio.create_task(most_at_once(politeness, [("a", None)]))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await most_at_once(politeness, [("a", None)]) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("120", 120.0), (" 0 ", 0.0), ("-5", None), ("soon", None), ("1.5", None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
     ("9" * 50, 999999999.0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds or a date; anything else is ignored."""
    assert retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    """A date is converted to seconds from now."""
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    seconds = retry_after(value)
    assert seconds is not None
    assert 40 < seconds <= 100


async def test_a_server_never_sees_more_than_two(new_site: NewSite) -> None:
    """A domain of twenty files uses two connections at a time, counted at the server."""
    site = await new_site(
        {
            "/robots.txt": "".join(f"Sitemap: http://site.test/{n}.txt\n" for n in range(20)),
            "*": "http://site.test/a\n",
        }
    )
    site.hold = 0.02
    async with Crawler(site.options()) as crawler:
        (await crawler.crawl(parse_target("http://site.test"))).close()
    assert len(site.paths) >= 21
    assert site.peak == 2


async def test_crawl_delay_is_kept(new_site: NewSite) -> None:
    """Requests are separated by the Crawl-delay of robots.txt, up to the cap."""
    site = await new_site(
        {
            "/robots.txt": "User-agent: *\nCrawl-delay: 50\n"
            + "".join(f"Sitemap: http://site.test/{n}.txt\n" for n in range(3)),
            "*": "http://site.test/a\n",
        }
    )
    begin = asyncio.get_running_loop().time()
    async with Crawler(site.options(crawl_delay_cap=0.1)) as crawler:
        (await crawler.crawl(parse_target("http://site.test"))).close()
    assert len(site.times) >= 4
    assert all(asked - begin > number * 0.1 - 0.01 for number, asked in enumerate(site.times[1:]))
