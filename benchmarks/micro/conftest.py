"""What the micro-benchmarks share: documents, and stores of each kind with a site that is claimed."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from postgres_server import PostgresServer

pytest.importorskip("pytest_benchmark", reason="pip install 'contentmap-cli[bench]'")
sys.path.insert(0, str(Path(__file__).parents[1]))

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server of our own."""
    server = PostgresServer.create()
    try:
        server.start()
        yield server.address("").rstrip("/")
    finally:
        server.remove()


@pytest.fixture(params=("sqlite", "postgresql"))
def new_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """Gives the address of another empty database each time it is called."""
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path / f'{next(_numbers)}.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    made = []

    async def ask(statement: str) -> None:
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(statement)
        await connection.close()

    def new() -> str:
        made.append(f"micro_{next(_numbers)}")
        asyncio.run(ask(f"CREATE DATABASE {made[-1]}"))
        return f"{server}/{made[-1]}"

    yield new
    for name in made:
        asyncio.run(ask(f"DROP DATABASE {name} WITH (FORCE)"))
