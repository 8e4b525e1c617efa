"""`contentmap jobs`: which jobs there were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands import options as opt
from contentmap_cli.commands.calling import command, run_async
from contentmap_cli.commands.shell import Shell
from contentmap_cli.report.formats import LIST_FORMATS, Format

if TYPE_CHECKING:
    from datetime import datetime

EPILOG = """\
Examples:

  contentmap jobs --limit 5

  contentmap jobs --since 2026-01-31 --domain example.com --json

Exit codes: 0, also where there are none; 5 database.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "jobs", epilog=EPILOG)(jobs)


def jobs(
    shell: Shell,
    limit: Annotated[int, typer.Option(min=1, max=10**9, help="How many, the newest first.")] = 20,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Created since: a date, a UTC date-time, or 12h, 7d, 2w ago."),
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Only jobs that scan this domain.")] = None,
    format: opt.ListFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List the jobs, the newest first."""
    from contentmap_cli.commands.inputs import domain_name
    from contentmap_cli.commands.moments import parse_moment

    moment = parse_moment("--since", since) if since else None
    name = domain_name(domain) if domain else None
    run_async(_answer(shell, limit, moment, name, opt.chosen(format, as_json, LIST_FORMATS), output))


async def _answer(
    shell: Shell, limit: int, since: datetime | None, domain: str | None, format: Format, output: str | None
) -> None:
    from contentmap_cli.commands.database import database_for_reading
    from contentmap_cli.commands.output import answer_to, say, width_of
    from contentmap_cli.commands.owner import surely_gone, truthful
    from contentmap_cli.records.queries import list_jobs
    from contentmap_cli.records.queue_state import with_queue
    from contentmap_cli.report.formats import jobs_writer

    async with database_for_reading(shell) as sessions:
        async with sessions.read() as session, session.begin():
            rows = await list_jobs(session, shell.tenant_name, limit=limit, since=since, domain=domain)
            rows = [await with_queue(session, row, surely_gone) for row in rows]
        with answer_to(output) as out:
            writer = jobs_writer(format, out, width=width_of(out), color=shell.colored(out))
            for row in rows:
                writer.write(truthful(row))
            writer.finish()
    if not rows:
        say("no job fits", unless=shell.quiet)
