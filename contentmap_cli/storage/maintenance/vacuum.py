"""Free space in an SQLite file: its size, and how it is returned to the disk."""

from __future__ import annotations

import shutil

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage.engine import Database


async def free_bytes(connection: AsyncConnection) -> int:
    """Return the number of free bytes in the file. New rows use them again."""
    pages, size = [
        int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() or 0)
        for name in ("freelist_count", "page_size")
    ]
    return pages * size


async def vacuum(database: Database) -> None:
    """Rewrite the file without its free space. No other connection can write meanwhile.

    This needs about twice the size of the file on the disk. Raises DatabaseUnavailable where less is free. No
    transaction may be open on the connection, so the statements are sent through the driver.
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
