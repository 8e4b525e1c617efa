"""The queue and what the tables say: an entry for each domain scan that waits, and for no other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.queue_claims import QueueClaims
from contentmap_cli.models import JobStatus, ScanStatus, Target
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.queue.queue import (
    QUEUE_OWNER,
    drop_job_entries,
    drop_picked_entries,
    engine_on,
    enqueue_scans,
    entrypoint_of,
    repair_queue,
)
from contentmap_cli.storage.queue.queue_tables import ENTRIES
from contentmap_cli.storage.queue.queued_jobs import (
    close_if_done,
    give_back_scan,
    queued_scans,
    release_jobs,
    renew_queued_jobs,
    reopen_job,
    reopen_scans,
)
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import DomainScan, Job

pytestmark = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


async def queued(sessions: Sessions, *domains: str, priority: int = 1) -> str:
    """Queue a job and return its id."""
    job_id = jobs.new_job_id()
    async with sessions.brief() as session, session.begin():
        targets = [Target(domain, (f"http://{domain}",)) for domain in domains]
        await jobs.create_job(session, job_id, "default", targets, {}, None)
        await session.flush()
        await reopen_job(session, job_id, {})
        await enqueue_scans(session, job_id, "default", priority)
    return job_id


async def taken(sessions: Sessions, count: int = 1) -> dict[int, int]:
    """Take entries as the engine's runner does; return domain scans by entry."""
    from pgqueuer.ports.repository import EntrypointExecutionParameter
    from pgqueuer.types import QueueEntrypoint, QueueManagerId

    async with sessions.brief() as session, session.begin(), engine_on(session) as engine:
        entries = await engine.dequeue(
            batch_size=count,
            entrypoints={QueueEntrypoint(entrypoint_of("default")): EntrypointExecutionParameter(0)},
            queue_manager_id=QueueManagerId(uuid.uuid4()),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=60),
        )
    return {int(entry.id): int(entry.payload or b"0") for entry in entries}


async def come_to(sessions: Sessions, status: ScanStatus, scans: Collection[int]) -> None:
    """Give domain scans a status, as a worker's commit does."""
    async with sessions.brief() as session, session.begin():
        await session.write(update(DomainScan).where(DomainScan.id.in_(scans)).values(status=status))


async def in_queue(sessions: Sessions) -> list[tuple[int, str, int]]:
    """Return id, status and priority of all entries."""
    async with sessions.read() as session, session.begin():
        query = select(ENTRIES.c.id, ENTRIES.c.status, ENTRIES.c.priority).order_by(ENTRIES.c.id)
        return [tuple(row) for row in await session.execute(query)]


async def test_a_repair_keeps_the_priority_of_a_job(sessions: Sessions) -> None:
    """The tables of the engine were emptied: entries come back with the priority that was asked for, once."""
    job_id = await queued(sessions, "a.test", "b.test", priority=77)
    await queued(sessions, "c.test", priority=3)
    async with sessions.brief() as session, session.begin():
        await session.write(delete(ENTRIES))
    async with sessions.brief() as session, session.begin():
        assert await repair_queue(session, "default") == 3
        assert await repair_queue(session, "default") == 0
        assert await repair_queue(session, "other") == 0
        assert (await session.get_one(Job, job_id)).priority == 77
    assert [priority for _, _, priority in await in_queue(sessions)] == [77, 77, 3]


async def test_nothing_is_left_of_a_job_that_has_ended(sessions: Sessions) -> None:
    """Also where a worker was killed between its commit and the completion of its entry."""
    job_id = await queued(sessions, "a.test", "b.test")
    first, second = (await taken(sessions, 2)).values()
    await come_to(sessions, ScanStatus.OK, [first])
    async with sessions.brief() as session, session.begin():
        assert await close_if_done(session, job_id) is None
    await come_to(sessions, ScanStatus.OK, [second])
    async with sessions.brief() as session, session.begin():
        assert await close_if_done(session, job_id) is JobStatus.COMPLETE
        assert await close_if_done(session, job_id) is None
    assert await in_queue(sessions) == []


async def test_what_is_opened_again_before_its_entry_is_completed_waits(sessions: Sessions) -> None:
    """A failure is committed, and handed to the workers again before its worker completes the entry: the new
    entry is another one, which that does not delete."""
    job_id = await queued(sessions, "a.test", "b.test")
    ((old, scan),) = (await taken(sessions)).items()
    await come_to(sessions, ScanStatus.FAILED, [scan])
    async with sessions.brief() as session, session.begin():
        await reopen_scans(session, job_id, failures=True, gone=QUEUE_OWNER)
        await reopen_job(session, job_id, {})
        await drop_picked_entries(session, job_id)
        assert await enqueue_scans(session, job_id, "default", 1) == 1
    entries = await in_queue(sessions)
    assert [status for _, status, _ in entries] == ["queued", "queued"]
    assert old not in [entry for entry, _, _ in entries]
    assert scan in (await taken(sessions, 2)).values()


async def test_a_job_that_another_run_has_is_not_claimed(sessions: Sessions) -> None:
    """Its domain scans are not wanted from the queue, though they have no outcome."""
    job_id = await queued(sessions, "a.test")
    (scan,) = (await taken(sessions)).values()
    async with sessions.brief() as session, session.begin():
        found = await queued_scans(session, [scan, scan + 1])
        assert found.keys() == {scan}
        assert found[scan].wanted
        assert await jobs.hold_job(session, job_id, "me")
        found = await queued_scans(session, [scan])
        assert not found[scan].wanted
        await drop_job_entries(session, job_id)
    assert await in_queue(sessions) == []


async def test_a_domain_scan_that_is_given_out_twice_before_its_claim_is_claimed_once(
    sessions: Sessions,
) -> None:
    """`resume --queue` has replaced an entry that waits for its claim: the new one is tried again later."""
    await queued(sessions, "a.test")
    (scan,) = (await taken(sessions)).values()
    claims = QueueClaims(sessions, "default", "me", DatabaseRetry(1.0, "x"))
    async with asyncio.timeout(50):
        first, second = await asyncio.gather(claims.claim(scan), claims.claim(scan))
    assert first.claim is not None
    assert (second.claim, second.busy) == (None, True)


async def test_a_domain_scan_that_is_being_recorded_is_not_waited_for(sessions: Sessions) -> None:
    """Its row is locked by another transaction: it is not among those that can be claimed now."""
    await queued(sessions, "a.test", "b.test")
    first, second = (await taken(sessions, 2)).values()
    async with sessions.brief() as recording, recording.begin():
        await recording.write(update(DomainScan).where(DomainScan.id == first).values(token="t"))
        async with sessions.brief() as session, session.begin():
            assert (await queued_scans(session, [first, second])).keys() == {second}


async def test_a_job_runs_while_a_worker_has_some_of_it(sessions: Sessions) -> None:
    """The first claim makes it running; it is pending again when the last worker that has some of it ends."""
    job_id = await queued(sessions, "a.test")
    (scan,) = (await taken(sessions)).values()
    async with sessions.brief() as session, session.begin():
        await renew_queued_jobs(session, [scan])
        assert await jobs.holder(session, job_id) == (QUEUE_OWNER, True)
        claimed = {"status": ScanStatus.RUNNING, "token": "t", "lease_until": jobs.utc_now(60)}
        await session.write(update(DomainScan).where(DomainScan.id == scan).values(**claimed))
        await release_jobs(session, [job_id])
        assert await session.scalar(select(Job.status)) == JobStatus.RUNNING
        await give_back_scan(session, scan, "lost")
        assert await session.scalar(select(DomainScan.status)) == ScanStatus.RUNNING
        await give_back_scan(session, scan, "t")
        assert await session.scalar(select(DomainScan.status)) == ScanStatus.PENDING
        await release_jobs(session, [job_id])
        assert await session.scalar(select(Job.status)) == JobStatus.PENDING
