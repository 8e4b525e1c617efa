"""Large documents parsed in other processes: on another core, and without holding this interpreter's lock.

A process is started when a large document has nearly arrived, so that it is ready by then. Body and rows pass
through the files that hold them anyway, whose descriptors are sent; only what the parser says of the document
comes back.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from contentmap_cli.crawl.reading import child_process
from contentmap_cli.crawl.reading.parser_messages import LENGTH, Done, Work

_BOOT = (
    "import sys; sys.path[:] = {path!r}; from contentmap_cli.crawl.reading.parser_worker import main; main()"
)
IDLE = 1.0
"""Seconds that a process waits for more: the store has a better use for its memory."""

_KEEPS_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
}
"""Has glibc (mallopt(3)) use the memory of one piece, and of one document, again for the next. To give it
back each time and to ask for zeroed pages anew is a sixth of a parser's time where it reads only changes."""

_LOADED_ASIDE = 64 * 1024
_RECEIVED = 1024 * 1024


class WorkerDied(Exception):
    """A parsing process ended in the middle of a document: killed, as a rule, for want of memory."""


class _NotBegun(WorkerDied):
    """It ended before it had taken up the document, of which nothing is read or written."""


class Turns:
    """So many at once. Every second turn goes to the shortest work that waits, the others to the oldest.

    First come alone would let a few huge documents hold up every site behind them; shortest first alone would
    let a huge one wait for ever.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._to_shortest = False

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """A turn for work of a size, in bytes."""
        if self._free:
            self._free -= 1
        else:
            given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[given] = size
            try:
                await given
            except asyncio.CancelledError:
                self._waiting.pop(given, None)
                if not given.cancelled():  # it was given all the same
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            self._to_shortest = not self._to_shortest
            oldest = next(iter(self._waiting))
            chosen = min(self._waiting, key=self._waiting.__getitem__) if self._to_shortest else oldest
            del self._waiting[chosen]
            if not chosen.done():
                chosen.set_result(None)
                return
        self._free += 1


class ParserProcesses:
    """A few parsing processes. `close` it: that ends them."""

    def __init__(self, count: int) -> None:
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._count = count
        self._turns = Turns(count)

    @classmethod
    def where_possible(cls, count: int) -> ParserProcesses | None:
        """Processes, or None on a machine of one core or one that cannot send descriptors."""
        return cls(count) if child_process.possible() else None

    def prepare(self) -> None:
        """Sees that a process is ready for a large document that is to come soon, if one is free or may be
        started. One that it does not come to is let go as if it had done its work."""
        if not self._idle and len(self._all) >= self._count:
            return
        with suppress(OSError):  # whoever has the document hears of it
            self._rest(self._idle.pop() if self._idle else _Worker())

    async def parse(self, work: Work, body: int, spool: int, *, size: int = 0) -> Done:
        """Has a document parsed, from one descriptor to another, in its turn by `size` in bytes.

        Raises WorkerDied if the process did, and OSError if none can be started. One that was killed while it
        waited for more is no failure: another is asked. Cancelled, it kills the process, so that nothing
        writes to the spool any more.
        """
        async with self._turns.turn(size):
            while self._idle:
                try:
                    return await self._parse_in(self._idle.pop(), work, body, spool)
                except _NotBegun:
                    continue
            return await self._parse_in(_Worker(), work, body, spool)

    async def _parse_in(self, worker: _Worker, work: Work, body: int, spool: int) -> Done:
        if worker.retirement is not None:
            worker.retirement.cancel()
        self._all.add(worker)
        try:
            done = await worker.parse(work, body, spool)
        except BaseException:
            self._all.discard(worker)
            worker.kill()
            raise
        self._rest(worker)
        return done

    def _rest(self, worker: _Worker) -> None:
        """Lets a process wait for what comes next."""
        if worker.retirement is not None:
            worker.retirement.cancel()
        worker.retirement = asyncio.get_running_loop().call_later(IDLE, self._retire, worker)
        self._all.add(worker)
        self._idle.append(worker)

    @property
    def numbers(self) -> list[int]:
        """The ids of those that run."""
        return [worker.number for worker in self._all]

    def _retire(self, worker: _Worker) -> None:
        self._idle.remove(worker)
        self._all.discard(worker)
        worker.kill()

    def close(self) -> None:
        """Ends all processes at once; they hold nothing of their own."""
        for worker in self._all:
            if worker.retirement is not None:
                worker.retirement.cancel()
            worker.kill()
        self._all.clear()
        self._idle.clear()


class _Worker:
    """One process, and the socket that leads to it."""

    def __init__(self) -> None:
        self.retirement: asyncio.TimerHandle | None = None
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter with a line of our own
                    [sys.executable, "-c", _BOOT.format(path=sys.path)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**_KEEPS_MEMORY, **os.environ},
                )
            except OSError:
                self._channel.close()
                raise

    async def parse(self, work: Work, body: int, spool: int) -> Done:
        request = pickle.dumps(work)
        try:
            # at most a few kilobytes into an empty buffer: it never blocks
            socket.send_fds(self._channel, [len(request).to_bytes(LENGTH, "big") + request], [body, spool])
            length = int.from_bytes(await self._receive(LENGTH), "big")
            answer = await self._receive(length)
        except ConnectionError as error:
            # a socket whose other end closed with something unread in it is reset; otherwise it just ends
            raise _NotBegun(str(error)) from error
        if length > _LOADED_ASIDE:
            return await asyncio.to_thread(_load, answer)
        return _load(answer)

    async def _receive(self, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        parts = []
        while length:
            part = await loop.sock_recv(self._channel, min(length, _RECEIVED))
            if not part:
                raise WorkerDied(f"exit code {await asyncio.to_thread(self._process.wait)}")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    @property
    def number(self) -> int:
        """The process's id."""
        return self._process.pid

    def kill(self) -> None:
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def _load(answer: bytes) -> Done:
    done: Done = pickle.loads(answer)  # noqa: S301 - from our own process
    return done
