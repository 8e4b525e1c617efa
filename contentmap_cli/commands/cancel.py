"""`contentmap cancel`: calls a job off."""

from __future__ import annotations

import typer

from contentmap_cli.commands import options as opt
from contentmap_cli.commands.calling import command, run_async
from contentmap_cli.commands.shell import Shell
from contentmap_cli.report.formats import Format

EPILOG = """\
Examples:

  contentmap cancel sitemap_0123456789abcdef0123456789abcdef

What is being written is finished, and what was recorded stays. The rest is interrupted: `contentmap resume`
goes on with it. A scan that runs in another terminal notices within seconds and ends with 3.

Exit codes: 0, also where it has ended already; 5 database, 6 no such job.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "cancel", epilog=EPILOG)(cancel)


def cancel(
    shell: Shell,
    job_id: opt.JobArgument,
    as_json: opt.JsonAlone = False,
) -> None:
    """Call a job off, whether it waits or runs, here or on any worker."""
    run_async(_cancel(shell, job_id, as_json=as_json))


async def _cancel(shell: Shell, job_id: str, *, as_json: bool) -> None:
    import sys

    from contentmap_cli.commands.database import database_for_writing
    from contentmap_cli.commands.known import read_job, require_job
    from contentmap_cli.commands.output import say, width_of
    from contentmap_cli.commands.owner import surely_gone
    from contentmap_cli.records.cancelling import cancel_job
    from contentmap_cli.records.session import Sessions
    from contentmap_cli.records.workers import end_sleepers
    from contentmap_cli.report.formats import status_writer

    async with database_for_writing(shell, create=False) as database:
        sessions = Sessions(database)
        async with sessions.brief(job_id) as session, session.begin():
            await require_job(session, shell.tenant_name, job_id)
            await end_sleepers(session, job_id, shell.tenant_name, surely_gone)
            cancelled = await cancel_job(session, job_id)
        summary = await read_job(sessions, shell.tenant_name, job_id)
    status_writer(
        Format.JSON if as_json else Format.TABLE,
        sys.stdout,
        summary,
        width=width_of(sys.stdout),
        color=shell.colored(sys.stdout),
    ).finish()
    sys.stdout.flush()
    if not cancelled:
        say(f"{job_id} has ended already: nothing was left to cancel", unless=shell.quiet)
    elif not shell.quiet:
        say(f"hint: {shell.in_full(f'`contentmap resume {job_id}` goes on with what is left')}")
