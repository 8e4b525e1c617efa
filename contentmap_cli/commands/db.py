"""`contentmap db`: schema, partitions and pruning of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.database.copy import EPILOG as COPY
from contentmap_cli.commands.database.copy import copy
from contentmap_cli.commands.database.prune import EPILOG as PRUNE
from contentmap_cli.commands.database.prune import prune
from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import SETTINGS, HelpGroup
from contentmap_cli.errors import Exit, SchemaMismatch

MOST_PARTITIONS = 256
"""Limit set by PostgreSQL's default of max_locks_per_transaction."""

CHECK = """\
Examples:
  contentmap db check --json
  contentmap db check --deep

--deep reads everything: the file of SQLite, references between rows, and recorded counts.

Exit codes: 0 current schema; 3 --deep found problems; 5 other schema, or database unavailable.
"""
UPGRADE = """\
Examples:
  contentmap db upgrade --db postgresql://user@localhost/contentmap

Exit codes: 0; 5 database unavailable, or not upgradable.
"""
PARTITION = """\
Examples:
  contentmap db partition --partitions 32 --dry-run
  contentmap db partition --partitions 32
  contentmap db partition --partitions 1

Exit codes: 0; 2 not PostgreSQL; 5 database in use or unavailable.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    group = typer.Typer(
        name="db",
        cls=HelpGroup,
        help="Check, upgrade, partition, prune or copy the database.",
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=SETTINGS,
    )
    command(group, "check", epilog=CHECK)(check)
    command(group, "upgrade", epilog=UPGRADE)(upgrade)
    command(group, "partition", epilog=PARTITION)(partition)
    command(group, "prune", epilog=PRUNE)(prune)
    command(group, "copy", epilog=COPY)(copy)
    app.add_typer(group)


def check(
    cli: GlobalOptions,
    deep: Annotated[bool, typer.Option("--deep", help="Also check all rows; takes a while.")] = False,
    as_json: opt.JsonAlone = False,
) -> int:
    """Check that the schema is the one this version requires."""
    return run_async(_check(cli, deep=deep, as_json=as_json))


def upgrade(cli: GlobalOptions) -> int:
    """Create or upgrade the schema. Data is kept."""
    return run_async(_upgrade(cli))


def partition(
    cli: GlobalOptions,
    partitions: Annotated[
        int,
        typer.Option(
            "--partitions",
            min=1,
            max=MOST_PARTITIONS,
            metavar="N",
            help="Number of partitions; 1 for a plain table.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be moved.")] = False,
) -> int:
    """Partition the table of URLs by domain (PostgreSQL). Data is kept."""
    return run_async(_partition(cli, partitions, dry_run=dry_run))


async def _check(cli: GlobalOptions, *, deep: bool, as_json: bool) -> int:
    import json

    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.commands.interface.answer_output import print_line
    from contentmap_cli.output.escape import terminal
    from contentmap_cli.storage.engine import snapshot_options
    from contentmap_cli.storage.maintenance.integrity import integrity_problems
    from contentmap_cli.storage.partitions import read_partitions
    from contentmap_cli.storage.schema import HEAD, SchemaState, require_current

    problems: list[str] | None = None
    async with opened_as_is(cli, create=False, patient=deep) as database:
        reading = database.engine.execution_options(**snapshot_options(database))
        async with reading.begin() as connection:
            state, revision = await schema_of(database, connection)
            partitions = await connection.run_sync(read_partitions)
            if deep and state is SchemaState.CURRENT:
                problems = [each async for each in integrity_problems(connection)]
        if as_json:
            answer = {
                "type": "schema",
                "database": database.shown,
                "state": state,
                "revision": revision,
                "wanted": HEAD,
                "partitions": partitions,
                "problems": problems,
            }
            print_line(json.dumps(answer))
        require_current(state, revision, database.shown)
        if not as_json:
            spread = f", URLs in {partitions} partitions" if partitions > 1 else ""
            print_line(f"{database.shown}: schema {revision}, current{spread}")
            if problems is not None:
                print_line("\n".join(map(terminal, problems)) or "all rows are consistent")
    return Exit.NOT_CLEAN if problems else Exit.CLEAN


async def _upgrade(cli: GlobalOptions) -> int:
    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.commands.interface.answer_output import print_line
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
                        f"{database.shown} is in use by an older ContentMap running {live[0]}",
                        hint="wait until it has ended, or stop it and resume the job after the upgrade",
                    )
            await connection.run_sync(upgrade_schema)
        was = "already there" if state is SchemaState.CURRENT else f"was {revision or 'empty'}"
        print_line(f"{database.shown}: schema {HEAD} ({was})")
    return 0


async def _partition(cli: GlobalOptions, wanted: int, *, dry_run: bool) -> int:
    from contentmap_cli.commands.database.connection import opened_as_is, schema_of
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.commands.interface.answer_output import print_line
    from contentmap_cli.errors import UsageError
    from contentmap_cli.storage.partitions import busy_jobs, hold_still, measure, partition, read_partitions
    from contentmap_cli.storage.schema import held_jobs, lock_schema, require_current

    async with opened_as_is(cli, create=False) as database:
        if database.dialect != "postgresql":
            raise UsageError(
                f"SQLite has no partitions: {database.shown}",
                hint="name a PostgreSQL database with --db",
            )
        async with database.engine.begin() as connection:
            await connection.run_sync(lock_schema)
            state, revision = await schema_of(database, connection)
            require_current(state, revision, database.shown)
            now = await connection.run_sync(read_partitions)
            if now == wanted:
                print_line(f"{database.shown}: {_spread(now)} (unchanged)")
                return 0
            if dry_run:
                rows, size = await connection.run_sync(measure)
                print_line(
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
                    f"{database.shown} is in use by a run of {live[0]}",
                    hint="wait until it has ended, or stop it and resume the job afterwards",
                )
            rows, size = await connection.run_sync(partition, wanted)
        print_line(
            f"{database.shown}: {_spread(wanted)}, moved {rows:,} rows, {_mib(size)} now (was {_spread(now)})"
        )
    return 0


def _spread(partitions: int) -> str:
    return "URLs in one table" if partitions == 1 else f"URLs in {partitions} partitions"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
