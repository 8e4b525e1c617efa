"""Who sleeps in the middle of a transaction on a server, and who takes over from it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, select

from contentmap_cli.models import JobStatus, Target
from contentmap_cli.storage.database_url import SERVER
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.jobs.jobs import create_job, new_job_id
from contentmap_cli.storage.jobs.stale_sessions import end_sessions, session_name
from contentmap_cli.storage.queue.workers import reap_workers, register_worker, renew_worker, reopen_job
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Job

OWNER = "a-host:47c56035:2291:c2ab07a1"
WORKER = uuid.UUID(int=7)

pytestmark = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


@asynccontextmanager
async def idle(connection: Any) -> AsyncIterator[None]:
    """Nothing more is said."""
    yield


@asynccontextmanager
async def in_a_statement(connection: Any) -> AsyncIterator[None]:
    """Between making a statement ready and running it: to the server it is at work."""
    await connection.prepare("SELECT 2")
    yield


@asynccontextmanager
async def in_a_copy(connection: Any) -> AsyncIterator[None]:
    """In the middle of sending rows."""
    begun, woken = asyncio.Event(), asyncio.Event()

    async def rows() -> AsyncIterator[tuple[int]]:
        begun.set()
        await woken.wait()
        yield (1,)

    await connection.execute("CREATE TEMPORARY TABLE rows (number int)")
    copying = asyncio.create_task(connection.copy_records_to_table("rows", records=rows()))
    await begun.wait()
    yield
    woken.set()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await copying


Way = Callable[[Any], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def asleep(address: str, name: str, statement: str, how: Way = idle) -> AsyncIterator[Any]:
    """A session of that name, in the middle of a transaction in which it has run `statement`."""
    connection = await asyncpg.connect(address, server_settings={"application_name": name})
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        async with how(connection):
            yield connection
    finally:
        connection.terminate()


async def register(sessions: Sessions, *, late: bool) -> None:
    """A worker's row, whose lease may have run out."""
    async with sessions.brief() as session, session.begin():
        await register_worker(session, WORKER, "default", OWNER, 1)
    if late:
        async with sessions.database.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE workers SET lease_until = now() - interval '1 second'")


async def bury(sessions: Sessions, own: str = "another") -> list[str]:
    """Whom a worker of this name buries that looks around."""
    async with sessions.brief() as session, session.begin():
        return list(await reap_workers(session, "default", lambda owner: False, own=own))


@pytest.mark.parametrize("how", [idle, in_a_statement, in_a_copy])
async def test_a_worker_that_fell_asleep_in_its_heartbeat(sessions: Sessions, address: str, how: Way) -> None:
    """It has its own row locked, and is buried all the same."""
    await register(sessions, late=True)
    beat = "UPDATE workers SET heartbeat_at = now()"
    async with asleep(address, session_name(OWNER), beat, how):
        assert await bury(sessions) == [OWNER]


async def test_a_worker_that_is_late_in_nothing(sessions: Sessions, address: str) -> None:
    """Its sessions are its own."""
    await register(sessions, late=False)
    async with asleep(address, session_name(OWNER), "SELECT 1") as connection:
        assert await bury(sessions) == []
        assert await connection.fetchval("SELECT 3") == 3


async def test_a_worker_that_has_slept_and_is_alone(sessions: Sessions, address: str) -> None:
    """Awake again, it looks around before its heart beats: it takes nothing over from itself."""
    await register(sessions, late=True)
    async with asleep(address, session_name(OWNER), "SELECT 1") as connection:
        assert await bury(sessions, own=OWNER) == []
        assert await connection.fetchval("SELECT 3") == 3


async def test_a_heartbeat_waits_for_no_job(sessions: Sessions, address: str) -> None:
    """Somebody has the row of the job: a worker that waited for it would be late, and pass for a sleeper."""
    job_id = new_job_id()
    async with sessions.brief() as session, session.begin():
        await create_job(session, job_id, "default", [Target("a.test", ("http://a.test",))], {}, None)
        await session.flush()
        await reopen_job(session, job_id, {})
    await register(sessions, late=False)

    async def beat() -> bool:
        async with asyncio.timeout(20), sessions.urgent(OWNER) as session, session.begin():
            return await renew_worker(session, WORKER, OWNER, jobs=[job_id], scans=[], entries=[], finished=0)

    async with asleep(address, "psql", "SELECT id FROM jobs FOR SHARE"):
        assert await beat()
    assert await beat()
    async with sessions.read() as session, session.begin():
        assert await session.scalar(select(Job.status)) == JobStatus.RUNNING


async def test_others_sessions_are_left_alone(sessions: Sessions, address: str) -> None:
    """Those of other runs and other programs, and its own that are in no transaction."""
    async with (
        asleep(address, session_name(OWNER.replace("2291", "2292")), "SELECT 1") as another,
        asleep(address, "psql", "SELECT 1") as program,
        asleep(address, session_name(OWNER), "COMMIT") as awake,
    ):
        async with sessions.brief() as session, session.begin():
            assert await end_sessions(session, [OWNER]) == 0
        for connection in (another, program, awake):
            assert await connection.fetchval("SELECT 3") == 3


async def test_a_role_that_may_end_nothing(sessions: Sessions, address: str) -> None:
    """It is as it was: nothing is ended, and nothing breaks."""
    role = f"ends_nothing_{uuid.uuid4().hex[:8]}"
    async with sessions.database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "REVOKE EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint) FROM PUBLIC"
        )
        await connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
    theirs = open_database(make_url(address).set(drivername=SERVER, username=role))
    try:
        as_role = make_url(address).set(username=role).render_as_string()
        async with asleep(as_role, session_name(OWNER), "SELECT 1") as other:
            async with Sessions(theirs).brief() as session, session.begin():
                assert await end_sessions(session, [OWNER]) == 0
            assert await other.fetchval("SELECT 3") == 3
    finally:
        await theirs.close()
        async with sessions.database.engine.begin() as connection:
            await connection.exec_driver_sql(f"DROP ROLE {role}")


async def test_a_run_shows_its_owner_to_the_server(database: Database, address: str) -> None:
    """Host, place, process and mark, as far as the server keeps a name."""
    owner = "a-very-long-name-of-a-host-with-an-é-" * 2 + ":47c56035:2291:c2ab07a1"
    named = open_database(address, name=session_name(owner))
    async with named.engine.connect() as connection:
        shown = await connection.exec_driver_sql("SHOW application_name")
        assert shown.scalar() == session_name(owner)
    await named.close()
    assert (len(session_name(owner)), session_name(OWNER)) == (63, f"contentmap {OWNER}")
