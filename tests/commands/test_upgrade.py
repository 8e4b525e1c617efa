"""`db upgrade` where somebody is at work; scan, rescan and resume on every server version there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from postgres_server import PostgresServer, found_versions
from web_sites import Page, Reply, good_site, serving, urlset

from contentmap_cli.storage.engine import open_database

LONG_AGO = "2000-01-01T00:00:00.000000Z"


async def execute(address: str, statement: str) -> None:
    """One statement, committed."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await database.close()


def slow_site() -> dict[str, Page]:
    """A site whose sitemap is long in coming."""
    return {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), wait=60),
    }


def test_an_upgrade_under_a_running_scan_is_refused(contentmap: Any) -> None:
    """Tables are not changed under the feet of an older version; one that was killed is in nobody's way."""
    with serving(slow_site()) as sites:
        scan = contentmap.start("scan", "http://slow.test", "--connect-to", sites.connect_to)
        try:
            while "slow.test/s.xml" not in sites.asked:
                assert scan.poll() is None
                time.sleep(0.05)
            job = contentmap("status", "--json").json["job_id"]
            asyncio.run(execute(contentmap.database, "UPDATE contentmap_version SET version_num = '0000'"))
            # its process counts as well as its lease, which expires during a long write
            asyncio.run(execute(contentmap.database, f"UPDATE jobs SET lease_until = '{LONG_AGO}'"))
            held = contentmap("db", "upgrade")
        finally:
            scan.kill()
            scan.communicate()
        assert (held.code, f"running {job}" in held.err, "hint: wait" in held.err) == (5, True, True)
        free = contentmap("db", "upgrade")
        assert (free.code, "no migration leads from" in free.err, "hint:" in free.err) == (5, True, True)


@pytest.fixture(params=found_versions())
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server of each major version on this machine."""
    made = PostgresServer.create(request.param)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.mark.campaign
def test_every_server_version_will_do(server: PostgresServer, contentmap_at: Callable[[str], Any]) -> None:
    """Upgrade, scan, scan again, fail, resume and ask: the same on each."""
    contentmap = contentmap_at(server.address())
    assert contentmap("db", "upgrade").code == 0
    pages = good_site("a.test") | good_site("b.test") | {"b.test/sitemap.xml": 404}
    with serving(pages) as sites:
        words = ("scan", "http://a.test", "http://b.test", "--connect-to", sites.connect_to, "--json")
        first = contentmap(*words).json
        assert (first["status"], first["urls"], first["added"]) == ("partial", 3, 3)
        sites.pages["a.test/sitemap.xml"] = urlset("http://a.test/page-0", "http://a.test/new")
        again = contentmap(*words).json
        counts = {result["domain"]: result for result in again["results"]}["a.test"]
        assert (counts["urls"], counts["added"], counts["removed"], counts["changed"]) == (2, 1, 2, 0)
        sites.pages["b.test/sitemap.xml"] = urlset("http://b.test/1")
        resumed = contentmap(
            "resume", again["job_id"], "--failed", "--json", "--connect-to", sites.connect_to
        )
    assert (resumed.code, resumed.json["status"], resumed.json["urls"]) == (0, "complete", 3)
    assert contentmap("status", "--json").json["domains"]["ok"] == 2
