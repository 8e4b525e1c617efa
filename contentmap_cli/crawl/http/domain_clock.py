"""The time of one domain's crawl, which stops while the domain waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import inf


class DomainClock:
    """Counts the seconds that a domain uses, and those that it waits for a slot, a delay or a pause.

    It stops while at least one request of the domain waits and none is being answered or read. The waits have
    a limit of their own, `max_wait`; with `counts_waits` they count like the rest. `on_change` is called with
    True when the clock stops, and with False when it goes on. `answered` are the hosts that have answered a
    request. `silent` says that a server accepted no connection in time.
    """

    def __init__(
        self,
        seconds: float,
        max_wait: float = inf,
        *,
        counts_waits: bool = False,
        on_change: Callable[[bool], None] | None = None,
    ) -> None:
        self._on_change = on_change
        self._counts_waits = counts_waits
        self._loop = asyncio.get_running_loop()
        self._seconds = self._left = seconds
        self._max_wait = self._wait_left = max_wait
        self._since = self._loop.time()
        self._waiting = self._working = 0
        self._stopped = False
        self._timeouts: set[asyncio.Timeout] = set()
        self.answered: set[str] = set()
        self.silent = False

    @property
    def left(self) -> float:
        """The seconds that are left for the crawl."""
        self._count()
        return max(0.0, self._left)

    @property
    def wait_left(self) -> float:
        """The seconds that are left for waits."""
        self._count()
        return max(0.0, self._wait_left)

    @property
    def until(self) -> float:
        """The time of the event loop at which the domain's time ends, unless the clock stops before."""
        return self._loop.time() + self.left

    @property
    def expired(self) -> str | None:
        """The limit that is reached, in words; None if time is left."""
        self._count()
        if self._left <= 0:
            return f"the domain took longer than {self._seconds:g} seconds (--domain-time)"
        if self._wait_left <= 0:
            return f"the domain waited longer than {self._max_wait:g} seconds for its turn (--domain-wait)"
        return None

    def end(self) -> None:
        """Let no time be left. Waits end at once, requests that were sent are not affected."""
        self._count()
        self._left = 0.0
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(self._since)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time of the block, whatever waits meanwhile."""
        self._change(working=1)
        try:
            yield
        finally:
            self._change(working=-1)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait inside a `working` block. Raise `TimeoutError` when a limit is reached."""
        end = self._change(working=-1, waiting=1)
        try:
            async with asyncio.timeout_at(end) as timeout:
                self._timeouts.add(timeout)
                try:
                    yield
                finally:
                    self._timeouts.discard(timeout)
        finally:
            self._change(working=1, waiting=-1)

    def _count(self) -> None:
        now = self._loop.time()
        if self._stopped:
            self._wait_left -= now - self._since
        else:
            self._left -= now - self._since
        self._since = now

    def _change(self, *, working: int = 0, waiting: int = 0) -> float:
        """Count requests that work or wait; return when the waits end, if nothing changes until then."""
        self._count()
        self._working += working
        self._waiting += waiting
        stopped = self._waiting > 0 and self._working == 0 and not self._counts_waits
        end = self._since + max(0.0, self._wait_left if stopped else self._left)
        if stopped != self._stopped:
            self._stopped = stopped
            if self._on_change is not None:
                self._on_change(stopped)
            for timeout in self._timeouts:
                if not timeout.expired():
                    timeout.reschedule(end)
        return end
