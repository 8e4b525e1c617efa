"""Work in a thread that a cancelled caller waits for, since the work uses what the caller closes next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


async def run_in_thread(
    work: Callable[..., T],
    *arguments: Any,
    pool: Executor | None = None,
    stop: Callable[[], None] | None = None,
) -> T:
    """Return what `work` returns, run in a thread of `pool`, or of the event loop's own.

    Cancelled, it calls `stop`, waits for the thread's end, since a thread cannot be interrupted, and then
    raises CancelledError.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        raise
    finally:
        await wait_for_end(running)


async def wait_for_end(running: asyncio.Future[Any]) -> None:
    """Wait until a future is done, however often the caller is cancelled meanwhile; then raise
    CancelledError if it was."""
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if not running.cancelled():
        running.exception()  # retrieved: the caller has what it needs of it
    if cancelled is not None:
        raise cancelled
