"""A new database is made from the models at once: what stands then is what the migrations build."""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from contentmap_cli.records import schema
from contentmap_cli.records.engine import open_database
from contentmap_cli.records.schema import SchemaState


def facts(connection: Connection) -> dict[str, object]:
    """All that the database says of its tables."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for table in inspector.get_table_names():
        columns = inspector.get_columns(table)
        found[table] = (
            {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in columns
            },
            inspector.get_pk_constraint(table),
            sorted(inspector.get_foreign_keys(table), key=str),
            sorted(inspector.get_unique_constraints(table), key=str),
            sorted(inspector.get_indexes(table), key=str),
            inspector.get_table_options(table),
        )
    return found


async def test_the_short_way_builds_what_the_migrations_build(address: str) -> None:
    """Columns, defaults, keys and indexes are the same to the last, and the version is the current one."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.run_sync(schema.create_schema)
        assert await connection.run_sync(schema.read_version) == (SchemaState.CURRENT, schema.HEAD)
        made = await connection.run_sync(facts)
        await connection.run_sync(schema.downgrade_schema, "base")
        await connection.run_sync(schema.upgrade_schema)
        assert await connection.run_sync(facts) == made
    await database.close()
