"""`contentmap db`: the schema of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.shell import Shell, command, run_async
from contentmap_cli.errors import SchemaMismatch

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


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    group = typer.Typer(name="db", help="Check or upgrade the database's schema.", no_args_is_help=True)
    command(group, "check", epilog=CHECK)(check)
    command(group, "upgrade", epilog=UPGRADE)(upgrade)
    app.add_typer(group)


def check(
    shell: Shell,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> int:
    """Say whether the schema is the one this version works with."""
    return run_async(_check(shell, as_json=as_json))


def upgrade(shell: Shell) -> int:
    """Create the schema, or bring it up to date. What is recorded stays."""
    return run_async(_upgrade(shell))


async def _check(shell: Shell, *, as_json: bool) -> int:
    import json

    from contentmap_cli.commands.database import opened_as_is, schema_of
    from contentmap_cli.records.schema import HEAD, require_current

    async with opened_as_is(shell, create=False) as database:
        async with database.engine.connect() as connection:
            state, revision = await schema_of(database, connection)
        if as_json:
            answer = {
                "type": "schema",
                "database": database.shown,
                "state": state,
                "revision": revision,
                "wanted": HEAD,
            }
            print(json.dumps(answer, ensure_ascii=False))
        require_current(state, revision, database.shown)
        if not as_json:
            print(f"{database.shown}: schema {revision}, current")
    return 0


async def _upgrade(shell: Shell) -> int:
    from contentmap_cli.commands.database import opened_as_is, schema_of
    from contentmap_cli.commands.owner import surely_gone
    from contentmap_cli.records.schema import (
        HEAD,
        SchemaState,
        held_jobs,
        lock_schema,
        require_current,
        upgrade_schema,
    )

    async with opened_as_is(shell, create=True) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(lock_schema)
            state, revision = await schema_of(database, connection)
            if state in (SchemaState.NEWER, SchemaState.FOREIGN):
                require_current(state, revision, database.shown)
            if state is SchemaState.OLDER:
                live = [job for job, owner in await connection.run_sync(held_jobs) if not surely_gone(owner)]
                if live:
                    raise SchemaMismatch(
                        f"a run of an older ContentMap is at work on {live[0]} in {database.shown}",
                        hint="wait for its end, or stop it and resume the job after the upgrade",
                    )
            await connection.run_sync(upgrade_schema)
        was = "already there" if state is SchemaState.CURRENT else f"was {revision or 'empty'}"
        print(f"{database.shown}: schema {HEAD} ({was})")
    return 0
