"""The schema: migrations build what the models say, up and down, and a wrong one is told apart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from schema_seen import built, differences
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.errors import SchemaMismatch
from contentmap_cli.storage import schema
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.queue.queue_tables import ENTRIES, LOG, STATISTICS
from contentmap_cli.storage.schema import SchemaState, tables_on
from contentmap_cli.storage.tables import (
    CHANGE_FEED,
    FILE_CHANGES,
    PAGES,
    SITEMAP_URLS,
    URL_CHANGES,
    Domain,
    DomainScan,
    Job,
    Notification,
    PageRunRow,
    RobotsVersionRow,
    SitemapFile,
)


def test_head_is_the_newest_migration() -> None:
    """The revision the code asks for is the last one in migrations/."""
    assert ScriptDirectory(str(schema.migrations_folder())).get_heads() == [schema.HEAD]


async def test_migrations_build_the_models(database: Database) -> None:
    """Nothing differs between a migrated database and the tables in the code."""
    async with database.engine.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_new_database_is_what_migrations_build(database: Database) -> None:
    """The other way round: what a first scan makes at once is what the migrations made, to the last default
    and to the version."""
    async with database.engine.begin() as connection:
        migrated = await connection.run_sync(built)
        await connection.run_sync(schema.downgrade_schema, "base")
        await connection.execute(text(f"DROP TABLE {schema.VERSION_TABLE}"))
        await connection.run_sync(schema.create_schema)
        assert await connection.run_sync(built) == migrated
        assert await connection.run_sync(schema.read_version) == (SchemaState.CURRENT, schema.HEAD)
    ours = {name for tables in tables_on(database.dialect) for name in tables.tables}
    assert set(migrated) == ours | {schema.VERSION_TABLE}


DAMAGES = (
    "ALTER TABLE jobs ADD COLUMN more TEXT",
    "ALTER TABLE jobs DROP COLUMN error",
    "DROP INDEX ix_domain_scans_job_id_status",
    "CREATE TABLE more (id INTEGER PRIMARY KEY)",
    "ALTER TABLE sitemap_urls ADD COLUMN more INTEGER DEFAULT 7",
    "ALTER TABLE sitemap_urls ALTER COLUMN image_count SET DEFAULT 1",
    "ALTER TABLE sitemap_urls ALTER COLUMN in_scope DROP DEFAULT",
    "ALTER TABLE sitemap_urls ALTER COLUMN lastmod_precision TYPE varchar(9)",
)


async def test_a_difference_is_seen(database: Database) -> None:
    """The comparison is not blind."""
    for damage in DAMAGES:
        if database.dialect == "sqlite" and "ALTER COLUMN" in damage:
            continue  # SQLite alters no column
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql(damage)
            assert await connection.run_sync(differences) != [], damage
            await connection.rollback()
            assert await connection.run_sync(differences) == [], damage


async def test_down_and_up_again(database: Database) -> None:
    """Each state is recognised, and the schema comes back whole."""
    async with database.engine.begin() as connection:
        assert await connection.run_sync(schema.read_version) == (SchemaState.CURRENT, schema.HEAD)
        await connection.run_sync(schema.downgrade_schema, "base")
    async with database.engine.begin() as connection:
        assert (await connection.run_sync(schema.read_version))[0] is SchemaState.EMPTY
        await connection.run_sync(schema.upgrade_schema)
    async with database.engine.begin() as connection:
        assert (await connection.run_sync(schema.read_version))[0] is SchemaState.CURRENT


async def fill(connection: AsyncConnection) -> None:
    """A row in every table, each of which another one hangs on."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    empty = {"sitemaps": 1, "urls": 1}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (
            Job,
            {
                "id": "sitemap_1",
                "tenant_id": "default",
                "job_type": "sitemap",
                "status": "complete",
                "total_domains": 1,
                "options": {"probe": "auto"},
                "created_at": now,
            },
        ),
        (Domain, {"id": 1, "tenant_id": "default", "name": "a.example", "created_at": now}),
        (
            DomainScan,
            {"id": 1, "job_id": "sitemap_1", "domain_id": 1, "status": "ok", "target": {"domain": "ü"}}
            | empty,
        ),
        (
            SitemapFile,
            {
                "id": 1,
                "domain_id": 1,
                "url": "https://a.example/s.xml",
                "discovery_method": "robots",
                "status": "ok",
                "size_bytes": 2**40,
                "decoded_bytes": 0,
                "problems": [{"code": "stray_loc"}],
                "url_count": 1,
                "first_seen": now,
                "last_scan_id": 1,
            }
            | dict.fromkeys(("is_gzipped", "has_lastmod", "has_priority", "has_changefreq"), True),
        ),
        (
            SITEMAP_URLS,
            {"domain_id": 1, "sitemap_file_id": 1, "url": "https://a.example/ü", "first_scan_id": 1}
            | {"lastmod": now, "priority": 0.7},
        ),
        (
            URL_CHANGES,
            {"domain_id": 1, "sitemap_file_id": 1, "url": "https://a.example/ü", "scan_id": 2}
            | {"removed_scan_id": 1, "lastmod": now, "priority": 0.7, "extras": "{}"},
        ),
        (FILE_CHANGES, {"sitemap_file_id": 1, "scan_id": 1, "gone": True}),
        (
            RobotsVersionRow,
            {"id": 1, "domain_id": 1, "state": "read", "body": b"User-agent: *\n\x00\xff", "problems": []}
            | dict.fromkeys(("url", "final_url"), "https://a.example/robots.txt")
            | dict.fromkeys(("first_seen", "last_seen"), now),
        ),
        (
            PageRunRow,
            {
                "id": 1,
                "domain_id": 1,
                "wanted": 100,
                "scope": "0" * 32,
                "started_at": now,
                "not_asked": {"time": 2},
            },
        ),
        (
            Notification,
            {
                "id": 1,
                "tenant_id": "default",
                "message_id": "msg_1",
                "job_id": "sitemap_1",
                "target": "0" * 64,
            }
            | {"label": "https://a.example", "payload": "{}", "status": "pending", "attempts": 0}
            | dict.fromkeys(("created_at", "next_attempt_at"), now),
        ),
        (
            PAGES,
            {"domain_id": 1, "url": "https://a.example/ü", "run_id": 1, "kind": "listed"}
            | {"asked_at": now, "facts": "{}"},
        ),
        (
            CHANGE_FEED,
            {"id": 1, "position": 1, "tenant_id": "default", "domain_id": 1, "domain": "a.example"}
            | {"scan_id": 1, "kind": "baseline", "changes": 2**40, "pruned_at": 0, "created_at": now},
        ),
    ]
    if connection.dialect.name == "postgresql":
        rows += [
            (
                STATISTICS,
                {"created": now, "count": 1, "priority": 1, "status": "successful", "entrypoint": "scan"},
            ),
            (
                ENTRIES,
                {"priority": 1, "status": "queued", "entrypoint": "scan", "payload": b"1"}
                | dict.fromkeys(("created", "updated", "heartbeat", "execute_after"), now),
            ),
        ]
    for table, row in rows:
        await connection.execute(insert(table).values(row))


async def contents(connection: AsyncConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {
        table.name: [tuple(row) for row in await connection.execute(select(table))]
        for tables in tables_on(connection.dialect.name)
        for table in tables.sorted_tables
        if table is not LOG
    }


async def test_migrations_with_rows_inside(database: Database) -> None:
    """Up with rows keeps them, down with rows works, and after up again the same rows fit."""
    async with database.engine.begin() as connection:
        await fill(connection)
    async with database.engine.begin() as connection:
        before = await contents(connection)
        await connection.run_sync(schema.upgrade_schema)
        assert await contents(connection) == before
    assert all(before.values())
    async with database.engine.begin() as connection:
        await connection.run_sync(schema.downgrade_schema, "base")
        assert set(await connection.run_sync(built)) == {schema.VERSION_TABLE}
    async with database.engine.begin() as connection:
        await connection.run_sync(schema.upgrade_schema)
        await fill(connection)
    async with database.engine.begin() as connection:
        assert await contents(connection) == before
        assert await connection.run_sync(differences) == []


async def test_every_revision_can_be_gone_back_to(empty_address: str) -> None:
    """Step by step up, step by step down."""
    revisions = [
        script.revision for script in ScriptDirectory(str(schema.migrations_folder())).walk_revisions()
    ][::-1]
    opened = open_database(empty_address)
    for revision in (*revisions, *revisions[-2::-1], "base"):
        async with opened.engine.begin() as connection:
            move = schema.downgrade_schema if revision == "base" else schema.upgrade_schema
            _, now = await connection.run_sync(schema.read_version)
            if now is not None and revision < now:
                move = schema.downgrade_schema
            await connection.run_sync(move, revision)
            _, now = await connection.run_sync(schema.read_version)
            assert now == (None if revision == "base" else revision)
    await opened.close()


async def test_an_unknown_revision_is_no_bug(database: Database) -> None:
    """A version that no migration leads from is an error with a hint."""
    async with database.engine.connect() as connection:
        await connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0000'"))
        with pytest.raises(SchemaMismatch, match="no migration") as caught:
            await connection.run_sync(schema.upgrade_schema)
        await connection.rollback()
    assert caught.value.hint


async def test_a_failed_upgrade_leaves_nothing(empty_address: str) -> None:
    """The whole upgrade is one transaction."""
    opened = open_database(empty_address)

    def upgrade_and_fail(connection: Connection) -> None:
        schema.upgrade_schema(connection)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        async with opened.engine.begin() as connection:
            await connection.run_sync(upgrade_and_fail)
    async with opened.engine.begin() as connection:
        assert (await connection.run_sync(schema.read_version))[0] is SchemaState.EMPTY
    await opened.close()


@pytest.mark.parametrize(
    ("revision", "state", "hint"),
    [("9999", SchemaState.NEWER, "pip install --upgrade"), ("0000", SchemaState.OLDER, "db upgrade")],
)
async def test_another_version_is_refused_with_what_to_do(
    database: Database, revision: str, state: SchemaState, hint: str
) -> None:
    """A newer schema asks for a newer ContentMap, an older one for an upgrade."""
    async with database.engine.connect() as connection:
        await connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{revision}'"))
        found = await connection.run_sync(schema.read_version)
        await connection.rollback()
    assert found == (state, revision)
    with pytest.raises(SchemaMismatch) as caught:
        schema.require_current(*found, database.shown)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("table", ["jobs", "workers"])
async def test_another_programs_tables_are_not_touched(empty_address: str, table: str) -> None:
    """A table of ours without our version table is somebody else's, one of the queue's too."""
    opened = open_database(empty_address)
    if table not in {name for tables in tables_on(opened.dialect) for name in tables.tables}:
        pytest.skip("a file has no queue")
    async with opened.engine.begin() as connection:
        await connection.execute(text(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))
        state, revision = await connection.run_sync(schema.read_version)
    assert state is SchemaState.FOREIGN
    with pytest.raises(SchemaMismatch, match="another program"):
        schema.require_current(state, revision, opened.shown)
    await opened.close()


async def test_upgrades_at_once_take_turns(empty_address: str) -> None:
    """Four who upgrade one empty database end with one schema, and none with an error."""
    opened = open_database(empty_address)

    async def upgrade() -> None:
        async with opened.engine.begin() as connection:
            await connection.run_sync(schema.lock_schema)
            state, _ = await connection.run_sync(schema.read_version)
            if state is SchemaState.EMPTY:
                await connection.run_sync(schema.upgrade_schema)

    await asyncio.gather(*(upgrade() for _ in range(4)))
    async with opened.engine.begin() as connection:
        assert (await connection.run_sync(schema.read_version))[0] is SchemaState.CURRENT
    await opened.close()
