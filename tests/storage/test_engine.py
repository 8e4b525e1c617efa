"""The database's file, as long as it is open."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage.engine import Database, open_database


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("replaced", "told"), [(False, "was deleted"), (True, "was replaced by another file")]
)
async def test_a_file_that_is_not_there_any_more(
    database: Database, tmp_path: Path, replaced: bool, told: str
) -> None:
    """Open connections go on writing to what nobody can find again: that is told."""
    database.check_file()
    file, kept = tmp_path / "test.db", tmp_path / "kept.db"
    file.rename(kept)
    if replaced:
        shutil.copy(kept, file)
    with pytest.raises(DatabaseUnavailable, match=told):
        database.check_file()
    file.unlink(missing_ok=True)
    kept.rename(file)
    database.check_file()


async def test_a_server_has_no_file(postgres_address: str) -> None:
    """Nothing to look at, nothing to be told."""
    database = open_database(postgres_address)
    database.check_file()
    await database.close()


async def test_a_connection_lost_while_idle_is_replaced(postgres_address: str) -> None:
    """The server ended it between two uses: the next one is given another, and no error."""
    database = open_database(postgres_address)
    other = await asyncpg.connect(postgres_address)
    try:
        pids = []
        for _ in range(2):
            async with database.engine.connect() as connection:
                pids.append((await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one())
            await other.execute("SELECT pg_terminate_backend($1, 5000)", pids[-1])
            await asyncio.sleep(0.1)  # the driver hears of it in the event loop
        assert len(set(pids)) == 2
    finally:
        await other.close()
        await database.close()


async def test_a_connection_whose_transaction_failed_is_not_used_again(postgres_address: str) -> None:
    """Whatever state it is in. One whose transaction was committed is."""
    database = open_database(postgres_address)
    try:
        pids = []
        for fails in (False, True, False):
            with suppress(LookupError):
                async with database.engine.begin() as connection:
                    pids.append((await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one())
                    if fails:
                        raise LookupError
        assert pids[0] == pids[1]
        assert pids[1] != pids[2]
    finally:
        await database.close()
