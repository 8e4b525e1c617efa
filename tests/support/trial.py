"""One job that meets a fault: started by the real command, checked, resumed and checked again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invariants import Recorded, check, check_finished, recorded
from many_sites import hosts_of, targets_of
from program import PATIENCE, Contentmap, Said
from sqlalchemy import select
from web_sites import Page, Sites, serving

from contentmap_cli.errors import Exit
from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.tables import Job

CONCURRENCY = 4


@dataclass
class Trial:
    """A job over some sites: the command, what serves them, and the rows that it must come to."""

    contentmap: Contentmap
    sites: Sites
    pages: dict[str, Page]
    expected: Recorded

    @property
    def hosts(self) -> list[str]:
        """The domains of the job."""
        return hosts_of(self.pages)

    def words(self, *more: str) -> tuple[str, ...]:
        """The scan, as it is typed."""
        options = ("--connect-to", self.sites.connect_to, "-c", str(CONCURRENCY), "-q")
        return ("scan", *targets_of(self.pages), *options, *more)

    def scan(self, *more: str, fault: Mapping[str, Any] | None = None, timeout: float = PATIENCE) -> Said:
        """Scans to the end, or to the fault."""
        return self.contentmap(*self.words(*more), fault=fault, timeout=timeout)

    def start(self, *more: str, fault: Mapping[str, Any] | None = None) -> subprocess.Popen[bytes]:
        """Starts the scan and leaves it running."""
        return self.contentmap.start(*self.words(*more), fault=fault)

    def resume(self, *more: str, fault: Mapping[str, Any] | None = None) -> Said:
        """Resumes the job with nothing but its id."""
        return self.contentmap("resume", self.job_id, *more, fault=fault)

    @property
    def job_id(self) -> str:
        """The only job there is; empty where none was committed."""
        return asyncio.run(_job_id(self.contentmap.database))

    def check(self, *, alive: bool = False) -> Recorded:
        """Holds the database to the promises as it stands."""
        return check(self.contentmap.database, self.job_id, self.hosts, self.expected, alive=alive)

    def look(self) -> Recorded:
        """What is recorded, unchecked."""
        return recorded(self.contentmap.database, self.job_id)

    def check_resumed(self) -> Said:
        """After a fault: as it stands, then resumed, then finished as if nothing had been."""
        self.check()
        said = self.resume()
        assert said.code == Exit.NOT_CLEAN, (said.code, said.err)  # one site fails, one is partial, always
        self.check_finished()
        return said

    def check_finished(self) -> None:
        """Holds the database to all that an undisturbed run comes to."""
        check_finished(self.contentmap.database, self.job_id, self.hosts, self.expected)


def undisturbed_run(folder: Path, pages: dict[str, Page], *more: str, timeout: float = PATIENCE) -> Trial:
    """A run without a fault, on a new SQLite file in `folder`; `more` are options of its own."""
    with serving(pages) as sites:
        trial = Trial(
            Contentmap(folder, f"sqlite:///{folder / 'undisturbed.db'}"), sites, pages, Recorded(None)
        )
        said = trial.scan(*more, timeout=timeout)
        assert said.code == Exit.NOT_CLEAN, said.err
        trial.expected = recorded(trial.contentmap.database, trial.job_id)
    assert trial.expected.unfinished() == set()
    trial.check_finished()
    return trial


def wait_until(reached: Any, seconds: float = 60) -> None:
    """Looks again and again until something is so. Raises AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    begun = time.monotonic()
    while not reached():
        now = time.monotonic()
        assert now < deadline, "it never came to that"
        time.sleep(max(0.02, 2 * (now - begun)))  # a busy machine is not kept busy by questions
        begun = time.monotonic()


def wait_until_shut(sites: Sites) -> None:
    """Waits until the sites have been asked for as much as they answer before their gate shuts."""
    wait_until(lambda: not sites.gate.is_set())


def wait_until_stopped(process: subprocess.Popen[bytes]) -> None:
    """Waits until a SIGSTOP has taken hold of a process. Raises AssertionError if it never does."""
    look = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    wait_until(lambda: os.waitid(os.P_PID, process.pid, look) is not None)


async def make_schema(address: str) -> None:
    """What `contentmap db upgrade` does, without a process of its own."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade_schema)
    await database.close()


async def _job_id(address: str) -> str:
    database = open_database(address)
    try:
        async with database.engine.connect() as connection:
            return str(await connection.scalar(select(Job.id)) or "")
    finally:
        await database.close()
