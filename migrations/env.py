"""Alembic's environment: runs on the connection it is given and leaves the transaction to its owner.

From a checkout, `alembic -c migrations/alembic.ini revision --autogenerate` reads the address from
CONTENTMAP_DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.partitions import of_the_models
from contentmap_cli.storage.schema import VERSION_TABLE, tables_on


def run(connection: Connection) -> None:
    """Runs the migrations on `connection`, inside whatever transaction it is in."""
    context.configure(
        connection=connection,
        target_metadata=tables_on(connection.dialect.name),
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_name=of_the_models,
    )
    context.run_migrations()


async def run_by_address() -> None:
    """Opens the database of CONTENTMAP_DATABASE_URL for the alembic command."""
    database = open_database(os.environ["CONTENTMAP_DATABASE_URL"])
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_by_address())
else:
    run(given)
