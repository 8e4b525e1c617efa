"""Whose data it is: the list of domains, the tenants, and the removal of a domain."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from databases import sqlite_first
from recording import ask_pages, claim_pages, page, record, start
from sqlalchemy import func, select, update
from web_sites import Page, good_site, serving

from contentmap_cli.commands.database.remove_domain import _remove
from contentmap_cli.commands.engine.run_id import new_run_id
from contentmap_cli.errors import JobHeld, NotFound
from contentmap_cli.models import Target
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.maintenance import removal
from contentmap_cli.storage.maintenance.integrity import integrity_problems
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import CHANGE_FEED, Base, Job

on_postgresql = pytest.mark.parametrize("address", ["postgresql"], indirect=True)
TABLES = [table for table in Base.metadata.sorted_tables if table.name != "jobs"]


async def counts(sessions: Sessions) -> dict[str, int]:
    """The number of rows of each table but the jobs, and but the removals in the change feed."""
    async with sessions.read() as session, session.begin():
        counted = {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES
        }
        removals = select(func.count()).where(CHANGE_FEED.c.kind == "removed")
        counted[CHANGE_FEED.name] -= await session.scalar(removals) or 0
        return counted


async def scan(sessions: Sessions, domain: str) -> None:
    """Three scans, so that there is history in every table but that of robots.txt."""
    for number in range(3):
        pages = [page(str(each), f"2026-01-0{number + 1}") for each in range(number, number + 7)]
        files = {"a.xml": pages} | ({"b.xml": pages[:2]} if number == 1 else {})
        await record(sessions, files, domain=domain)
    await ask_pages(sessions, await claim_pages(sessions, domain), *map(str, range(7)), finished=True)


async def test_all_rows_of_a_domain(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are removed in small transactions, and nothing of another domain is."""
    monkeypatch.setattr(removal, "ROWS", 3)
    await scan(sessions, "kept.test")
    before = await counts(sessions)
    await scan(sessions, "gone.test")
    between = await counts(sessions)
    removed, left = await _remove(sessions, "default", "gone.test")
    assert await counts(sessions) == before
    assert left == 0
    assert removed["jobs"] == 3
    for table, count in before.items():
        assert removed[table] == between[table] - count or table == "domains", table
    empty = {"robots_versions", "notifications"}
    assert all(count for table, count in before.items() if table not in empty)
    with pytest.raises(NotFound):
        await _remove(sessions, "default", "gone.test")


@pytest.mark.parametrize("also", ["gone.test", "other.test"])
async def test_a_removal_that_was_interrupted(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, also: str
) -> None:
    """From its first transaction on, the domain is not there; running it again removes the rest. The removal
    of another domain does so too, but counts its own rows only."""
    await scan(sessions, "gone.test")

    async def broken(*_: object) -> int:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(removal, "drop_rows", broken)
        with pytest.raises(OSError):
            await _remove(sessions, "default", "gone.test")
    assert (await counts(sessions))["sitemap_urls"]
    async with sessions.database.engine.begin() as connection:  # as `db check --deep` does
        assert [each async for each in integrity_problems(connection)] == []
    before = await counts(sessions)
    await record(sessions, {"a.xml": [page("new")]}, domain="gone.test")
    assert (await counts(sessions))["domains"] == 2
    with pytest.raises(NotFound):
        await _remove(sessions, "acme", "gone.test")
    if also == "other.test":
        await scan(sessions, also)
        also_removed = await _remove(sessions, "default", also)
        assert also_removed[0]["sitemap_urls"] == 11
    removed, _ = await _remove(sessions, "default", "gone.test")
    assert removed["sitemap_urls"] == (1 if also == "other.test" else before["sitemap_urls"] + 1)
    assert set((await counts(sessions)).values()) == {0}


async def test_a_domain_that_is_being_scanned(sessions: Sessions) -> None:
    """It is refused, and nothing is removed."""
    await scan(sessions, "busy.test")
    await start(sessions, "busy.test")
    before = await counts(sessions)
    with pytest.raises(JobHeld, match=r"busy\.test is being scanned"):
        await _remove(sessions, "default", "busy.test")
    assert await counts(sessions) == before
    await claim_pages(sessions, "asked.test")
    with pytest.raises(JobHeld, match=r"the pages of asked\.test"):
        await _remove(sessions, "default", "asked.test")


async def test_a_scan_whose_lease_has_passed(sessions: Sessions) -> None:
    """On SQLite it is being scanned while its process runs: a long transaction delays the heartbeat."""
    job_id, run_id = jobs.new_job_id(), new_run_id()
    async with sessions.brief() as session, session.begin():
        await jobs.create_job(session, job_id, "default", [Target("busy.test", ())], {}, run_id)
        await session.write(update(Job).values(lease_until=utc_now(-1)))
    if sessions.database.dialect == "sqlite":
        with pytest.raises(JobHeld, match=job_id):
            await _remove(sessions, "default", "busy.test")
    else:
        assert (await _remove(sessions, "default", "busy.test"))[0]["jobs"] == 1


@on_postgresql
async def test_two_removals_at_once(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has waited for the rows of the other, and deleted none, goes on with those that are left."""
    monkeypatch.setattr(removal, "ROWS", 3)
    await scan(sessions, "gone.test")
    table = Base.metadata.tables["sitemap_urls"]
    async with sessions.brief() as session, session.begin():
        (domain_id,) = await session.scalars(select(table.c.domain_id).distinct())

    async def drop() -> tuple[int, bool]:
        async with sessions.brief() as session, session.begin():
            return await removal.drop_rows(session, table, domain_id)

    async with sessions.brief() as session, session.begin():
        first = await removal.drop_rows(session, table, domain_id)
        second = asyncio.create_task(drop())
        assert not (await asyncio.wait([second], timeout=0.3))[0]
    assert (first, await second) == ((3, True), (0, True))
    assert [await drop() for _ in range(3)] == [(3, True), (3, True), (2, False)]


async def test_a_job_that_is_being_created(sessions: Sessions) -> None:
    """A removal waits for it, and is refused."""
    await scan(sessions, "busy.test")
    job_id = jobs.new_job_id()
    async with sessions.brief() as session, session.begin():
        await jobs.create_job(session, job_id, "default", [Target("busy.test", ())], {}, jobs.QUEUE_OWNER)
        removal_task = asyncio.create_task(_remove(sessions, "default", "busy.test"))
        assert not (await asyncio.wait([removal_task], timeout=0.3))[0]
    with pytest.raises(JobHeld, match=job_id):
        await removal_task


@on_postgresql
async def test_a_domain_that_is_removed_while_a_job_is_created(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job gets a new domain of that name, whatever was inserted or found before."""
    await scan(sessions, "gone.test")
    job_id = jobs.new_job_id()
    async with sessions.brief() as session, session.begin():
        execute: Callable[..., Awaitable[Any]] = session.execute
        removals = [partial(_remove, sessions, "default", "gone.test")]

        async def and_then_remove(statement: Any, *arguments: Any) -> Any:
            done = await execute(statement, *arguments)
            if statement.is_insert and removals:
                await removals.pop()()
            return done

        monkeypatch.setattr(session, "execute", and_then_remove)
        await jobs.create_job(session, job_id, "default", [Target("gone.test", ())], {}, jobs.QUEUE_OWNER)
    assert not removals
    async with sessions.read() as session, session.begin():
        assert await session.scalar(select(func.count()).select_from(Base.metadata.tables["domains"])) == 1


@sqlite_first
def test_the_commands(contentmap: Any) -> None:
    """The list with its filters and formats, the tenants, and a removal with and without --dry-run."""
    pages: dict[str, Page] = good_site("a.test") | good_site("b.test", 2) | {"c.test/robots.txt": 501}
    with serving(pages) as sites:
        reach = ("--connect-to", sites.connect_to, "--domain-time", "5")
        contentmap("scan", "http://a.test", "http://b.test", "http://c.test", *reach)
        contentmap("scan", "http://a.test", "--tenant", "acme", *reach)
    listed = contentmap("domains", "--format", "ndjson").lines
    assert [(row["domain"], row["urls"], row["outcome"]) for row in listed][:2] == [
        ("a.test", 3, "ok"),
        ("b.test", 2, "ok"),
    ]
    assert listed[2]["error"]["code"]
    assert [
        row["domain"] for row in contentmap("domains", "--outcome", "ok", "--limit", "1", "--json").json
    ] == ["a.test"]
    rows = list(
        csv.DictReader(io.StringIO(contentmap("domains", "list", "--match", "B*", "--format", "csv").out))
    )
    assert [(row["domain"], row["job_id"]) for row in rows] == [("b.test", listed[0]["job_id"])]
    assert "b.test" in contentmap("domains").out
    assert "at most 1 job;" in contentmap("jobs", "--limit", "1").err
    tenants = contentmap("tenants", "--json").json
    assert [(row["tenant"], row["domains"], row["jobs"], row["urls"]) for row in tenants] == [
        ("acme", 1, 1, 3),
        ("default", 3, 1, 5),
    ]
    assert "acme" in contentmap("tenants").out
    would = contentmap("domains", "remove", "a.test", "--dry-run", "--json").json
    said = contentmap("domains", "remove", "a.test", "--json").json
    assert said == would | {"dry_run": False}
    assert (said["removed"]["sitemap_urls"], said["removed"]["robots_versions"]) == (3, 1)
    assert [row["domain"] for row in contentmap("domains", "--json").json] == ["b.test", "c.test"]
    assert contentmap("status", "--json").json["domains"]["total"] == 2
    assert contentmap("urls", "a.test").code == contentmap("domains", "remove", "a.test").code == 6
    assert contentmap("urls", "a.test", "--tenant", "acme", "--format", "txt").out
