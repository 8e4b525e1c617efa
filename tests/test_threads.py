"""Work in threads: its result, its error, and no end before its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contentmap_cli.threads import run_in_thread


async def test_what_comes_of_it() -> None:
    """The result or the error, from a pool or from the loop's own threads."""
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        assert (await run_in_thread(lambda: threading.current_thread().name, pool=pool)).startswith("mine")
    assert await run_in_thread(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 // 0)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_task_waits_for_its_thread(times: int) -> None:
    """However often it is cancelled; what the work raises then is nobody's."""
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    stops: list[bool] = []

    def work() -> None:
        began.set()
        go_on.wait()
        ended.set()
        raise OSError("late")

    task = asyncio.create_task(run_in_thread(work, stop=lambda: stops.append(True)))
    await asyncio.to_thread(began.wait)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ended.is_set(), stops) == (True, [True])


async def test_work_of_a_pool_that_is_shut_down() -> None:
    """It never began, so there is nothing to wait for."""
    with ThreadPoolExecutor(1) as pool:
        go_on = threading.Event()
        busy = pool.submit(go_on.wait)
        task = asyncio.create_task(run_in_thread(lambda: None, pool=pool))
        await asyncio.sleep(0.01)
        pool.shutdown(wait=False, cancel_futures=True)
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert busy.result()
