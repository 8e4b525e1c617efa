"""`contentmap status`: how a job went, or goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands import options as opt
from contentmap_cli.commands.completion import complete_job
from contentmap_cli.commands.shell import Shell, command, run_async
from contentmap_cli.errors import Exit, NotFound
from contentmap_cli.report.formats import SCAN_FORMATS, Format
from contentmap_cli.values import JobStatus, ScanStatus

if TYPE_CHECKING:
    from contentmap_cli.records.session import Sessions
    from contentmap_cli.values import DomainSummary, JobSummary

EPILOG = """\
Examples:

  contentmap status

  contentmap status sitemap_0123456789abcdef0123456789abcdef --failed

  contentmap status --wait --exit-status

Exit codes: 0; 6 no such job; with --exit-status also 3 not clean, 4 every domain failed, 8 still running.
"""
NOT_CLEAN = frozenset(
    {
        ScanStatus.FAILED,
        ScanStatus.PARTIAL,
        ScanStatus.DEFERRED,
        ScanStatus.INTERRUPTED,
        ScanStatus.SKIPPED,
    }
)
POLL_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "status", epilog=EPILOG)(status)


def status(
    shell: Shell,
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="JOB_ID", help="The job. Default: the latest.", autocompletion=complete_job),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again until it ends.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Answer only when it has ended.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only the domains that are not clean.")] = False,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="Let the exit code say how the job went.")
    ] = False,
    format: opt.ScanFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Show a job: its progress, its domains, its errors. Works while it runs, from any process."""
    return run_async(
        _answer(
            shell,
            job_id,
            opt.chosen(format, as_json, SCAN_FORMATS),
            output,
            watch=watch,
            wait=wait,
            failed=failed,
            exit_status=exit_status,
        )
    )


async def _answer(
    shell: Shell,
    job_id: str | None,
    format: Format,
    output: str | None,
    *,
    watch: bool,
    wait: bool,
    failed: bool,
    exit_status: bool,
) -> int:
    from contentmap_cli.commands.database import database_for_reading
    from contentmap_cli.commands.output import answer_to, has_left, redraw, width_of
    from contentmap_cli.report.formats import status_writer

    statuses = NOT_CLEAN if failed else None
    async with database_for_reading(shell) as sessions:
        job = await read_job(sessions, shell.tenant_name, job_id)
        with answer_to(output) as out:
            while True:
                ended = job.status not in (JobStatus.RUNNING, JobStatus.PENDING)
                if watch or ended or not wait:
                    if watch:
                        redraw(out)
                    results = await _results(sessions, shell.tenant_name, job, statuses)
                    writer = status_writer(format, out, width=width_of(out), color=shell.colored(out))
                    writer.write(job, results)
                    out.flush()
                if ended or has_left(out) or not (watch or wait):
                    break
                await asyncio.sleep(POLL_SECONDS)
                job = await read_job(sessions, shell.tenant_name, job.job_id)
    return _exit_code(job) if exit_status else Exit.CLEAN


async def read_job(sessions: Sessions, tenant: str, job_id: str | None) -> JobSummary:
    """A job as it stands, the latest where none is named. Raises NotFound."""
    from contentmap_cli.commands.owner import surely_gone, truthful
    from contentmap_cli.records.queries import job_summary, latest_job_id
    from contentmap_cli.records.queue_state import with_queue

    async with sessions.read(job_id) as session, session.begin():
        wanted = job_id or await latest_job_id(session, tenant)
        if wanted is None:
            raise NotFound("no job is recorded yet", hint="run `contentmap scan example.com` first")
        job = await job_summary(session, wanted, tenant)
        if job is None:
            raise unknown_job(wanted)
        return truthful(await with_queue(session, job, surely_gone))


async def _results(
    sessions: Sessions, tenant: str, job: JobSummary, statuses: frozenset[ScanStatus] | None
) -> list[DomainSummary]:
    from contentmap_cli.commands.owner import truthful_result
    from contentmap_cli.records.queries import domain_results

    async with sessions.read(job.job_id) as session, session.begin():
        return [
            truthful_result(row, job)
            async for row in domain_results(session, job.job_id, tenant, statuses=statuses)
        ]


def nothing_left(job_id: str, *, failures: bool) -> str:
    """That a job needs no run. Where failures were not tried again either, the option for that."""
    again = "" if failures else "; --failed tries failed and partial domains again"
    return f"nothing is left to do in {job_id}{again}"


def unknown_job(job_id: str) -> NotFound:
    """The error for a job that this tenant does not have."""
    return NotFound(f"no job {job_id[:80]!r} is recorded", hint="`contentmap jobs` lists those there are")


def _exit_code(job: JobSummary) -> int:
    if job.status in (JobStatus.RUNNING, JobStatus.PENDING):
        return Exit.RUNNING
    if job.status is JobStatus.COMPLETE:
        return Exit.CLEAN
    return Exit.ALL_FAILED if job.status is JobStatus.FAILED else Exit.NOT_CLEAN
