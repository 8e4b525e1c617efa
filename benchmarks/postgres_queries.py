"""Queries of a PostgreSQL server, each on a connection of its own and outside a transaction."""

from __future__ import annotations

from typing import Any

import asyncpg


async def ask(address: str, query: str) -> list[Any]:
    """Return the rows of a query."""
    connection = await asyncpg.connect(address)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def execute(address: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def commits(address: str) -> int:
    """Return the number of commits of a database so far."""
    counted = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    return int((await ask(address, counted))[0][0])
