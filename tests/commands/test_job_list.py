"""The list of jobs: pages, statuses, and a number of statements that does not grow with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, update

from contentmap_cli.commands.database.lookups import jobs_as_they_stand
from contentmap_cli.models import JobStatus, ScanStatus, Target
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import DomainScan, Job

STATUSES = [JobStatus.COMPLETE, JobStatus.RUNNING, JobStatus.PENDING, JobStatus.FAILED, JobStatus.COMPLETE]
"""Of the recorded jobs, the oldest first. The run of the second one has ended; the third one is queued."""


@pytest.fixture
async def ids(sessions: Sessions) -> list[str]:
    """The ids of some jobs of two domains, the newest first; two of them were created at the same time."""
    now = datetime.now(UTC).replace(microsecond=0)
    found = []
    for number, status in enumerate(STATUSES):
        job_id = jobs.new_job_id()
        owner = QUEUE_OWNER if status is JobStatus.PENDING else None
        async with sessions.brief() as session, session.begin():
            targets = [Target(name, (f"https://{name}",)) for name in ("a.test", f"b{number % 2}.test")]
            await jobs.create_job(session, job_id, "default", targets, {}, owner)
            at = now - timedelta(hours=9 - max(number, 1))
            await session.write(update(Job).where(Job.id == job_id).values(status=status, created_at=at))
            done = update(DomainScan).where(DomainScan.job_id == job_id)
            await session.write(
                done.values(status=ScanStatus.OK, urls=number + 1, sitemap_types={"urlset": 2})
            )
        found.append((-at.timestamp(), job_id))
    return [job_id for _, job_id in sorted(found)]


async def test_pages_and_statuses(sessions: Sessions, ids: list[str]) -> None:
    """Each job is on one page, with its own sums; a status is the actual one."""
    async with sessions.read() as session, session.begin():
        everything = await jobs_as_they_stand(session, "default", limit=99)
        assert [job.job_id for job in everything] == ids
        assert sorted(job.urls for job in everything) == [2, 4, 6, 8, 10]
        assert [job.sitemap_types for job in everything] == [{"urlset": 4}] * 5
        listed, before = [], None
        while page := await jobs_as_they_stand(session, "default", limit=2, before=before):
            listed += page
            before = page[-1].created_at, page[-1].job_id
        assert listed == everything
        for statuses in (
            {JobStatus.COMPLETE},
            {JobStatus.INTERRUPTED},
            {JobStatus.PENDING, JobStatus.FAILED},
        ):
            found = await jobs_as_they_stand(session, "default", limit=2, statuses=statuses)
            assert found == [job for job in everything if job.status in statuses][:2]
            assert found or statuses == {JobStatus.PENDING}
        one = await jobs_as_they_stand(session, "default", limit=9, domain="b1.test")
        assert [(job.job_id, job.urls) for job in one] == [
            (job.job_id, job.urls) for job in everything if job.urls in (4, 8)
        ]


async def test_the_number_of_statements(sessions: Sessions, ids: list[str]) -> None:
    """It is the same for one queued job and for all jobs."""
    ran: list[str] = []
    event.listen(
        sessions.database.engine.sync_engine,
        "before_cursor_execute",
        lambda *arguments: ran.append(arguments[2]),
    )
    numbers = []
    for limit in (3, len(ids)):  # the third one is the queued one
        ran.clear()
        async with sessions.read() as session, session.begin():
            assert len(await jobs_as_they_stand(session, "default", limit=limit)) == limit
        numbers.append(len(ran))
    assert numbers == [4, 4]
