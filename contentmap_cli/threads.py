"""Work in a thread that is waited for, also by a task that is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(
    work: Callable[[], T], *, pool: Executor | None = None, stop: Callable[[], None] | None = None
) -> T:
    """Return what `work` returns in a thread of `pool`, or of the event loop's own.

    Cancelled, it calls `stop` and waits until the work has ended, however often it is cancelled: the files
    that the thread reads and writes are closed next. CancelledError is raised afterwards.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise
