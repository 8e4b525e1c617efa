"""`contentmap resume`: finish an unfinished job."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.commands.scan import require_queueable
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import SCAN_FORMATS, Format

EPILOG = """\
Examples:
  contentmap resume
  contentmap resume sitemap_0123
  contentmap resume sitemap_0123 --failed --queue

The options recorded with the job apply. Options with credentials (--header, --user, --proxy, --cert, --netrc,
--signature-key) are not recorded: give them again.

Exit codes: as for scan; 6 no such job; 75 another run holds the job.
"""
RECORDED = frozenset(opt.RESUMED.options) - opt.SECRET - opt.LOCAL
"""Options recorded with the job. The environment and settings files do not change them."""


def resume(
    cli: GlobalOptions,
    job_id: opt.LatestJob = None,
    failed: Annotated[bool, typer.Option("--failed", help="Retry failed and partial domains.")] = False,
    *,
    crawl: opt.ResumedCrawl,
    queue: Annotated[bool, typer.Option("--queue", help="Leave the job to workers.")] = False,
    priority: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            metavar="N",
            help="Priority of a queued job, 0 to 100; higher runs first.",
            rich_help_panel=MORE,
        ),
    ] = None,
    fail_on: opt.FailOnOption = opt.FailOn.ANY,
    format: opt.ScanFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Finish a job that was interrupted or has deferred domains."""
    from contentmap_cli.commands.database.lookups import named_job
    from contentmap_cli.commands.engine.job.job_runner import resume_job
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    given = ScanSettings.of(crawl).on_this_machine()
    given.crawl_options()
    if queue:
        from contentmap_cli.commands.engine.enqueue import requeue_job, require_queue

        require_queueable(cli, given, output)
        form = opt.chosen(format, as_json, (Format.TABLE, Format.JSON), output)
        require_queue(cli)
        job = run_async(named_job(cli, job_id))
        return run_async(
            requeue_job(cli, job, given, failures=failed, priority=priority, as_json=form is Format.JSON)
        )
    if priority is not None:
        raise UsageError("--priority requires --queue", hint="add --queue or omit --priority")
    answer = opt.Answer(opt.chosen(format, as_json, SCAN_FORMATS, output), output, fail_on)
    job = run_async(named_job(cli, job_id))
    return run_async(resume_job(cli, cli.tenant_name, job, given, answer, failures=failed))
