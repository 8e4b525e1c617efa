"""`sitemap_urls` in partitions: the same rows, the same schema, one partition a statement, and back again."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from recording import page, record
from schema_seen import built, differences
from sqlalchemy import event, select, text

from contentmap_cli.errors import SchemaMismatch
from contentmap_cli.models.comparison import Comparison
from contentmap_cli.storage import schema
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.partitions import partition, read_partitions
from contentmap_cli.storage.reading.comparison import changes_between, history
from contentmap_cli.storage.reading.entry_pages import EntryFilter
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS
from tests.support.stored_entries import stored_entries

PARTITIONS = 5
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def address(postgres_address: str) -> str:
    """PostgreSQL alone has partitions."""
    return postgres_address


async def spread(database: Database, partitions: int) -> int:
    """Spreads the table and returns the rows moved."""
    async with database.engine.begin() as connection:
        moved = (await connection.run_sync(partition, partitions)).rows
        assert await connection.run_sync(read_partitions) == partitions
    return moved


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """All that is recorded of URLs, in the order of the key."""
    async with database.engine.begin() as connection:
        key = SITEMAP_URLS.primary_key.columns
        return [tuple(row) for row in await connection.execute(select(SITEMAP_URLS).order_by(*key))]


async def test_there_and_back_keeps_every_row_and_the_schema(database: Database, sessions: Sessions) -> None:
    """One table, five partitions, three, one table: rows, columns, keys and rights are what they were."""
    for number in range(20):
        await record(sessions, {"s": [page("a"), page("b", "2026-01-01")]}, domain=f"{number}.example")
    before = await rows(database)
    async with database.engine.begin() as connection:
        await connection.execute(text("GRANT SELECT ON sitemap_urls TO PUBLIC"))
        made = await connection.run_sync(built)
    for partitions in (PARTITIONS, 3, 1):
        assert await spread(database, partitions) == len(before) == 40
        assert await rows(database) == before
        async with database.engine.begin() as connection:
            assert await connection.run_sync(differences) == []
            assert await connection.run_sync(built) == made
            granted = "SELECT has_table_privilege('pg_monitor', 'sitemap_urls', 'SELECT')"
            assert (await connection.execute(text(granted))).scalar()
            assert await connection.run_sync(schema.read_version) == (
                schema.SchemaState.CURRENT,
                schema.HEAD,
            )


async def test_the_tables_stay_their_owners(database: Database) -> None:
    """Whoever may do all converts, and who scans can still read and write, whatever was granted to nobody."""
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE tablename LIKE 'sitemap\\_urls%'"
    async with database.engine.begin() as connection:
        keeper = f"{(await connection.execute(text('SELECT current_database()'))).scalar()} keeper"
        await connection.execute(text(f'CREATE ROLE "{keeper}"'))
        await connection.execute(text(f'ALTER TABLE sitemap_urls OWNER TO "{keeper}"'))
    try:
        for partitions in (PARTITIONS, 1):
            await spread(database, partitions)
            async with database.engine.begin() as connection:
                assert (await connection.execute(text(owners))).scalars().all() == [keeper]
    finally:
        async with database.engine.begin() as connection:
            await connection.execute(text(f'REASSIGN OWNED BY "{keeper}" TO CURRENT_USER'))
            await connection.execute(text(f'DROP ROLE "{keeper}"'))


async def test_rows_are_dealt_out(database: Database, sessions: Sessions) -> None:
    """A domain lies in one partition, and many domains in many."""
    await spread(database, PARTITIONS)
    for number in range(20):
        await record(sessions, {"s": [page("a"), page("b")]}, domain=f"{number}.example")
    async with database.engine.begin() as connection:
        found = await connection.execute(
            text("SELECT domain_id, count(DISTINCT tableoid), count(*) FROM sitemap_urls GROUP BY 1")
        )
        assert [tuple(row)[1:] for row in found] == [(1, 2)] * 20
        used = await connection.execute(text("SELECT count(DISTINCT tableoid) FROM sitemap_urls"))
        assert used.scalar() == PARTITIONS


async def test_a_failure_in_the_middle_leaves_the_one_table(database: Database, sessions: Sessions) -> None:
    """All of it is one transaction."""
    await record(sessions, {"s": [page("a")]})
    before = await rows(database)

    def spread_and_fail(connection: Any) -> None:
        partition(connection, PARTITIONS)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        async with database.engine.begin() as connection:
            await connection.run_sync(spread_and_fail)
    async with database.engine.begin() as connection:
        assert await connection.run_sync(read_partitions) == 1
    assert await rows(database) == before


async def test_what_hangs_on_the_table_is_not_lost(database: Database) -> None:
    """A view or a trigger of the user's is named, and nothing is done."""
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE VIEW mine AS SELECT url FROM sitemap_urls"))
    with pytest.raises(SchemaMismatch, match="the view mine") as caught:
        await spread(database, PARTITIONS)
    assert caught.value.hint


async def test_a_migration_reaches_every_partition(database: Database, sessions: Sessions) -> None:
    """What a migration does to the parent holds in all partitions, and stays on the way back."""
    await record(sessions, {"s": [page("a")]})
    await spread(database, PARTITIONS)
    async with database.engine.begin() as connection:
        for change in (
            "ALTER TABLE sitemap_urls ADD COLUMN more INTEGER NOT NULL DEFAULT 7",
            "CREATE INDEX ix_more ON sitemap_urls (domain_id, more) WHERE more > 0",
            "ALTER TABLE sitemap_urls ADD CONSTRAINT ck_more CHECK (more < 9)",
            "ALTER TABLE sitemap_urls DROP COLUMN page_type",
        ):
            await connection.execute(text(change))
        made = await connection.run_sync(built)
    await spread(database, 3)
    await spread(database, 1)
    async with database.engine.begin() as connection:
        assert await connection.run_sync(built) == made
        for change in (
            "DROP INDEX ix_more",
            "ALTER TABLE sitemap_urls DROP COLUMN more",
            "ALTER TABLE sitemap_urls ADD COLUMN page_type VARCHAR(32)",
        ):
            await connection.execute(text(change))
        assert await connection.run_sync(differences) == []
    await spread(database, PARTITIONS)
    async with database.engine.begin() as connection:
        await connection.run_sync(schema.downgrade_schema, "base")
        assert set(await connection.run_sync(built)) == {schema.VERSION_TABLE}


async def test_every_statement_opens_one_partition(database: Database, sessions: Sessions) -> None:
    """First scan, rescan with all kinds of change, comparison and reading: each statement on the table of
    URLs names the domain, so that the plan has one partition."""
    await spread(database, PARTITIONS)
    await record(sessions, {"s": [page("other")]}, domain="other.example")
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if re.search(r"\bsitemap_urls\b", statement):
            sent.append((statement, parameters[0] if many else parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    many = [page(f"{number:04}") for number in range(600)]
    await record(
        sessions, {"s": [*many, page("a", "2026-01-01"), page("b")], "t": [page("c")]}, counted=False
    )
    await record(sessions, {"s": [*many, page("a", "2026-01-02"), page("d")]}, counted=False)
    await record(sessions, {"s": [*many, page("b"), page("d")], "t": [page("a")]}, counted=False)
    async with sessions.read() as session, session.begin():
        shop = 2
        some = EntryFilter(sitemap="https://shop.example/s", match="*shop*", since=LONG_AGO)
        for wanted, count in ((EntryFilter(), 603), (EntryFilter(removed=True), 2), (some, 602)):
            assert len([each async for each in stored_entries(session, shop, wanted)]) == count
        points = await history(session, shop)
        for before, after in ((None, points[0]), (points[0], points[1]), (points[0], points[2])):
            pair = Comparison("shop.example", before, after)
            assert [each async for each in changes_between(session, shop, points, pair)]
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    verbs = {statement.split()[0] for statement, _ in sent}
    assert {"SELECT", "UPDATE"} <= verbs
    async with database.engine.connect() as connection:
        for statement, parameters in sent:
            plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            touched = set(re.findall(r"\bsitemap_urls_p\d+\b", "\n".join(row[0] for row in plan)))
            assert len({name for name in touched if not name.endswith("_pkey")}) == 1, statement
        await connection.rollback()


async def test_two_at_once_take_turns(address: str, database: Database) -> None:
    """Who comes second finds the partitions of the first and makes his own of them."""
    other = open_database(address)

    async def locked(each: Database, partitions: int) -> None:
        async with each.engine.begin() as connection:
            await connection.run_sync(schema.lock_schema)
            await connection.run_sync(partition, partitions)

    await asyncio.gather(locked(database, 3), locked(other, 4))
    async with database.engine.begin() as connection:
        assert await connection.run_sync(read_partitions) in (3, 4)
        assert await connection.run_sync(differences) == []
    await other.close()
