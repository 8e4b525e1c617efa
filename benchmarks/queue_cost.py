"""Statements and commits per queued domain, with one worker and with two.

    python benchmarks/queue_cost.py

Sites of 200 URLs on loopback, 200 ms per answer, 4 domains at once per worker. The server logs every
statement; the table counts what the workers sent, their start and end included, and commits from
pg_stat_database. Below it are the statements of the last run, the most frequent first. Needs the extra
`workers`. Exit code 1 if a run did not record every URL.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from machine import machine
from postgres_queries import ask, commits, execute
from postgres_server import PostgresServer, wanted_version
from program import Contentmap
from speed_server import Listener, free_port, serving
from speed_sites import Made, Style, wide

LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")


def main() -> int:
    """Read the options, run the workers, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--domains", type=int, default=100)
    parser.add_argument("--urls", type=int, default=200, help="URLs per domain")
    parser.add_argument("--concurrency", type=int, default=4, help="domains at once per worker")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before each answer")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    server = PostgresServer.create(wanted_version())
    server.more = {"log_statement": "all", "log_min_messages": "log"}
    try:
        server.start()
        with tempfile.TemporaryDirectory(prefix="contentmap-cost-") as folder:
            made = wide(Path(folder) / "sites", Style("names", 80), options.domains, options.urls)
            port = free_port()
            with serving([Listener(port, Path(folder) / "sites", options.delay)]) as name:
                print(f"{machine('sqlalchemy', 'asyncpg', 'pgqueuer')}, served by {name}")
                print(f"{options.domains} domains, {options.delay * 1000:.0f} ms, -c {options.concurrency}\n")
                return measure(server, Path(folder), made, port, options)
    finally:
        server.remove()


def measure(server: PostgresServer, folder: Path, made: Made, port: int, options: argparse.Namespace) -> int:
    """Print one row per number of workers and the statements of the last; return the exit code."""
    print("| workers | seconds | statements per domain | commits per domain |\n|---|---|---|---|")
    sites, wrong = folder / "list.txt", 0
    sites.write_text("\n".join(made.sites) + "\n", encoding="utf-8")
    count, statements = len(made.sites), Counter[str]()
    for number in options.workers:
        asyncio.run(execute(server.address(), f"CREATE DATABASE cost_{number}"))
        contentmap = Contentmap(folder, server.address(f"cost_{number}"))
        assert contentmap("db", "upgrade").code == 0
        queued = contentmap(
            *("scan", "--queue", "-q", "--input-file", str(sites), "--connect-to", f"::127.0.0.1:{port}")
        )
        assert queued.code == 0, queued.err
        before, logged = (
            asyncio.run(settled_commits(contentmap.database)),
            (server.folder / "log").stat().st_size,
        )
        started = time.monotonic()
        words = contentmap.words("worker", "--drain", "-q", "-c", str(options.concurrency))
        workers = [subprocess.Popen(words, env=contentmap.environment, cwd=folder) for _ in range(number)]
        codes = [worker.wait(timeout=400) for worker in workers]
        seconds = time.monotonic() - started
        committed = asyncio.run(settled_commits(contentmap.database)) - before
        with (server.folder / "log").open(encoding="utf-8", errors="replace") as log:
            log.seek(logged)
            statements = Counter(shape(found[1]) for line in log if (found := LOGGED.search(line)))
        for own in ("SELECT xact_commit", "SELECT count(*) FROM sitemap_urls"):
            statements = Counter({text: n for text, n in statements.items() if not text.startswith(own)})
        urls = asyncio.run(ask(contentmap.database, "SELECT count(*) FROM sitemap_urls"))[0][0]
        whole = urls == made.truth.urls and not any(codes)
        wrong += not whole
        print(
            f"| {number} | {seconds:.1f} | {sum(statements.values()) / count:.1f} | {committed / count:.1f} |"
            + ("" if whole else f" {urls} of {made.truth.urls} URLs, exit codes {codes}"),
            flush=True,
        )
    print("\nstatements per domain of the last run:\n")
    for text, times in statements.most_common(40):
        print(f"- {times / count:.2f} `{text}`")
    return 1 if wrong else 0


def shape(statement: str) -> str:
    """Return the start of a statement without its values."""
    return re.sub(r"\b\d+\b|'[^']*'", "?", " ".join(statement.split()))[:100]


async def settled_commits(address: str) -> int:
    """Return the number of commits so far; a session reports its own once a second."""
    await asyncio.sleep(1.5)
    return await commits(address)


if __name__ == "__main__":
    sys.exit(main())
