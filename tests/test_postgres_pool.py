"""A database of the pool is as new for each test."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from postgres_pool import PostgresPool

DOMAIN = (
    "INSERT INTO domains (tenant_id, name, created_at, sitemap_count, url_count) "
    "VALUES ('default', '{}', now(), 0, 0) RETURNING id"
)


@pytest.fixture
def pool(postgres_server: str, postgres_template: str) -> Any:
    """A pool of its own."""
    made = PostgresPool(postgres_server, postgres_template)
    yield made
    made.close()


def run(address: str, *statements: str) -> list[Any]:
    """Execute statements; return the first value of each."""

    async def execute() -> list[Any]:
        connection = await asyncpg.connect(address)
        try:
            return [await connection.fetchval(statement) for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(execute())


def test_rows_are_deleted_and_numbers_begin_again(pool: PostgresPool) -> None:
    """The next test gets the same database, and cannot tell."""
    first = pool.take()
    assert run(first, DOMAIN.format("a.test"), DOMAIN.format("b.test")) == [1, 2]
    pool.give_back(first)
    assert pool.take() == first
    assert run(first, "SELECT count(*) FROM domains", DOMAIN.format("a.test")) == [0, 1]
    pool.give_back(first)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE contentmap_version SET version_num = '0000'",
        "ALTER TABLE jobs ADD COLUMN more TEXT",
        "ALTER TABLE jobs ALTER COLUMN error SET DEFAULT 'x'",
        "ALTER TABLE jobs SET (autovacuum_enabled = off)",
        "DROP INDEX ix_domain_scans_job_id_status",
        "CREATE TABLE more (id INTEGER)",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 128', current_database()); END $$",
        "GRANT SELECT ON jobs TO PUBLIC",
        "DROP SCHEMA public CASCADE",
    ],
)
def test_another_schema_is_dropped(pool: PostgresPool, change: str) -> None:
    """Tables, columns, defaults, functions, settings and rights are compared with the template's."""
    changed = pool.take()
    run(changed, change)
    pool.give_back(changed)
    new = pool.take()
    assert new != changed
    pool.give_back(new)


def test_a_database_in_use_is_dropped(pool: PostgresPool) -> None:
    """A process that is still connected is disconnected, and writes to no other test's database."""
    taken = pool.take()

    async def give_back_while_connected() -> None:
        connection = await asyncpg.connect(taken)
        await asyncio.to_thread(pool.give_back, taken)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")

    asyncio.run(give_back_while_connected())
    new = pool.take()
    assert new != taken
    pool.give_back(new)
