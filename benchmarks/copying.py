"""`contentmap db copy` beside a bare copy of the same rows, in both directions.

usage: python benchmarks/copying.py [--urls N] [--rounds N]

The bare copy is a loop of the drivers: sqlite3 into a COPY of asyncpg, and a cursor of asyncpg into
executemany of sqlite3, with the conversions that the drivers require, and nothing verified. Both write into
the same schema, and take turns. `db copy` includes the start of its process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from postgres_server import PostgresServer

from contentmap_cli.models.entry_rows import ALL_COLUMNS

COLUMNS = ["domain_id", "sitemap_file_id", *ALL_COLUMNS, "first_scan_id", "removed_scan_id"]
INSERT = f"INSERT INTO sitemap_urls ({','.join(COLUMNS)}) VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608
FILE_COLUMNS = (
    "id domain_id url discovery_method status size_bytes decoded_bytes is_gzipped has_lastmod has_priority"
    " has_changefreq url_count problems first_seen last_scan_id"
)
FILE_URLS = 50_000
LASTMOD, IN_SCOPE, REPAIRED = 3, 9, 10
TIME = "to_char(timezone('UTC', lastmod), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


def contentmap(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "contentmap_cli", *words], check=True, capture_output=True)


def fill(file: str, urls: int) -> None:
    """Write a database with one domain."""
    contentmap("db", "upgrade", "--db", file)
    now = "2026-11-30T10:00:00.000000Z"
    job = ("sitemap_" + "0" * 32, "default", "sitemap_scan", "complete", 1, "{}", now)
    with sqlite3.connect(file) as database:
        insert(database, "jobs id tenant_id job_type status total_domains options created_at", job)
        domain = (1, "default", "shop.example", now, 0, urls)
        insert(database, "domains id tenant_id name created_at sitemap_count url_count", domain)
        for number in range(0, urls, FILE_URLS):
            file_id = number // FILE_URLS + 1
            address = f"https://shop.example/{file_id}.xml"
            values = (file_id, 1, address, "robots", "ok", 1, 1, 0, 1, 0, 0, 1, "[]", now, 1)
            insert(database, f"sitemap_files {FILE_COLUMNS}", values)
            database.executemany(
                INSERT,
                (
                    (1, file_id, f"https://shop.example/category/{each % 97}/product-{each:08d}.html",
                     "2026-11-02T09:00:00Z", "second", None, "daily", 0.5, "product", 1, 0, 0, 0, 0, None, 1,
                     None)
                    for each in range(number, min(number + FILE_URLS, urls))
                ),
            )  # fmt: skip


def insert(database: sqlite3.Connection, names: str, values: tuple[object, ...]) -> None:
    """Insert a row; `names` are those of the table and of its columns."""
    table, *columns = names.split()
    places = ",".join("?" * len(columns))
    database.execute(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({places})", values)  # noqa: S608


async def bare_to_server(file: str, address: str) -> None:
    source = sqlite3.connect(file)
    server = await asyncpg.connect(address)
    async with server.transaction():
        for table in ("domains", "sitemap_files"):  # the few rows that the others refer to
            columns = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
            booleans = ("is_gzipped", "has_lastmod", "has_priority", "has_changefreq")
            times = ("created_at", "first_seen")
            records = [
                [
                    bool(value)
                    if name in booleans
                    else datetime.fromisoformat(value)
                    if name in times
                    else value
                    for name, value in zip(columns, row, strict=True)
                ]
                for row in source.execute(f"SELECT * FROM {table}")  # noqa: S608
            ]
            await server.copy_records_to_table(table, records=records, columns=columns)
        cursor = source.execute(f"SELECT {','.join(COLUMNS)} FROM sitemap_urls")  # noqa: S608

        async def records_of() -> AsyncIterator[Any]:
            while rows := cursor.fetchmany(5_000):
                for row in rows:
                    moment = row[LASTMOD]
                    yield (
                        *row[:LASTMOD],
                        moment and datetime.fromisoformat(moment),
                        *row[LASTMOD + 1 : IN_SCOPE],
                        bool(row[IN_SCOPE]),
                        bool(row[REPAIRED]),
                        *row[REPAIRED + 1 :],
                    )

        await server.copy_records_to_table("sitemap_urls", records=records_of(), columns=COLUMNS)
    await server.close()
    source.close()


async def bare_from_server(address: str, file: str) -> None:
    server = await asyncpg.connect(address)
    target = sqlite3.connect(file, isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("BEGIN")
    names = ",".join(TIME if name == "lastmod" else name for name in COLUMNS)
    order = "ORDER BY domain_id, sitemap_file_id, url"
    async with server.transaction():
        cursor = await server.cursor(f"SELECT {names} FROM sitemap_urls {order}")  # noqa: S608
        while rows := await cursor.fetch(5_000):
            target.executemany(INSERT, rows)
    target.execute("COMMIT")
    target.close()
    await server.close()


def one_round(server: str, file: str, folder: str, number: int) -> dict[str, float]:
    """Copy in four ways, and return the seconds of each."""
    bare, copied = (asyncio.run(database(server, f"copy_{number}_{each}")) for each in (0, 1))
    bare_file, copied_file = (f"{folder}/{number}_{each}.db" for each in (0, 1))
    for target in (bare, copied, bare_file):
        contentmap("db", "upgrade", "--db", target)
    works = {
        "bare, to PostgreSQL": lambda: asyncio.run(bare_to_server(file, bare)),
        "db copy, to PostgreSQL": lambda: contentmap("db", "copy", "--db", file, "--to", copied),
        "bare, to SQLite": lambda: asyncio.run(bare_from_server(copied, bare_file)),
        "db copy, to SQLite": lambda: contentmap("db", "copy", "--db", copied, "--to", copied_file),
    }
    seconds = {}
    for name, work in works.items():
        started = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - started
    Path(bare_file).unlink()
    Path(copied_file).unlink()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server = PostgresServer.create()
    server.start()
    seconds: dict[str, list[float]] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HOME"] = folder
            file = f"{folder}/map.db"
            fill(file, options.urls)
            for number in range(options.rounds):
                for name, taken in one_round(server.address(), file, folder, number).items():
                    seconds.setdefault(name, []).append(taken)
    finally:
        server.stop()
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    for name, each in middle.items():
        ratio = each / middle[name.replace("db copy", "bare")]
        print(f"{name:<24} {each:6.1f} s  {ratio:.2f}")


async def database(address: str, name: str) -> str:
    """Create a database on the server and return its address."""
    server = await asyncpg.connect(address)
    await server.execute(f"CREATE DATABASE {name}")
    await server.close()
    return f"{address.rpartition('/')[0]}/{name}"


if __name__ == "__main__":
    main()
