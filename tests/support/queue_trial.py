"""One job that workers do: handed over, worked on, checked by the real commands on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import asyncpg
from many_sites import targets_of
from trial import Trial


class QueueTrial(Trial):
    """A job that is handed to the workers."""

    job = ""

    def enqueue(self, *more: str) -> str:
        """Queues the scan of all sites, and returns the job's id."""
        said = self.contentmap(
            "scan", "--queue", *targets_of(self.pages), "--connect-to", self.sites.connect_to, "-q", *more
        )
        assert said.code == 0, said.err
        self.job = said.out.strip()
        return self.job

    @property
    def job_id(self) -> str:
        """The job that was queued last."""
        return self.job

    def worker(self, *more: str, fault: Any = None) -> subprocess.Popen[bytes]:
        """Starts a worker that ends when the queue is empty."""
        return self.contentmap.start("worker", "--drain", "-c", "4", *more, fault=fault)

    def drain(self, *more: str) -> None:
        """Has one worker do all there is."""
        said = self.contentmap.end(self.worker(*more))
        assert said.code == 0, said.err

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        return asyncio.run(ask(self.contentmap.database, query))


async def ask(address: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, on a connection of its own."""
    connection = await asyncpg.connect(address)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
