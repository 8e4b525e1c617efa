"""A queued job as its workers see it."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from contentmap_cli.models import JobStatus, ScanStatus, Target
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.job_queries import job_summary
from contentmap_cli.storage.queue.queue import QUEUE_OWNER
from contentmap_cli.storage.queue.queue_state import with_queue
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import DomainScan, Job


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("alive", "status"), [(True, JobStatus.PENDING), (False, JobStatus.INTERRUPTED)], ids=["alive", "none"]
)
async def test_a_job_that_nobody_is_at_work_on(sessions: Sessions, alive: bool, status: JobStatus) -> None:
    """Its workers are gone; where there are others it waits for them, as one that was never begun."""
    job_id = jobs.new_job_id()
    async with sessions.brief(job_id) as session, session.begin():
        await jobs.create_job(session, job_id, "default", [Target("a.test", ("http://a.test",))], {}, None)
        await session.flush()
        job = await session.get(Job, job_id)
        assert job is not None
        job.owner, job.status, job.lease_until = QUEUE_OWNER, JobStatus.RUNNING, utc_now(-60)
        await jobs.create_job(
            session,
            other := jobs.new_job_id(),
            "default",
            [Target("b.test", ("http://b.test",))],
            {},
            QUEUE_OWNER,
        )
        held = {"status": ScanStatus.RUNNING, "owner": "elsewhere:1:x", "lease_until": utc_now(60)}
        await session.write(update(DomainScan).where(DomainScan.job_id == other).values(**held))
    async with sessions.read() as session, session.begin():
        found = await job_summary(session, job_id, "default")
        assert found is not None
        assert found.status is JobStatus.INTERRUPTED
        [seen] = await with_queue(session, [found], lambda owner: not alive)
    assert (seen.status, seen.workers) == (status, int(alive))
    assert seen.error == (None if alive else "no worker is running; last heartbeat never")
