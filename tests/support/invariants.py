"""What holds after every fault, whatever it was: the four promises, written once.

1. Every domain that went in has exactly one domain scan.
2. Recorded is complete: a domain scan with an outcome has all of its rows, and of a domain that was not
   committed there is no row at all.
3. `resume` comes to the same rows as a run that nothing disturbed.
4. The database is whole, and nothing is `running` without a live run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.commands.engine.run_id import truthful
from contentmap_cli.models import JobStatus, JobSummary, ScanStatus
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.jobs.job_queries import job_summary
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain, DomainScan, Job, SitemapFile

RECORDED = {ScanStatus.OK, ScanStatus.EMPTY, ScanStatus.PARTIAL}
_U = SITEMAP_URLS.c


@dataclass
class Recorded:
    """A database by domain: what each scan came to, its files and its URLs. Without ids and moments, so
    that two runs of the same thing are equal."""

    job: JobSummary | None
    job_row: tuple[Any, ...] = ()
    scans: list[tuple[Any, ...]] = field(default_factory=list)
    domains: list[tuple[Any, ...]] = field(default_factory=list)
    files: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    urls: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)  # what the database itself finds wrong

    @property
    def rows(self) -> tuple[Any, ...]:
        """All that two runs of the same job must have in common."""
        return self.job_row, self.scans, self.domains, self.files, self.urls

    def unfinished(self) -> set[str]:
        """Domains without an outcome of their own."""
        return {row[0] for row in self.scans if ScanStatus(row[1]) not in {*RECORDED, ScanStatus.FAILED}}


def recorded(address: str, job_id: str) -> Recorded:
    """Reads a job and all that is recorded, and has the database check itself."""
    return asyncio.run(_read(address, job_id))


def check(
    address: str, job_id: str, hosts: Collection[str], undisturbed: Recorded, *, alive: bool = False
) -> Recorded:
    """Holds a database to promises 1, 2 and 4 and returns what is recorded. `alive`: a run has the job."""
    found = recorded(address, job_id)
    assert Counter(row[0] for row in found.scans) == Counter(hosts)  # 1
    finished = {row[0]: row for row in undisturbed.scans}
    for row in found.scans:  # 2
        host, status = row[0], ScanStatus(row[1])
        rows = (found.files.get(host, []), found.urls.get(host, []))
        if status in RECORDED or row == finished[host]:
            assert row == finished[host]
            assert rows == (undisturbed.files.get(host, []), undisturbed.urls.get(host, [])), host
        else:
            assert rows == ([], []), (host, status)
    assert found.faults == []  # 4
    assert found.job is not None
    if not alive:
        assert found.job.status not in (JobStatus.RUNNING, JobStatus.PENDING), found.job
        assert not found.job.alive
        assert found.job.domains[ScanStatus.RUNNING] == 0, found.job
    return found


def check_finished(address: str, job_id: str, hosts: Collection[str], undisturbed: Recorded) -> None:
    """Holds a database to all four promises, after `resume`."""
    found = check(address, job_id, hosts, undisturbed)
    assert found.rows == undisturbed.rows, _differing(found, undisturbed)  # 3


def _differing(found: Recorded, undisturbed: Recorded) -> list[tuple[Any, ...]]:
    """What was found, and what would have been, of the job and each domain where the two are not the same."""
    pairs = [(found.job_row, undisturbed.job_row), *zip(found.scans, undisturbed.scans, strict=True)]
    return [pair for pair in pairs if pair[0] != pair[1]]


async def faults_in(database: Database) -> list[str]:
    """What the database itself finds wrong, and rows that hang on nothing."""
    async with database.engine.connect() as connection:
        return await _faults(connection, database.path)


async def _read(address: str, job_id: str) -> Recorded:
    database = open_database(address)
    try:
        async with Sessions(database).read() as session, session.begin():
            job = await job_summary(session, job_id, "default")
        found = Recorded(None if job is None else truthful(job))
        async with database.engine.connect() as connection:
            await _fill(connection, job_id, found)
        found.faults = await faults_in(database)
        return found
    finally:
        await database.close()


async def _fill(connection: AsyncConnection, job_id: str, found: Recorded) -> None:
    async def rows(query: Select[Any]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.execute(query)]

    jobs = await rows(select(Job.status, Job.total_domains, Job.error, Job.owner).where(Job.id == job_id))
    found.job_row = jobs[0] if jobs else ()
    scan = DomainScan
    found.scans = await rows(
        select(
            *(Domain.name, scan.status, scan.complete, scan.sitemaps, scan.sitemaps_failed, scan.urls),
            *(scan.added, scan.removed, scan.changed, scan.error_code, scan.error_message),
        )
        .join(Domain, Domain.id == scan.domain_id)
        .where(scan.job_id == job_id)
        .order_by(scan.id)
    )
    found.domains = await rows(
        select(Domain.name, Domain.last_status, Domain.sitemap_count, Domain.url_count).order_by(Domain.id)
    )
    file = SitemapFile
    for name, *row in await rows(
        select(
            *(Domain.name, file.url, file.status, file.url_count, file.error_code, file.discovery_method),
            *(file.sitemap_type, file.parent, file.digest, file.removed_at.is_(None)),
        )
        .join(Domain, Domain.id == file.domain_id)
        .order_by(Domain.id, file.url)
    ):
        found.files.setdefault(name, []).append(tuple(row))
    for name, *row in await rows(
        select(Domain.name, file.url, _U.url, _U.lastmod, _U.changefreq, _U.priority, _U.removed_scan_id)
        .join(file, file.id == _U.sitemap_file_id)
        .join(Domain, Domain.id == _U.domain_id)
        .order_by(Domain.id, file.url, _U.url)
    ):
        found.urls.setdefault(name, []).append(tuple(row))


async def _faults(connection: AsyncConnection, path: Path | None) -> list[str]:
    """What SQLite says of itself; on both, rows that hang on nothing."""
    faults = []
    if path is not None:
        for pragma in ("integrity_check", "foreign_key_check"):
            answer = [tuple(row) for row in await connection.exec_driver_sql(f"PRAGMA {pragma}")]
            faults += [f"{pragma}: {row}" for row in answer if row != ("ok",)]
    lost = {
        "a URL without its file, or under another domain": select(func.count())
        .select_from(SITEMAP_URLS)
        .outerjoin(
            SitemapFile,
            and_(SitemapFile.id == _U.sitemap_file_id, SitemapFile.domain_id == _U.domain_id),
        )
        .where(SitemapFile.id.is_(None)),
        "a URL first seen in no scan": select(func.count())
        .select_from(SITEMAP_URLS)
        .outerjoin(DomainScan, DomainScan.id == _U.first_scan_id)
        .where(DomainScan.id.is_(None)),
        "a file without its domain": select(func.count())
        .select_from(SitemapFile)
        .outerjoin(Domain, Domain.id == SitemapFile.domain_id)
        .where(Domain.id.is_(None)),
        "a scan without its job": select(func.count())
        .select_from(DomainScan)
        .outerjoin(Job, Job.id == func.coalesce(DomainScan.job_id, DomainScan.resumed_job_id))
        .where(Job.id.is_(None)),
    }
    for what, query in lost.items():
        if await connection.scalar(query):
            faults.append(what)
    return faults
