"""Fixtures for every test: a database of each kind for each test, with the schema and no rows."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from databases import DATABASES
from fork_server import stop_servers
from postgres_pool import PostgresPool
from postgres_server import PostgresServer, wanted_version

from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.partitions import partition
from contentmap_cli.storage.schema import upgrade_schema
from contentmap_cli.storage.session import Sessions

if sys.dont_write_bytecode:
    # assertions are rewritten and compiled once, not in each run, and nothing is written beside the sources
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    sys.dont_write_bytecode = False

_numbers = itertools.count()
PARTITIONS = int(os.environ.get("CONTENTMAP_TEST_PARTITIONS", "1"))
"""Partitions of the table of URLs on PostgreSQL, in every database that begins with a schema."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shuffle`."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run in a random order, the same for a seed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compile the tests once where nothing is compiled yet, instead of in every worker at the same time."""
    try:
        from _pytest.assertion import rewrite

        for file in sorted(Path(__file__).parent.rglob("test_*.py")):
            folder = rewrite.get_cache_dir(file)
            compiled = folder / f"{file.stem}{rewrite.PYC_TAIL}"
            if not compiled.exists():
                folder.mkdir(parents=True, exist_ok=True)
                found, code = rewrite._rewrite_test(file, config)
                rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, found, compiled)
    except (ImportError, AttributeError, LookupError, TypeError, ValueError, OSError):
        return  # another version of pytest: the workers compile


EXAMPLES, CAMPAIGN_EXAMPLES = 50, 300
"""How many examples Hypothesis tries in each of its tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle the tests if asked to. Campaigns run the tests of Hypothesis again, with more examples."""
    if "hypothesis" in sys.modules:
        from hypothesis import HealthCheck, is_hypothesis_test, settings

        campaign = config.getoption("markexpr") == "campaign"
        found = [item for item in items if is_hypothesis_test(getattr(item, "function", None))]
        for function in {item.function for item in found if isinstance(item, pytest.Function)}:
            settings(
                max_examples=CAMPAIGN_EXAMPLES if campaign else EXAMPLES,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            )(function)
        if campaign:
            for item in found:
                item.add_marker(pytest.mark.campaign)
    if (seed := config.getoption("--shuffle")) is not None:
        random.Random(seed).shuffle(items)


def pytest_runtest_logstart() -> None:
    """Let records reach pytest once: it attaches its handlers to loggers that do not propagate as well, such
    as ours after a command has run in this process."""
    logging.getLogger("contentmap").propagate = True


@pytest.fixture(scope="session", autouse=True)
def _no_body_cache() -> Iterator[None]:
    """Keeps commands that are started in this environment from the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTENTMAP_BODY_CACHE", "off")
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_of_a_terminal() -> Iterator[None]:
    """Start commands with the signals that a terminal's shell gives them, where ours are ignored.

    `nohup` ignores SIGHUP and a script's `&` SIGINT, and children inherit that. A signal with a handler is
    reset to its default in a child; the handler here does nothing.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    yield
    stop_servers()


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


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database on the server with the current schema, to copy."""
    with _new_database(postgres_server) as address:
        asyncio.run(_make_schema(address))
        yield address.rpartition("/")[2]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the current schema, to copy."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(_make_schema(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_pool(postgres_server: str, postgres_template: str) -> Iterator[PostgresPool]:
    """Databases to take and give back."""
    pool = PostgresPool(postgres_server, postgres_template)
    yield pool
    pool.close()


@pytest.fixture
def postgres_address(postgres_pool: PostgresPool) -> Iterator[str]:
    """The address of a database on the server, with the current schema and no rows."""
    address = postgres_pool.take()
    yield address
    postgres_pool.give_back(address)


@pytest.fixture
def sqlite_address(tmp_path: Path, sqlite_template: Path) -> str:
    """The address of an SQLite file with the current schema and no rows."""
    shutil.copyfile(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest) -> str:
    """The address of a database with the current schema, once on SQLite and once on PostgreSQL."""
    name = "sqlite_address" if request.param == "sqlite" else "postgres_address"
    return str(request.getfixturevalue(name))


@pytest.fixture
def empty_postgres_address(postgres_server: str) -> Iterator[str]:
    """The address of a database on the server without a table."""
    with _new_database(postgres_server) as address:
        yield address


@pytest.fixture(params=DATABASES)
def empty_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without a table: an SQLite file that does not exist, and PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("empty_postgres_address"))


@contextmanager
def _new_database(server: str) -> Iterator[str]:
    name = f"contentmap_test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_on_server(server, f"CREATE DATABASE {name}"))
    yield server.rpartition("/")[0] + f"/{name}"
    asyncio.run(_on_server(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _on_server(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_schema(address: str) -> None:
    """Do what `contentmap db upgrade` does."""
    opened = open_database(address)
    async with opened.engine.begin() as connection:
        await connection.run_sync(upgrade_schema)
        if PARTITIONS > 1 and opened.dialect == "postgresql":
            await connection.run_sync(partition, PARTITIONS)
    await opened.close()


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """An open database with the current schema."""
    opened = open_database(address)
    yield opened
    await opened.close()


@pytest.fixture
async def sessions(database: Database) -> Sessions:
    """Guarded sessions on that database."""
    return Sessions(database)
