"""`contentmap status`: progress and result of a job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.output.formats import BINARY, SCAN_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.models import ErrorGroup, JobSummary
    from contentmap_cli.storage.session import Sessions

EPILOG = """\
Examples:
  contentmap status
  contentmap status sitemap_0123 --failed
  contentmap status --wait --exit-code

The table shows at most 200 domains, of a larger job those that have errors. Other formats show all.

Exit codes: 0; 6 no such job; with --exit-code also 3 errors, 4 every domain failed, 8 still running.
"""
NOT_CLEAN = frozenset(status for status in ScanStatus if status.finished and not status.clean)
POLL_SECONDS = 1.0
PAGE = 1_000
"""Domains that are read at once."""
SHOWN = 200
"""Maximum rows of a table. For a job with more domains it shows those that have errors."""


def status(
    cli: GlobalOptions,
    job_id: opt.LatestJob = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until the job has ended.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only domains that have errors.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Set the exit code by the outcome of the job.")
    ] = False,
    format: opt.ScanFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Show the progress, domains and errors of a job."""
    form = opt.chosen(format, as_json, SCAN_FORMATS, output)
    if watch and form in BINARY:
        raise UsageError(f"--watch excludes {form}", hint="use --wait")
    return run_async(
        _answer(
            cli,
            job_id,
            form,
            output,
            watch=watch,
            wait=wait,
            failed=failed,
            exit_code=exit_code,
        )
    )


async def _answer(
    cli: GlobalOptions,
    job_id: str | None,
    format: Format,
    output: str | None,
    *,
    watch: bool,
    wait: bool,
    failed: bool,
    exit_code: bool,
) -> int:
    import asyncio

    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import read_job
    from contentmap_cli.commands.interface.answer_output import answer_to, has_left, redraw

    async with database_for_reading(cli) as sessions:
        read_at = time.monotonic()
        job = await read_job(sessions, cli.tenant_name, job_id)
        with answer_to(output) as out:
            while True:
                ended = job.status not in (JobStatus.RUNNING, JobStatus.PENDING)
                if watch or ended or not wait:
                    if watch:
                        redraw(out)
                    await _write(cli, sessions, job, format, out, failed=failed)
                if ended or has_left(out) or not (watch or wait):
                    break
                # summing up a job of a million domains takes time: use at most half of it
                await asyncio.sleep(max(POLL_SECONDS, time.monotonic() - read_at))
                read_at = time.monotonic()
                job = await read_job(sessions, cli.tenant_name, job.job_id)
    return _exit_code(job) if exit_code else Exit.CLEAN


async def _write(
    cli: GlobalOptions,
    sessions: Sessions,
    job: JobSummary,
    format: Format,
    out: TextIO,
    *,
    failed: bool,
) -> None:
    """Write the current state of the job; a table has at most `SHOWN` rows."""
    from contentmap_cli.commands.database.lookups import pages
    from contentmap_cli.commands.engine.run_id import truthful_result
    from contentmap_cli.commands.interface.answer_output import has_left, width_of
    from contentmap_cli.output.answers.tables import MAX_NAMES
    from contentmap_cli.output.formats import status_writer
    from contentmap_cli.storage.jobs.job_queries import ResultPages, error_groups

    writer = status_writer(format, out, job, width=width_of(out), color=cli.colored(out))
    table = format is Format.TABLE
    statuses, wanted, shown = None, job.total, 0
    errors: list[ErrorGroup] = []
    if failed or (table and job.total > SHOWN):  # leave out clean and pending domains
        statuses = NOT_CLEAN | ({ScanStatus.RUNNING} if job.status is JobStatus.INTERRUPTED else set())
    if failed:
        wanted = sum(job.domains[status] for status in NOT_CLEAN)
    results = ResultPages(job.job_id, cli.tenant_name, statuses=statuses, size=SHOWN if table else PAGE)
    async for page in pages(sessions, results.next):
        for row in page:
            writer.domain(truthful_result(row, job))
        shown += len(page)
        if has_left(out):
            return
        if table:
            break
    if table:
        async with sessions.read(job.job_id) as session, session.begin():
            errors = await error_groups(session, job.job_id, named=MAX_NAMES)
    writer.finish(errors, max(wanted - shown, 0) if table else 0)
    out.flush()


def _exit_code(job: JobSummary) -> int:
    if job.status in (JobStatus.RUNNING, JobStatus.PENDING):
        return Exit.RUNNING
    if job.status is JobStatus.COMPLETE:
        return Exit.CLEAN
    return Exit.ALL_FAILED if job.status is JobStatus.FAILED else Exit.NOT_CLEAN
