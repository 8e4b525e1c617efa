"""A large `sitemap_urls`, as one table and as partitions: loading, sizes, scans, reads, VACUUM.

    python benchmarks/partitions.py --rows 50000000 --partitions 32

Starts a PostgreSQL of its own, fills the table domain by domain with the writer that a first scan uses, one
transaction a domain, and measures; spreads the table over partitions with what `contentmap db partition`
does, and measures again. Needs some 700 bytes of disk a row in the folder for temporary files while the
table is spread, and deletes all of it at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from machine import machine
from postgres_server import PostgresServer
from recording import page, record
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.models.entry_rows import RowBatch
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.partitions import partition
from contentmap_cli.storage.reading.entry_pages import EntryFilter, stored_batches
from contentmap_cli.storage.schema import create_schema
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.writing.bulk import SharedValues, insert_rows

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum": "off",  # VACUUM is measured
}
SIZES = (200, 500, 1_000, 2_000, 5_000, 20_000, 200, 500, 1_000, 50_000)
"""Rows of a domain, in turn: 8,040 on average, and of five domains two hold most of the rows."""
BATCH = 500
READ = 50_000  # rows of the domain that is read back
SCANNED = 20_000  # URLs of the domain that is scanned and scanned again
STEPS = 10
SECTIONS = ("articles", "catalogue", "help", "news", "products")
PATHS = sorted(
    f"{SECTIONS[number % 5]}/{number // 200:03d}/a-page-about-something-{number:06d}.html"
    for number in range(max(SIZES))
)


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=32)
    options = parser.parse_args()
    if options.rows < sum(SIZES):
        parser.error(f"a domain of each size takes {sum(SIZES)} rows")
    server = PostgresServer.create()
    server.more = SETTINGS
    try:
        server.start()
        asyncio.run(measure(server, options.rows, options.partitions))
    finally:
        server.remove()


async def measure(server: PostgresServer, rows: int, partitions: int) -> None:
    """Everything, in order."""
    database = open_database(server.address())
    bench = Bench(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(create_schema)
        version = (await connection.execute(text("SHOW server_version"))).scalar()
    print(f"{machine('sqlalchemy', 'asyncpg')}, PostgreSQL {version}")
    print(", ".join(f"{name} = {value}" for name, value in SETTINGS.items()))
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}\n", flush=True)
    await bench.make_domains(rows)
    print("| rows before | rows loaded | seconds | rows/s | WAL bytes a row |\n|---|---|---|---|---|")
    while bench.rows < rows:
        await bench.load(max(rows // STEPS, 1))
    print()
    figures = [await bench.figures("one table")]
    wal, started = await bench.wal(), time.monotonic()
    async with database.engine.begin() as connection:
        size = await connection.run_sync(partition, partitions)
    seconds, written = time.monotonic() - started, await bench.wal() - wal
    print(
        f"\nspread over {partitions} partitions: {size.rows:,} rows in {seconds:.0f} s, "
        f"{written / 2**20:,.0f} MiB of WAL\n",
        flush=True,
    )
    print("| rows before | rows loaded | seconds | rows/s | WAL bytes a row |\n|---|---|---|---|---|")
    await bench.load(max(rows // STEPS, 1))
    print()
    figures.append(await bench.figures(f"{partitions} partitions"))
    print("| | " + " | ".join(each[""] for each in figures) + " |\n|---|" + "---|" * len(figures))
    for name in figures[0]:
        if name:
            print(f"| {name} | " + " | ".join(each[name] for each in figures) + " |")
    await database.close()


class Bench:
    """One database and how far it is filled."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sessions = Sessions(database)
        self.rows = 0
        self.domains = 0
        self.scanned = 0

    async def make_domains(self, rows: int) -> None:
        """Domains, each with one file: more than the rows need."""
        count = rows * 13 // 10 // (sum(SIZES) // len(SIZES)) + 2 * len(SIZES)
        async with self.database.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO domains (id, tenant_id, name, created_at, sitemap_count, url_count) "
                    "SELECT n, 'default', 'site-' || n || '.example', now(), 1, 0 "
                    "FROM generate_series(1, :count) AS n"
                ),
                {"count": count},
            )
            await connection.execute(
                text(
                    "INSERT INTO sitemap_files (id, domain_id, url, discovery_method, status, size_bytes, "
                    "decoded_bytes, is_gzipped, has_lastmod, has_priority, has_changefreq, url_count, "
                    "problems, first_seen, last_scan_id) "
                    "SELECT id, id, 'https://' || name || '/sitemap.xml', 'robots', "
                    "'ok', 0, 0, false, true, true, true, 0, '[]', now(), 1 FROM domains"
                )
            )
            for table in ("domains", "sitemap_files"):
                await connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), :count)"), {"count": count}
                )

    async def load(self, wanted: int) -> None:
        """Whole domains until so many rows are in; prints one line."""
        before, wal, started = self.rows, await self.wal(), time.monotonic()
        while self.rows < before + wanted:
            self.domains += 1
            async with self.sessions.brief("bench") as session, session.begin():
                await session.execute(text("SELECT 1"))
                place = SharedValues(self.domains, self.domains, 1)
                self.rows += await insert_rows(session, place, batches(self.domains))
        seconds, rows = time.monotonic() - started, self.rows - before
        written = (await self.wal() - wal) / rows
        print(
            f"| {before:,} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {written:.0f} |", flush=True
        )

    async def figures(self, name: str) -> dict[str, str]:
        """What is measured of a form, once it is full."""
        found = {"": name, "rows": f"{self.rows:,}"}
        async with self.database.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            found["VACUUM after loading"] = await self.vacuum(connection)
            heap, indexes = await sizes(connection)
            found["table on disk"] = f"{heap / 2**30:.2f} GiB, {heap / self.rows:.0f} bytes a row"
            found["indexes on disk"] = f"{indexes / 2**30:.2f} GiB, {indexes / self.rows:.0f} bytes a row"
            found |= await self.scans()
            found |= await self.reads()
            started = time.monotonic()
            changed = await connection.execute(
                text(
                    "UPDATE sitemap_urls SET lastmod = lastmod + interval '1 day' "
                    "WHERE domain_id = ANY(SELECT id FROM domains WHERE id % 97 = 7)"
                )
            )
            seconds = time.monotonic() - started
            found["one domain in 97 written over"] = f"{changed.rowcount:,} rows, {seconds:.1f} s"
            found["VACUUM after that"] = await self.vacuum(connection)
        return found

    async def vacuum(self, connection: AsyncConnection) -> str:
        started = time.monotonic()
        await connection.execute(text("VACUUM sitemap_urls"))
        return f"{time.monotonic() - started:.1f} s"

    async def scans(self) -> dict[str, str]:
        """A first scan of a new domain, then a rescan with one URL in a hundred changed and none: the
        better of two. Each with its job, claim, fence and file, and what it wrote to the log."""
        self.scanned += 1
        domain = f"scanned-{self.scanned}.example"
        seconds: dict[str, tuple[float, int]] = {}
        for turn, day in enumerate(("01", "02", "02", "03", "03")):
            what = ("first scan", "rescan, 1 % changed", "rescan, nothing changed")[turn and 2 - turn % 2]
            pages = [
                page(path, f"2026-01-{day if number % 100 == 0 else '01'}")
                for number, path in enumerate(PATHS[:SCANNED])
            ]
            wal, started = await self.wal(), time.monotonic()
            await record(self.sessions, {"sitemap.xml": pages}, domain=domain, counted=False)
            took = (time.monotonic() - started, await self.wal() - wal)
            seconds[what] = min(took, seconds.get(what, took))
        return {
            f"{what} of {SCANNED:,} URLs": f"{took:.2f} s, {wal / 2**20:.2f} MiB of WAL"
            for what, (took, wal) in seconds.items()
        }

    async def reads(self) -> dict[str, str]:
        """`urls DOMAIN` of the middle of the table: its first rows and all. Best of three."""
        middle = self.domains // 2 // len(SIZES) * len(SIZES) + SIZES.index(READ) + 1
        best: tuple[float, float] = (1e9, 1e9)
        for _ in range(3):
            started, first, count = time.monotonic(), 0.0, 0
            async with self.sessions.read() as session, session.begin():
                async for batch in stored_batches(session, middle, EntryFilter()):
                    first = first or time.monotonic() - started
                    count += len(batch)
            assert count == READ, count
            best = min(best, (first, time.monotonic() - started))
        return {
            f"urls DOMAIN of {READ:,}: the first batch": f"{best[0] * 1000:.0f} ms",
            f"urls DOMAIN of {READ:,}: all": f"{best[1]:.2f} s",
        }

    async def wal(self) -> int:
        """Bytes that were ever written to the server's write-ahead log."""
        async with self.database.engine.connect() as connection:
            found = await connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'"))
            return int(found.scalar() or 0)


async def sizes(connection: AsyncConnection) -> tuple[int, int]:
    """Bytes of the table with its maps, and of its indexes, over all partitions."""
    found = await connection.execute(
        text(
            "SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class "
            "WHERE oid = CAST('sitemap_urls' AS regclass) OR oid IN "
            "(SELECT inhrelid FROM pg_inherits WHERE inhparent = CAST('sitemap_urls' AS regclass))"
        )
    )
    heap, indexes = found.one()
    return int(heap), int(indexes)


def batches(number: int) -> Iterator[RowBatch]:
    """A domain's rows in the order of their URLs."""
    size = SIZES[number % len(SIZES) - 1]
    start = f"https://www.site-{number}.example/"
    moments = [f"2026-{month:02d}-{day:02d}T00:00:00Z" for month in range(1, 13) for day in range(1, 29)]
    for first in range(0, size, BATCH):
        yield RowBatch.of(
            [
                (start + path, moments[place % 336], "day", None, "weekly", 0.5, None)
                for place, path in enumerate(PATHS[first : min(first + BATCH, size)], first)
            ]
        )


if __name__ == "__main__":
    main()
