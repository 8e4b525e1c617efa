"""The heartbeat of a run: renews its leases and notices that the job was cancelled or taken over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from contentmap_cli.commands.engine.engine import ScanEngine
from contentmap_cli.commands.engine.failures import describe
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.change_feed import sequence_changes
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS
from contentmap_cli.storage.session import Sessions

log = logging.getLogger("contentmap.run")

HEARTBEAT_SECONDS = LEASE_SECONDS / 4
CHECKS_PER_HEARTBEAT = 6
"""How often between two heartbeats a run checks whether it still holds its job."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Renews the leases of one run of a job. `on_job_lost` is called when the run no longer holds the job."""

    engine: ScanEngine
    job_id: str
    run_id: str
    on_job_lost: Callable[[], None]

    @property
    def _sessions(self) -> Sessions:
        return self.engine.sessions

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Renew the leases while the block runs."""
        ended = asyncio.Event()
        task = asyncio.create_task(self._run(ended), name="heartbeat")
        try:
            yield
        finally:
            ended.set()  # in case the cancellation is swallowed below: the run must not wait for ever
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            for _ in range(CHECKS_PER_HEARTBEAT):
                await asyncio.sleep(HEARTBEAT_SECONDS / CHECKS_PER_HEARTBEAT)
                await self._check_job()
            for retried in (False, True):  # one lost connection is no lost database
                try:
                    await self._renew()
                    break
                except Exception as error:
                    log.warning(
                        "heartbeat failed: %s", describe(error, self._sessions.database.shown).message
                    )
                    self.engine.database_failed(error, retried=retried)

    async def _check_job(self) -> None:
        """Notice that the job was cancelled. A database that is unavailable is reported by the heartbeat."""
        with contextlib.suppress(Exception):
            async with self._sessions.read(self.job_id) as session, session.begin():
                held_by, _ = await jobs.holder(session, self.job_id)
            if held_by != self.run_id:
                self.on_job_lost()

    async def _renew(self) -> None:
        """Renew the leases on the job and on its claimed domains, in a transaction each."""
        async with self._sessions.urgent(self.job_id) as session, session.begin():
            held = await jobs.renew_job(session, self.job_id, self.run_id)
        if not held:
            self.on_job_lost()
        async with self._sessions.urgent(self.job_id) as session, session.begin():
            await jobs.renew_scans(session, self.job_id, self.run_id)
            await sequence_changes(session, wait=False)
        self._sessions.database.check_file()
