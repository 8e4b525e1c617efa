"""A domain that is cancelled while a thread reads its rows: nothing is closed before the thread has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from recording import DOMAIN, no_page_type, page, start

from contentmap_cli.batches import batched
from contentmap_cli.models import CrawledFile, DiscoveryMethod, FileStatus
from contentmap_cli.models.entry_rows import RowBatch, RowDelta, rows_of
from contentmap_cli.storage.jobs.claims import fence
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.writing.bulk import SharedValues, insert_rows
from contentmap_cli.storage.writing.files import save_files
from contentmap_cli.storage.writing.row_diff import FileEntries


class Reading:
    """Work in a thread that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.active = False

    def wait(self) -> None:
        """Stands for reading a spool."""
        self.active = True
        self.begun.set()
        assert self.let_go.wait(30)
        self.active = False


async def cancelled_twice(work: Coroutine[Any, Any, Any], reading: Reading) -> bool:
    """Cancels work while a thread reads, and once more while that is waited for. Returns whether the thread
    was still reading when the work had ended."""
    task = asyncio.create_task(work)
    assert await asyncio.to_thread(reading.begun.wait, 30)
    for _ in range(2):
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    early = task.done()
    reading.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    return early or reading.active


async def test_the_rows_of_a_comparison() -> None:
    """The whole of a file that came as a delta is read in a thread."""
    reading = Reading()

    def batches() -> Iterator[RowBatch]:
        reading.wait()
        return iter(())

    file = FileEntries(1, True, batches, True, RowDelta("00", 0, tuple, tuple))
    assert not await cancelled_twice(file.all_batches(), reading)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_the_rows_of_an_insert(sessions: Sessions) -> None:
    """While SQLite inserts some rows, a thread makes statements of the next."""
    reading = Reading()
    entries = [page(f"{number:06}") for number in range(12_000)]

    def batches() -> Iterator[RowBatch]:
        for number, some in enumerate(batched(entries, 500)):
            if number == 12:
                reading.wait()
            yield RowBatch.of(rows_of(some, no_page_type))

    claim = await start(sessions)

    async def insert() -> None:
        async with sessions.work(claim.job_id, DOMAIN) as session, session.begin():
            await session.turn()
            await fence(session, claim)
            file = CrawledFile(f"https://{DOMAIN}/a.xml", FileStatus.OK, DiscoveryMethod.ROBOTS)
            (file_id,) = (await save_files(session, claim, [file], whole=True, first_scan=True)).ids
            await insert_rows(session, SharedValues(claim.domain_id, file_id, claim.scan_id), batches())

    assert not await cancelled_twice(insert(), reading)
