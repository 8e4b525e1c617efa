"""A semaphore whose limit can be changed, and whose slots can be taken beyond the limit."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress


class Slots:
    """Gives at most `limit` slots at once, in the order of the requests. `used` is how many are taken."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> bool:
        """Whether a slot can be had without waiting."""
        return self.used < self.limit and not self._waiting

    async def acquire(self) -> None:
        """Wait for a slot."""
        if self.free:
            self.used += 1
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self.release()  # it arrived at the moment of the cancellation
            else:
                with suppress(ValueError):
                    self._waiting.remove(given)
            raise

    def take(self) -> None:
        """Take a slot without waiting, beyond the limit if need be."""
        self.used += 1

    def release(self) -> None:
        """Give a slot back."""
        self.used -= 1
        self.set_limit(self.limit)

    def set_limit(self, limit: int) -> None:
        """Change the limit, and pass on what is free. Slots that are taken stay so."""
        self.limit = limit
        while self._waiting and self.used < limit:
            given = self._waiting.popleft()
            if not given.done():
                self.used += 1
                given.set_result(None)
