"""Figures of one process: a fresh one for each measurement, its memory, and how late its event loop is."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

SECONDS = 60
EVERY = 0.005  # seconds between two looks at the loop
MIB = 2**20

T = TypeVar("T")


def fresh(work: Callable[..., T], *arguments: object) -> T:
    """The result of `work` in a process of its own.

    Raises TimeoutError if it takes longer than a minute, EOFError if it dies.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        if not ours.poll(SECONDS):
            raise TimeoutError(f"{work.__name__} took longer than {SECONDS} s")
        result: T = ours.recv()
        return result
    finally:
        process.kill()
        process.join()
        ours.close()


def _send(pipe: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    pipe.send(work(*arguments))


class Peak:
    """The peak of this process's resident memory from now on; where there is no Linux, of its whole life."""

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM
        self._start = self._bytes()

    def above_start(self) -> float:
        """MiB that were added at the worst moment."""
        return (self._bytes() - self._start) / MIB

    def _bytes(self) -> int:
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii")
        except OSError:
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@dataclass(slots=True)
class Lag:
    """How late the event loop came back to a coroutine that asked for it every 5 ms, in milliseconds.

    `waits` is the time on the clock. `own` is the part of it in which this process had the processor: what is
    left when the machine gave it to others, so that a busy machine is not mistaken for a busy loop.
    """

    waits: list[float]
    own: list[float]

    def at(self, share: float) -> float:
        """The lag that this share of all looks stayed within."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@asynccontextmanager
async def watched_loop() -> AsyncIterator[Lag]:
    """Watches the running loop for as long as the block lasts."""
    lag = Lag([], [])

    async def watch() -> None:
        while True:
            due, used = time.perf_counter() + EVERY, time.process_time()
            await asyncio.sleep(EVERY)
            late = (time.perf_counter() - due) * 1000
            lag.waits.append(late)
            lag.own.append(min(late, (time.process_time() - used) * 1000))

    watcher = asyncio.create_task(watch())
    try:
        yield lag
    finally:
        watcher.cancel()
