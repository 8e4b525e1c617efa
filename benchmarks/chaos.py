"""Four workers under attack: does every domain come out once, and whole?

    python benchmarks/chaos.py --domains 2000

Queues a scan of small sites on loopback, has workers do it, and kills (SIGKILL), stops and continues
(SIGSTOP, SIGCONT) them at moments drawn by lot; the PostgreSQL server is restarted in the middle. Leases are
two seconds long, so that many a sleep outlasts them. What is recorded is then held against a scan that
nothing disturbed: the four promises of docs/operations.md, and each domain committed exactly once, counted
by a trigger. Prints one table; exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from disturbance import disturb
from machine import machine
from many_sites import small_sites
from postgres_server import PostgresServer
from program import Contentmap
from queue_trial import QueueTrial
from trial import make_schema, undisturbed_run
from web_sites import serving

LATE = 0.05


def main() -> int:
    """Reads the options, disturbs, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--domains", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    print(f"{machine('sqlalchemy', 'asyncpg', 'pgqueuer')}\n")
    columns = [
        "seed",
        "domains",
        "workers",
        "started",
        "killed",
        "stopped",
        "restarts",
        "once",
        "broken",
        "seconds",
    ]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    pages = small_sites(options.domains, LATE)
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = undisturbed_run(Path(folder), pages, "-c", "50", timeout=400)
        for seed in options.seeds:
            broken += one_run(seed, options, undisturbed)
    return 1 if broken else 0


def one_run(seed: int, options: argparse.Namespace, undisturbed: QueueTrial) -> int:
    """One row of the table: returns whether a promise was broken."""
    server = PostgresServer.create()
    server.more["synchronous_commit"] = "on"  # it is stopped at once: what was committed must be there again
    started = time.monotonic()
    broken, done = 0, {}
    try:
        server.start()
        address = server.address()
        asyncio.run(make_schema(address))
        with tempfile.TemporaryDirectory() as folder, serving(undisturbed.pages) as sites:
            trial = QueueTrial(
                Contentmap(Path(folder), address), sites, undisturbed.pages, undisturbed.expected
            )
            try:
                done = disturb(
                    trial,
                    random.Random(seed),
                    workers=options.workers,
                    concurrency=options.concurrency,
                    pause=(1.0, 3.0),
                    restart=lambda: restart(server),
                    patience=600,
                )
            except AssertionError as error:
                broken = 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                print(f"seed {seed}: {where.name}: {where.line} {error}", file=sys.stderr)
    finally:
        server.remove()
    counts = [done.get(name, 0) for name in ("workers", "killed", "stopped", "restarts")]
    once = 0 if broken else options.domains
    row = [seed, options.domains, options.workers, *counts, once, broken, round(time.monotonic() - started)]
    print(f"| {' | '.join(map(str, row))} |", flush=True)
    return broken


def restart(server: PostgresServer) -> None:
    """Ends the server, and has it back two seconds later."""
    server.stop()
    time.sleep(2)
    server.start()


if __name__ == "__main__":
    sys.exit(main())
