"""Politeness: limits on concurrent connections per host and address, and delays between requests.

A host that answers 429 or 503 is requested one by one, with a delay that doubles with each such answer and
is reduced step by step with each success. At its address, the limit is halved and raised again by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from contextvars import ContextVar
from math import inf
from typing import Final, Protocol

from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.slots import Slots

LONGEST_DELAY: Final = {429: 60.0, 503: 4.0}
"""Maximum seconds between requests to a host that answered so. 503 may concern one file only."""

STEPS: Final = 10
"""Successes after which a delay is removed, and per slot before an address gets one more."""

MAX_REFUSALS: Final = 6
"""Consecutive answers 429, each after a longer delay, after which a host is not requested any more."""

_KEPT_SECONDS = 600.0  # how long the delay of an unused host is kept


class HostSlots(Protocol):
    """Limits the connections of several crawlers to a host or an address."""

    def place(self, key: str, limit: int = 2) -> AbstractAsyncContextManager[None]:
        """Wait for one of `limit` slots at a host or an address."""


class _HostState(Slots):
    """The state of one host or address: its slots, a delay and a pause.

    Times are on the event loop's clock. `extra` is the delay because of 429 and 503, `step` that of a
    success: seconds, or the part of a slot at an address.
    """

    def __init__(self, limit: int, delay: float = 0.0) -> None:
        super().__init__(limit)
        self.delay = delay
        self.next_start = 0.0
        self.paused_until = 0.0
        self.extra = 0.0
        self.step = 0.0
        self.slowed_at = -inf
        self.refusals = 0
        self.users = 0

    def start(self) -> bool:
        """Start a request, unless a delay or pause has begun; return whether it starts."""
        now = asyncio.get_running_loop().time()
        if max(self.next_start, self.paused_until) > now:
            return False
        self.next_start = now + max(self.delay, self.extra)
        return True

    def idle(self, now: float) -> bool:
        """Return whether the state has no information to keep."""
        return not self.users and self.next_start <= now and self.paused_until <= now


class HostPaused(Exception):
    """A host asked for a pause of `seconds`, which is longer than the request can wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the host asked to retry later")
        self.seconds = seconds


class AddressBusy(ConnectionError):
    """Raised instead of making a socket: all slots of the address are taken."""


class Slot:
    """A slot at a host and at the address that is connected to. `started` is when it was given."""

    def __init__(self, politeness: Politeness, address: str | None) -> None:
        self.address = address
        self.busy: str | None = None  # an address that was not connected to because its slots were taken
        self.started = 0.0
        self.proxied = False  # the connection is one to a proxy
        self._politeness = politeness
        self._taken: list[str] = []

    def may_connect(self, address: str) -> bool:
        """Take a slot of a further address of the host if there is one, before connecting to it."""
        if self.address is None or address == self.address or address in self._taken:
            return True
        if not self._politeness.take_address(address):
            self.busy = address
            return False
        self._taken.append(address)
        return True

    def settle(self, transport: asyncio.BaseTransport | None) -> None:
        """Give back the slots of other addresses than that of the connection in use."""
        peer = transport.get_extra_info("peername") if transport is not None else None
        if not isinstance(peer, tuple):
            return
        address = str(peer[0]).partition("%")[0]
        if self.address is None or address == self.address:
            self.release()
            return
        if address in self._taken:
            self._taken.remove(address)
        else:  # a connection that was kept alive
            self._politeness.take_address(address, force=True)
        self._taken.append(self.address)
        self.release()
        self.address = address

    def release(self) -> None:
        """Give back the slots of further addresses."""
        for address in self._taken:
            self._politeness.leave_address(address)
        self._taken.clear()


CURRENT_SLOT: ContextVar[Slot | None] = ContextVar("current_slot", default=None)
"""The slot of the request that connects, for the socket factory."""


class Politeness:
    """Limits concurrent requests per host and per address; requests to a host start `delay` seconds apart.

    `first_delay` is the delay after the first 429 or 503.
    """

    def __init__(
        self,
        *,
        per_host: int = 2,
        per_address: int = 2,
        delay: float = 0.0,
        first_delay: float = 1.0,
        host_slots: HostSlots | None = None,
    ) -> None:
        self._host_slots = host_slots
        self._per_host = per_host
        self._per_address = per_address
        self._delay = delay
        self._first_delay = first_delay
        self._hosts: dict[str, _HostState] = {}
        self._addresses: dict[str, _HostState] = {}

    def _host(self, host: str) -> _HostState:
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _HostState(self._per_host, self._delay)
        return state

    @asynccontextmanager
    async def slot(
        self,
        host: str,
        address: str | None = None,
        *,
        max_wait: float = inf,
        clock: DomainClock | None = None,
    ) -> AsyncIterator[Slot]:
        """Wait for a slot at the host, for the host's delay or pause, then for a slot at the address.

        All requests take slots in this order, so that there is no deadlock. Slots shared with other crawlers
        are taken last. `clock` does not count the wait. Raise `HostPaused` if the pause is longer than
        `max_wait` seconds.
        """
        state = self._host(host)
        state.users += 1
        slot = Slot(self, address)
        try:
            async with AsyncExitStack() as held:
                if not self._take(state, slot, held):
                    async with nullcontext() if clock is None else clock.waiting():
                        await state.acquire()
                        held.callback(state.release)
                        while True:
                            await _wait(state, max_wait)
                            async with AsyncExitStack() as taken:
                                await self._enter(host, slot, taken)
                                if state.start():  # else another request was faster, or the host paused
                                    held.push_async_exit(taken.pop_all())
                                    break
                slot.started = asyncio.get_running_loop().time()
                yield slot
        finally:
            state.users -= 1
            unchanged = state.delay == self._delay and not state.extra
            if unchanged and state.idle(asyncio.get_running_loop().time()):
                self._hosts.pop(host, None)

    def _take(self, state: _HostState, slot: Slot, held: AsyncExitStack) -> bool:
        """Take a slot that is free now, without waiting for anything; return False if there is none."""
        shared = self._addresses.get(slot.address or "")
        if self._host_slots is not None or not state.free or (shared is not None and not shared.free):
            return False
        if not state.start():
            return False
        state.take()
        held.callback(state.release)
        if slot.address is not None:
            self.take_address(slot.address)
            held.callback(lambda: self.leave_address(slot.address))
        held.callback(slot.release)
        return True

    async def _enter(self, host: str, slot: Slot, taken: AsyncExitStack) -> None:
        address = slot.address
        if address is not None:
            await self._enter_address(address)
            taken.callback(lambda: self.leave_address(slot.address))
        taken.callback(slot.release)
        if self._host_slots is not None:
            await taken.enter_async_context(self._host_slots.place(f"host {host}", self._per_host))
            if address is not None:
                shared = self._host_slots.place(f"address {address}", self._per_address)
                await taken.enter_async_context(shared)

    # -- addresses

    def _address(self, address: str) -> _HostState:
        state = self._addresses.get(address)
        if state is None:
            state = self._addresses[address] = _HostState(self._per_address)
        return state

    async def _enter_address(self, address: str) -> None:
        state = self._address(address)
        state.users += 1
        try:
            await state.acquire()
        except BaseException:
            self._leave(address, state)
            raise

    def take_address(self, address: str, *, force: bool = False) -> bool:
        """Take a slot at an address without waiting; return False if there is none, unless `force` is set."""
        state = self._address(address)
        if not force and not state.free:
            return False
        state.users += 1
        state.take()
        return True

    def leave_address(self, address: str | None) -> None:
        """Give back a slot at an address."""
        if address is not None:
            state = self._addresses[address]
            state.release()
            self._leave(address, state)

    def _leave(self, address: str, state: _HostState) -> None:
        state.users -= 1
        if not state.users:
            self._addresses.pop(address, None)

    # -- delays

    def set_delay(self, host: str, seconds: float) -> None:
        """Set the seconds between requests to a host, at least the run's own delay."""
        self._host(host).delay = max(seconds, self._delay)

    def pause(self, host: str, seconds: float) -> None:
        """Send no request to a host for this many seconds."""
        state = self._host(host)
        state.paused_until = max(state.paused_until, asyncio.get_running_loop().time() + seconds)

    def slow_down(self, host: str, status: int, slot: Slot) -> bool:
        """Double the delay between requests to a host that answered 429 or 503, and pause it that long.

        Halve the requests at once at its address, which may be that of a server that refuses more. Answers to
        requests of before the last change have no effect. Return whether the host has refused `MAX_REFUSALS`
        requests in a row.
        """
        state = self._host(host)
        loop = asyncio.get_running_loop()
        shared = self._addresses.get(slot.address or "")
        if shared is not None and slot.started >= shared.slowed_at:
            shared.set_limit(max(1, min(shared.used, shared.limit) // 2))
            shared.slowed_at = loop.time()
        if slot.started >= state.slowed_at:
            longer = min(max(self._first_delay, 2 * state.extra), LONGEST_DELAY[status])
            state.extra = max(state.extra, longer)
            state.step = state.extra / STEPS
            state.slowed_at = loop.time()
            state.refusals += status == 429
            state.set_limit(1)
            loop.call_later(_KEPT_SECONDS, self._forget_unless_delayed, host)
        self.pause(host, state.extra)
        return state.refusals >= MAX_REFUSALS

    def speed_up(self, host: str, slot: Slot) -> None:
        """Reduce the delay of a host that answers again, down to the configured one."""
        shared = self._addresses.get(slot.address or "")
        if shared is not None and shared.limit < self._per_address:
            shared.step += 1 / (STEPS * shared.limit)
            if shared.step >= 1:
                shared.step = 0.0
                shared.set_limit(shared.limit + 1)
        state = self._hosts.get(host)
        if state is None or not state.extra:
            return
        state.refusals = 0
        state.extra -= state.step
        if state.extra < state.step / 2:
            state.extra = 0.0
            state.set_limit(self._per_host)

    def slowed(self, host: str) -> float:
        """Return the delay in seconds because of 429 and 503."""
        state = self._hosts.get(host)
        return state.extra if state is not None else 0.0

    def _forget_unless_delayed(self, host: str) -> None:
        """Drop the state of a host without a Crawl-delay, which is kept until the domain is done."""
        state = self._hosts.get(host)
        if state is not None and state.delay == self._delay:
            self.forget(host)

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
    """Wait for the end of the host's delay and pause."""
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        if state.paused_until - now > max_wait:
            raise HostPaused(state.paused_until - now)
        start = max(state.next_start, state.paused_until)
        if start <= now:
            return
        await asyncio.sleep(start - now)
