"""`status` of a job of many domains: counted in the database, no more rows than a person reads."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from databases import sqlite_first
from sqlalchemy import update

from contentmap_cli.commands.status import NOT_CLEAN, SHOWN
from contentmap_cli.models import ErrorGroup, JobStatus, ScanStatus, Target
from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.job_queries import error_groups, job_summary
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import DomainScan, Job

DOMAINS = 420
SUMS = ("sitemaps", "urls", "added", "removed", "changed")
ERRORS = {ScanStatus.FAILED: ("timeout", "dns_error"), ScanStatus.PARTIAL: ("http_404",)}


def outcomes() -> list[dict[str, Any]]:
    """What each domain came to, in the order given."""
    dice = random.Random(4)
    found = []
    for number in range(DOMAINS):
        status = dice.choice([ScanStatus.OK, ScanStatus.EMPTY, ScanStatus.FAILED, ScanStatus.PARTIAL])
        files = dice.randrange(4) if status in (ScanStatus.OK, ScanStatus.PARTIAL) else 0
        code = dice.choice(ERRORS[status]) if status in ERRORS else None
        found.append(
            {
                "name": f"{number:04}.example",
                "status": status,
                "error_code": code,
                "error_message": code and "why",
                "sitemaps": files,
                "discovery_methods": {"robots": files, "index": 1} if files else {},
                "sitemap_types": {"urlset": files} if files else {},
                **{name: dice.randrange(100) for name in SUMS[1:]},
            }
        )
    return found


async def recorded(address: str, rows: list[dict[str, Any]]) -> str:
    """A finished job with these outcomes, and another job that is none of its business."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade_schema)
    sessions = Sessions(database)
    async with sessions.brief() as session, session.begin():
        other, job_id = jobs.new_job_id(), jobs.new_job_id()
        for each in (other, job_id):
            targets = [Target(row["name"], (f"https://{row['name']}",)) for row in rows]
            await jobs.create_job(session, each, "default", targets, {}, None)
        ended = update(Job).where(Job.id == job_id)
        await session.write(ended.values(status=JobStatus.PARTIAL, finished_at=Job.created_at))
        first = await session.scalar(
            DomainScan.__table__.select().where(DomainScan.job_id == job_id).order_by(DomainScan.id)
        )
        for number, row in enumerate(rows):
            values = {name: value for name, value in row.items() if name != "name"}
            await session.write(
                update(DomainScan).where(DomainScan.id == int(first or 0) + number).values(**values)
            )
    async with sessions.read() as session, session.begin():
        job = await job_summary(session, job_id, "default")
        groups = await error_groups(session, job_id, named=3)
    await database.close()
    assert job is not None
    assert {name: getattr(job, name) for name in SUMS} == {
        name: sum(row[name] for row in rows) for name in SUMS
    }
    assert +Counter(job.domains) == Counter(row["status"] for row in rows)
    for name in ("discovery_methods", "sitemap_types"):
        assert getattr(job, name) == dict(sum((Counter(row[name]) for row in rows), Counter()))
    by_code: dict[str, list[str]] = {}
    for row in rows:
        if row["error_code"]:
            by_code.setdefault(row["error_code"], []).append(row["name"])
    must = [ErrorGroup(code, len(names), tuple(names[:3])) for code, names in by_code.items()]
    assert groups == sorted(must, key=lambda group: (-group.domains, group.code))
    return job_id


@sqlite_first
def test_many_domains(contentmap: Any) -> None:
    """A table names the first that are not clean, says how many more there are, and counts all errors; JSON
    has all that are not clean."""
    rows = outcomes()
    job_id = asyncio.run(recorded(contentmap.database, rows))
    said = contentmap("status", job_id)
    lines, facts, errors = said.out.split("\n\n")
    unclean = [row["name"] for row in rows if row["status"] in NOT_CLEAN]
    assert sorted(line.split()[0] for line in lines.splitlines()[1:-1]) == sorted(unclean[:SHOWN])
    assert lines.splitlines()[-1].startswith(f"{DOMAINS - SHOWN} more domains")
    assert f"domains   {DOMAINS}" in facts
    assert sum(int(line.split()[1]) for line in errors.splitlines()[1:]) == len(unclean)
    failed = contentmap("status", job_id, "--failed", "--json").json
    assert [result["domain"] for result in failed["results"]] == unclean
    assert failed["domains"]["total"] == DOMAINS
