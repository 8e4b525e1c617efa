"""A database that is gone is waited for: what hears of it, how often it is asked again, and for how long.

Whoever finds it gone says so and waits until it is `up` again; one guard asks it for all of them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from contentmap_cli.errors import ContentMapError, DatabaseUnavailable, StorageRefused
from contentmap_cli.storage.database_errors import storage_error

log = logging.getLogger("contentmap.worker")

T = TypeVar("T")

_BACKOFF = (0.25, 10.0)
_TRIES = 4  # where the server is there and refuses all the same: a deadlock, for instance


class DatabaseRetry:
    """Waits up to `seconds` each time that a database goes; `shown` is its address for people. `up` is set
    while it answers."""

    def __init__(self, seconds: float, shown: str) -> None:
        self._seconds = seconds
        self._shown = shown
        self._down = asyncio.Event()
        self._given_up: DatabaseUnavailable | None = None
        self.up = asyncio.Event()
        self.up.set()

    def known(self, error: BaseException) -> ContentMapError | None:
        """What a driver's error says of the database; None where it is not to blame."""
        return storage_error(error, self._shown)

    def missed(self, error: BaseException) -> bool:
        """Whether an error means that the database is gone. Then nobody begins to write until it answers."""
        known = self.known(error)
        if not isinstance(known, DatabaseUnavailable):
            return False
        if self.up.is_set():
            log.warning("%s: waiting for it", known.message, extra={"action": "database.gone"})
            self.up.clear()
            self._down.set()
        return True

    async def kept_up(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, tried again while the database is gone."""
        tries = 0
        while True:
            await self.up.wait()
            if self._given_up is not None:
                raise self._given_up
            try:
                return await work()
            except Exception as error:
                if self.missed(error):
                    continue
                tries += 1
                if not isinstance(self.known(error), StorageRefused) or tries == _TRIES:
                    raise
                await asyncio.sleep(_BACKOFF[0] * random.random())  # noqa: S311 - jitter

    async def guard(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Asks a database that is gone until it is back, for ever. Raises what it said when that lasts too
        long, and what else it says at once."""
        while True:
            await self._down.wait()
            try:
                await self.until_it_answers(ask)
            except DatabaseUnavailable as error:
                self._given_up = error
                self.up.set()  # whoever waits fails now
                raise

    async def until_it_answers(
        self, ask: Callable[[], Awaitable[T]], gone: type[DatabaseUnavailable] = DatabaseUnavailable
    ) -> T:
        """What `ask` returns, at longer and longer intervals as long as it fails with `gone`. Raises that
        when it lasts too long, and anything else at once."""
        since, wait = time.monotonic(), _BACKOFF[0]
        while True:
            try:
                answer = await ask()
            except Exception as error:
                known = self.known(error)
                if not isinstance(known, gone):
                    raise
                if time.monotonic() - since > self._seconds:
                    raise known from error
                self.missed(known)
            else:
                if not self.up.is_set():
                    log.warning("the database is back", extra={"action": "database.back"})
                    self._down.clear()
                    self.up.set()
                return answer
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            wait = min(wait * 2, _BACKOFF[1])
