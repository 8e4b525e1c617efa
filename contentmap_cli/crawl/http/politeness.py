"""Politeness: limits on concurrent connections per host and address, and delays between requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import Protocol


class HostSlots(Protocol):
    """Limits the connections of several crawlers to a host or an address."""

    def place(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait for a slot at a host or an address."""


@dataclass(slots=True)
class _HostState:
    """The state of one host or address. Times are on the event loop's clock."""

    slots: asyncio.Semaphore
    delay: float = 0.0
    next_start: float = 0.0
    paused_until: float = 0.0
    users: int = field(default=0)

    def idle(self, now: float) -> bool:
        """Return whether the state has no information to keep."""
        return not self.users and self.next_start <= now and self.paused_until <= now


class HostPaused(Exception):
    """A host asked for a pause of `seconds`, which is longer than the request can wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the host asked to retry later")
        self.seconds = seconds


class Politeness:
    """Limits concurrent requests per host and per address; requests to a host start `delay` seconds apart."""

    def __init__(
        self,
        *,
        per_host: int = 2,
        per_address: int = 2,
        delay: float = 0.0,
        host_slots: HostSlots | None = None,
    ) -> None:
        self._host_slots = host_slots
        self._per_host = per_host
        self._per_address = per_address
        self._delay = delay
        self._hosts: dict[str, _HostState] = {}
        self._addresses: dict[str, _HostState] = {}

    def _host(self, host: str) -> _HostState:
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _HostState(asyncio.Semaphore(self._per_host), self._delay)
        return state

    @asynccontextmanager
    async def slot(
        self, host: str, address: str | None = None, *, max_wait: float = inf
    ) -> AsyncIterator[None]:
        """Wait for a slot at the host, then at the address, then for the host's delay or pause.

        All requests take slots in this order, so that there is no deadlock. Slots shared with other crawlers
        are taken last. Raise `HostPaused` if the pause is longer than `max_wait` seconds.
        """
        state = self._host(host)
        state.users += 1
        try:
            async with (
                state.slots,
                nullcontext() if address is None else self._address_slot(address),
                self._shared_slot(f"host {host}"),
                nullcontext() if address is None else self._shared_slot(f"address {address}"),
            ):
                await _wait(state, max_wait)
                yield
        finally:
            state.users -= 1
            if state.delay == self._delay and state.idle(asyncio.get_running_loop().time()):
                self._hosts.pop(host, None)

    def _shared_slot(self, key: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._host_slots is None else self._host_slots.place(key)

    @asynccontextmanager
    async def _address_slot(self, address: str) -> AsyncIterator[None]:
        state = self._addresses.get(address)
        if state is None:
            state = self._addresses[address] = _HostState(asyncio.Semaphore(self._per_address))
        state.users += 1
        try:
            async with state.slots:
                yield
        finally:
            state.users -= 1
            if not state.users:
                self._addresses.pop(address, None)

    def set_delay(self, host: str, seconds: float) -> None:
        """Set the seconds between requests to a host, at least the run's own delay."""
        self._host(host).delay = max(seconds, self._delay)

    def pause(self, host: str, seconds: float) -> None:
        """Send no request to a host for this many seconds."""
        state = self._host(host)
        state.paused_until = max(state.paused_until, asyncio.get_running_loop().time() + seconds)

    def forget(self, host: str) -> None:
        """Drop the state of a host as soon as it is unused and no wait is left."""
        state = self._hosts.get(host)
        if state is None or state.users:
            return
        loop = asyncio.get_running_loop()
        if state.idle(loop.time()):
            del self._hosts[host]
        else:
            loop.call_at(max(state.next_start, state.paused_until), self.forget, host)


async def _wait(state: _HostState, max_wait: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        if state.paused_until - now > max_wait:
            raise HostPaused(state.paused_until - now)
        start = max(now, state.next_start, state.paused_until)
        if start <= now:
            break
        if state.delay and start == state.next_start:
            state.next_start = start + state.delay  # reserved: the next request starts later
            await asyncio.sleep(start - now)
            if state.paused_until <= loop.time():
                return
        else:
            await asyncio.sleep(start - now)
    state.next_start = now + state.delay


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3); None if it is invalid."""
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
