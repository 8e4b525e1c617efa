"""`db prune`: what it removes, what it never removes, and that every answer is the same afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_first
from invariants import faults_in
from recording import DOMAIN, Listing, page, record, start
from sqlalchemy import event, func, select, update

from contentmap_cli.commands.database import prune
from contentmap_cli.commands.database.prune import Tally
from contentmap_cli.errors import LeaseLost
from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.models.comparison import Comparison, Kind, ScanPoint
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.engine import Database, open_database, without_cascades
from contentmap_cli.storage.jobs.claims import Claim, fence
from contentmap_cli.storage.jobs.job_queries import job_summary, latest_job_id, list_jobs, recorded_scans
from contentmap_cli.storage.jobs.jobs import PRUNED, find_job, hold_job
from contentmap_cli.storage.maintenance.prune_plan import TABLES, Retention
from contentmap_cli.storage.partitions import partition
from contentmap_cli.storage.queue.queue import QUEUE_OWNER
from contentmap_cli.storage.reading.comparison import changes_between, history
from contentmap_cli.storage.reading.contents import find_domain
from contentmap_cli.storage.reading.entry_pages import EntryFilter
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import CHANGE_FEED, Base, DomainScan, Job
from tests.support.stored_entries import stored_entries

OTHER = "left.example"
DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
SCANS = 10

State = dict[str, dict[str, str]]  # file -> URL -> day
Told = dict[str, str]  # URL or file -> what became of it


def day(number: int) -> datetime:
    """The night on which the scan of this number ended."""
    return DAY_0 + timedelta(days=number)


async def ended(sessions: Sessions, number: int, status: JobStatus = JobStatus.COMPLETE) -> None:
    """All jobs that are not finished end on a night."""
    async with sessions.brief() as session, session.begin():
        await session.write(
            update(Job)
            .where(Job.finished_at.is_(None))
            .values(status=status, created_at=day(number), finished_at=day(number), owner=None)
        )


class Site:
    """A site whose files and pages come, go, change, move and come back; its states, kept the slow way."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.states: list[State] = []
        self.live: State = {}

    def step(self, number: int) -> tuple[Listing, bool]:
        """What it lists tonight, and whether tonight's scan is complete."""
        complete = self.dice.random() > 0.2
        names = {"main", *self.dice.sample(["a", "b", f"dated-{number // 2}"], 2)}
        today: State = {
            name: {
                f"p{spot}": f"2026-02-{self.dice.choice((1, 1, 1, number + 1)):02}"
                for spot in self.dice.sample(range(9), 4)
            }
            for name in sorted(names)
        }
        if complete:
            self.live = today
        else:
            self.live = {name: dict(urls) for name, urls in self.live.items()}
            for name, urls in today.items():
                self.live.setdefault(name, {}).update(urls)
        self.states.append(self.live)
        return {name: [page(url, at) for url, at in urls.items()] for name, urls in today.items()}, complete

    def told(self, before: int | None, after: int) -> Told:
        """What `diff` must say of two scans by their numbers."""
        old, new = {} if before is None else self.states[before], self.states[after]
        answer = dict.fromkeys(new.keys() - old.keys(), Kind.ADDED)
        answer |= dict.fromkeys(old.keys() - new.keys(), Kind.REMOVED)
        urls = {url for state in (old, new) for some in state.values() for url in some}
        for url in urls:
            was = {name: some[url] for name, some in old.items() if url in some}
            now = {name: some[url] for name, some in new.items() if url in some}
            if not was or not now:
                answer[url] = Kind.ADDED if now else Kind.REMOVED
            elif any(
                said != was[name] if name in was else said not in was.values() for name, said in now.items()
            ):
                answer[url] = Kind.CHANGED
        return {name: str(kind) for name, kind in answer.items()}


async def points_of(sessions: Sessions, domain: str = DOMAIN) -> tuple[int, list[ScanPoint]]:
    """A domain and its history."""
    async with sessions.read() as session, session.begin():
        domain_id = await find_domain(session, "default", domain)
        assert domain_id is not None
        return domain_id, await history(session, domain_id)


async def told(sessions: Sessions, before: ScanPoint | None, after: ScanPoint, domain: str = DOMAIN) -> Told:
    """What `diff` says of two scans."""
    domain_id, points = await points_of(sessions, domain)
    async with sessions.read() as session, session.begin():
        pair = Comparison(domain, before, after)
        found = [change async for change in changes_between(session, domain_id, points, pair)]
    return {
        change.url.removeprefix(f"https://{DOMAIN}/").removeprefix(f"https://{OTHER}/"): str(change.kind)
        for change in found
    }


async def entries_of(sessions: Sessions, *, removed: bool) -> set[tuple[str, str, Any, Any]]:
    """URLs with their file, when they were first seen and when they went."""
    domain_id, _ = await points_of(sessions)
    async with sessions.read() as session, session.begin():
        wanted = EntryFilter(removed=removed)
        return {
            (each.sitemap, each.entry.url, each.first_seen, each.removed_at)
            async for each in stored_entries(session, domain_id, wanted)
        }


async def counted(database: Database) -> dict[str, int]:
    """How many rows each table has; of jobs, those that are in sight, of the feed, those of a domain."""
    async with database.engine.connect() as connection:
        tables = {name: select(func.count()).select_from(Base.metadata.tables[name]) for name in TABLES}
        tables["jobs"] = tables["jobs"].where(Job.job_type != PRUNED)
        tables["change_feed"] = tables["change_feed"].where(CHANGE_FEED.c.domain_id.is_not(None))
        return {name: int(await connection.scalar(query) or 0) for name, query in tables.items()}


async def pruned(sessions: Sessions, before: datetime, *, unfinished: bool = False) -> Tally:
    """Prunes, and holds what it says to what a dry run says and to what is there afterwards."""
    rule, dry, tally = Retention("default", before, unfinished), Tally(), Tally()
    was = await counted(sessions.database)
    await prune._count(sessions, rule, dry)
    assert await counted(sessions.database) == was
    await prune._remove(sessions, rule, tally)
    now = await counted(sessions.database)
    assert {name: tally.rows[name] for name in TABLES} == {name: was[name] - now[name] for name in TABLES}
    assert (+dry.rows, dry.unfinished) == (+tally.rows, tally.unfinished)
    return tally


@pytest.mark.parametrize("seed", [1])
@sqlite_first
async def test_a_history_is_the_same_before_and_after(
    database: Database, sessions: Sessions, seed: int
) -> None:
    """Of all scans that stay, any two differ by what a slow model says; what is listed has its first day;
    of a site that nobody scans any more, the last two scans can be compared for ever."""
    without_cascades(database)
    site, other = Site(seed), Site(seed + 100)
    first_seen: set[Any] = set()
    for number in range(SCANS):
        listing, complete = site.step(number)
        await record(sessions, listing, complete=complete, counted=False)
        if number < 5:
            listing, complete = other.step(number)
            await record(sessions, listing, complete=complete, counted=False, domain=OTHER)
        await ended(sessions, number)
        if number not in (6, SCANS - 1):
            continue
        first_seen = await entries_of(sessions, removed=False)
        everything = await points_of(sessions)
        gone_before = number - 3  # nights that go, which is most of them
        tally = await pruned(sessions, day(gone_before))
        assert tally.rows["sitemap_urls"] > 0
        assert tally.rows["sitemap_url_changes"] > 0
        assert await entries_of(sessions, removed=False) == first_seen
        _, points = await points_of(sessions)
        kept = [point for point in points if point.comparable]
        assert kept == everything[1][-4:]
        numbers = {point.scan_id: number - 3 + rank for rank, point in enumerate(kept)}
        for before in kept:
            for after in kept:
                must = site.told(numbers[before.scan_id], numbers[after.scan_id])
                assert await told(sessions, before, after) == must
        since = await told(sessions, None, kept[0])
        assert since == site.told(numbers[kept[0].scan_id] - 1, numbers[kept[0].scan_id])
        removed = await entries_of(sessions, removed=True)
        assert all(gone is not None and gone >= kept[0].recorded_at for *_, gone in removed)
        _, left = await points_of(sessions, OTHER)
        kept = [point for point in left if point.comparable]
        assert len(kept) == 2
        assert await told(sessions, *kept, domain=OTHER) == other.told(3, 4)
        async with sessions.read() as session, session.begin():
            assert [job.job_id for job in await list_jobs(session, "default", limit=99)] != []
            domain_id = await find_domain(session, "default", DOMAIN)
            assert len(await recorded_scans(session, domain_id or 0, limit=60)) == 4
        assert await faults_in(database) == []
    again = await pruned(sessions, day(SCANS - 4))
    assert +again.rows == {}


async def stopped_after(sessions: Sessions, rule: Retention, commits: int) -> bool:
    """Prunes and is killed after so many transactions; False where it has come to its end before."""
    left = commits
    work: asyncio.Task[None]

    def count(_connection: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            asyncio.get_running_loop().call_soon(work.cancel)

    event.listen(sessions.database.engine.sync_engine, "commit", count)
    work = asyncio.create_task(prune._remove(sessions, rule, Tally()))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    event.remove(sessions.database.engine.sync_engine, "commit", count)
    return work.cancelled()


async def test_stopped_anywhere_nothing_is_wrong(
    database: Database, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each transaction it may end: what can be compared is right, and the next one goes on."""
    monkeypatch.setattr(prune, "ROWS", 3)
    without_cascades(database)
    site = Site(7)
    for number in range(8):
        listing, complete = site.step(number)
        await record(sessions, listing, complete=complete, counted=False)
        await ended(sessions, number)
    before = await counted(database)
    rule = Retention("default", day(4))
    commits = 1
    while await stopped_after(sessions, rule, commits):
        commits += 1
        _, points = await points_of(sessions)
        kept = [point for point in points if point.comparable]
        first = 8 - len(kept)
        assert first in (0, 4)
        assert await told(sessions, kept[0], kept[-1]) == site.told(first, 7)
        assert await told(sessions, None, kept[0]) == site.told(first - 1 if first else None, first)
    assert await faults_in(database) == []
    assert commits > 5
    now = await counted(database)
    assert now["jobs"] == 4
    assert all(now[name] < before[name] for name in ("sitemap_urls", "sitemap_url_changes"))
    assert +(await pruned(sessions, day(4))).rows == {}


async def test_what_may_still_be_finished_stays(sessions: Sessions) -> None:
    """Never what is run or waits for a worker; what `resume` would take up only if that is asked for; neither
    the latest job nor one of another tenant."""
    claims: list[Claim] = []
    for number in range(9):
        claims.append(await start(sessions, f"{number}.example"))
        await ended(sessions, 1)
    later = {"lease_until": utc_now(60)}
    dead = {"status": JobStatus.RUNNING, "owner": "a:b:1:c", "finished_at": None, "heartbeat_at": day(1)}
    scan_done = {"status": ScanStatus.OK, "token": None, "owner": None, "lease_until": None}
    jobs: Sequence[tuple[dict[str, Any], dict[str, Any]]] = (
        ({}, scan_done),  # pruned
        ({"status": JobStatus.FAILED}, scan_done | {"status": ScanStatus.FAILED}),  # pruned
        ({"status": JobStatus.PARTIAL}, scan_done | {"status": ScanStatus.DEFERRED}),  # unfinished
        (dead | {"lease_until": utc_now(-60)}, {"lease_until": utc_now(-60)}),  # unfinished
        (dead | {"lease_until": None}, later),  # a domain of it is being recorded
        (dead | later, {}),
        ({"status": JobStatus.PENDING, "owner": QUEUE_OWNER, "finished_at": None}, {"status": "pending"}),
        ({"tenant_id": "other"}, scan_done),
        ({"created_at": day(2)}, scan_done),  # the latest
    )
    async with sessions.brief() as session, session.begin():
        for claim, (job, scan) in zip(claims, jobs, strict=True):
            if job:
                await session.write(update(Job).where(Job.id == claim.job_id).values(**job))
            if scan:
                await session.write(update(DomainScan).where(DomainScan.id == claim.scan_id).values(**scan))

    async def left() -> list[int]:
        async with sessions.read() as session, session.begin():
            found = [
                await job_summary(session, claim.job_id, str(job.get("tenant_id", "default")))
                for claim, (job, _) in zip(claims, jobs, strict=True)
            ]
            assert await latest_job_id(session, "default") == claims[8].job_id
        return [number for number, job in enumerate(found) if job is not None]

    tally = await pruned(sessions, day(3))
    assert await left() == [2, 3, 4, 5, 6, 7, 8]
    assert (tally.rows["jobs"], tally.rows["domain_scans"], tally.unfinished) == (2, 2, 5)
    tally = await pruned(sessions, day(3), unfinished=True)
    assert await left() == [4, 5, 6, 7, 8]
    assert (tally.rows["jobs"], tally.unfinished) == (2, 3)
    async with sessions.brief() as session, session.begin():
        assert await find_job(session, claims[0].job_id, "default") is None
        assert not await hold_job(session, claims[2].job_id, "late")
        assert await find_job(session, claims[8].job_id, "default") is not None
        assert await session.scalar(select(func.count()).where(Job.job_type == PRUNED)) == 0


async def test_a_domain_that_is_scanned_is_left_alone(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan may have compared itself with what would go. One that slept past its lease has lost it."""
    for number in range(5):
        await record(sessions, {"s": [page(f"p{number}")]})
        await ended(sessions, number)
    live = await start(sessions)
    tally = await pruned_while_scanned(sessions, day(4))
    assert (tally.rows["jobs"], tally.rows["sitemap_urls"], tally.busy) == (4, 0, 1)
    late = update(DomainScan).where(DomainScan.id == live.scan_id).values(lease_until=utc_now(-1))
    hold = prune._hold

    async def hold_once(session: Any, found: Any, busy: set[int]) -> Any:
        held = await hold(session, found, busy)
        await session.write(late)  # the scan ends after the change feed was left alone
        return held

    with monkeypatch.context() as patched:
        patched.setattr(prune, "_hold", hold_once)
        tally = await pruned_while_scanned(sessions, day(4))
    assert (tally.rows["change_feed"], tally.rows["sitemap_urls"], tally.busy) == (0, 0, 1)
    tally = await pruned_while_scanned(sessions, day(4))
    assert (tally.rows["sitemap_urls"], tally.busy) == (2, 0)
    with pytest.raises(LeaseLost):
        async with sessions.brief() as session, session.begin():
            await fence(session, live)


async def test_what_a_scan_has_compared_itself_with_stays(sessions: Sessions) -> None:
    """A URL that comes back in a scan which has compared itself already is there afterwards."""
    for number in range(5):
        await record(sessions, {"s": [page("stays"), page(f"p{number}")]})
        await ended(sessions, number)

    async def prune_now(_claim: Claim) -> None:
        assert (await pruned_while_scanned(sessions, day(4))).busy == 1

    changes = await record(
        sessions, {"s": [page("stays"), page("p0"), page("p4")]}, ahead=True, between=prune_now
    )
    assert (changes.urls, changes.added, changes.removed) == (3, 1, 0)


async def pruned_while_scanned(sessions: Sessions, before: datetime) -> Tally:
    """Prunes without a look at what is left: a dry run counts what is being scanned too."""
    tally = Tally()
    await prune._remove(sessions, Retention("default", before), tally)
    return tally


async def test_each_statement_on_the_large_tables_names_a_domain(
    database: Database, sessions: Sessions
) -> None:
    """By the plans: on SQLite each begins with the domain, and on a server each opens one partition."""
    without_cascades(database)
    await record(sessions, {"s": [page("other")]}, domain=OTHER)
    if database.dialect == "postgresql":
        async with database.engine.begin() as connection:
            await connection.run_sync(partition, 5)
    site, sent = Site(5), []
    for number in range(5):
        listing, _ = site.step(number)
        await record(sessions, listing, counted=False)
        await ended(sessions, number)

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "sitemap_url" in statement:
            sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    tally = Tally()
    await prune._remove(sessions, Retention("default", day(4)), tally)
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    none = {"domain_scans", "page_runs", "pages"}
    assert all(tally.rows[name] for name in TABLES if name not in none), tally
    asked = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}[database.dialect]
    async with database.engine.connect() as connection:
        for statement, parameters in sent:
            rows = await connection.exec_driver_sql(f"{asked} {statement}", parameters)
            plan = "\n".join(str(row[-1]) for row in rows)
            assert not re.search(r"SCAN sitemap_url", plan), (statement, plan)
            partitions = set(re.findall(r"\bsitemap_urls_p\d+\b", plan))
            assert len(partitions) <= 1, (statement, plan)
        await connection.rollback()


@sqlite_first
async def test_a_server_spends_no_hours_on_files(
    database: Database, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no time for is left, said, and gone the next time; nothing else waits for it."""
    without_cascades(database)
    for number in range(6):
        await record(sessions, {"s": [page("a")], f"dated-{number}": [page("x")]})
        await ended(sessions, number)
    with monkeypatch.context() as patch:
        patch.setattr(prune, "FILES_SECONDS", 0.0)
        tally = Tally()
        await prune._remove(sessions, Retention("default", day(4)), tally)
    _, points = await points_of(sessions)
    assert await told(sessions, points[-2], points[-1]) == {"dated-4": "removed", "dated-5": "added"}
    server = database.dialect == "postgresql"
    assert (tally.rows["sitemap_urls"], tally.files_left) == (3, 3 if server else 0)
    assert (await pruned(sessions, day(4))).rows["sitemap_files"] == (3 if server else 0)
    assert (await counted(database))["sitemap_files"] == 4


async def scanned(address: str, pages: int) -> list[str]:
    """Six nights of a site of so many pages; the ids of its jobs."""
    database = open_database(address)
    sessions = Sessions(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade_schema)
    for number in range(6):
        listed = [page(f"p{each}", f"2026-02-0{number + 1}") for each in range(number, number + pages)]
        await record(sessions, {"s": listed, f"dated-{number}": [page("x")]})
        await ended(sessions, number)
    _, points = await points_of(sessions)
    await database.close()
    return [point.job_id for point in points]


@sqlite_first
def test_as_the_operator_types_it(contentmap: Any) -> None:
    """What it removes, by table; what is no longer there is said to be, with a hint."""
    jobs = asyncio.run(scanned(contentmap.database, 30))
    done = contentmap("db", "prune", "--older-than", "2026-01-04", "--json").json
    assert done["removed"] == {
        "jobs": 3,
        "domain_scans": 0,  # each of them first saw a URL that is still listed, or can be compared
        "sitemap_files": 2,
        "sitemap_file_changes": 4,
        "sitemap_urls": 4,
        "sitemap_url_changes": 58,
        "change_feed": 2,
        "page_runs": 0,
        "pages": 0,
    }
    gone = contentmap("diff", DOMAIN, "--from", jobs[1])
    assert (gone.code, "was pruned" in gone.err, f"jobs --domain {DOMAIN}`" in gone.err) == (
        6,
        True,
        True,
    )
    oldest = contentmap("diff", DOMAIN, "--to", jobs[3], "--json")
    assert (oldest.json["from"], oldest.json["added"], oldest.json["removed"]) == (None, 1, 1)
    assert (oldest.json["changed"], "the previous scan was pruned" in oldest.err) == (29, True)


def test_a_file_becomes_smaller_only_if_asked(contentmap: Any) -> None:
    """An SQLite file says what is free in it, and gives it back; a server has its autovacuum."""
    words = ("db", "prune", "--older-than", "2026-01-06")
    if contentmap.database.startswith("postgresql"):
        said = contentmap(*words, "--vacuum")
        assert (said.code, "autovacuum" in said.err) == (2, True)
        return
    asyncio.run(scanned(contentmap.database, 300))
    dry = contentmap(*words, "--dry-run").out.splitlines()
    said = contentmap(*words)
    assert (said.code, "sitemap_url_changes" in said.out, "shrink it with --vacuum" in said.err) == (
        0,
        True,
        True,
    )
    assert said.out.splitlines()[1:] == dry[1:]
    before = Path(contentmap.database.removeprefix("sqlite:///")).stat().st_size
    assert contentmap(*words, "--vacuum").code == 0
    assert Path(contentmap.database.removeprefix("sqlite:///")).stat().st_size < before
