"""A watchdog for servers that accept a statement and never answer.

A statement may rightly take long, for example a COPY of a million rows. So statements have no timeout.
Instead the server is asked something small every few seconds, on a connection of its own. If that is not
answered in time, nothing is, and all connections are terminated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from contentmap_cli.errors import ConnectionLost
from contentmap_cli.storage.database_url import DatabaseAddress
from contentmap_cli.storage.engine import Database, open_database

CHECK_SECONDS = 10.0
ANSWER_SECONDS = 30.0

log = logging.getLogger("contentmap.database")


@asynccontextmanager
async def watched(database: Database, address: DatabaseAddress) -> AsyncIterator[None]:
    """Watch a server during the block: if it stops answering, pending statements raise. A file is not
    watched."""
    if database.path is not None:
        yield
        return
    own = open_database(address)
    watchdog = asyncio.create_task(_watch(database, own), name="watchdog")
    try:
        yield
    finally:
        watchdog.cancel()
        with suppress(asyncio.CancelledError):
            await watchdog
        await own.close()


async def _watch(database: Database, own: Database) -> None:
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        check = asyncio.create_task(_check(own.engine))
        try:
            done, _ = await asyncio.wait([check], timeout=ANSWER_SECONDS)
        finally:
            if not check.done():
                own.terminate_connections()
                check.cancel()
        if not done:
            log.warning(
                "the database %s has not answered for %d s: its connections are cut",
                database.shown,
                ANSWER_SECONDS,
                extra={"action": "database.unresponsive"},
            )
            database.terminate_connections()
        await asyncio.wait([check])
        if not check.cancelled():
            check.exception()  # a server that refuses is alive; its users get the error


async def _check(engine: AsyncEngine) -> None:
    """Return after an answer, or raise an error. A connection attempt that times out is repeated."""
    while True:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
            return
        except ConnectionLost as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise
            await asyncio.sleep(0)
