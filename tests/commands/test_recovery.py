"""A failure at every step of a domain's transactions: the Nth database call fails, for every N there is.

Real sites, real databases, the real owner. After each fault the same holds: every domain has exactly one
row, what is recorded as finished is all there and what failed left nothing, no neighbour is touched, and
nothing is left `running`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pytest
from asyncpg import ConnectionDoesNotExistError, DiskFullError
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError
from web_sites import Reply, Sites, broken_site, good_site, serving

from contentmap_cli.commands.engine.job.job_run import JobRun
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import CrawlOptions, parse_connect_to
from contentmap_cli.models import DomainSummary, JobStatus, ScanStatus, Target
from contentmap_cli.storage.engine import Database
from contentmap_cli.storage.guarded_session import _Refusing
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.claims import unfinished
from contentmap_cli.storage.jobs.job_queries import domain_results, job_summary
from contentmap_cli.storage.session import Role, Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain, DomainScan, SitemapFile

HOSTS = ("first.test", "victim.test", "third.test")
VICTIM = "victim.test"
MOST_CALLS = 60
CLOSED = "closed transaction"


class Kept(ProgressListener):
    """Keeps what a run says of its domains."""

    def __init__(self) -> None:
        self.summaries: dict[str, DomainSummary] = {}

    def finished(self, summary: DomainSummary) -> None:
        self.summaries[summary.domain] = summary


class Injected(Exception):
    """The fault."""


class HttpError:
    """Fails the Nth database call of the victim's work session: a statement, or the commit."""

    def __init__(self, database: Database, fail_at: int, role: Role = Role.WORK) -> None:
        self.fail_at = fail_at
        self.role = role
        self.calls = 0
        self.hit = False
        engine = database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)
        self._engine = engine

    def remove(self) -> None:
        """Lets calls through again."""
        event.remove(self._engine, "before_cursor_execute", self._statement)
        event.remove(self._engine, "commit", self._commit)

    def _statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            self._count(connection)

    def _commit(self, connection: Any) -> None:
        self._count(connection)

    def _count(self, connection: Any) -> None:
        reference = connection.info.get("contentmap_session")
        session: _Refusing | None = reference() if reference is not None else None
        if session is None or session.context.domain != VICTIM or session.context.role is not self.role:
            return
        if not session.in_transaction():
            return
        self.calls += 1
        if self.calls == self.fail_at:
            self.hit = True
            raise OperationalError("injected", None, Injected("the injected fault"))


@pytest.fixture
def three_sites() -> Iterator[Sites]:
    """Two healthy sites and, between them, one with a good, a failing and a truncated sitemap."""
    with serving(good_site("first.test") | broken_site(VICTIM) | good_site("third.test", 4)) as sites:
        yield sites


@asynccontextmanager
async def running(database: Database, sites: Sites) -> AsyncIterator[tuple[JobRun, Kept]]:
    """A job over the three sites, held and ready to run."""
    sessions = Sessions(database)
    targets = [Target(host, (f"http://{host}",)) for host in HOSTS]
    job_id = jobs.new_job_id()
    async with sessions.brief(job_id) as session, session.begin():
        await jobs.create_job(session, job_id, "default", targets, {}, "me")
        assert await jobs.hold_job(session, job_id, "me")
    options = CrawlOptions(connect_to=(parse_connect_to(sites.connect_to),), backoff=0.01, retries=0)
    kept = Kept()
    async with Crawler(options) as crawler:
        yield JobRun(sessions, crawler, job_id, "default", "me", listener=kept, concurrency=3), kept


@contextmanager
def no_closed_transaction(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The sentence this project exists to be rid of stands in no log line and no recorded error."""
    caplog.clear()
    yield
    for record in caplog.records:
        text = f"{record.getMessage()} {record.exc_info[1] if record.exc_info else ''}"
        assert CLOSED not in text


async def _check(run: JobRun, kept: Kept, *, victim_failed: bool) -> None:
    """The invariants that hold after every fault."""
    async with run.sessions.read() as session, session.begin():
        results = {row.domain: row async for row in domain_results(session, run.job_id, "default")}
        scans = await session.scalar(
            select(func.count()).select_from(DomainScan).where(DomainScan.job_id == run.job_id)
        )
        files = dict(
            (
                await session.execute(
                    select(Domain.name, func.count(SitemapFile.id))
                    .join(SitemapFile, SitemapFile.domain_id == Domain.id)
                    .group_by(Domain.name)
                )
            ).all()
        )
        urls = dict(
            (
                await session.execute(
                    select(Domain.name, func.count())
                    .join(SITEMAP_URLS, SITEMAP_URLS.c.domain_id == Domain.id)
                    .group_by(Domain.name)
                )
            ).all()
        )
    assert scans == len(HOSTS)
    assert (results["first.test"].status, urls["first.test"]) == (ScanStatus.OK, 3)
    assert (results["third.test"].status, urls["third.test"]) == (ScanStatus.OK, 4)
    victim = results[VICTIM]
    if victim_failed:
        assert victim.status is ScanStatus.FAILED
        assert victim.error is not None
        assert CLOSED not in victim.error.message
        assert (VICTIM in files, VICTIM in urls) == (False, False)
    else:
        assert (victim.status, files[VICTIM], urls[VICTIM]) == (ScanStatus.PARTIAL, 3, 4)
    assert kept.summaries[VICTIM].status is victim.status


async def test_the_nth_call_of_the_result_transaction_fails(
    address: str, database: Database, three_sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    """N = 1, 2, 3 … until a run passes: each time the victim's failure alone is recorded, in recovery."""
    caplog.set_level(logging.DEBUG, "contentmap")
    for fail_at in itertools.count(1):
        assert fail_at < MOST_CALLS, "the fault was never passed"
        async with database.engine.begin() as connection:
            for table in ("sitemap_urls", "sitemap_files", "domain_scans", "jobs", "domains"):
                await connection.exec_driver_sql(f"DELETE FROM {table}")
        fault = HttpError(database, fail_at)
        try:
            with no_closed_transaction(caplog):
                async with running(database, three_sites) as (run, kept):
                    await run.run(HOSTS)
                    status = await run.close()
        finally:
            fault.remove()
        await _check(run, kept, victim_failed=fault.hit)
        assert status is JobStatus.PARTIAL
        recovered = [
            record for record in caplog.records if record.__dict__.get("action") == "transaction.recovered"
        ]
        assert len(recovered) == int(fault.hit)
        if not fault.hit:
            break
    assert fail_at >= 6, "the fault was meant to meet every statement of the result transaction"


TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE INSERT ON sitemap_urls WHEN NEW.url LIKE '%victim%' "
        "BEGIN SELECT RAISE(ABORT, 'refused by a trigger'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'refused by a trigger'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON sitemap_urls FOR EACH ROW "
        "WHEN (NEW.url LIKE '%victim%') EXECUTE FUNCTION refuse()",
    ),
}


async def test_a_bulk_insert_the_database_refuses_leaves_nothing(
    database: Database, three_sites: Sites
) -> None:
    """Rows that the database itself turns away, in the middle of a COPY too, take only their domain along."""
    async with database.engine.begin() as connection:
        for statement in TRIGGERS[database.dialect]:
            await connection.exec_driver_sql(statement)
    async with running(database, three_sites) as (run, kept):
        await run.run(HOSTS)
        await run.close()
    await _check(run, kept, victim_failed=True)


async def test_a_recovery_that_fails_too_leaves_the_siblings_alone(
    database: Database, three_sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged as critical, the outcome says that it is not recorded, and resume takes it up again."""
    caplog.set_level(logging.DEBUG, "contentmap")
    faults = [HttpError(database, 1), HttpError(database, 1, Role.RECOVERY)]
    async with running(database, three_sites) as (run, kept):
        await run.run(HOSTS)
        for fault in faults:
            assert fault.hit
            fault.remove()
        assert kept.summaries[VICTIM].error is not None
        assert kept.summaries[VICTIM].error.message.startswith("not recorded: ")
        assert kept.summaries["first.test"].status is kept.summaries["third.test"].status is ScanStatus.OK
        assert any(record.levelno == logging.CRITICAL for record in caplog.records)
        assert await run.close() is JobStatus.INTERRUPTED
        async with run.sessions.read() as session, session.begin():
            todo = await unfinished(session, run.job_id)
    assert [target.domain for target, _ in todo] == [VICTIM]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    while not condition():  # noqa: ASYNC110 - another thread makes it so
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_stopped_run_finishes_recording_a_failure(
    database: Database, three_sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process has locked the file when the failure is to be recorded, and the run is stopped
    meanwhile: the failure is recorded as soon as the lock is free, the crawls are cancelled."""
    caplog.set_level(logging.DEBUG, "contentmap")
    three_sites.pages[f"{VICTIM}/robots.txt"] = 501  # nothing can be read, and it is not retried
    three_sites.pages["third.test/robots.txt"] = Reply(b"", wait=60)
    three_sites.gate.clear()

    def is_logged(action: str) -> bool:
        return any(
            record.__dict__.get("action") == action and record.__dict__.get("role") == Role.RECOVERY
            for record in caplog.records
        )

    async with running(database, three_sites) as (run, kept):
        running_task = asyncio.create_task(run.run([VICTIM, "third.test"]))
        async with asyncio.timeout(60):
            await until(lambda: len(three_sites.asked) == 2)
            with closing(sqlite3.connect(str(database.path), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                three_sites.gate.set()
                await until(lambda: is_logged("transaction.begun"))
                await asyncio.sleep(0.05)  # by now it waits for the lock
                run.stop("stopped by the test")
                await asyncio.sleep(0.05)
                other.execute("ROLLBACK")
            await running_task
        assert await run.close() is JobStatus.INTERRUPTED
        async with run.sessions.read() as session, session.begin():
            results = {row.domain: row async for row in domain_results(session, run.job_id, "default")}
    assert results[VICTIM].error is not None
    assert (results[VICTIM].status, results[VICTIM].error.code) == (ScanStatus.FAILED, "robots_unreachable")
    assert kept.summaries[VICTIM].status is ScanStatus.FAILED
    assert results["third.test"].status is ScanStatus.INTERRUPTED


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_recovery_that_waits_again_is_cancelled(database: Database, three_sites: Sites) -> None:
    """Its first session has lost its connection, the second one waits for its turn: nothing is written."""
    three_sites.pages[f"{VICTIM}/robots.txt"] = 501
    free, held = asyncio.Event(), asyncio.Event()
    lost: list[asyncio.Task[None]] = []

    async with running(database, three_sites) as (run, kept):

        async def hold_turn() -> None:
            async with run.sessions.brief():
                held.set()
                await free.wait()

        def lose_connection(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            session = connection.info["contentmap_session"]()
            if session.context.role is Role.RECOVERY and not lost:
                lost.append(asyncio.get_running_loop().create_task(hold_turn()))
                raise OperationalError("injected", None, ConnectionDoesNotExistError("closed"))

        engine = database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lose_connection)
        running_task = asyncio.create_task(run.run([VICTIM]))
        async with asyncio.timeout(60):
            await held.wait()
            await asyncio.sleep(0.05)  # by now it waits for its turn
            run.stop("stopped by the test")
            await running_task
        event.remove(engine, "before_cursor_execute", lose_connection)
        free.set()
        await lost[0]
        assert await run.close() is JobStatus.INTERRUPTED
        async with run.sessions.read() as session, session.begin():
            results = {row.domain: row.status async for row in domain_results(session, run.job_id, "default")}
    assert results[VICTIM] is ScanStatus.INTERRUPTED
    assert VICTIM not in kept.summaries


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_domain_that_is_interrupted_is_not_logged_as_failed(
    database: Database, three_sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost connection is no fault of the domain, which `resume` scans again: a warning."""
    engine = database.engine.sync_engine

    def lose_connection(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if connection.info["contentmap_session"]().context.role is Role.WORK:
            raise OperationalError("injected", None, ConnectionDoesNotExistError("closed"))

    async with running(database, three_sites) as (run, kept):
        event.listen(engine, "before_cursor_execute", lose_connection)
        await run.run([VICTIM])
        event.remove(engine, "before_cursor_execute", lose_connection)
    assert kept.summaries[VICTIM].status is ScanStatus.INTERRUPTED
    logged = {record.__dict__.get("action"): record.levelno for record in caplog.records}
    assert logged["domain.interrupted"] == max(logged.values()) == logging.WARNING


@contextmanager
def failing_claims(database: Database, times: int, error: Exception) -> Iterator[None]:
    """The first so many claims fail with that driver's error."""
    left = itertools.repeat(None, times)

    def fail(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE domain_scans") and "RETURNING" in statement:
            for _once in left:
                raise OperationalError("injected", None, error)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", fail)
    yield
    event.remove(engine, "before_cursor_execute", fail)


@pytest.mark.parametrize(
    "error", [Injected("the fault"), ConnectionDoesNotExistError("reset")], ids=["bug", "lost"]
)
async def test_a_claim_that_fails_is_tried_domain_by_domain(
    database: Database, three_sites: Sites, error: Exception
) -> None:
    """What spoiled the claim of a handful is not told of every domain in it."""
    async with running(database, three_sites) as (run, kept):
        with failing_claims(database, 1, error):
            await run.run(HOSTS)
        assert await run.close() is JobStatus.PARTIAL
    await _check(run, kept, victim_failed=False)


async def test_one_domain_that_cannot_be_claimed_is_told_alone(
    database: Database, three_sites: Sites
) -> None:
    """The others are scanned; it is left to `resume`, and what is said of it is what is recorded."""
    async with running(database, three_sites) as (run, kept):
        with failing_claims(database, 2, Injected("the fault")):
            await run.run(HOSTS)
        said = {domain: summary.status for domain, summary in kept.summaries.items()}
        assert said["first.test"] is ScanStatus.INTERRUPTED
        assert said["third.test"] is ScanStatus.OK
        assert await run.close() is JobStatus.INTERRUPTED
        async with run.sessions.read() as session, session.begin():
            todo = await unfinished(session, run.job_id)
    assert [target.domain for target, _ in todo] == ["first.test"]


async def test_claims_of_a_database_that_is_full_stop_the_intake(
    database: Database, three_sites: Sites
) -> None:
    """One domain is told of, none is asked for anything, and the run says why it ended."""
    async with running(database, three_sites) as (run, kept):
        with failing_claims(database, 9, DiskFullError("no space")):
            await run.run(HOSTS)
        assert run.broken is not None
        assert "is full" in run.broken.message
        assert (len(kept.summaries), three_sites.asked) == (1, [])
        assert await run.close() is JobStatus.INTERRUPTED


async def test_the_steps_of_a_failing_domain_are_logged_in_order(
    database: Database, three_sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    """Begun, first statement, rolled back; then the recovery session's own, to the commit."""
    caplog.set_level(logging.DEBUG, "contentmap")
    fault = HttpError(database, 3)
    async with running(database, three_sites) as (run, _):
        await run.run(HOSTS)
    fault.remove()
    steps = [
        (str(record.__dict__.get("role", "")), record.__dict__["action"])
        for record in caplog.records
        if record.__dict__.get("domain") == VICTIM
        and record.__dict__.get("action", "").startswith("transaction.")
        and record.__dict__.get("role") != "brief"
    ]
    assert steps == [
        ("work", "transaction.begun"),
        ("work", "transaction.first_statement"),
        ("work", "transaction.rolled_back"),
        ("recovery", "transaction.begun"),
        ("recovery", "transaction.first_statement"),
        ("recovery", "transaction.committed"),
        ("", "transaction.recovered"),
    ]


async def test_a_scan_undisturbed_is_what_a_resumed_one_comes_to(
    database: Database, three_sites: Sites
) -> None:
    """After a fault, resuming the failed domain reaches the rows of a run without one."""
    fault = HttpError(database, 4)
    async with running(database, three_sites) as (run, kept):
        await run.run(HOSTS)
        await run.close()
        fault.remove()
        async with run.sessions.brief() as session, session.begin():
            assert await jobs.hold_job(session, run.job_id, "me")
        run.failures_too = True
        await run.run([VICTIM])
        await run.close()
    await _check(run, kept, victim_failed=False)
    async with run.sessions.read() as session, session.begin():
        job = await job_summary(session, run.job_id, "default")
    assert job is not None
    assert (job.urls, job.status) == (11, JobStatus.PARTIAL)
