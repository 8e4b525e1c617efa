"""Carries a job out: database, crawler, signals, answer and exit code around one JobRun."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contentmap_cli.commands.collector import calm_collector
from contentmap_cli.commands.database import database_for_writing
from contentmap_cli.commands.options import FailOn
from contentmap_cli.commands.output import answer_to, goes_to_file, width_of
from contentmap_cli.commands.owner import new_owner, surely_gone
from contentmap_cli.commands.run import JobRun, deadline
from contentmap_cli.commands.settings import ScanSettings
from contentmap_cli.commands.shell import Shell
from contentmap_cli.commands.watch import ConsoleWatcher
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.errors import Exit, JobHeld, NotFound, UsageError
from contentmap_cli.records import jobs
from contentmap_cli.records.claims import unfinished
from contentmap_cli.records.queries import job_summary
from contentmap_cli.records.session import Sessions
from contentmap_cli.records.tables import Job
from contentmap_cli.report.formats import SCAN_FORMATS, Format, scan_writer
from contentmap_cli.report.hints import scan_hints
from contentmap_cli.values import JobStatus, JobSummary, ScanStatus, Target

log = logging.getLogger("contentmap.run")
STREAMED = frozenset({Format.NDJSON, Format.CSV, Format.GITHUB})
"""Formats that write each domain as it commits."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a run answers: format, file and when it counts as failed."""

    format: Format
    output: str | None
    fail_on: FailOn

    def check(self) -> None:
        """Raises UsageError for a format that a scan cannot be written in."""
        if self.format not in SCAN_FORMATS:
            raise UsageError(
                f"a scan cannot be written as {self.format.value}",
                hint=f"--format is one of {', '.join(SCAN_FORMATS)}",
            )


async def start_job(
    shell: Shell, tenant: str, targets: Sequence[Target], settings: ScanSettings, answer: Answer
) -> int:
    """Commits a new job with all its domain scans, runs it, answers. Returns the exit code."""
    job_id, owner = jobs.new_job_id(), new_owner()
    async with database_for_writing(shell) as database:
        sessions = Sessions(database)
        async with sessions.brief(job_id) as session, session.begin():
            await jobs.create_job(session, job_id, tenant, targets, settings.recorded(), owner)
            await jobs.hold_job(session, job_id, owner)
        return await _carry_out(shell, tenant, sessions, (job_id, owner), targets, settings, answer)


async def resume_job(
    shell: Shell, tenant: str, job_id: str, given: ScanSettings, answer: Answer, *, failures: bool
) -> int:
    """Runs what is unfinished of a job (`failures`: failed and partial domains too). Returns the exit code.

    Raises NotFound for an unknown job and JobHeld where a live run has it.
    """
    owner = new_owner()
    async with database_for_writing(shell) as database:
        sessions = Sessions(database)
        async with sessions.brief(job_id) as session, session.begin():
            job = await session.get(Job, job_id)
            if job is None or job.tenant_id != tenant:
                raise unknown_job(job_id)
            held_by, options = job.owner, dict(job.options)
            if held_by is not None and surely_gone(held_by):
                await jobs.interrupt(session, job_id, held_by, "died")
            if not await jobs.hold_job(session, job_id, owner):
                raise JobHeld(
                    f"another run holds {job_id}: {held_by}",
                    hint=f"wait for it, or look with `contentmap status {job_id}`",
                )
            todo = [target for target, _ in await unfinished(session, job_id, failures=failures)]
        settings = given.over(ScanSettings.from_recorded(options))
        return await _carry_out(
            shell, tenant, sessions, (job_id, owner), todo, settings, answer, failures=failures
        )


def unknown_job(job_id: str) -> NotFound:
    """The error for a job that this tenant does not have."""
    return NotFound(f"no job {job_id[:80]!r} is recorded", hint="`contentmap jobs` lists those there are")


async def _carry_out(
    shell: Shell,
    tenant: str,
    sessions: Sessions,
    held: tuple[str, str],
    targets: Sequence[Target],
    settings: ScanSettings,
    answer: Answer,
    *,
    failures: bool = False,
) -> int:
    job_id, owner = held
    options = settings.crawl_options()
    calm_collector()
    with answer_to(answer.output) as out:
        writer = scan_writer(answer.format, out, width=width_of(out), color=shell.colored(out))
        streams = answer.format in STREAMED and not goes_to_file(out)
        watcher = ConsoleWatcher(shell, job_id, len(targets), writer, streams_to_screen=streams)
        async with Crawler(options) as crawler:
            run = JobRun(
                sessions,
                crawler,
                job_id,
                tenant,
                owner,
                watcher,
                concurrency=min(options.concurrency, max(1, len(targets))),
                conditional=options.conditional,
                failures_too=failures,
            )
            try:
                with watcher, _signals(run) as signals, deadline(run, settings.max_time):
                    await run.run(targets)
            except BaseException:
                run.stop("stopped by a bug in ContentMap")
                await _close(run, sessions, job_id, tenant)
                raise
        job = await _close(run, sessions, job_id, tenant)
        if job is not None:
            writer.finish(job)
    if run.broken is not None:
        raise run.broken
    if job is None:
        return Exit.DATABASE
    if not shell.quiet:
        hints(job, watcher)
    return _exit_code(job, answer.fail_on, signals)


async def _close(run: JobRun, sessions: Sessions, job_id: str, tenant: str) -> JobSummary | None:
    """Ends the job in the database and reads its summary; None where the database is gone."""
    try:
        await run.close()
        async with sessions.read(job_id) as session, session.begin():
            return await job_summary(session, job_id, tenant)
    except Exception as error:
        if run.broken is None:
            raise
        log.warning("the job could not be closed: %s", type(error).__name__)
        run.broken.hint = f"once it is back, `contentmap resume {job_id}` goes on: what was recorded stays"
        return None


def hints(job: JobSummary, watcher: ConsoleWatcher) -> None:
    """Prints what can be done about what went wrong, on stderr."""
    lines = scan_hints(job, watcher.remarkable)
    with contextlib.suppress(OSError):
        for line in lines:
            print(f"hint: {line}", file=sys.stderr)


@contextlib.contextmanager
def _signals(run: JobRun) -> Iterator[list[signal.Signals]]:
    """First signal: stop cleanly and say so. Second: leave at once."""
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        run.stop(f"stopped by {number.name}")
        with contextlib.suppress(OSError):
            print("stopping: what is being written is finished first …", file=sys.stderr)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _exit_code(job: JobSummary, fail_on: FailOn, signals: Sequence[signal.Signals]) -> int:
    if signals:
        return 128 + signals[0]
    if job.status is JobStatus.INTERRUPTED:
        return Exit.NOT_CLEAN
    failed = job.domains.get(ScanStatus.FAILED, 0)
    if fail_on is FailOn.NEVER or job.status is JobStatus.COMPLETE:
        return Exit.CLEAN
    if failed and failed == job.total:
        return Exit.ALL_FAILED
    return Exit.CLEAN if fail_on is FailOn.ALL else Exit.NOT_CLEAN
