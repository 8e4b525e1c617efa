"""Exports of a million entries beside the databases' own tools and sqlite-utils, as whole processes.

usage: python benchmarks/exports.py [--urls N] [--rounds N]

Fills an SQLite file and a PostgreSQL server of its own with one domain: 20 files, 5 % of the entries with
images, alternates or news, and a second scan that has changed the lastmod of every entry. Each program writes
into a file; they take turns. Prints a table in Markdown: the median CPU time (user and system) of the process
with its start, on PostgreSQL also that of the server, the peak of memory, and the size of the output.

`sqlite3` and `psql` run twice: with a query that joins what `urls` writes, and with the bare table.
sqlite-utils is measured where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from copying import FILE_COLUMNS, INSERT, contentmap, insert
from postgres_server import PostgresServer
from whole_process import end_well, run

DOMAIN = "shop.example"
JOB = "sitemap_" + "0" * 31
TIMES = ("2026-11-29T10:00:00.000000Z", "2026-11-30T10:00:00.000000Z")
FILES = 20
SCAN_COLUMNS = (
    "id job_id domain_id status target recorded_at finished_at complete sitemaps sitemaps_failed urls added"
    " removed changed fetched_bytes requests seconds discovery_methods sitemap_types limits"
)
QUERY = (
    "SELECT u.url, u.lastmod, u.lastmod_precision, u.lastmod_text, u.changefreq, u.priority,"  # noqa: S608
    " f.url AS sitemap, f.discovery_method AS discovered_by, u.extras, u.in_scope, u.repaired, u.page_type,"
    " s.recorded_at AS first_seen, r.recorded_at AS removed_at, d.name AS domain FROM sitemap_urls u"
    " JOIN domains d ON d.id = u.domain_id JOIN sitemap_files f ON f.id = u.sitemap_file_id"
    " LEFT JOIN domain_scans s ON s.id = u.first_scan_id LEFT JOIN domain_scans r ON r.id = u.removed_scan_id"
    f" WHERE d.name = '{DOMAIN}' AND u.removed_scan_id IS NULL ORDER BY u.sitemap_file_id, u.url"
)
TABLE = "SELECT * FROM sitemap_urls"
CHANGES = (
    f"SELECT '{DOMAIN}' AS domain, u.url, f.url AS sitemap, u.lastmod, c.lastmod AS lastmod_before"  # noqa: S608
    " FROM sitemap_url_changes c JOIN sitemap_urls u ON u.domain_id = c.domain_id"
    " AND u.sitemap_file_id = c.sitemap_file_id AND u.url = c.url JOIN sitemap_files f"
    " ON f.id = u.sitemap_file_id WHERE c.scan_id = 2 ORDER BY u.url"
)


def encoded(**media: list[dict[str, str]]) -> str:
    return json.dumps(media, ensure_ascii=False, separators=(",", ":"))


SHOP = encoded(
    images=[
        {"loc": "https://cdn.shop.example/i/1.jpg", "title": "Größe, 42"},
        {"loc": "https://cdn.shop.example/i/2.jpg"},
    ],
    alternates=[{"hreflang": "de", "href": "https://shop.example/de/1"}],
)
NEWS = encoded(
    news=[
        {"publication_name": 'The "News"', "language": "en", "publication_date": "2026-11-02", "title": "A"}
    ]
)


def entries(first: int, end: int) -> Iterator[tuple[Any, ...]]:
    """The columns of URLs from the URL on: most plain with a lastmod in one of several forms."""
    for each in range(first, end):
        kind, day, minute = each % 20, each % 28 + 1, each % 60
        lastmod: tuple[str | None, ...] = (f"2026-11-{day:02}T09:{minute:02}:13Z", "second", None)
        extras = None
        match kind:
            case 3:
                extras = SHOP if each % 40 < 20 else NEWS
            case 5:
                lastmod = (f"2026-11-{day:02}T00:00:00Z", "day", None)
            case 6:
                lastmod = (None, None, None)
            case 7:
                lastmod = (f"2026-11-{day:02}T07:00:00Z", "second", f"2026-11-{day:02}T09:00:00+02:00")
            case 15 | 16 | 17 | 18 | 19:
                lastmod = (f"2026-11-{day:02}T09:{minute:02}:00Z", "second", "+00:00")
        url = f"https://{DOMAIN}/category/{each % 97}/product-{each:08d}.html"
        plain = ("daily", 0.5) if kind < 10 else (None, None)
        counts = (2 if extras is SHOP else 0, 0, 1 if extras is NEWS else 0)
        yield (
            *(f"{url}?a=1&b=2,3" if kind == 9 else url, *lastmod, *plain, "product"),
            *(1, 0, *counts, extras, 1, None),
        )


def fill(file: str, urls: int) -> None:
    """Write a database with one domain and two scans."""
    contentmap("db", "upgrade", "--db", file)
    per_file = -(-urls // FILES)
    with sqlite3.connect(file) as database:
        domain = (1, "default", DOMAIN, TIMES[0], FILES, urls, 2)
        insert(database, "domains id tenant_id name created_at sitemap_count url_count last_scan_id", domain)
        for scan, now in enumerate(TIMES, 1):
            job = (f"{JOB}{scan}", "default", "sitemap_scan", "complete", 1, "{}", now)
            insert(database, "jobs id tenant_id job_type status total_domains options created_at", job)
            counts = (urls, 0, 0) if scan == 1 else (0, 0, urls)
            values = (scan, f"{JOB}{scan}", 1, "ok", "{}", now, now, 1, FILES, 0, urls, *counts)
            insert(database, f"domain_scans {SCAN_COLUMNS}", (*values, 1, 1, 1.0, "{}", "{}", "[]"))
        for number in range(FILES):
            first, end = number * per_file, min((number + 1) * per_file, urls)
            address = f"https://{DOMAIN}/sitemap-products-{number + 1}.xml"
            counts = (1, 1, 0, 1, 0, 0, end - first, "[]", TIMES[0], 2)
            values = (number + 1, 1, address, "index", "ok", *counts)
            insert(database, f"sitemap_files {FILE_COLUMNS}", values)
            database.executemany(INSERT, ((1, number + 1, *row) for row in entries(first, end)))
        database.execute(
            "INSERT INTO sitemap_url_changes (domain_id, sitemap_file_id, url, scan_id, lastmod,"
            " lastmod_precision, changefreq, priority, extras) SELECT domain_id, sitemap_file_id, url, 2,"
            " '2025-01-01T00:00:00Z', 'day', changefreq, priority, extras FROM sitemap_urls"
        )
    with sqlite3.connect(file) as database:
        database.execute("ANALYZE")


@dataclass
class Program:
    """A command that writes `{out}`, and what it was measured at."""

    name: str
    command: str
    against: str = ""  # the program that the ratio is to
    cpu: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: float = 0.0
    size: int = 0


def programs(file: str, server: str) -> list[Program]:
    ours = f"{sys.executable} -m contentmap_cli"
    lite, psql = f"sqlite3 -readonly {file}", f"psql -q {server} -c"
    found = [
        Program("sqlite3 -json, join", f"{lite} -json {shlex.quote(QUERY)} > {{out}}"),
        Program("sqlite3 -json, table", f"{lite} -json {shlex.quote(TABLE)} > {{out}}"),
        Program("sqlite3 -csv, join", f"{lite} -csv -header {shlex.quote(QUERY)} > {{out}}"),
        Program("sqlite3 -csv, table", f"{lite} -csv -header {shlex.quote(TABLE)} > {{out}}"),
        Program("sqlite3 -json, changes", f"{lite} -json {shlex.quote(CHANGES)} > {{out}}"),
    ]
    for name, against in (
        *(("ndjson", "sqlite3 -json, join"), ("csv", "sqlite3 -csv, join"), ("parquet", "")),
        *(("txt", ""), ("xml", "")),
    ):
        found.append(Program(f"urls {name}", f"{ours} urls {DOMAIN} --db {file} -o {{out}}.{name}", against))
    diff = f"{ours} diff {DOMAIN} --db {file} -o {{out}}.ndjson"
    found.append(Program("diff ndjson", diff, "sqlite3 -json, changes"))
    if shutil.which("sqlite-utils"):
        for option in ("--nl", "--csv"):
            words = f"sqlite-utils query {file} {shlex.quote(QUERY)} {option} > {{out}}"
            found.append(Program(f"sqlite-utils {option}, join", words))
    for form, query in (
        ("csv, join", f"\\copy ({QUERY}) TO '{{out}}' CSV HEADER"),
        ("csv, table", "\\copy sitemap_urls TO '{out}' CSV HEADER"),
        ("json, join", f"\\copy (SELECT row_to_json(q) FROM ({QUERY}) q) TO '{{out}}'"),  # noqa: S608
    ):
        found.append(Program(f"psql \\copy {form}", f"{psql} {shlex.quote(query)}"))
    for name, against in (("ndjson", "psql \\copy json, join"), ("csv", "psql \\copy csv, join")):
        words = f"{ours} urls {DOMAIN} --db {server} -o {{out}}.{name}"
        found.append(Program(f"urls {name}, PostgreSQL", words, against))
    words = f"{ours} urls {DOMAIN} --db {server} -o {{out}}.parquet"
    found.append(Program("urls parquet, PostgreSQL", words))
    return found


def server_seconds(process: int) -> float:
    """The CPU time of the server's processes that have ended."""
    time.sleep(0.3)  # the backend of the last client ends after it
    words = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")


def measure(program: Program, folder: Path, process: int) -> None:
    before = server_seconds(process) if "PostgreSQL" in program.name or "psql" in program.name else None
    out = folder / "out"
    taken = run(["sh", "-c", program.command.replace("{out}", str(out))], folder)
    assert taken.code == 0, taken.err
    program.cpu.append(taken.cpu)
    program.wall.append(taken.wall)
    program.peak = max(program.peak, taken.peak)
    if before is not None:
        program.server.append(server_seconds(process) - before)
    for written in folder.glob("out*"):
        program.size = written.stat().st_size
        written.unlink()


def table(found: list[Program]) -> None:
    print("| program | CPU s | ratio | wall s | server CPU s | peak MiB | MB |")
    print("|---|---|---|---|---|---|---|")
    cpu = {each.name: statistics.median(each.cpu) for each in found}
    for each in found:
        ratio = f"{cpu[each.name] / cpu[each.against]:.2f}" if each.against else ""
        server = f"{statistics.median(each.server):.1f}" if each.server else ""
        print(
            f"| `{each.name}` | {cpu[each.name]:.2f} | {ratio} | {statistics.median(each.wall):.1f}"
            f" | {server} | {each.peak:.0f} | {each.size / 1e6:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of programs that contain this, and their models")
    options = parser.parse_args()
    end_well()
    server = PostgresServer.create()
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="contentmap-exports-") as name:
            folder = Path(name)
            os.environ["HOME"] = name
            file = f"{name}/map.db"
            fill(file, options.urls)
            contentmap("db", "copy", "--db", file, "--to", server.address())
            run(["psql", "-q", server.address(), "-c", "VACUUM ANALYZE"], folder)
            found = programs(file, server.address())
            if options.only:
                chosen = [each for each in found if options.only in each.name]
                models = {each.against for each in chosen}
                found = [each for each in found if each in chosen or each.name in models]
            assert server.process is not None
            for _ in range(options.rounds):
                for program in found:
                    measure(program, folder, server.process.pid)
            print(f"{options.urls:,} URLs, {options.rounds} rounds\n")
            table(found)
    finally:
        with suppress(Exception):
            server.remove()


if __name__ == "__main__":
    main()
