"""Counts rows as they are written: triggers in the database itself, whoever writes."""

from __future__ import annotations

from contentmap_cli.storage.engine import open_database

TABLES = ("sitemap_urls", "sitemap_files")
_VERBS = ("INSERT", "UPDATE", "DELETE")


async def watch_writes(address: str) -> None:
    """From now on each row that is written is counted."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE row_writes (name TEXT, verb TEXT)")
        for table in TABLES:
            for verb in _VERBS:
                note = f"INSERT INTO row_writes VALUES ('{table}', '{verb}');"
                head = f"CREATE TRIGGER {table}_{verb.lower()} AFTER {verb} ON {table} FOR EACH ROW"
                if database.dialect == "sqlite":
                    await connection.exec_driver_sql(f"{head} BEGIN {note} END")
                    continue
                body = f"BEGIN {note} RETURN NULL; END"
                name = f"note_{table}_{verb.lower()}"
                await connection.exec_driver_sql(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
                )
                await connection.exec_driver_sql(f"{head} EXECUTE FUNCTION {name}()")
    await database.close()


async def writes_so_far(address: str) -> dict[tuple[str, str], int]:
    """How many rows were written since `watch_writes` or the last call, by table and verb."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT name, verb, count(*) FROM row_writes GROUP BY name, verb"
        )
        counted = {(str(name), str(verb)): int(count) for name, verb, count in rows}
        await connection.exec_driver_sql("DELETE FROM row_writes")
    await database.close()
    return counted
