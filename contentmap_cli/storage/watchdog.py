"""Feels a server's pulse: one that takes a question and never answers would be waited for for ever.

A statement may rightly take long, a COPY of a million rows as much as any. So it is not the statement that
is timed: beside the work, on a connection of its own, a server is asked something small every few seconds.
If that has no answer for long, nothing has, and every connection is cut.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from contentmap_cli.storage.engine import Database, open_database

PULSE_SECONDS = 10.0
PATIENCE_SECONDS = 30.0

log = logging.getLogger("contentmap.database")


@asynccontextmanager
async def watched(database: Database, address: URL) -> AsyncIterator[None]:
    """Watches a server as long as the block lasts; one that falls silent makes every statement fail. A file
    needs no watching."""
    if database.path is not None:
        yield
        return
    own = open_database(address)
    pulse = asyncio.create_task(_feel(database, own), name="pulse")
    try:
        yield
    finally:
        pulse.cancel()
        with suppress(asyncio.CancelledError):
            await pulse
        await own.close()


async def _feel(database: Database, own: Database) -> None:
    while True:
        await asyncio.sleep(PULSE_SECONDS)
        asked = asyncio.create_task(_ask(own.engine))
        try:
            done, _ = await asyncio.wait([asked], timeout=PATIENCE_SECONDS)
        finally:
            if not asked.done():
                own.cut()
                asked.cancel()
        if not done:
            log.warning(
                "the database %s has not answered for %d s: its connections are cut",
                database.shown,
                PATIENCE_SECONDS,
                extra={"action": "database.silent"},
            )
            database.cut()
        await asyncio.wait([asked])
        if not asked.cancelled():
            asked.exception()  # a server that refuses is alive; who works with it hears why


async def _ask(engine: AsyncEngine) -> None:
    """Comes back with an answer, or raises one. Even to say hello to may be left unanswered: then again."""
    while True:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
            return
        except TimeoutError:
            await asyncio.sleep(0)
