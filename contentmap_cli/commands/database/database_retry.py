"""Waits for an unreachable database: one guard polls it, and all other tasks wait for `up`."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from contentmap_cli.errors import (
    ConnectionLost,
    ContentMapError,
    DatabaseLocked,
    DatabaseUnavailable,
    StorageConflict,
    StorageRefused,
)
from contentmap_cli.storage.database_errors import storage_error

log = logging.getLogger("contentmap.worker")

T = TypeVar("T")

_BACKOFF = (0.25, 10.0)
TRIES = 5
"""Attempts of work that the database refuses while it answers, for example for a statement timeout."""


class DatabaseRetry:
    """Waits up to `seconds` for an unavailable database, whose address without secrets is `shown`.

    The event `up` is set while the database is reachable, and from the time that waiting for it has ended:
    after `seconds`, or after `stop`. A database that is reachable and can do nothing, as it is full or
    read-only, is waited for as long: work that fails is repeated with growing delays.
    """

    def __init__(self, seconds: float, shown: str) -> None:
        self._seconds = seconds
        self.shown = shown
        self._down = asyncio.Event()
        self._stopped = asyncio.Event()
        self._last_error: DatabaseUnavailable | None = None
        self._failing = False
        self.given_up: DatabaseUnavailable | None = None
        self.up = asyncio.Event()
        self.up.set()

    def known(self, error: BaseException) -> ContentMapError | None:
        """Return the error of the database for a driver's error, None for other errors."""
        return storage_error(error, self.shown)

    def missed(self, error: BaseException, since: float | None = None) -> bool:
        """Return whether an error means that the database is unavailable; if it is unreachable, clear `up`.

        `since` is the time of the first failure of what has failed with it."""
        known = self.known(error)
        if not isinstance(known, DatabaseUnavailable):
            return False
        if self.given_up is not None:
            return True  # it is not polled any more
        self._last_error = known
        if self._stopped.is_set() or (since is not None and time.monotonic() - since > self._seconds):
            self._give_up(known)
            return True
        if not self._failing:
            self._failing = True
            waiting = "%s: waiting for it, up to %g s"
            log.warning(waiting, known.message, self._seconds, extra={"action": "database.gone"})
        if isinstance(known, ConnectionLost):
            self.up.clear()
            self._down.set()
        return True

    def succeeded(self) -> None:
        """Log that work which had failed was done."""
        if self._failing:
            self._failing = False
            log.warning("the database is back", extra={"action": "database.back"})

    def stop(self) -> None:
        """End the wait: from now on, an unavailable database is an error at once."""
        self._stopped.set()
        if self._last_error is not None and not self.up.is_set():
            self._give_up(self._last_error)

    def _give_up(self, error: DatabaseUnavailable) -> None:
        self.given_up = error
        self.up.set()  # waiting tasks fail now
        self._down.set()  # and the guard raises

    async def kept_up(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, repeated while the database is unavailable, and a few times where it
        refuses the work."""
        await self.up.wait()
        if self.given_up is not None:
            raise self.given_up
        return await _repeated(work, WaitingAttempts(self, lost=False))

    async def guard(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Poll an unreachable database until it is reachable, repeatedly.

        Raise its error after `seconds`, also for work that could not be done for so long, and any other error
        at once.
        """
        while True:
            await self._down.wait()
            if self.given_up is None:
                try:
                    await self.until_it_answers(ask)
                except DatabaseUnavailable as error:
                    self._give_up(error)
            if self.given_up is not None:
                raise self.given_up

    async def pause(self, seconds: float) -> None:
        """Wait about this long, or until `stop`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds * random.uniform(0.5, 1.5)):  # noqa: S311 - jitter
                await self._stopped.wait()

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
                    self.succeeded()
                    self.up.set()
                return answer
            await self.pause(wait)
            wait = min(wait * 2, _BACKOFF[1])


class Attempts:
    """Counts the attempts of one transaction and says whether there is another one: after a conflict with
    another transaction (serialization failure, deadlock), up to `TRIES`."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._refused = 0
        self._wait = _BACKOFF[0]

    async def again(self, error: Exception) -> bool:
        """Wait, and return whether to repeat the transaction that has failed with `error`."""
        if not isinstance(storage_error(error, self._shown), StorageConflict) or not self._count():
            return False
        await asyncio.sleep(self._longer() * random.random())  # noqa: S311 - jitter
        return True

    def succeeded(self) -> None:
        """The transaction was committed."""

    def _count(self) -> bool:
        self._refused += 1
        return self._refused < TRIES

    def _longer(self) -> float:
        wait, self._wait = self._wait, min(self._wait * 2, _BACKOFF[1])
        return wait


class WaitingAttempts(Attempts):
    """Those of a worker: there is another attempt as long as it waits for the database, and up to `TRIES`
    where the database refuses the transaction. With `lost`, a connection that is lost or a lock that is not
    given in each attempt counts as a refusal: it may be due to the transaction."""

    def __init__(self, retry: DatabaseRetry, *, lost: bool) -> None:
        super().__init__(retry.shown)
        self._retry = retry
        self._lost = lost
        self._since: float | None = None

    async def again(self, error: Exception) -> bool:
        """Wait, and return whether to repeat the transaction that has failed with `error`."""
        if self._since is None:
            self._since = time.monotonic()
        known = storage_error(error, self._shown)
        counts = self._lost and isinstance(known, ConnectionLost | DatabaseLocked)
        if self._retry.missed(error, None if counts else self._since):
            if self._retry.given_up is not None or (counts and not self._count()):
                return False
        elif not isinstance(known, StorageRefused) or not self._count():
            return False
        await self._retry.pause(self._longer())
        await self._retry.up.wait()
        return self._retry.given_up is None

    def succeeded(self) -> None:
        """The transaction was committed."""
        if self._since is not None:
            self._retry.succeeded()


async def without_conflicts(work: Callable[[], Awaitable[T]], shown: str) -> T:
    """Return the result of `work`, a transaction that is repeated after conflicts with others."""
    return await _repeated(work, Attempts(shown))


async def _repeated(work: Callable[[], Awaitable[T]], attempts: Attempts) -> T:
    while True:
        try:
            done = await work()
        except Exception as error:
            if not await attempts.again(error):
                raise
        else:
            attempts.succeeded()
            return done
