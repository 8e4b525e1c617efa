"""How long the store takes, on each database: 20,000 rows inserted, and merged with what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from speed_sites import changes, location

from contentmap_cli.models import (
    CrawledFile,
    DiscoveryMethod,
    Document,
    DocumentKind,
    DomainSummary,
    FileStatus,
    ScanStatus,
    Target,
)
from contentmap_cli.models.entry_rows import Row, RowBatch, sorted_unique
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.claims import Claim, claim_domains, fence, finish_domain
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.writing.entries import Changes, FileEntries, merge_entries
from contentmap_cli.storage.writing.files import save_files

ROWS = 20_000
ROUNDS = 5
DOMAIN = "site.example"
ORIGIN = f"https://{DOMAIN}"
FILE = CrawledFile(
    f"{ORIGIN}/sitemap.xml",
    FileStatus.OK,
    DiscoveryMethod.ROBOTS,
    document=Document(DocumentKind.URLSET, ROWS, True),
)


def batches(*, changed: bool = False) -> list[RowBatch]:
    """A file's rows as a crawl gives them; changed: one in 200 has another date, one in 200 is new."""
    rows: list[Row] = []
    for number in range(ROWS):
        url, day = location(number, ORIGIN), "2024-06-01"
        if changed and number % 200 == 50:
            day = "2025-01-01"
        elif changed and number % 200 == 150:
            url = f"{ORIGIN}/new/{number}"
        rows.append((url, f"{day}T00:00:00Z", "day", None, "daily", 0.5, None))
    rows = sorted_unique(rows)
    return [RowBatch.of(rows[start : start + 500]) for start in range(0, ROWS, 500)]


class Site:
    """A site in an empty database of its own, and a loop to work in."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner()
        self._database: Database = open_database(address)
        self._sessions = Sessions(self._database)
        self.run(self._make_schema())

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self._runner.run(work)

    def close(self) -> None:
        """Ends both."""
        self.run(self._database.close())
        self._runner.close()

    async def _make_schema(self) -> None:
        async with self._database.engine.begin() as connection:
            await connection.run_sync(upgrade_schema)

    async def claim(self) -> Claim:
        """A job with the site claimed."""
        job_id = jobs.new_job_id()
        async with self._sessions.brief(job_id) as session, session.begin():
            target = Target(DOMAIN, (ORIGIN,))
            await jobs.create_job(session, job_id, "default", [target], {}, "owner")
            taken = (await claim_domains(session, job_id, "default", [DOMAIN], "owner"))[DOMAIN]
        assert isinstance(taken, Claim)
        return taken

    async def record(self, claim: Claim, rows: list[RowBatch], *, first: bool) -> Changes:
        """Records a scan that found the file with these rows, in one transaction."""
        async with self._sessions.work(claim.job_id, DOMAIN) as session, session.begin():
            await session.turn()
            await fence(session, claim)
            (file_id,) = (await save_files(session, claim, [FILE], whole=True)).ids
            assert file_id is not None
            file = FileEntries(file_id, not first, lambda: rows, True)
            found = await merge_entries(session, claim, [file], [], first_scan=first, removals=True)
            summary = DomainSummary(claim.job_id, DOMAIN, ScanStatus.OK, sitemaps=1, urls=found.urls)
            await finish_domain(session, claim, summary, complete=True)
            return found


def measured(
    benchmark: Any, new_address: Callable[[], str], *, recorded: list[RowBatch] | None, rows: list[RowBatch]
) -> Changes:
    """What recording `rows` changes, timed in a new database each round, after `recorded` if given."""
    sites: list[Site] = []

    def prepare() -> tuple[tuple[Site, Claim], dict[str, Any]]:
        sites.append(Site(new_address()))
        site = sites[-1]
        if recorded is not None:
            site.run(site.record(site.run(site.claim()), recorded, first=True))
        return (site, site.run(site.claim())), {}

    def work(site: Site, claim: Claim) -> Changes:
        found: Changes = site.run(site.record(claim, rows, first=recorded is None))
        return found

    try:
        found: Changes = benchmark.pedantic(work, setup=prepare, rounds=ROUNDS)
        return found
    finally:
        for site in sites:
            site.close()


def test_insert(benchmark: Any, new_address: Callable[[], str]) -> None:
    """A first scan."""
    assert measured(benchmark, new_address, recorded=None, rows=batches()) == Changes(ROWS, ROWS, 0, 0)


def test_merge(benchmark: Any, new_address: Callable[[], str]) -> None:
    """A second scan that finds one entry in a hundred changed."""
    moved, replaced = changes(ROWS)
    found = measured(benchmark, new_address, recorded=batches(), rows=batches(changed=True))
    assert found == Changes(ROWS, replaced, replaced, moved)


def test_merge_unchanged(benchmark: Any, new_address: Callable[[], str]) -> None:
    """A second scan that reads everything anew and finds it as it was."""
    found = measured(benchmark, new_address, recorded=batches(), rows=batches())
    assert found == Changes(ROWS, 0, 0, 0)
