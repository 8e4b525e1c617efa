"""Fixtures for every test: a real database of each kind, made anew for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from postgres_server import PostgresServer, wanted_version

from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.partitions import partition
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.session import Sessions

_numbers = itertools.count()
PARTITIONS = int(os.environ.get("CONTENTMAP_TEST_PARTITIONS", "1"))
"""So many partitions of the table of URLs on PostgreSQL, in every test that begins with a schema."""
DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def _no_body_cache() -> Iterator[None]:
    """Keeps commands that are started in this environment from the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTENTMAP_BODY_CACHE", "off")
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a running PostgreSQL server: the one named in the environment, or one of our own.

    CONTENTMAP_TEST_POSTGRES_URL names a server; CONTENTMAP_TEST_POSTGRES_VERSION a major version to start.
    """
    given = os.environ.get("CONTENTMAP_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    server = PostgresServer.create(wanted_version())
    try:
        server.start()
        yield server.address()
    finally:
        server.remove()


@pytest.fixture
def postgres_address(postgres_server: str) -> Iterator[str]:
    """The address of an empty database on the server."""
    name = f"contentmap_test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_on_server(postgres_server, f"CREATE DATABASE {name}"))
    yield postgres_server.rpartition("/")[0] + f"/{name}"
    asyncio.run(_on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def sqlite_address(tmp_path: Path) -> str:
    """The address of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once on SQLite and once on PostgreSQL."""
    name = "sqlite_address" if request.param == "sqlite" else "postgres_address"
    return str(request.getfixturevalue(name))


async def _on_server(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """An open database with the current schema."""
    opened = open_database(address)
    async with opened.engine.begin() as connection:
        await connection.run_sync(upgrade_schema)
        if PARTITIONS > 1 and opened.dialect == "postgresql":
            await connection.run_sync(partition, PARTITIONS)
    yield opened
    await opened.close()


@pytest.fixture
async def sessions(database: Database) -> Sessions:
    """Guarded sessions on that database."""
    return Sessions(database)
