"""The queue beside what the tables say: an entry for each domain scan that waits, and for no other."""

from __future__ import annotations

import uuid
from collections.abc import Collection

import pytest
from sqlalchemy import delete, select, update

from contentmap_cli.models import JobStatus, ScanStatus, Target
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.queue.queue import (
    QUEUE_OWNER,
    anything_left,
    enqueue_scans,
    repair_queue,
    settle_entries,
    take_entries,
)
from contentmap_cli.storage.queue.queue_tables import ENTRIES, LOG
from contentmap_cli.storage.queue.workers import (
    close_if_done,
    hold_jobs,
    open_jobs,
    register_worker,
    reopen_job,
    reopen_scans,
)
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import DomainScan

pytestmark = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


async def queued(sessions: Sessions, *domains: str, priority: int = 1) -> str:
    """A job that is handed to the workers; its id."""
    job_id = jobs.new_job_id()
    async with sessions.brief() as session, session.begin():
        targets = [Target(domain, (f"http://{domain}",)) for domain in domains]
        await jobs.create_job(session, job_id, "default", targets, {}, None)
        await session.flush()
        await reopen_job(session, job_id, {})
        await enqueue_scans(session, job_id, "default", priority)
    return job_id


async def taken(sessions: Sessions, job_id: str, worker: uuid.UUID) -> tuple[int, int]:
    """The entry and the domain scan that a new worker is given."""
    async with sessions.brief() as session, session.begin():
        await register_worker(session, worker, "default", f"elsewhere:1:{worker}", 1)
        ((entry, scan),) = (await take_entries(session, "default", worker, 1)).items()
        await open_jobs(session, [job_id])
    return entry, scan


async def come_to(sessions: Sessions, status: ScanStatus, scans: Collection[int]) -> None:
    """What a worker commits of domain scans."""
    async with sessions.brief() as session, session.begin():
        await session.write(update(DomainScan).where(DomainScan.id.in_(scans)).values(status=status))


async def settled(sessions: Sessions, job_id: str, worker: uuid.UUID, entry: int) -> JobStatus | None:
    """What a worker says of it afterwards, and what became of the job."""
    async with sessions.brief() as session, session.begin():
        await hold_jobs(session, [job_id])
        await settle_entries(session, worker, [entry])
    async with sessions.brief() as session, session.begin():
        return await close_if_done(session, job_id)


async def in_queue(sessions: Sessions) -> list[tuple[int, str]]:
    async with sessions.read() as session, session.begin():
        query = select(ENTRIES.c.id, ENTRIES.c.status).order_by(ENTRIES.c.id)
        return [tuple(row) for row in await session.execute(query)]


async def test_nothing_is_left_of_a_job_that_has_ended(sessions: Sessions) -> None:
    """Also where a worker was killed, or sleeps, between its commit and its word to the queue: another closes
    the job, and there may be none to come who would clear up."""
    job_id = await queued(sessions, "a.test", "b.test")
    dead, alive = uuid.uuid4(), uuid.uuid4()
    _, first = await taken(sessions, job_id, dead)
    entry, second = await taken(sessions, job_id, alive)
    await come_to(sessions, ScanStatus.OK, [first, second])
    assert await settled(sessions, job_id, alive, entry) is JobStatus.COMPLETE
    assert await in_queue(sessions) == []
    async with sessions.read() as session, session.begin():
        assert list(await session.scalars(select(LOG.c.id))) == []


async def test_what_is_opened_again_before_it_was_settled_waits(sessions: Sessions) -> None:
    """A failure is committed, and handed to the workers again before its worker has told the queue: no second
    entry is made for it, so the first must stay."""
    job_id = await queued(sessions, "a.test", "b.test")
    slow, next_one = uuid.uuid4(), uuid.uuid4()
    entry, scan = await taken(sessions, job_id, slow)
    await come_to(sessions, ScanStatus.FAILED, [scan])
    async with sessions.brief() as session, session.begin():
        await reopen_scans(session, job_id, failures=True, gone=QUEUE_OWNER)
        await reopen_job(session, job_id, {})
        await enqueue_scans(session, job_id, "default", 1)
    assert await settled(sessions, job_id, slow, entry) is None
    assert (await taken(sessions, job_id, next_one))[1] == scan


async def test_what_another_run_has_is_no_business_of_the_queue(sessions: Sessions) -> None:
    """An entry of a job that `resume` does in its own process goes, though its domain scan has no outcome."""
    job_id = await queued(sessions, "a.test")
    worker = uuid.uuid4()
    entry, _ = await taken(sessions, job_id, worker)
    async with sessions.brief() as session, session.begin():
        assert await jobs.interrupt(session, job_id, QUEUE_OWNER, "died") is None
        assert await jobs.hold_job(session, job_id, "me")
    assert await settled(sessions, job_id, worker, entry) is None
    assert await in_queue(sessions) == []


async def test_what_a_worker_was_given_and_never_heard_of_is_left(sessions: Sessions) -> None:
    """The connection broke as its taking was committed: one that empties the queue waits until it is given
    out again. In the eyes of others it is at work on it."""
    job_id = await queued(sessions, "a.test")
    worker = uuid.uuid4()
    await taken(sessions, job_id, worker)
    async with sessions.read() as session, session.begin():
        assert await anything_left(session, "default", worker)
        assert not await anything_left(session, "default", uuid.uuid4())


async def test_a_repair_keeps_the_priority_of_a_job(sessions: Sessions) -> None:
    """The tables of the engine were emptied: entries come back with the priority that was asked for, once."""
    await queued(sessions, "a.test", "b.test", priority=77)
    await queued(sessions, "c.test", priority=3)
    async with sessions.brief() as session, session.begin():
        await session.write(delete(ENTRIES))
    async with sessions.brief() as session, session.begin():
        assert await repair_queue(session, "default") == 3
        assert await repair_queue(session, "default") == 0
        assert await repair_queue(session, "other") == 0
        entries = await session.scalars(select(ENTRIES.c.priority).order_by(ENTRIES.c.id))
        assert list(entries) == [77, 77, 3]
