"""Claims and jobs: one owner at a time, on the database's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from recording import DOMAIN, start
from sqlalchemy import select, update

from contentmap_cli.errors import Code, Failure, LeaseLost
from contentmap_cli.models import DomainSummary, JobStatus, ScanStatus, Target
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs import claims, jobs
from contentmap_cli.storage.jobs.claims import Claim, claim_domains, fence, finish_domain, unfinished
from contentmap_cli.storage.jobs.job_queries import domain_results, job_summary, list_jobs
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Domain, DomainScan, Job

on_postgresql = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


async def new_job(sessions: Sessions, *domains: str, owner: str = "me", tenant: str = "default") -> str:
    """A job over these domains, held by `owner`."""
    job_id = jobs.new_job_id()
    targets = [Target(domain, (f"https://{domain}",), (), "/") for domain in domains]
    async with sessions.brief(job_id) as session, session.begin():
        await jobs.create_job(session, job_id, tenant, targets, {"concurrency": 3}, owner)
        assert await jobs.hold_job(session, job_id, owner)
    return job_id


async def take(sessions: Sessions, job_id: str, domain: str, owner: str = "me") -> Claim | Failure:
    """A claim in a transaction of its own, as a run takes it."""
    async with sessions.brief(job_id, domain) as session, session.begin():
        return (await claim_domains(session, job_id, "default", [domain], owner))[domain]


async def expire(sessions: Sessions, job_id: str) -> None:
    """Lets every lease of the job run out, as if its owner had been silent for long."""
    async with sessions.brief(job_id) as session, session.begin():
        past = utc_now(-1)
        await session.write(update(Job).where(Job.id == job_id).values(lease_until=past))
        await session.write(update(DomainScan).where(DomainScan.job_id == job_id).values(lease_until=past))


async def test_a_claim_is_given_once(sessions: Sessions) -> None:
    """Twenty who reach for one domain at once: one gets it."""
    job_id = await new_job(sessions, "a.example")
    got = await asyncio.gather(*(take(sessions, job_id, "a.example", f"owner-{n}") for n in range(20)))
    assert sum(isinstance(one, Claim) for one in got) == 1


async def test_two_jobs_do_not_scan_one_domain_at_once(sessions: Sessions) -> None:
    """The second job skips it and says which job has it."""
    first = await new_job(sessions, "a.example")
    second = await new_job(sessions, "a.example", owner="you")
    assert isinstance(await take(sessions, first, "a.example"), Claim)
    refused = await take(sessions, second, "a.example", "you")
    assert isinstance(refused, Failure)
    assert (refused.code, first in refused.message) == (Code.DOMAIN_BUSY, True)
    async with sessions.read() as session, session.begin():
        summary = await job_summary(session, second, "default")
        assert summary is not None
        assert summary.domains[ScanStatus.SKIPPED] == 1


async def test_who_lost_the_lease_cannot_record(sessions: Sessions) -> None:
    """A run that slept past its lease meets the fence, and the other's result stands."""
    job_id = await new_job(sessions, "a.example")
    sleeper = await take(sessions, job_id, "a.example")
    await expire(sessions, job_id)
    other = await take(sessions, job_id, "a.example", "other")
    assert isinstance(sleeper, Claim)
    assert isinstance(other, Claim)
    done = DomainSummary(job_id, "a.example", ScanStatus.OK, sitemaps=1, urls=5)
    async with sessions.brief(job_id) as session, session.begin():
        await fence(session, other)
        await finish_domain(session, other, done, complete=True)
    for status in (ScanStatus.OK, ScanStatus.FAILED):
        with pytest.raises(LeaseLost):
            async with sessions.recovery(job_id, "a.example") as session, session.begin():
                await fence(session, sleeper)
                late = DomainSummary(job_id, "a.example", status)
                await finish_domain(session, sleeper, late, complete=False)
    async with sessions.read() as session, session.begin():
        rows = [row async for row in domain_results(session, job_id, "default")]
    assert [(row.status, row.urls) for row in rows] == [(ScanStatus.OK, 5)]


async def test_the_fence_says_whether_the_domain_has_a_result(sessions: Sessions) -> None:
    """Also one that another job records at this moment: who waits for it finds it."""
    first, second = [await new_job(sessions, "a.example") for _ in range(2)]
    sleeper = await take(sessions, first, "a.example")
    await expire(sessions, first)
    other = await take(sessions, second, "a.example", "other")
    assert isinstance(sleeper, Claim)
    assert isinstance(other, Claim)

    async def ask(claim: Claim) -> bool:
        async with sessions.brief(claim.job_id) as session, session.begin():
            return await fence(session, claim)

    assert not await ask(other)
    async with sessions.brief(first) as session, session.begin():
        assert not await fence(session, sleeper)
        meanwhile = asyncio.create_task(ask(other))
        await asyncio.sleep(0.2)
        assert not meanwhile.done()
        await finish_domain(session, sleeper, DomainSummary(first, "a.example", ScanStatus.OK), complete=True)
    assert await meanwhile


async def test_a_live_job_is_held_by_one_run(sessions: Sessions) -> None:
    """Another run gets it only when the lease has run out; the heartbeat then tells the first."""
    job_id = await new_job(sessions, "a.example")
    async with sessions.brief() as session, session.begin():
        assert not await jobs.hold_job(session, job_id, "other")
        assert await jobs.renew_job(session, job_id, "me")
    await expire(sessions, job_id)
    async with sessions.brief() as session, session.begin():
        assert await jobs.hold_job(session, job_id, "other")
        assert not await jobs.renew_job(session, job_id, "me")


async def test_a_run_that_died_is_told_from_one_that_lives(sessions: Sessions) -> None:
    """Status derives it from the lease; what it held can be taken again."""
    job_id = await new_job(sessions, "a.example", "b.example")
    await take(sessions, job_id, "a.example")
    async with sessions.read() as session, session.begin():
        alive = await job_summary(session, job_id, "default")
    await expire(sessions, job_id)
    async with sessions.read() as session, session.begin():
        dead = await job_summary(session, job_id, "default")
        todo = await unfinished(session, job_id)
    assert alive is not None
    assert dead is not None
    assert (alive.status, alive.alive) == (JobStatus.RUNNING, True)
    assert (dead.status, dead.alive) == (JobStatus.INTERRUPTED, False)
    assert dead.error is not None
    assert dead.error.startswith("died, last heartbeat ")
    assert [target.domain for target, _ in todo] == ["a.example", "b.example"]


async def test_an_interrupted_run_gives_back_what_it_holds(sessions: Sessions) -> None:
    """Its running domains become interrupted; finished ones stay, pending ones stay pending."""
    job_id = await new_job(sessions, "a.example", "b.example", "c.example")
    first = await take(sessions, job_id, "a.example")
    await take(sessions, job_id, "b.example")
    assert isinstance(first, Claim)
    async with sessions.brief() as session, session.begin():
        await fence(session, first)
        await finish_domain(session, first, DomainSummary(job_id, "a.example", ScanStatus.OK), complete=True)
        await jobs.interrupt(session, job_id, "me", "stopped by SIGINT")
    async with sessions.read() as session, session.begin():
        states = {row.domain: row.status async for row in domain_results(session, job_id, "default")}
    assert states == {
        "a.example": ScanStatus.OK,
        "b.example": ScanStatus.INTERRUPTED,
        "c.example": ScanStatus.PENDING,
    }


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_domain_that_is_being_recorded_holds_up_no_heartbeat(sessions: Sessions) -> None:
    """The leases of a run's other domains are renewed beside it; SQLite has one writer anyway."""
    job_id = await new_job(sessions, "a.example", "b.example")
    first = await take(sessions, job_id, "a.example")
    await take(sessions, job_id, "b.example")
    assert isinstance(first, Claim)
    await expire(sessions, job_id)
    async with sessions.work(job_id, "a.example") as session, session.begin():
        await session.turn()
        await fence(session, first)
        async with asyncio.timeout(50), sessions.urgent(job_id) as heart, heart.begin():
            await jobs.renew_scans(heart, job_id, "me")
            renewed = select(DomainScan.id).where(DomainScan.lease_until > utc_now())
            assert len((await heart.scalars(renewed)).all()) == 1


async def test_targets_come_back_as_they_were_given(sessions: Sessions) -> None:
    """What resume scans is what scan was told, sitemap URLs and folders too, in order."""
    targets = [
        Target("b.example", ("https://b.example",), ("https://b.example/s.xml",), "/shop/", ("/x/",)),
        Target("a.example", ("http://a.example", "https://a.example")),
    ]
    job_id = jobs.new_job_id()
    async with sessions.brief() as session, session.begin():
        await jobs.create_job(session, job_id, "default", targets, {}, None)
        assert [target for target, _ in await unfinished(session, job_id)] == targets


@on_postgresql
async def test_a_job_over_a_domain_that_is_being_recorded_is_made_at_once(sessions: Sessions) -> None:
    """A domain's row is locked while it is recorded, its key is not: who refers to it need not wait."""
    taken = await start(sessions)
    async with sessions.work(taken.job_id, DOMAIN) as session, session.begin():
        await session.turn()
        await fence(session, taken)
        async with asyncio.timeout(50), sessions.brief() as other, other.begin():
            await jobs.create_job(other, "sitemap_other", "default", [Target(DOMAIN, ())], {}, "you")


@on_postgresql
@pytest.mark.parametrize("lapsed", [False, True])
async def test_a_domain_that_is_being_recorded_holds_up_no_claim(sessions: Sessions, lapsed: bool) -> None:
    """Another job skips it at once and claims its other domains, also where the recording takes longer than
    the lease: no heartbeat renews the lease of a domain scan that is locked."""
    job_id = jobs.new_job_id()
    targets = [Target(DOMAIN, ()), Target("free.example", ())]
    async with sessions.brief() as session, session.begin():
        await jobs.create_job(session, job_id, "default", targets, {}, "you")
    taken = await start(sessions)
    if lapsed:
        await expire(sessions, taken.job_id)
    async with sessions.work(taken.job_id, DOMAIN) as session, session.begin():
        await session.turn()
        await fence(session, taken)
        async with asyncio.timeout(50), sessions.brief(job_id) as other, other.begin():
            names = [target.domain for target in targets]
            busy, free = (await claim_domains(other, job_id, "default", names, "you")).values()
    assert isinstance(busy, Failure)
    assert (busy.code, busy.message) == (Code.DOMAIN_BUSY, f"being scanned by {taken.job_id}")
    assert isinstance(free, Claim)


@on_postgresql
async def test_a_domain_scan_of_this_job_that_is_being_recorded_is_not_claimed(sessions: Sessions) -> None:
    """Its outcome is left to the run that records it, also after its lease."""
    taken = await start(sessions)
    await expire(sessions, taken.job_id)
    async with sessions.work(taken.job_id, DOMAIN) as session, session.begin():
        await session.turn()
        await fence(session, taken)
        async with asyncio.timeout(50):
            refused = await take(sessions, taken.job_id, DOMAIN, "you")
        await finish_domain(session, taken, DomainSummary(taken.job_id, DOMAIN, ScanStatus.OK), complete=True)
    assert isinstance(refused, Failure)
    assert refused.code == Code.LEASE_LOST


@on_postgresql
async def test_a_domain_that_is_locked_holds_up_no_claim(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short lock is waited for; a domain that stays locked is skipped, and the others are claimed."""
    job_id = await new_job(sessions, "a.example", "b.example")
    row = select(Domain.id).where(Domain.name == "a.example").with_for_update()
    async with sessions.brief() as session, session.begin():
        await session.execute(row)
        claiming = asyncio.create_task(take(sessions, job_id, "a.example"))
        await asyncio.sleep(0.3)
        assert not claiming.done()
    assert isinstance(await claiming, Claim)
    monkeypatch.setattr(claims, "LOCK_SECONDS", 0.3)
    second = await new_job(sessions, "c.example", "d.example")
    async with sessions.brief() as session, session.begin():
        await session.execute(select(Domain.id).where(Domain.name == "c.example").with_for_update())
        async with asyncio.timeout(50), sessions.brief(second) as other, other.begin():
            names = ["c.example", "d.example"]
            busy, free = (await claim_domains(other, second, "default", names, "me")).values()
    assert isinstance(busy, Failure)
    assert (busy.code, isinstance(free, Claim)) == (Code.DOMAIN_BUSY, True)


async def test_no_query_crosses_tenants(sessions: Sessions) -> None:
    """The same domain of two tenants is two domains, and neither sees the other's jobs."""
    mine = await new_job(sessions, "a.example")
    theirs = await new_job(sessions, "a.example", tenant="acme")
    async with sessions.read() as session, session.begin():
        assert [job.job_id for job in await list_jobs(session, "default", limit=9)] == [mine]
        assert [job.job_id for job in await list_jobs(session, "acme", limit=9)] == [theirs]
        assert await job_summary(session, theirs, "default") is None
        assert [row async for row in domain_results(session, theirs, "default")] == []
        assert len(set((await session.scalars(select(DomainScan.domain_id))).all())) == 2


@pytest.mark.parametrize(
    ("domains", "status"),
    [
        ({ScanStatus.OK: 3, ScanStatus.EMPTY: 1}, JobStatus.COMPLETE),
        ({ScanStatus.OK: 3, ScanStatus.FAILED: 1}, JobStatus.PARTIAL),
        ({ScanStatus.FAILED: 2}, JobStatus.FAILED),
        ({ScanStatus.OK: 1, ScanStatus.PENDING: 1}, JobStatus.INTERRUPTED),
        ({ScanStatus.DEFERRED: 1, ScanStatus.OK: 1}, JobStatus.PARTIAL),
    ],
)
def test_a_job_is_what_its_domains_came_to(domains: dict[ScanStatus, int], status: JobStatus) -> None:
    """Only clean outcomes make a job complete, only failures make it failed."""
    assert jobs.judge_job(domains) is status


async def test_a_domain_that_is_not_part_of_the_job(sessions: Sessions) -> None:
    """Who claims one has a bug, and is told so; the others are claimed."""
    job_id = await new_job(sessions, "a.example")
    refused = await take(sessions, job_id, "b.example")
    assert isinstance(refused, Failure)
    assert (refused.code, "b.example is not part of" in refused.message) == (Code.INTERNAL_ERROR, True)
    assert isinstance(await take(sessions, job_id, "a.example"), Claim)


async def test_the_jobs_of_a_domain_and_of_a_time(sessions: Sessions) -> None:
    """Each condition leaves out what does not meet it."""
    first = await new_job(sessions, "a.example", "b.example")
    second = await new_job(sessions, "b.example", owner="you")
    await take(sessions, first, "a.example")
    now = datetime.now(UTC)
    async with sessions.read() as session, session.begin():
        found = {job.job_id for job in await list_jobs(session, "default", limit=9, domain="b.example")}
        assert found == {first, second}
        assert len(await list_jobs(session, "default", limit=9, domain="a.example")) == 1
        for days, jobs_since in ((-1, 2), (1, 0)):
            since = now + timedelta(days=days)
            assert len(await list_jobs(session, "default", limit=9, since=since)) == jobs_since
        running = domain_results(session, first, "default", statuses=[ScanStatus.RUNNING])
        assert [each.domain async for each in running] == ["a.example"]
