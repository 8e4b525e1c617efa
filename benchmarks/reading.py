"""What reading sitemaps costs in memory, and what it does to the event loop.

usage: python benchmarks/reading.py memory|index|lag [--children N] [--check]

memory  a sitemap of 50 MB through `parse_document` into a spool: peak resident memory above the start
index   an index of 50,000 small files, crawled from loopback by a `Crawler`: memory, requests, event-loop lag
lag     a site of 20 gzipped files with 50,000 URLs each, crawled from loopback and scanned into SQLite, and
        one damaged file of 10 MB, crawled: event-loop lag, looked at every 5 ms

Each measurement runs in a fresh process, the server in another, and ends within a minute. Prints Markdown.
With --check the exit code is 1 if a goal is missed: 30 MiB above the start for a file, 50 ms of lag (of the
process's own making) anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import reading_sites as sites
from machine import machine
from measuring import Lag, Peak, fresh, watched_loop

from contentmap_cli.commands.database.connection import database_for_writing
from contentmap_cli.commands.engine.job.job_runner import Answer, start_job
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import FailOn
from contentmap_cli.commands.interface.process_setup import tune_garbage_collector
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.models import Limits, ScanStatus, Target
from contentmap_cli.output.formats import Format
from contentmap_cli.sitemap import parse_document

SITE = "http://big.example"
TARGET = Target("big.example", (SITE,))
GOAL_MIB = 30.0
GOAL_MS = 50.0
SIZE = 50_000_000


# -- a file


@dataclass(frozen=True, slots=True)
class Reading:
    """One document read: MiB added to resident memory at the worst moment, seconds, entries."""

    mib: float
    seconds: float
    entries: int


def read_file(path: Path) -> Reading:
    """Reads a file into a spool."""
    limits = Limits()

    def read(file: Path) -> int:
        spool = RowSpool()
        segment = spool.segment(
            f"{SITE}/sitemap.xml", room=limits.domain_urls, child_room=limits.domain_files
        )
        with file.open("rb") as source:
            document = parse_document(
                source, segment, base=f"{SITE}/sitemap.xml", limits=limits, in_scope=lambda _: True
            )
        segment.finish()
        assert document.complete, document.failure
        spool.close()
        return segment.entries

    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.xml"
        small.write_bytes(sites.document(sites.rich_entry(number, SITE) for number in range(100))[0])
        read(small)  # what is loaded once is not what a document costs
    peak = Peak()
    start = time.perf_counter()
    entries = read(path)
    return Reading(peak.above_start(), time.perf_counter() - start, entries)


def memory() -> bool:
    """Prints the table; whether every row is within the goal."""
    print("| sitemap | bytes on the wire | entries | seconds | MiB above start |\n|---|---|---|---|---|")
    held = True
    shapes = {
        "plain entries": (sites.plain_entry(number, SITE) for number in count()),
        "images and languages": (sites.rich_entry(number, SITE) for number in count()),
        "a bare & in the first entry": sites.damaged_entries(SITE),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sitemap"
        for shape, entries in shapes.items():
            body, number = sites.document(entries, size=SIZE)
            for how, data in (("", body), (", gzip", gzip.compress(body, 1))):
                path.write_bytes(data)
                reading = fresh(read_file, path)
                assert reading.entries == number
                held = held and reading.mib < GOAL_MIB
                print(
                    f"| {SIZE // 1_000_000} MB, {shape}{how} | {len(data):,} | {number:,} "
                    f"| {reading.seconds:.1f} | {reading.mib:.1f} |",
                    flush=True,
                )
    return held


# -- a site


@dataclass(frozen=True, slots=True)
class Crawled:
    """One crawl: peak MiB above its start, seconds, what came of it, and the loop's lag."""

    mib: float
    seconds: float
    urls: int
    files: int
    requests: int
    lag: Lag


def crawl(port: int) -> Crawled:
    """Crawls the site that the port serves, whole, and stores nothing."""

    async def run() -> Crawled:
        options = CrawlOptions(connect_to=(ConnectTo(None, None, "127.0.0.1", port),))
        tune_garbage_collector()  # as the scan command does
        peak, start = Peak(), time.perf_counter()
        async with Crawler(options) as crawler:
            async with watched_loop() as lag:
                result = await crawler.crawl(TARGET)
            seconds = time.perf_counter() - start
            with result:
                assert result.status is ScanStatus.OK, (result.status, result.error, result.limits)
                documents = [file.document for file in result.files if file.document is not None]
                urls = sum(document.entries for document in documents if document.kind == "urlset")
                return Crawled(peak.above_start(), seconds, urls, len(result.files), result.requests, lag)

    return asyncio.run(run())


def scan(port: int) -> Crawled:
    """Scans it into a new SQLite file, as `contentmap scan` does."""

    async def run(database: Path) -> Crawled:
        shell = GlobalOptions(db=str(database), quiet=True)
        async with database_for_writing(shell):
            pass  # makes the tables, once in a database's life and before any crawl
        peak, start = Peak(), time.perf_counter()
        async with watched_loop() as lag:
            settings = ScanSettings(connect_to=(f"::127.0.0.1:{port}",))
            answer = Answer(Format.NDJSON, os.devnull, FailOn.ANY)
            assert await start_job(shell, "default", [TARGET], settings, answer) == 0
        seconds = time.perf_counter() - start
        with closing(sqlite3.connect(database)) as stored:
            urls = stored.execute("SELECT count(*) FROM sitemap_urls").fetchone()[0]
            files = stored.execute("SELECT count(*) FROM sitemap_files").fetchone()[0]
        return Crawled(peak.above_start(), seconds, urls, files, 0, lag)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder) / "scan.db"))


def idle(_: int) -> Crawled:
    """A loop with nothing to do: what the machine itself adds."""

    async def run() -> Crawled:
        async with watched_loop() as lag:
            await asyncio.sleep(3)
        return Crawled(0.0, 3.0, 0, 0, 0, lag)

    return asyncio.run(run())


def show_lag(name: str, crawled: Crawled) -> bool:
    """Prints one row; whether the loop was never later than the goal."""
    worst = max(crawled.lag.own)
    print(
        f"| {name} | {crawled.files:,} | {crawled.urls / crawled.seconds:,.0f} | {crawled.mib:.1f} "
        f"| {crawled.lag.at(0.5):.1f} | {crawled.lag.at(0.99):.1f} | {crawled.lag.at(1):.1f} | {worst:.1f} |",
        flush=True,
    )
    return worst <= GOAL_MS


LAG_HEAD = (
    "| event loop during | files | URLs/s | MiB above start | p50 ms | p99 ms | max ms | max ms, own |\n"
    "|---|---|---|---|---|---|---|---|"
)


def wide_index(children: int) -> bool:
    """Prints the tables; whether the loop was never later than the goal."""
    with sites.serving(sites.wide_site, SITE, children) as port:
        crawled = fresh(crawl, port)
    assert crawled.files == children + 1, crawled.files
    assert crawled.urls == 3 * children, crawled.urls
    print("| index of | requests | seconds | requests/s | MiB above start |\n|---|---|---|---|---|")
    print(
        f"| {children:,} files | {crawled.requests:,} | {crawled.seconds:.1f} "
        f"| {crawled.requests / crawled.seconds:,.0f} | {crawled.mib:.1f} |\n\n{LAG_HEAD}"
    )
    return show_lag("the same", crawled)


def lag() -> bool:
    """Prints the table; whether the loop was never later than the goal."""
    print(LAG_HEAD)
    held = show_lag("nothing", fresh(idle, 0))
    with sites.serving(sites.big_site, SITE) as port:
        for name, work in (("a crawl", crawl), ("a scan into SQLite", scan)):
            crawled = fresh(work, port)
            assert crawled.urls == 1_000_000, crawled.urls
            held = show_lag(f"{name}: 20 gz files of 50,000 URLs", crawled) and held
    with sites.serving(sites.damaged_site, SITE) as port:
        return show_lag("a crawl: a damaged file of 10 MB", fresh(crawl, port)) and held


def main() -> int:
    """Prints one measurement's tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("memory", "index", "lag"))
    parser.add_argument(
        "--children", type=int, default=49_999, metavar="N", help="files that the index names"
    )
    parser.add_argument("--check", action="store_true", help="exit code 1 if a goal is missed")
    options = parser.parse_args()
    measures: dict[str, Callable[[], bool]] = {
        "memory": memory,
        "index": lambda: wide_index(options.children),
        "lag": lag,
    }
    print(f"{machine('lxml', 'aiohttp')}\n")
    held = measures[options.what]()
    return 1 if options.check and not held else 0


if __name__ == "__main__":
    sys.exit(main())
