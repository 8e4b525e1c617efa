"""Politeness: how many connections a host and an address bear, and how long to wait between requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf

from contentmap_cli.crawl.http.host_slots import HostSlots, LocalHostSlots


@dataclass(slots=True)
class _Gate:
    """One host or address. Times are the event loop's."""

    places: asyncio.Semaphore
    delay: float = 0.0
    next_start: float = 0.0
    paused_until: float = 0.0
    users: int = field(default=0)

    def idle(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not self.users and self.next_start <= now and self.paused_until <= now


class HostPaused(Exception):
    """A host has asked to be left alone for longer than the asker can wait: for `seconds` more."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the host asked to come back later")
        self.seconds = seconds


class Politeness:
    """Gives turns: so many at once for a host and for an address, `delay` seconds apart."""

    def __init__(
        self, *, per_host: int = 2, per_address: int = 2, delay: float = 0.0, places: HostSlots | None = None
    ) -> None:
        self._places = places or LocalHostSlots()
        self._per_host = per_host
        self._per_address = per_address
        self._delay = delay
        self._hosts: dict[str, _Gate] = {}
        self._addresses: dict[str, _Gate] = {}

    def _host(self, host: str) -> _Gate:
        gate = self._hosts.get(host)
        if gate is None:
            gate = self._hosts[host] = _Gate(asyncio.Semaphore(self._per_host), self._delay)
        return gate

    @asynccontextmanager
    async def turn(
        self, host: str, address: str | None = None, *, patience: float = inf
    ) -> AsyncIterator[None]:
        """Waits for a place at the host, then at the address, then for the host's delay or pause to pass.

        Places are taken in this order by everyone, so that nobody waits in a circle; of those that are shared
        with other crawlers too, once there is one here. Raises `HostPaused` if
        the pause lasts longer than `patience` seconds.
        """
        gate = self._host(host)
        gate.users += 1
        try:
            async with gate.places:
                if address is None:
                    async with self._places.place(f"host {host}"):
                        await _wait(gate, patience)
                        yield
                else:
                    async with (
                        self._address_turn(address),
                        self._places.place(f"host {host}"),
                        self._places.place(f"address {address}"),
                    ):
                        await _wait(gate, patience)
                        yield
        finally:
            gate.users -= 1
            if gate.delay == self._delay and gate.idle(asyncio.get_running_loop().time()):
                self._hosts.pop(host, None)

    @asynccontextmanager
    async def _address_turn(self, address: str) -> AsyncIterator[None]:
        gate = self._addresses.get(address)
        if gate is None:
            gate = self._addresses[address] = _Gate(asyncio.Semaphore(self._per_address))
        gate.users += 1
        try:
            async with gate.places:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                self._addresses.pop(address, None)

    def set_delay(self, host: str, seconds: float) -> None:
        """A host asks for this many seconds between requests; the run's own delay is the least there is."""
        self._host(host).delay = max(seconds, self._delay)

    def pause(self, host: str, seconds: float) -> None:
        """Nothing is asked of a host for so long."""
        gate = self._host(host)
        gate.paused_until = max(gate.paused_until, asyncio.get_running_loop().time() + seconds)

    def forget(self, host: str) -> None:
        """A domain is done: what its host asked for is dropped once nobody uses it and no wait is left."""
        gate = self._hosts.get(host)
        if gate is None or gate.users:
            return
        loop = asyncio.get_running_loop()
        if gate.idle(loop.time()):
            del self._hosts[host]
        else:
            loop.call_at(max(gate.next_start, gate.paused_until), self.forget, host)


async def _wait(gate: _Gate, patience: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        if gate.paused_until - now > patience:
            raise HostPaused(gate.paused_until - now)
        start = max(now, gate.next_start, gate.paused_until)
        if start <= now:
            break
        if gate.delay and start == gate.next_start:
            gate.next_start = start + gate.delay  # taken: the next one starts after this one
            await asyncio.sleep(start - now)
            if gate.paused_until <= loop.time():
                return
        else:
            await asyncio.sleep(start - now)
    gate.next_start = now + gate.delay


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110 section 10.2.3); None if unusable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
