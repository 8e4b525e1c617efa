"""One scan, two databases: every table of SQLite and of PostgreSQL holds the same, row by row."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from internet.catalogue import connect_to
from internet.server import running
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.tables import SITEMAP_URLS, Base

pytestmark = pytest.mark.campaign
DEMO = Path(__file__).parents[2] / "examples" / "demo"
SHOP = "lanternbooks.example"
MEASURED = {"response_time_ms", "seconds", "fetched_bytes", "requests", "retries"}
"""What differs from one run to the next: how long it took, and what had to be asked again."""

Rows = list[dict[str, Any]]


def contentmap(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    words = [sys.executable, "-m", "contentmap_cli", "--db", database, *arguments]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=90, check=False)


@pytest.fixture
def scanned(sqlite_address: str, postgres_address: str) -> list[str]:
    """Both databases after the same two scans: all sites, and the next day the shop once more."""
    addresses = [sqlite_address, postgres_address]
    with running() as (internet, port):
        reach = [word for mapping in connect_to(port) for word in ("--connect-to", mapping)]
        for address in addresses:
            done = contentmap(address, "scan", "--input-file", str(DEMO / "domains.txt"), "--json", *reach)
            assert done.returncode == 3, done.stderr
        internet.day = 2
        for address in addresses:
            done = contentmap(address, "scan", SHOP, "--json", *reach)
            assert json.loads(done.stdout)["changed"] == 12, done.stderr
    return addresses


async def _everything(address: str) -> dict[str, Rows]:
    database = open_database(address)
    async with database.engine.connect() as connection:
        found = {table.name: await _rows(connection, table) for table in Base.metadata.sorted_tables}
    await database.close()
    return found


async def _rows(connection: AsyncConnection, table: Any) -> Rows:
    return [dict(row._mapping) for row in await connection.execute(select(table))]


def _comparable(tables: dict[str, Rows]) -> dict[str, Rows]:
    """The rows with surrogate keys replaced by what they stand for, and moments by whether there is one."""
    del tables["change_feed"]  # its order is that of the commits, which differs
    jobs = {row["id"]: number for number, row in enumerate(sorted(tables["jobs"], key=_created))}
    domains = {row["id"]: row["name"] for row in tables["domains"]}
    scans = {row["id"]: (jobs[row["job_id"]], domains[row["domain_id"]]) for row in tables["domain_scans"]}
    files = {row["id"]: (domains[row["domain_id"]], row["url"]) for row in tables["sitemap_files"]}
    keys: dict[str, dict[Any, Any]] = {
        "job_id": jobs,
        "domain_id": domains,
        "sitemap_file_id": files,
        **dict.fromkeys(("last_scan_id", "first_scan_id", "removed_scan_id"), scans),
    }
    versions = {row["id"]: domains[row["domain_id"]] for row in tables["robots_versions"]}
    own = {
        "jobs": jobs,
        "domains": domains,
        "domain_scans": scans,
        "sitemap_files": files,
        "robots_versions": versions,
    }

    def plain(table: str, name: str, value: Any) -> Any:
        if value is None or name in MEASURED:
            return None
        if name in keys or name == "id":
            return (own[table] if name == "id" else keys[name])[value]
        return "a moment" if isinstance(value, datetime) and name != "lastmod" else value

    return {
        table: sorted(
            ({name: plain(table, name, value) for name, value in row.items()} for row in rows), key=repr
        )
        for table, rows in tables.items()
    }


def _created(row: dict[str, Any]) -> Any:
    return row["created_at"]


def test_both_databases_hold_the_same(scanned: list[str]) -> None:
    """Files, entries with all their extensions, domains, scans and jobs are equal in every column."""
    first, second = (_comparable(asyncio.run(_everything(address))) for address in scanned)
    for table, rows in first.items():
        assert len(rows) == len(second[table]), table
        for one, other in zip(rows, second[table], strict=True):
            assert one == other, table
    entries = first[SITEMAP_URLS.name]
    # the sites have it all: otherwise equality would say little
    for column in ("extras", "repaired", "lastmod_text", "priority", "removed_scan_id", "page_type"):
        assert any(row[column] for row in entries), column
    kinds = {row["sitemap_type"] for row in first["sitemap_files"]}
    assert {"urlset", "index", "rss", "atom", "text"} <= kinds
