"""Slots at hosts and addresses, shared by all workers of a server, as its advisory locks.

Each key has `PER_KEY` locks. A lock belongs to a session on a connection that is used for nothing else, and
is released when the session ends: a worker that was killed holds no slot. The server ends a session that
sends nothing for `_IDLE_LIMIT`, because its process is suspended.

Locks are taken and released in batches, one round trip each. A released slot is kept for a moment, as it may
be needed again, but for at most `_LONGEST` seconds while other workers may need it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from contentmap_cli.storage.database_url import DatabaseAddress
from contentmap_cli.storage.server_driver import connect_to

SLOTS_SESSION: Final = "contentmap host slots"

PER_KEY: Final = 2
"""Slots of a key, unless more are asked for."""

_LINGER = 0.25  # seconds after which an unused slot is released together with the next request
_LATEST = 1.0  # seconds after which an unused slot is released in any case
_LONGEST = 5.0  # seconds after which a slot is not reused, so that other workers can take it
_POLL = 0.1  # seconds between two attempts for a slot that another worker holds
_PULSE = 10.0
_IDLE_LIMIT = "30s"
_BACKOFF = (0.2, 5.0)

_UNLOCK_AND_LOCK = (
    "WITH given AS (SELECT count(pg_advisory_unlock(key)) FROM unnest($3::bigint[]) AS slots(key))"
    " SELECT CASE WHEN pg_try_advisory_lock(first) THEN 0 WHEN pg_try_advisory_lock(second) THEN 1 END"
    " FROM given, unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS wanted(first, second, number)"
    " ORDER BY number"
)
_UNLOCK = "SELECT pg_advisory_unlock(key) FROM unnest($1::bigint[]) AS given(key)"

log = logging.getLogger("contentmap.database")


@dataclass(slots=True)
class _Slot:
    """A lock that this session holds."""

    key: str
    number: int
    since: float
    session: int
    idle_since: float = 0.0


class SharedHostSlots:
    """Slots at hosts and addresses. An async context manager: it owns a connection.

    While the server cannot be reached, no slot is given out; those in use stay valid.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._session = 0
        self._mine: defaultdict[str, set[int]] = defaultdict(set)
        self._idle: defaultdict[str, list[_Slot]] = defaultdict(list)
        self._waiting: defaultdict[str, deque[asyncio.Future[_Slot]]] = defaultdict(deque)
        self._not_before: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._given: list[_Slot] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._serve(), name="host slots")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop

    @asynccontextmanager
    async def place(self, key: str, limit: int = PER_KEY) -> AsyncIterator[None]:
        """Hold one of `limit` slots at a host or an address while the block runs. Waits until there is
        one."""
        self._limits[key] = limit
        slot = await self._get(key)
        try:
            yield
        finally:
            self._put(slot)

    async def _get(self, key: str) -> _Slot:
        idle = self._idle.get(key)
        if idle:
            return idle.pop()
        given: asyncio.Future[_Slot] = asyncio.get_running_loop().create_future()
        self._waiting[key].append(given)
        self._wake.set()
        try:
            return await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._put(given.result())  # the slot arrived at the moment of the cancellation
            raise

    def _put(self, slot: _Slot) -> None:
        """Pass a free slot to the next waiting task, keep it for a moment, or release it."""
        if slot.session != self._session:
            return  # it was released with its session
        now = time.monotonic()
        waiting = self._waiting.get(slot.key)
        old = now - slot.since > _LONGEST
        while waiting and not old:
            given = waiting.popleft()
            if not given.done():
                given.set_result(slot)
                return
        slot.idle_since = now
        if old:
            self._not_before[slot.key] = now + _POLL * random.uniform(1, 2)  # noqa: S311 - jitter
            self._given.append(slot)
        else:
            self._idle[slot.key].append(slot)
        self._wake.set()

    @property
    def known(self) -> set[str]:
        """The hosts and addresses with a slot in use, kept or waited for."""
        return {*self._mine, *self._idle, *self._waiting, *self._not_before}

    # -- the connection

    async def _serve(self) -> None:
        wait = _BACKOFF[0]
        while True:
            try:
                connection = await connect_to(self._address, SLOTS_SESSION)
                try:
                    await connection.execute(f"SET idle_session_timeout = '{_IDLE_LIMIT}'")
                    # prepared before any lock is held: a process that is suspended between preparing and
                    # running a statement is not idle for the server, which would keep its locks
                    await self._ask(connection, _UNLOCK_AND_LOCK, [], [], [])
                    await self._ask(connection, _UNLOCK, [])
                    wait = _BACKOFF[0]
                    await self._work(connection)
                finally:
                    connection.terminate()  # releases its locks
            except Exception as error:
                log.warning(
                    "host slots are unavailable: %s",
                    str(error) or type(error).__name__,
                    extra={"action": "host_slots.lost"},
                )
            self._forget_all()
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            wait = min(wait * 2, _BACKOFF[1])

    def _forget_all(self) -> None:
        self._session += 1
        self._mine.clear()
        self._idle.clear()
        self._given.clear()

    async def _work(self, connection: Any) -> None:
        asked = time.monotonic()
        while True:
            now = time.monotonic()
            given = self._to_give(now, _LATEST)
            wanted = self._wanted(now)
            if wanted:  # unused slots are released in the same round trip
                given += self._to_give(now, _LINGER)
            back = [_number(slot.key, slot.number) for slot in given]
            for slot in given:
                self._mine[slot.key].discard(slot.number)
                if not self._mine[slot.key]:
                    del self._mine[slot.key]
            wanted = self._wanted(now)
            if wanted:
                answers = await self._ask(
                    connection,
                    _UNLOCK_AND_LOCK,
                    [_number(key, numbers[0]) for key, numbers in wanted],
                    [_number(key, numbers[1]) if len(numbers) > 1 else None for key, numbers in wanted],
                    back,
                )
                for (key, numbers), answer in zip(wanted, answers, strict=True):
                    if answer is None:
                        self._not_before[key] = time.monotonic() + _POLL * random.uniform(0.5, 1.5)  # noqa: S311
                    else:
                        number = numbers[answer]
                        self._mine[key].add(number)
                        self._put(_Slot(key, number, time.monotonic(), self._session))
            elif back:
                await self._ask(connection, _UNLOCK, back)
            if given or wanted:
                asked = now
            elif now - asked > _PULSE:
                asked = now
                await connection.execute("SELECT 1")
            await self._pause()

    @staticmethod
    async def _ask(connection: Any, statement: str, *keys: Sequence[Any]) -> list[Any]:
        return [row[0] for row in await connection.fetch(statement, *keys)]

    def _to_give(self, now: float, after: float) -> list[_Slot]:
        """Remove and return the slots that were not used for `after` seconds."""
        given = []
        for key in list(self._idle):
            kept = [slot for slot in self._idle[key] if now - slot.idle_since <= after]
            given += [slot for slot in self._idle[key] if slot not in kept]
            self._idle[key] = kept
            if not kept:
                del self._idle[key]
        given += [slot for slot in self._given if now - slot.idle_since > after]
        self._given = [slot for slot in self._given if slot not in given]
        return given

    def _wanted(self, now: float) -> list[tuple[str, list[int]]]:
        """Return the locks to request: a key, and the numbers that are possible."""
        wanted: list[tuple[str, list[int]]] = []
        self._not_before = {key: moment for key, moment in self._not_before.items() if moment > now}
        for key, waiting in list(self._waiting.items()):
            while waiting and waiting[0].done():
                waiting.popleft()
            if not waiting:
                del self._waiting[key]
                if key not in self._mine:
                    self._limits.pop(key, None)
                continue
            if key in self._not_before:
                continue
            free = [number for number in range(self._limits[key]) if number not in self._mine.get(key, ())]
            random.shuffle(free)
            if len(waiting) >= len(free):
                wanted += [(key, [number]) for number in free]
            else:
                wanted += [(key, free[first :: len(waiting)][:2]) for first in range(len(waiting))]
        return wanted

    async def _pause(self) -> None:
        """Wait until a slot may be requested or released; a new request ends the wait."""
        now = time.monotonic()
        soon = [_LATEST if self._idle or self._given else _PULSE]
        soon += [
            max(0.0, self._not_before.get(key, now) - now)
            for key in self._waiting
            if len(self._mine.get(key, ()))
            < self._limits[key]  # otherwise a task of this worker passes its slot on
        ]
        if not min(soon):
            return
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(soon)):  # wait_for may lose a cancellation
                await self._wake.wait()


def _number(key: str, number: int) -> int:
    """Return the lock of a slot: a signed 64-bit number, unlikely to be used by other programs."""
    digest = hashlib.blake2b(f"contentmap place {number} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
