"""Databases with the current schema and no rows, emptied after a test and given to the next one.

To create one costs little, but the first connections to it read every system catalog: 0.3 seconds of CPU
for each test.
"""

from __future__ import annotations

import asyncio
import itertools
import os

import asyncpg

WAIT_SECONDS = 1.0
"""Time for the server to close the sessions of processes that have ended."""

VERSION = "contentmap_version"
"""The only table with rows that belong to the schema."""

CATALOGS = (
    *("pg_constraint", "pg_attrdef", "pg_trigger", "pg_proc", "pg_type", "pg_extension", "pg_event_trigger"),
    *("pg_policy", "pg_default_acl", "pg_rewrite", "pg_operator", "pg_cast"),
)
OWN = 16384
"""The first oid that is not of PostgreSQL itself."""

DIGEST = f"""
SELECT md5(concat_ws('|',
    (SELECT string_agg(version_num, ' ') FROM {VERSION}),
    (SELECT string_agg(concat_ws(' ', oid, relname, relkind, relowner, relacl, reloptions), ',' ORDER BY oid)
        FROM pg_class WHERE oid >= {OWN}),
    (SELECT string_agg(concat_ws(' ', attrelid, attnum, xmin), ',' ORDER BY attrelid, attnum)
        FROM pg_attribute WHERE attrelid >= {OWN}),
    (SELECT string_agg(concat_ws(' ', oid, nspname, nspacl), ',' ORDER BY oid)
        FROM pg_namespace WHERE nspname !~ '^pg_'),
    (SELECT string_agg(concat_ws(' ', setrole, setconfig), ',' ORDER BY setrole)
        FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase AND datname = current_database()),
    (SELECT concat_ws(' ', datconnlimit, datacl, datdba)
        FROM pg_database WHERE datname = current_database()),
    {
    ", ".join(
        f"(SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM {name} WHERE oid >= {OWN})"
        for name in CATALOGS
    )
}))
"""
"""Of all that a test may change besides rows. `xmin` is the transaction that has written a catalog's row."""

FILLED = f"""
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> '{VERSION}'
    AND pg_relation_size(oid) > 0
"""
RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

_numbers = itertools.count()


class PostgresPool:
    """Databases of this process on one server, copied from a template."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[str] = []
        self._digest = asyncio.run(self._digest_of(template))

    def take(self) -> str:
        """Return the address of a database without rows."""
        return self._address(self._free.pop() if self._free else asyncio.run(self._create()))

    def give_back(self, address: str) -> None:
        """Empty a database for the next test; drop it if more than its rows has changed."""
        name = address.rpartition("/")[2]
        if asyncio.run(self._emptied(name)):
            self._free.append(name)
        else:
            asyncio.run(self._on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def close(self) -> None:
        """Drop the databases."""
        while self._free:
            asyncio.run(self._on_server(f"DROP DATABASE {self._free.pop()} WITH (FORCE)"))

    def _address(self, name: str) -> str:
        return self._server.rpartition("/")[0] + f"/{name}"

    async def _create(self) -> str:
        name = f"contentmap_pool_{os.getpid()}_{next(_numbers)}"
        await self._on_server(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    async def _on_server(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _digest_of(self, name: str) -> str:
        connection = await asyncpg.connect(self._address(name))
        try:
            return str(await connection.fetchval(DIGEST))
        finally:
            await connection.close()

    async def _emptied(self, name: str) -> bool:
        try:
            connection = await asyncpg.connect(self._address(name), timeout=10, command_timeout=10)
            try:
                return await self._empty(connection)
            finally:
                await connection.close(timeout=10)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # dropped, damaged or held
            return False

    async def _empty(self, connection: asyncpg.Connection) -> bool:
        """Return whether the database is as new. A process that is still connected could write later."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while await connection.fetchval(OTHERS):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.01)
        if await connection.fetchval(DIGEST) != self._digest:
            return False
        if filled := [row[0] for row in await connection.fetch(FILLED)]:
            await connection.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
        await connection.execute(RESTART)
        return True
