"""`contentmap resume`: finishes what a scan left unfinished."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.scan import refuse_what_no_worker_knows
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import SCAN_FORMATS, Format

EPILOG = """\
Examples:

  contentmap resume sitemap_0123456789abcdef0123456789abcdef

  contentmap resume sitemap_0123456789abcdef0123456789abcdef --failed

  contentmap resume sitemap_0123456789abcdef0123456789abcdef --failed --queue

The job's own options hold, whatever the settings say today. --header and --proxy are never recorded: they
come from the settings or are given again.

Exit codes: as for scan; 6 no such job, 75 another run holds the job.
"""
RECORDED = frozenset(opt.RESUMED.options) - opt.SECRET - opt.LOCAL
"""What the job has recorded, so that neither the environment nor a settings file changes it later."""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "resume", flags_only=RECORDED, epilog=EPILOG)(resume)


def resume(
    cli: GlobalOptions,
    job_id: opt.JobArgument,
    failed: Annotated[bool, typer.Option("--failed", help="Try failed and partial domains again.")] = False,
    *,
    crawl: opt.ResumedCrawl,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to `contentmap worker`, anywhere.")
    ] = False,
    priority: Annotated[
        int | None, typer.Option(min=0, max=100, help="With --queue: the larger goes first.")
    ] = None,
    fail_on: opt.FailOnOption = opt.FailOn.ANY,
    format: opt.ScanFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Finish a job that was interrupted, died or was deferred."""
    from contentmap_cli.commands.engine.job.job_runner import resume_job
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    given = ScanSettings.of(crawl).on_this_machine()
    given.crawl_options()
    if queue:
        from contentmap_cli.commands.engine.enqueue import requeue_job, require_queue

        refuse_what_no_worker_knows(cli, given, output)
        form = opt.chosen(format, as_json, (Format.TABLE, Format.JSON))
        require_queue(cli)
        return run_async(
            requeue_job(cli, job_id, given, failures=failed, priority=priority, as_json=form is Format.JSON)
        )
    if priority is not None:
        raise UsageError("--priority is for --queue", hint="a scan that runs here waits for no other")
    answer = opt.Answer(opt.chosen(format, as_json, SCAN_FORMATS), output, fail_on)
    return run_async(resume_job(cli, cli.tenant_name, job_id, given, answer, failures=failed))
