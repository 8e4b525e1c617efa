"""Room in an SQLite file that nothing needs any more: how much there is, and giving it back to the disk."""

from __future__ import annotations

import shutil

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage.engine import Database


async def free_bytes(connection: AsyncConnection) -> int:
    """How much of the file is free, and used again by what is recorded next."""
    pages, size = [
        int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() or 0)
        for name in ("freelist_count", "page_size")
    ]
    return pages * size


async def vacuum(database: Database) -> None:
    """Writes the file anew without what is free in it. Nobody else can write meanwhile.

    It needs about twice the file's size on the disk, which is looked at before. Raises DatabaseUnavailable
    where there is less. No transaction may be open on the connection, so the driver itself is asked.
    """
    if database.path is None:
        return
    needed, there = 2 * database.path.stat().st_size, shutil.disk_usage(database.path.parent).free
    if there < needed:
        raise DatabaseUnavailable(
            f"to give back what is free in {database.shown} takes {needed:,} bytes on its disk, "
            f"and {there:,} are free",
            hint="what was pruned is gone all the same, and its room is used again",
        )
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        if driver is not None:
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                await driver.execute(statement)
