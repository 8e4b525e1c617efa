"""Waits for an unreachable database: one guard polls it, and all other tasks wait for `up`."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from contentmap_cli.errors import ContentMapError, DatabaseUnavailable, StorageRefused
from contentmap_cli.storage.database_errors import storage_error

log = logging.getLogger("contentmap.worker")

T = TypeVar("T")

_BACKOFF = (0.25, 10.0)
_TRIES = 4  # attempts if the server is reachable and refuses, for example after a deadlock


class DatabaseRetry:
    """Waits up to `seconds` for an unreachable database, whose address without secrets is `shown`.

    The event `up` is set while the database is reachable, and from the time that waiting for it has ended:
    after `seconds`, or after `stop`.
    """

    def __init__(self, seconds: float, shown: str) -> None:
        self._seconds = seconds
        self._shown = shown
        self._down = asyncio.Event()
        self._stopped = asyncio.Event()
        self._last_error: DatabaseUnavailable | None = None
        self._given_up: DatabaseUnavailable | None = None
        self.up = asyncio.Event()
        self.up.set()

    def known(self, error: BaseException) -> ContentMapError | None:
        """Return the error of the database for a driver's error, None for other errors."""
        return storage_error(error, self._shown)

    def missed(self, error: BaseException) -> bool:
        """Return whether an error means that the database is unreachable; if so, clear `up`."""
        known = self.known(error)
        if not isinstance(known, DatabaseUnavailable):
            return False
        if self._given_up is not None:
            return True  # it is not polled any more
        self._last_error = known
        if self._stopped.is_set():
            self._give_up(known)
        elif self.up.is_set():
            log.warning("%s: waiting for it", known.message, extra={"action": "database.gone"})
            self.up.clear()
            self._down.set()
        return True

    def stop(self) -> None:
        """End the wait: from now on, an unreachable database is an error at once."""
        self._stopped.set()
        if self._last_error is not None and not self.up.is_set():
            self._give_up(self._last_error)

    def _give_up(self, error: DatabaseUnavailable) -> None:
        self._given_up = error
        self.up.set()  # waiting tasks fail now

    async def kept_up(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, retried while the database is unreachable."""
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
        """Poll an unreachable database until it is reachable, repeatedly.

        Raise its error after `seconds`, and any other error at once.
        """
        while True:
            await self._down.wait()
            try:
                await self.until_it_answers(ask)
            except DatabaseUnavailable as error:
                self._give_up(error)
                raise

    async def until_it_answers(
        self, ask: Callable[[], Awaitable[T]], gone: type[DatabaseUnavailable] = DatabaseUnavailable
    ) -> T:
        """Return the result of `ask`, retried with backoff while it fails with `gone`.

        Raise its error after `seconds`, and any other error at once.
        """
        since, wait = time.monotonic(), _BACKOFF[0]
        while True:
            try:
                answer = await ask()
            except Exception as error:
                known = self.known(error)
                if not isinstance(known, gone):
                    raise
                if self._stopped.is_set() or time.monotonic() - since > self._seconds:
                    raise known from error
                self.missed(known)
            else:
                self._down.clear()
                if not self.up.is_set():
                    log.warning("the database is back", extra={"action": "database.back"})
                    self.up.set()
                return answer
            with suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.5, 1.5)):  # noqa: S311 - jitter
                    await self._stopped.wait()
            wait = min(wait * 2, _BACKOFF[1])
