"""`contentmap db copy`: copy all tenants to another database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from contentmap_cli.storage.engine import Database
    from contentmap_cli.storage.maintenance.copying import Copied

EPILOG = """\
Examples:
  contentmap db copy --db map.db --to postgresql://user@host/database
  contentmap db copy --db postgresql://user@host/database --to map.db --json

All tenants are copied, in one transaction: after an error or Ctrl-C the target is as it was. It must be
empty, and nothing may be scanned or queued. What was written is read back and compared.

Exit codes: 0; 2 the target is not empty; 5 database; 75 the source is in use.
"""


def copy(
    cli: GlobalOptions,
    to: Annotated[str, typer.Option("--to", metavar="URL|FILE", help="Empty or new database.")],
    as_json: opt.JsonAlone = False,
) -> None:
    """Copy everything to an empty SQLite or PostgreSQL database."""
    run_async(_run(cli, to, as_json=as_json))


async def _run(cli: GlobalOptions, to: str, *, as_json: bool) -> None:
    import json

    from contentmap_cli.commands.database.connection import opened_address, opened_as_is
    from contentmap_cli.commands.interface.answer_output import print_line
    from contentmap_cli.commands.interface.process_setup import hide_argument
    from contentmap_cli.storage.database_url import parse_database_address
    from contentmap_cli.storage.maintenance.copying import delete_if_empty

    address = parse_database_address(to)
    if address.has_secret:
        hide_argument(to)
    file = address.path
    is_new = file is not None and not file.exists()
    async with opened_as_is(cli, create=False, patient=True) as source, opened_address(address) as target:
        try:
            copied = await _copy(cli, source, target)
        except BaseException:
            await target.close()
            if file is not None and is_new:
                delete_if_empty(file)
            raise
        if as_json:
            answer = {
                "type": "database_copy",
                "from": source.shown,
                "to": target.shown,
                "rows": {name: each.rows for name, each in copied.items()},
                "verified": True,
            }
            print_line(json.dumps(answer))
            return
        print_line(f"{source.shown}: copied to {target.shown}, verified")
        for name, each in copied.items():
            print_line(f"{name:<20}  {each.rows:>13,}")


async def _copy(cli: GlobalOptions, source: Database, target: Database) -> dict[str, Copied]:
    """Copy all tables in one transaction of each database, and compare what was written with what is read."""
    from contentmap_cli.errors import StorageRefused
    from contentmap_cli.output.number_format import plural
    from contentmap_cli.storage.database_errors import storage_errors
    from contentmap_cli.storage.engine import snapshot_options
    from contentmap_cli.storage.maintenance.copying import (
        TABLES,
        continue_numbering,
        copy_table,
        number_changes,
        read_back,
    )

    snapshots = source.engine.execution_options(**snapshot_options(source))
    async with target.engine.begin() as writing:
        await _allow_idle(writing)
        await _prepare(target, writing)
        with storage_errors(source.shown):
            async with snapshots.begin() as reading:
                await _allow_idle(reading)
                await _require_idle(source, reading)
                copied = {}
                for table in TABLES:
                    with storage_errors(target.shown):
                        copied[table.name] = await copy_table(reading, writing, table, shown=source.shown)
                    if sys.stderr.isatty():  # the answer has them too
                        cli.note(f"{table.name}: {plural(copied[table.name].rows, 'row')}")
        await continue_numbering(writing)
        for table in TABLES:
            if await read_back(writing, table) != copied[table.name]:
                raise StorageRefused(
                    f"the rows of {table.name} in {target.shown} differ from those that were written",
                    hint="nothing was copied; check the target, then run it again",
                )
        await number_changes(writing)
    return copied


async def _allow_idle(connection: AsyncConnection) -> None:
    """Let the transaction be idle for any time: it waits for the other database."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


async def _prepare(target: Database, writing: AsyncConnection) -> None:
    """Create the schema in a new database. Raise UsageError if one has rows, SchemaMismatch for another
    schema."""
    from contentmap_cli.commands.database.connection import schema_of
    from contentmap_cli.errors import UsageError
    from contentmap_cli.storage.maintenance.copying import first_filled
    from contentmap_cli.storage.schema import SchemaState, create_schema, lock_schema, require_current

    await writing.run_sync(lock_schema)
    state, revision = await schema_of(target, writing)
    if state is SchemaState.EMPTY:
        await writing.run_sync(create_schema)
        return
    require_current(state, revision, target.shown)
    filled = await first_filled(writing)
    if filled is not None:
        raise UsageError(
            f"the database {target.shown} is not empty: {filled} has rows",
            hint="name an empty database with --to",
        )


async def _require_idle(source: Database, reading: AsyncConnection) -> None:
    """Raise SchemaMismatch for another schema, JobHeld if a job runs or is queued: its leases and its place
    in the queue cannot be copied."""
    from sqlalchemy import select

    from contentmap_cli.commands.database.connection import schema_of
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.errors import JobHeld
    from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
    from contentmap_cli.storage.schema import held_jobs, require_current
    from contentmap_cli.storage.tables import Job

    state, revision = await schema_of(source, reading)
    require_current(state, revision, source.shown)
    queued = select(Job.id).where(Job.owner == QUEUE_OWNER).limit(1)
    live = await reading.run_sync(held_jobs, is_dead, is_running) or list(await reading.scalars(queued))
    if live:
        raise JobHeld(
            f"{source.shown} is in use by a run of {live[0]}",
            hint="wait until it has ended, or cancel it with `contentmap cancel JOB_ID`",
        )
