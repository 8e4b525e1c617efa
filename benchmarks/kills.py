"""Kills a scan again and again, and holds what is left to four promises.

    python benchmarks/kills.py --kills 300

Each round starts a scan of thirty small sites on loopback as a process, kills it (SIGKILL) at a moment drawn
by lot, checks the database, resumes the job, and checks that it holds the rows of a scan that nothing
disturbed. Some resumes are killed as well. Prints one table; exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import asyncpg
from machine import machine
from many_sites import small_sites
from postgres_server import PostgresServer
from program import Contentmap
from trial import Trial, make_schema, undisturbed_run
from web_sites import Page, Sites, serving

DOMAINS = 30
LATE = 0.02
RESUMES_KILLED = 0.25


def main() -> int:
    """Reads the options, kills, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=300, help="on each database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    options = parser.parse_args()
    print(f"{machine('sqlalchemy', 'aiosqlite', 'asyncpg')}\n")
    print(
        "| database | kills | of a resume | job not begun | in the middle | all recorded | broken | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    wanted = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    pages = small_sites(DOMAINS, LATE)
    broken = 0
    with tempfile.TemporaryDirectory() as folder, serving(pages) as sites:
        undisturbed = undisturbed_run(Path(folder), pages)
        for database in wanted:
            broken += kill_many(database, options.kills, options.seed, pages, sites, undisturbed)
    return 1 if broken else 0


def kill_many(
    database: str, kills: int, seed: int, pages: dict[str, Page], sites: Sites, undisturbed: Trial
) -> int:
    """One row of the table: returns how often a promise was broken."""
    lot = random.Random(seed)
    found: Counter[str] = Counter()
    started = time.monotonic()
    server = PostgresServer.create() if database == "postgresql" else None
    try:
        if server is not None:
            server.start()
        while found["kills"] < kills:
            with tempfile.TemporaryDirectory() as folder:
                address = new_database(Path(folder), server, found["kills"])
                trial = Trial(Contentmap(Path(folder), address), sites, pages, undisturbed.expected)
                try:
                    one_round(trial, lot, found)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    found["broken"] += 1
                    print(f"round {found['kills']} on {database}: {error}", file=sys.stderr)
    finally:
        if server is not None:
            server.remove()
    columns = ("kills", "resumes", "nothing", "middle", "all", "broken")
    cells = " | ".join(str(found[name]) for name in columns)
    print(f"| {database} | {cells} | {time.monotonic() - started:.0f} |", flush=True)
    return found["broken"]


def one_round(trial: Trial, lot: random.Random, found: Counter[str]) -> None:
    """Kills a scan, perhaps its resumes too, and sees that the last resume finishes it."""
    kill_at(trial, trial.start(), lot, found)
    if not trial.job_id:
        found["nothing"] += 1
        return
    while lot.random() < RESUMES_KILLED:
        trial.check()
        kill_at(trial, trial.contentmap.start("resume", trial.job_id), lot, found)
        found["resumes"] += 1
    found["middle" if trial.check().unfinished() else "all"] += 1
    trial.check_resumed()


def kill_at(trial: Trial, process: subprocess.Popen[bytes], lot: random.Random, found: Counter[str]) -> None:
    """Kills a process when so many requests have been made, and a little later."""
    before, more = len(trial.sites.asked), lot.randrange(75)
    while len(trial.sites.asked) - before < more and process.poll() is None:
        time.sleep(0.001)
    time.sleep(lot.random() * 0.03)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    found["kills"] += 1


def new_database(folder: Path, server: PostgresServer | None, number: int) -> str:
    """The address of an empty database with the schema."""
    if server is None:
        address = f"sqlite:///{folder / 'map.db'}"
    else:
        asyncio.run(_create(server.address(), f"kills_{number}"))
        address = server.address(f"kills_{number}")
    asyncio.run(make_schema(address))
    return address


async def _create(address: str, name: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


if __name__ == "__main__":
    sys.exit(main())
