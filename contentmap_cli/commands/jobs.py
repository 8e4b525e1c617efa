"""`contentmap jobs`: list of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.output.formats import LIST_FORMATS, Format

if TYPE_CHECKING:
    from datetime import datetime

EPILOG = """\
Examples:
  contentmap jobs --limit 5
  contentmap jobs --since 2026-01-31 --domain example.com --json

Exit codes: 0; 5 database.
"""


def jobs(
    cli: GlobalOptions,
    limit: Annotated[int, typer.Option(min=1, max=10**9, metavar="N", help="Maximum number of jobs.")] = 20,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Created since then: a date, UTC date-time, 12h, 7d or 2w."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Only jobs that scan this domain.")
    ] = None,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List jobs, newest first."""
    from contentmap_cli.commands.interface.argument_values import parse_date
    from contentmap_cli.commands.interface.target_input import domain_name

    created = parse_date("--since", since) if since else None
    name = domain_name(domain) if domain else None
    run_async(_answer(cli, limit, created, name, opt.chosen(format, as_json, LIST_FORMATS, output), output))


async def _answer(
    cli: GlobalOptions,
    limit: int,
    since: datetime | None,
    domain: str | None,
    format: Format,
    output: str | None,
) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.engine.run_id import is_dead, is_running, truthful
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.output.formats import jobs_writer
    from contentmap_cli.storage.jobs.job_queries import list_jobs
    from contentmap_cli.storage.queue.queue_state import with_queue

    async with database_for_reading(cli) as sessions:
        async with sessions.read() as session, session.begin():
            rows = await list_jobs(
                session, cli.tenant_name, limit=limit, since=since, domain=domain, running=is_running
            )
            rows = [await with_queue(session, row, is_dead) for row in rows]
        with answer_to(output) as out:
            writer = jobs_writer(format, out, width=width_of(out), color=cli.colored(out))
            for row in rows:
                writer.write(truthful(row))
            writer.finish()
    if not rows:
        cli.note("no jobs match")
