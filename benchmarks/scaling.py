"""Domains a second with one, two and four workers, each answer 200 ms late, and what PostgreSQL does for one.

    python benchmarks/scaling.py

Small sites of 200 URLs on loopback, as in `speed.py w4`. A few domains at once for each worker, so that what
limits is the wait for answers and not the cores of the machine. First the same list in one process, without a
queue. Needs the extra `workers`. Exit code 1 if a run did not record every URL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import asyncio

import asyncpg
from machine import machine
from postgres_queries import ask, commits, execute
from postgres_server import PostgresServer, wanted_version
from program import Contentmap
from speed_server import Listener, free_port, serving
from speed_sites import Made, Style, wide

EVERY = 0.2  # seconds between two looks at the server's sessions
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Load:
    """What PostgreSQL did, from its own counts."""

    commits: int = 0
    statements: int | None = None
    wal: int = 0
    cpu: float = 0.0
    numbers: int = 0  # of transactions that wrote

    def since(self, before: Load) -> Load:
        """The difference."""
        asked = None
        if self.statements is not None and before.statements is not None:
            asked = self.statements - before.statements
        return Load(
            self.commits - before.commits,
            asked,
            self.wal - before.wal,
            self.cpu - before.cpu,
            self.numbers - before.numbers,
        )


@dataclass(slots=True)
class Watch:
    """Looks at the sessions of the command while it runs."""

    most: int = 0
    states: Counter[str] = field(default_factory=Counter)
    looks: int = 0


def main() -> int:
    """Reads the options, runs, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--domains", type=int, default=400)
    parser.add_argument("--urls", type=int, default=200, help="of a domain")
    parser.add_argument("--concurrency", type=int, default=4, help="domains at once for each worker")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before each answer")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--version", type=int, help="of PostgreSQL; statements are counted if it can")
    options = parser.parse_args()
    counts = [int(count) for count in options.workers.split(",")]
    server = PostgresServer.create(options.version or wanted_version())
    server.more = {"shared_buffers": "256MB", "fsync": "on", "synchronous_commit": "on"}
    server.more |= {"full_page_writes": "on", "max_connections": "200"}
    if any((server.binaries.parent / "lib").rglob("pg_stat_statements.so")):
        server.more["shared_preload_libraries"] = "pg_stat_statements"
    try:
        with tempfile.TemporaryDirectory(prefix="contentmap-scaling-") as folder:
            server.start()
            made = wide(Path(folder) / "sites", Style("names", 80), options.domains, options.urls)
            port = free_port()
            with serving([Listener(port, Path(folder) / "sites", options.delay)]) as name:
                print(f"{machine('sqlalchemy', 'asyncpg', 'aiohttp')}, served by {name}")
                print(", ".join(f"{key} = {value}" for key, value in server.more.items()))
                print(
                    f"{options.domains} domains of {options.urls} URLs, {options.delay * 1000:.0f} ms an "
                    f"answer, {options.concurrency} domains at once a worker; load of the machine at the "
                    f"start: {os.getloadavg()[0]:.1f}\n"
                )
                return measure(server, Path(folder), made, port, counts, options.concurrency)
    finally:
        server.remove()


COLUMNS = (
    "",
    "seconds",
    "domains/s",
    "CPU ms a domain, ours",
    "CPU ms a domain, PostgreSQL",
    "commits a domain",
    "transaction ids a domain",
    "statements a domain",
    "WAL KiB a domain",
    "most connections",
    "sessions active / idle in a transaction",
)


def measure(
    server: PostgresServer, folder: Path, made: Made, port: int, counts: list[int], concurrency: int
) -> int:
    """The table; returns the exit code."""
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    sites = folder / "list.txt"
    sites.write_text("\n".join(made.sites) + "\n", encoding="utf-8")
    wrong = 0
    for number, workers in enumerate((0, *counts)):
        asyncio.run(execute(server.address(), f"CREATE DATABASE scaling_{number}"))
        contentmap = Contentmap(folder, server.address(f"scaling_{number}"))
        assert contentmap("db", "upgrade").code == 0
        job = ["scan", "-i", str(sites), "--connect-to", f"::127.0.0.1:{port}", "-q"]
        queued = 0.0
        if workers:
            started = time.monotonic()
            said = contentmap(*job, "--queue", timeout=300)
            queued = time.monotonic() - started
            assert said.code == 0, said.err
            commands = [["worker", "--drain", "-q", "-c", str(concurrency)]] * workers
        else:
            commands = [[*job, "-c", str(concurrency)]]
        before, watch = load_of(server, contentmap.database), Watch()
        seconds, cpu = run(contentmap, commands, folder, watch)
        did = load_of(server, contentmap.database).since(before)
        urls = asyncio.run(ask(contentmap.database, "SELECT count(*) FROM sitemap_urls"))[0][0]
        wrong += urls != made.truth.urls
        what = f"{workers} worker{'s' * (workers > 1)}" if workers else "one process, no queue"
        count, looks = len(made.sites), max(watch.looks, 1)
        cells = [
            what + (f" (queued in {queued:.1f} s)" if workers else ""),
            f"{seconds:.1f}" + ("" if urls == made.truth.urls else f", {urls} of {made.truth.urls} URLs"),
            f"{count / seconds:.1f}",
            f"{cpu / count * 1000:.1f}",
            f"{did.cpu / count * 1000:.1f}",
            f"{did.commits / count:.1f}",
            f"{did.numbers / count:.1f}",
            "–" if did.statements is None else f"{did.statements / count:.1f}",
            f"{did.wal / count / 1024:.1f}",
            str(watch.most),
            f"{watch.states['active'] / looks:.2f} / {watch.states['idle in transaction'] / looks:.2f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
        if did.statements is not None:
            top = asyncio.run(ask(contentmap.database, TOP))
            rows = [
                f"- {calls / count:.2f} a domain, {ms / count:.2f} ms: `{text}`" for calls, ms, text in top
            ]
            (folder / "top.txt").write_text("\n".join(rows), encoding="utf-8")
    if (folder / "top.txt").exists():
        print("\nthe statements that took longest in the last run:\n")
        print((folder / "top.txt").read_text(encoding="utf-8"))
    return 1 if wrong else 0


TOP = """
SELECT calls, total_exec_time, left(regexp_replace(query, '\\s+', ' ', 'g'), 90) FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC LIMIT 12
"""


def run(contentmap: Contentmap, commands: list[list[str]], folder: Path, watch: Watch) -> tuple[float, float]:
    """Seconds until the last of them has ended, and CPU seconds of all of them with their children."""
    environment: Mapping[str, str] = contentmap.environment
    used, started = os.times(), time.monotonic()
    ended = threading.Event()
    watcher = threading.Thread(target=asyncio.run, args=(look(contentmap.database, watch, ended),))
    watcher.start()
    processes = [
        subprocess.Popen(contentmap.words(*command), env=environment, cwd=folder, stdout=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        for process in processes:
            process.wait(timeout=400)
    finally:
        for process in processes:
            process.kill()
        ended.set()
        watcher.join()
    seconds, now = time.monotonic() - started, os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return seconds, cpu


async def look(address: str, watch: Watch, ended: threading.Event) -> None:
    """Counts the sessions of the database, its own apart, until it is told to end."""
    connection = await asyncpg.connect(address)
    try:
        while not ended.is_set():
            rows = await connection.fetch(
                "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() GROUP BY state"
            )
            found = {row[0] or "": row[1] for row in rows}
            watch.most = max(watch.most, sum(found.values()))
            watch.states.update(found)
            watch.looks += 1
            await asyncio.sleep(EVERY)
    finally:
        await connection.close()


def load_of(server: PostgresServer, address: str) -> Load:
    """The server's counts as they stand. Sessions that have ended have given theirs."""
    assert server.process is not None
    time.sleep(1.5)  # a session gives its counts once a second
    committed = asyncio.run(commits(address))
    wal = asyncio.run(ask(address, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))[0][0]
    statements = None
    if "shared_preload_libraries" in server.more:
        asyncio.run(execute(address, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
        summed = (
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements "
            "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        statements = asyncio.run(ask(address, summed))[0][0]
    number = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    numbers = asyncio.run(ask(address, number))[0][0]
    return Load(committed, statements, wal, processor(server.process.pid), numbers)


def processor(pid: int) -> float:
    """CPU seconds of a process, of all below it, and of those below it that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return sum(map(int, fields[11:15])) / TICKS + sum(processor(int(child)) for child in below)
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
