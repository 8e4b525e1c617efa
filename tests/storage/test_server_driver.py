"""Connections to a server: what a failed one is called, and what ContentMap sets on each."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text

from contentmap_cli.commands.database.connection import open_for_reading, opened_address, opened_as_is
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import ConnectionLost, DatabaseUnavailable
from contentmap_cli.storage import watchdog
from contentmap_cli.storage.database_url import parse_database_address
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.server_driver import connect_to, require_sessions
from contentmap_cli.storage.session import Sessions

_numbers = itertools.count()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Database]:
    """An open database."""
    database = open_database(address)
    try:
        yield database
    finally:
        await database.close()


async def on_server(address: str, *statements: str) -> None:
    """Runs statements as the database's owner."""
    connection = await asyncpg.connect(address)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize(
    ("place", "reason"),
    [("/nowhere?host=/no/such/folder", "No such file"), ("127.0.0.1:1/x", "connection refused")],
)
async def test_what_cannot_be_reached(place: str, reason: str) -> None:
    """Whatever class the driver's error has, and however the connection is made."""
    address = f"postgresql://me:sesame@{place}"
    async with opened(address) as database:
        with pytest.raises(ConnectionLost, match=reason) as caught:
            await database.engine.connect().start()
    assert "sesame" not in caught.value.message
    with pytest.raises(ConnectionLost, match=reason):
        await connect_to(parse_database_address(address), "test")


async def test_a_reader_connects_once(postgres_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that read the version of the schema is used again."""
    made, usual = [], asyncpg.connect

    async def connect(**options: Any) -> asyncpg.Connection:
        made.append(options)
        return await usual(**options)

    monkeypatch.setattr(asyncpg, "connect", connect)
    async with open_for_reading(parse_database_address(postgres_address)) as sessions:
        for _ in range(2):
            async with sessions.read() as session, session.begin():
                await session.execute(text("SELECT 1"))
    assert len(made) == 1


async def test_the_isolation_level_is_not_the_servers_default(postgres_address: str) -> None:
    """Neither in sessions nor on connections of their own."""
    name = postgres_address.rpartition("/")[2]
    default = f"ALTER DATABASE {name} SET default_transaction_isolation"
    await on_server(postgres_address, f"{default} = 'serializable'")
    try:
        async with opened(postgres_address) as database:
            sessions = Sessions(database)
            for opens, level in (sessions.read(), "repeatable read"), (sessions.brief(), "read committed"):
                async with opens as session, session.begin():
                    assert await session.scalar(text("SHOW transaction_isolation")) == level
        own = await connect_to(parse_database_address(postgres_address), "test")
        assert await own.fetchval("SHOW transaction_isolation") == "read committed"
        await own.close()
    finally:
        await on_server(postgres_address, f"ALTER DATABASE {name} RESET default_transaction_isolation")


async def test_a_database_of_another_encoding(postgres_server: str) -> None:
    """It cannot hold every URL, so it is refused before anything is written to it."""
    name = f"latin_{os.getpid()}"
    await on_server(
        postgres_server, f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"
    )
    try:
        async with opened(f"{postgres_server.rpartition('/')[0]}/{name}") as database:
            with pytest.raises(DatabaseUnavailable, match="LATIN1") as caught:
                await database.engine.connect().start()
            assert "UTF8" in str(caught.value.hint)
    finally:
        await on_server(postgres_server, f"DROP DATABASE {name}")


async def test_a_server_that_gives_few_connections(postgres_address: str) -> None:
    """Tasks wait for those that there are; fewer write at once. Where there is none, that is an error."""
    name = f"contentmap_few_{os.getpid()}_{next(_numbers)}"
    await on_server(postgres_address, f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 4")
    address = f"postgresql://{name}@{postgres_address.rpartition('@')[2]}"
    try:
        async with opened(address) as database, opened(address) as other:
            sessions = Sessions(database)

            async def read() -> int:
                async with sessions.read() as session, session.begin():
                    return int(await session.scalar(text("SELECT 1 FROM pg_sleep(0.05)")))

            assert await asyncio.gather(*(read() for _ in range(12))) == [1] * 12
            assert database.writers == 1
            with pytest.raises(DatabaseUnavailable, match="too many connections for role"):
                await other.engine.connect().start()
    finally:
        await on_server(postgres_address, f"DROP ROLE {name}")


@asynccontextmanager
async def pooler(address: str, *, silent: bool = False) -> AsyncIterator[str]:
    """A connection pooler, as far as a client can see when it connects: it makes up the number of the server
    process. Its clients share no session. `silent`: it answers nothing after that."""
    url = make_url(address)
    tasks: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, rewrites: bool) -> None:
        with closing(sink):
            while data := await source.read(65536):
                if rewrites and (at := data.find(b"K\0\0\0\x0c")) >= 0:
                    data = data[: at + 5] + (7).to_bytes(4) + data[at + 9 :]
                    rewrites = False
                sink.write(data)
                if silent and b"Z\0\0\0\x05I" in data:
                    await asyncio.sleep(60)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(url.host, url.port)
        tasks.add(asyncio.create_task(pump(reader, to, rewrites=False)))
        tasks.add(asyncio.create_task(pump(there, writer, rewrites=True)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        there = url.set(host="127.0.0.1", port=port).set(query={"search_path": "public"})
        yield there.render_as_string(hide_password=False)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    "opener",
    [
        lambda cli: opened_as_is(cli, create=True),
        lambda cli: opened_as_is(cli, create=False, patient=True),
        lambda cli: opened_address(parse_database_address(cli.db)),
    ],
    ids=["upgrade", "deep check", "copy"],
)
async def test_a_server_that_goes_silent(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch, opener: Callable[[GlobalOptions], Any]
) -> None:
    """The watchdog cuts its connections, the first one too, which is not yet in the pool."""
    monkeypatch.setattr(watchdog, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(watchdog, "ANSWER_SECONDS", 0.2)
    async with asyncio.timeout(20), pooler(postgres_address, silent=True) as address:
        with pytest.raises(ConnectionLost):
            async with opener(GlobalOptions(address)) as database, database.engine.connect():
                pass


async def test_behind_a_pooler(postgres_address: str) -> None:
    """No statement stays prepared, and the settings hold for a transaction: the next one may have another
    session of the server."""
    query = (
        "SELECT current_setting('lock_timeout'), current_setting('transaction_isolation'),"
        " current_setting('search_path'),"
        " (SELECT count(*) FROM pg_prepared_statements)"
    )
    name = postgres_address.rpartition("/")[2]
    await on_server(
        postgres_address, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    )
    async with pooler(postgres_address) as address, opened(address) as database:
        for number in range(2):
            async with database.engine.begin() as connection:
                for _ in range(2):
                    row = (await connection.execute(text(query))).one()
                    assert tuple(row) == ("1min", "read committed", '"public"', 0), number
            driver: Any = next(each for each in database._open if not each.is_closed())
            assert await driver.fetchval("SHOW lock_timeout") == "0"
        await require_sessions(parse_database_address(address))  # as it shares no session
    await on_server(postgres_address, f"ALTER DATABASE {name} RESET default_transaction_isolation")


async def test_a_worker_needs_sessions(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pooler that gives the session of one client to another is refused."""
    shared = await asyncpg.connect(postgres_address)

    class Client:
        """One of the clients that share a session."""

        fetchval = shared.fetchval

        def get_server_pid(self) -> int:
            return 7

        def terminate(self) -> None:
            pass

    async def connect(*_: object) -> Client:
        return Client()

    monkeypatch.setattr("contentmap_cli.storage.server_driver.connect_to", connect)
    with pytest.raises(DatabaseUnavailable, match="keeps no sessions"):
        await require_sessions(parse_database_address(postgres_address))
    await shared.close()
