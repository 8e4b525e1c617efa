"""Parse large documents in other processes, on another core and without this interpreter's lock.

The file descriptors of body and rows are sent over a socket; only the document is returned.
`ProcessPoolExecutor` imports the program's main module in each process, and cannot end a busy one.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

from contentmap_cli.crawl.reading.parser_worker import LENGTH, Done, Work

_BOOT: Final = (
    "import sys; sys.path[:] = {path!r}; from contentmap_cli.crawl.reading.parser_worker import main; main()"
)
_KEEPS_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
}
"""Makes glibc (mallopt(3)) reuse freed memory, which saves a sixth of a parser's time."""

_RECEIVED: Final = 1024 * 1024


class WorkerDied(Exception):
    """A parsing process ended while parsing, usually killed for lack of memory."""


class ParserProcesses:
    """At most `count` parsing processes, each started when a document needs it. `close` kills them."""

    def __init__(self, count: int) -> None:
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._slots = asyncio.Semaphore(count)

    @classmethod
    def where_possible(cls, count: int) -> ParserProcesses | None:
        """Return processes, or None on a machine with one core or without support for sending descriptors."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        able = cores > 1 and hasattr(socket, "send_fds") and bool(sys.executable)
        return cls(count) if able else None

    async def parse(self, work: Work, body: int, spool: int) -> Done:
        """Parse a document from one descriptor to another.

        Raise WorkerDied if the process ends, and OSError if none can be started. On cancellation the process
        is killed, so that nothing writes to the spool any more.
        """
        async with self._slots:
            worker = self._take()
            try:
                done = await worker.parse(work, body, spool)
            except BaseException:
                self._all.discard(worker)
                worker.kill()
                raise
            self._idle.append(worker)
            return done

    def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_running:
                return worker
            self._all.discard(worker)
            worker.kill()
        worker = _Worker()
        self._all.add(worker)
        return worker

    @property
    def pids(self) -> list[int]:
        """The ids of the running processes."""
        return [worker.pid for worker in self._all]

    def close(self) -> None:
        """Kill all processes."""
        for worker in self._all:
            worker.kill()
        self._all.clear()
        self._idle.clear()


class _Worker:
    """One process and its socket."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, fixed code
                    [sys.executable, "-c", _BOOT.format(path=sys.path)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**_KEEPS_MEMORY, **os.environ},
                )
            except OSError:
                self._channel.close()
                raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    async def parse(self, work: Work, body: int, spool: int) -> Done:
        request = pickle.dumps(work)
        try:
            # never blocks: a few kilobytes into an empty buffer
            socket.send_fds(self._channel, [len(request).to_bytes(LENGTH, "big") + request], [body, spool])
            answer = await self._receive(int.from_bytes(await self._receive(LENGTH), "big"))
        except ConnectionError as error:
            raise WorkerDied(str(error)) from error
        done: Done = await asyncio.to_thread(pickle.loads, answer)
        return done

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

    def kill(self) -> None:
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
