"""The schema: migrations build what the models say, up and down, and a wrong one is told apart."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from contentmap_cli.errors import SchemaMismatch
from contentmap_cli.records import schema
from contentmap_cli.records.engine import Database, open_database
from contentmap_cli.records.schema import SchemaState
from contentmap_cli.records.tables import Base


def test_head_is_the_newest_migration() -> None:
    """The revision the code asks for is the last one in migrations/."""
    assert ScriptDirectory(str(schema.migrations_folder())).get_heads() == [schema.HEAD]


async def test_migrations_build_the_models(database: Database) -> None:
    """Nothing differs between a migrated database and the tables in the code."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": schema.VERSION_TABLE}
        )
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.begin() as connection:
        assert await connection.run_sync(differences) == []


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


async def test_a_failed_upgrade_leaves_nothing(address: str) -> None:
    """The whole upgrade is one transaction."""
    opened = open_database(address)

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
    async with database.engine.begin() as connection:
        await connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{revision}'"))
        found = await connection.run_sync(schema.read_version)
    assert found == (state, revision)
    with pytest.raises(SchemaMismatch) as caught:
        schema.require_current(*found, database.shown)
    assert hint in (caught.value.hint or "")


async def test_another_programs_tables_are_not_touched(address: str) -> None:
    """A table of ours without our version table is somebody else's."""
    opened = open_database(address)
    async with opened.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE jobs (id INTEGER PRIMARY KEY)"))
        state, revision = await connection.run_sync(schema.read_version)
    assert state is SchemaState.FOREIGN
    with pytest.raises(SchemaMismatch, match="another program"):
        schema.require_current(state, revision, opened.shown)
    await opened.close()


async def test_upgrades_at_once_take_turns(address: str) -> None:
    """Four who upgrade one empty database end with one schema, and none with an error."""
    opened = open_database(address)

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
