"""`contentmap db`: the schema of the database, and what is old in it."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.database.prune import EPILOG as PRUNE
from contentmap_cli.commands.database.prune import prune
from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import SchemaMismatch

MOST_PARTITIONS = 256
"""More would need more locks in one transaction than a server has by default (max_locks_per_transaction)."""

CHECK = """\
Examples:

  contentmap db check --json

Exit codes: 0 the schema is current; 5 it is not, or the database cannot be reached.
"""
UPGRADE = """\
Examples:

  contentmap db upgrade --db postgresql://user@localhost/contentmap

Exit codes: 0; 5 the database cannot be reached or upgraded.
"""
PARTITION = """\
Examples:

  contentmap db partition --partitions 32 --dry-run

  contentmap db partition --partitions 32

  contentmap db partition --partitions 1

Exit codes: 0; 2 the database is not on PostgreSQL; 5 a run is at work, or the database cannot be reached or
changed.
"""


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    group = typer.Typer(
        name="db", help="Check or upgrade the database's schema, remove what is old.", no_args_is_help=True
    )
    command(group, "check", epilog=CHECK)(check)
    command(group, "upgrade", epilog=UPGRADE)(upgrade)
    command(group, "partition", epilog=PARTITION)(partition)
    command(group, "prune", epilog=PRUNE)(prune)
    app.add_typer(group)


def check(
    cli: GlobalOptions,
    as_json: opt.JsonAlone = False,
) -> int:
    """Say whether the schema is the one this version works with."""
    return run_async(_check(cli, as_json=as_json))


def upgrade(cli: GlobalOptions) -> int:
    """Create the schema, or bring it up to date. What is recorded stays."""
    return run_async(_upgrade(cli))


def partition(
    cli: GlobalOptions,
    partitions: Annotated[
        int,
        typer.Option(
            "--partitions", min=1, max=MOST_PARTITIONS, metavar="N", help="So many; 1 goes back to one table."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would move, and move nothing.")
    ] = False,
) -> int:
    """Spread the table of URLs over partitions by domain (PostgreSQL). What is recorded stays."""
    return run_async(_partition(cli, partitions, dry_run=dry_run))


async def _check(cli: GlobalOptions, *, as_json: bool) -> int:
    import json

    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.storage.partitions import read_partitions
    from contentmap_cli.storage.schema import HEAD, require_current

    async with opened_as_is(cli, create=False) as database:
        async with database.engine.connect() as connection:
            state, revision = await schema_of(database, connection)
            partitions = await connection.run_sync(read_partitions)
        if as_json:
            answer = {
                "type": "schema",
                "database": database.shown,
                "state": state,
                "revision": revision,
                "wanted": HEAD,
                "partitions": partitions,
            }
            print(json.dumps(answer))
        require_current(state, revision, database.shown)
        if not as_json:
            spread = f", URLs in {partitions} partitions" if partitions > 1 else ""
            print(f"{database.shown}: schema {revision}, current{spread}")
    return 0


async def _upgrade(cli: GlobalOptions) -> int:
    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.storage.schema import (
        HEAD,
        SchemaState,
        held_jobs,
        lock_schema,
        require_current,
        upgrade_schema,
    )

    async with opened_as_is(cli, create=True) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(lock_schema)
            state, revision = await schema_of(database, connection)
            if state in (SchemaState.NEWER, SchemaState.FOREIGN):
                require_current(state, revision, database.shown)
            if state is SchemaState.OLDER:
                live = await connection.run_sync(held_jobs, is_dead, is_running)
                if live:
                    raise SchemaMismatch(
                        f"a run of an older ContentMap is at work on {live[0]} in {database.shown}",
                        hint="wait for its end, or stop it and resume the job after the upgrade",
                    )
            await connection.run_sync(upgrade_schema)
        was = "already there" if state is SchemaState.CURRENT else f"was {revision or 'empty'}"
        print(f"{database.shown}: schema {HEAD} ({was})")
    return 0


async def _partition(cli: GlobalOptions, wanted: int, *, dry_run: bool) -> int:
    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.errors import UsageError
    from contentmap_cli.storage.partitions import busy_jobs, hold_still, measure, partition, read_partitions
    from contentmap_cli.storage.schema import held_jobs, lock_schema, require_current

    async with opened_as_is(cli, create=False) as database:
        if database.dialect != "postgresql":
            raise UsageError(
                f"{database.shown} is an SQLite file, and those have no partitions",
                hint="name a PostgreSQL database with --db",
            )
        async with database.engine.begin() as connection:
            await connection.run_sync(lock_schema)
            state, revision = await schema_of(database, connection)
            require_current(state, revision, database.shown)
            now = await connection.run_sync(read_partitions)
            if now == wanted:
                print(f"{database.shown}: {_spread(now)} (already so)")
                return 0
            if dry_run:
                rows, size = await connection.run_sync(measure)
                print(
                    f"{database.shown}: would move {rows:,} rows, {_mib(size)}, from {_spread(now)} to "
                    f"{_spread(wanted)}; needs up to {_mib(size)} more on the server's disk, and as much "
                    "write-ahead log"
                )
                return 0
            await connection.run_sync(hold_still)
            held = await connection.run_sync(held_jobs, is_dead, is_running)
            live = held or await connection.run_sync(busy_jobs)
            if live:
                raise SchemaMismatch(
                    f"a run is at work on {live[0]} in {database.shown}",
                    hint="wait for its end, or stop it and resume the job afterwards",
                )
            rows, size = await connection.run_sync(partition, wanted)
        print(
            f"{database.shown}: {_spread(wanted)}, moved {rows:,} rows, {_mib(size)} now (was {_spread(now)})"
        )
    return 0


def _spread(partitions: int) -> str:
    return "URLs in one table" if partitions == 1 else f"URLs in {partitions} partitions"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
