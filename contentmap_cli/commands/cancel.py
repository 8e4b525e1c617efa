"""`contentmap cancel`: cancel a job."""

from __future__ import annotations

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.output.formats import Format

EPILOG = """\
Examples:
  contentmap cancel sitemap_0123

Recorded results are kept. A running scan stops within seconds and exits with 3. `contentmap resume` finishes
a cancelled job.

Exit codes: 0, also for a job that has ended; 5 database; 6 no such job.
"""


def cancel(
    cli: GlobalOptions,
    job_id: opt.JobArgument,
    as_json: opt.JsonAlone = False,
) -> None:
    """Cancel a queued or running job."""
    run_async(_cancel(cli, job_id, as_json=as_json))


async def _cancel(cli: GlobalOptions, job_id: str, *, as_json: bool) -> None:
    import sys

    from contentmap_cli.commands.database.connection import database_for_writing
    from contentmap_cli.commands.database.lookups import find_job_id, read_job, require_job
    from contentmap_cli.commands.interface.answer_output import say, width_of
    from contentmap_cli.output.formats import status_writer
    from contentmap_cli.storage.jobs.cancellation import cancel_job
    from contentmap_cli.storage.session import Sessions

    async with database_for_writing(cli, create=False) as database:
        sessions = Sessions(database)
        async with sessions.brief() as session, session.begin():
            job_id = await find_job_id(session, cli.tenant_name, job_id)
            await require_job(session, cli.tenant_name, job_id)
            cancelled = await cancel_job(session, job_id)
        summary = await read_job(sessions, cli.tenant_name, job_id)
    status_writer(
        Format.JSON if as_json else Format.TABLE,
        sys.stdout,
        summary,
        width=width_of(sys.stdout),
        color=cli.colored(sys.stdout),
    ).finish()
    sys.stdout.flush()
    if not cancelled:
        cli.note(f"nothing to cancel: {job_id} has ended")
    elif not cli.quiet:
        say(f"hint: {cli.in_full(f'finish it with `contentmap resume {job_id}`')}")
