"""Many rows at once: wherever it breaks off, a rollback leaves nothing, on both databases."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from contentmap_cli.errors import ConnectionLost, TransactionRuleBroken
from contentmap_cli.models import Entry
from contentmap_cli.models.entry_rows import Row, RowBatch, rows_of
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain, SitemapFile
from contentmap_cli.storage.writing.bulk import SharedValues, copy_records, insert_rows

BATCHES = 13  # more than SQLite takes in one call to its driver, and a short one at the end
VALUES = SharedValues(1, 1, 1)


@pytest.fixture
async def values(sessions: Sessions) -> SharedValues:
    """A domain with one file, and nothing in it."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with sessions.brief() as session, session.begin():
        await session.execute(
            insert(Domain).values(id=1, tenant_id="default", name="a.example", created_at=now)
        )
        flags = dict.fromkeys(("is_gzipped", "has_lastmod", "has_priority", "has_changefreq"), False)
        await session.execute(
            insert(SitemapFile).values(
                id=1,
                domain_id=1,
                url="https://a.example/s.xml",
                discovery_method="robots",
                status="ok",
                size_bytes=0,
                decoded_bytes=0,
                url_count=0,
                problems=[],
                first_seen=now,
                last_scan_id=1,
                **flags,
            )
        )
    return VALUES


def batch(number: int, rows: int = 500) -> list[Row]:
    """Rows in the order of their URLs; every other batch of the long shape."""
    entries = [
        Entry(f"https://a.example/{number:02}-{row:03}", repaired=bool(number % 2)) for row in range(rows)
    ]
    return rows_of(entries, lambda entry: None)


def batches(*, breaks_at: int | None = None, repeats_at: int | None = None) -> Iterator[RowBatch]:
    """The batches of one file: one may not come, or hold a URL a second time."""
    for number in range(BATCHES):
        if number == breaks_at:
            raise OSError("the spool cannot be read")
        rows = batch(number, 500 if number < BATCHES - 1 else 77)
        again = [*rows[:-1], batch(0)[0] if number else rows[0]]
        yield RowBatch.of(again if number == repeats_at else rows)


async def count(session: AsyncSession) -> int:
    """Rows in the table."""
    return int(await session.scalar(select(func.count()).select_from(SITEMAP_URLS)) or 0)


async def begun(session: GuardedSession) -> GuardedSession:
    """The session after its first statement."""
    await session.turn()
    await session.scalar(select(Domain.id))
    return session


async def test_all_of_them_arrive(sessions: Sessions, values: SharedValues) -> None:
    """Undisturbed, every row is there after the commit."""
    async with sessions.work("job", "a.example") as session, session.begin():
        assert await insert_rows(await begun(session), values, batches()) == 500 * (BATCHES - 1) + 77
    async with sessions.read() as session, session.begin():
        assert await count(session) == 500 * (BATCHES - 1) + 77


async def test_a_source_that_breaks_off_at_any_batch_leaves_nothing(
    sessions: Sessions, values: SharedValues
) -> None:
    """What had reached the database by then goes with the transaction."""
    for number in range(BATCHES):
        with pytest.raises(OSError, match="spool"):
            async with sessions.work("job", "a.example") as session, session.begin():
                await insert_rows(await begun(session), values, batches(breaks_at=number))
        async with sessions.read() as session, session.begin():
            assert await count(session) == 0, number


async def test_a_row_that_is_refused_in_any_batch_leaves_nothing(
    sessions: Sessions, values: SharedValues
) -> None:
    """One row that the database does not take takes all others along."""
    for number in range(BATCHES):
        with pytest.raises(Exception, match=r"(?i)unique constraint"):  # in the driver's words
            async with sessions.work("job", "a.example") as session, session.begin():
                await insert_rows(await begun(session), values, batches(repeats_at=number))
        async with sessions.read() as session, session.begin():
            assert await count(session) == 0, number


@pytest.mark.parametrize("after", [1, BATCHES])
async def test_rows_that_are_in_go_when_the_owner_fails(
    sessions: Sessions, values: SharedValues, after: int
) -> None:
    """The rows were all taken; what goes wrong later in the block undoes them."""
    with pytest.raises(RuntimeError):
        async with sessions.work("job", "a.example") as session, session.begin():
            await insert_rows(await begun(session), values, list(batches())[:after])
            assert await count(session) > 0
            raise RuntimeError
    async with sessions.read() as session, session.begin():
        assert await count(session) == 0


async def test_only_shared_values_are_numbered(sessions: Sessions, values: SharedValues) -> None:
    """From Python 3.12 on the driver looks each numbered placeholder up among all of them, each time that the
    statement runs: with thousands of them a million rows took five times as long."""
    if sessions.database.dialect == "postgresql":
        pytest.skip("PostgreSQL takes a COPY")
    ran: list[str] = []
    engine = sessions.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *call: ran.append(call[2]))
    async with sessions.work("job", "a.example") as session, session.begin():
        await insert_rows(await begun(session), values, batches())
    inserts = [statement for statement in ran if SITEMAP_URLS.name in statement]
    assert inserts
    for statement in inserts:
        assert set(re.findall(r"\?\d+", statement)) == {"?1", "?2", "?3"}
    async with sessions.read() as session, session.begin():
        shared = select(*(SITEMAP_URLS.c[name] for name in SharedValues._fields)).distinct()
        assert [tuple(row) for row in await session.execute(shared)] == [tuple(values)]


async def test_a_copy_that_comes_first_is_refused(sessions: Sessions, values: SharedValues) -> None:
    """PostgreSQL would commit it on the spot; SQLite has begun by then, and takes everything back."""
    late = sessions.database.dialect == "postgresql"
    with pytest.raises(TransactionRuleBroken if late else RuntimeError):
        async with sessions.work("job", "a.example") as session, session.begin():
            await session.turn()
            await insert_rows(session, values, batches())
            raise RuntimeError
    async with sessions.read() as session, session.begin():
        assert await count(session) == 0


@pytest.mark.parametrize("by", ["server", "watchdog"])
async def test_a_copy_whose_connection_is_lost(sessions: Sessions, address: str, by: str) -> None:
    """It ends, as a database that cannot be reached: by itself the driver would wait for ever for room to
    send the rest."""
    if sessions.database.dialect == "sqlite":
        pytest.skip("SQLite has no COPY")
    under_way = asyncio.Event()

    async def lose_it() -> None:
        await under_way.wait()
        if by == "watchdog":  # the server has been silent for long
            sessions.database.terminate_connections()
            return
        connection = await asyncpg.connect(address)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'COPY%'"
        )
        await connection.close()

    def many() -> Iterator[tuple[str]]:
        for number in range(
            300_000
        ):  # not endless: the driver may not wait between writes to a lost connection
            if number == 10_000:
                under_way.set()
            yield ("x" * 1000,)

    losing = asyncio.create_task(lose_it())
    ended: list[BaseException] = []
    with pytest.raises(Exception) as said:
        async with asyncio.timeout(60), sessions.brief() as session, session.begin():
            await session.execute(text("CREATE TEMPORARY TABLE rows (row text)"))
            try:
                await copy_records(session, "rows", ["row"], many())
            except BaseException as error:
                ended.append(error)
                raise
    await losing
    assert [type(error) for error in ended] == [asyncpg.ConnectionDoesNotExistError]
    assert isinstance(storage_error(said.value, "db"), ConnectionLost)  # in the words of its rollback


async def test_a_copy_that_fails_and_is_swallowed_cannot_commit(
    sessions: Sessions, values: SharedValues
) -> None:
    """Nobody else sees a COPY fail; a block that went on would commit nothing and say that it had."""
    if sessions.database.dialect == "sqlite":
        pytest.skip("SQLite has no COPY")
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief() as session, session.begin():
            with contextlib.suppress(Exception):
                await insert_rows(await begun(session), values, batches(breaks_at=1))
    async with sessions.read() as session, session.begin():
        assert await count(session) == 0
