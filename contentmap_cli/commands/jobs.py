"""`contentmap jobs`: list of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.completion import complete_job
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.models import JobStatus
from contentmap_cli.output.formats import LIST_FORMATS, Format

if TYPE_CHECKING:
    from datetime import datetime

    from contentmap_cli.storage.session import GuardedSession

EPILOG = """\
Examples:
  contentmap jobs --limit 5
  contentmap jobs --since 2026-01-31 --domain example.com --json
  contentmap jobs --status failed --status interrupted
  contentmap jobs --limit 100 --before sitemap_0123

Exit codes: 0; 5 database; 6 no such job (--before).
"""


def jobs(
    cli: GlobalOptions,
    limit: Annotated[int, typer.Option(min=1, max=10**9, metavar="N", help="Maximum number of jobs.")] = 20,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only jobs created since: a date, 12h, 7d, 2w."),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="JOB_ID|WHEN",
            help="Only jobs before this one or that time.",
            autocompletion=complete_job,
        ),
    ] = None,
    status: Annotated[
        list[JobStatus] | None, typer.Option(metavar="STATUS", help="Only jobs with this status. Repeatable.")
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
    chosen = opt.chosen(format, as_json, LIST_FORMATS, output)
    run_async(_answer(cli, limit, created, before, status, name, chosen, output))


async def _answer(
    cli: GlobalOptions,
    limit: int,
    since: datetime | None,
    before: str | None,
    statuses: list[JobStatus] | None,
    domain: str | None,
    format: Format,
    output: str | None,
) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import jobs_as_they_stand
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.output.formats import jobs_writer
    from contentmap_cli.output.number_format import plural

    async with database_for_reading(cli) as sessions:
        async with sessions.read() as session, session.begin():
            rows = await jobs_as_they_stand(
                session,
                cli.tenant_name,
                limit=limit,
                since=since,
                before=await _position(session, cli.tenant_name, before) if before else None,
                statuses=statuses,
                domain=domain,
            )
        with answer_to(output) as out:
            writer = jobs_writer(format, out, width=width_of(out), color=cli.colored(out))
            for row in rows:
                writer.write(row)
            writer.finish()
    if not rows:
        cli.note("no jobs match")
    elif len(rows) == limit:
        cli.note(f"note: at most {plural(limit, 'job')}; list earlier ones with --before {rows[-1].job_id}")


async def _position(session: GuardedSession, tenant: str, before: str) -> tuple[datetime, str]:
    """Return the time of creation and the id of the job that --before names, or of no job at a time."""
    from contentmap_cli.commands.database.lookups import JOB_PREFIX, find_job_id, require_job
    from contentmap_cli.commands.interface.argument_values import parse_date

    if not before.startswith(JOB_PREFIX):
        return parse_date("--before", before), "~"  # after all ids
    job = await require_job(session, tenant, await find_job_id(session, tenant, before))
    return job.created_at, job.id
