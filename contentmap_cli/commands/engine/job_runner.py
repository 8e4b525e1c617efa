"""Carries a job out: database, crawler, signals, answer and exit code around one JobRun."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from contentmap_cli.commands.database.connection import database_for_writing
from contentmap_cli.commands.database.lookups import nothing_left, require_job, unknown_job
from contentmap_cli.commands.engine.job_run import JobRun, deadline
from contentmap_cli.commands.engine.progress import ConsoleProgress
from contentmap_cli.commands.engine.run_id import is_dead, is_running, new_run_id
from contentmap_cli.commands.interface.answer_output import answer_to, goes_to_file, say, width_of
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import Answer, FailOn
from contentmap_cli.commands.interface.process_setup import raise_file_limit
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.errors import AnswerLost, DatabaseUnavailable, Exit, JobHeld
from contentmap_cli.models import JobStatus, JobSummary, ScanStatus, Target
from contentmap_cli.output.formats import Format, scan_writer
from contentmap_cli.output.hints import scan_hints
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.cancellation import was_cancelled
from contentmap_cli.storage.jobs.claims import unfinished
from contentmap_cli.storage.jobs.job_queries import job_summary
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.session import GuardedSession, Sessions

log = logging.getLogger("contentmap.run")
STREAMED = frozenset({Format.NDJSON, Format.CSV, Format.GITHUB})
"""Formats that write each domain as it commits."""

_CLOSED = frozenset({JobStatus.COMPLETE, JobStatus.PARTIAL, JobStatus.FAILED})
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def start_job(
    cli: GlobalOptions,
    tenant: str,
    targets: Sequence[Target],
    settings: ScanSettings,
    answer: Answer,
    *,
    committed: Callable[[str], None] | None = None,
) -> int:
    """Commits a new job with all its domain scans, runs it, answers. Returns the exit code.

    `committed` is called with the job's id as soon as the job stands in the database.
    """
    raise_file_limit()
    job_id, owner = jobs.new_job_id(), new_run_id()
    # whatever can be refused is refused before the job stands in the database
    with _answering(answer, job_id) as out:
        options, _ = settings.crawl_options(), settings.expectation
        async with Crawler(options) as crawler, database_for_writing(cli, owner=owner) as database:
            sessions = Sessions(database)
            async with sessions.brief(job_id) as session, session.begin():
                await jobs.create_job(session, job_id, tenant, targets, settings.recorded(), owner)
                await jobs.hold_job(session, job_id, owner)
            if committed is not None:
                committed(job_id)
            run = JobRun(sessions, crawler, job_id, tenant, owner, concurrency=options.concurrency)
            return await _Execution(cli, run, settings, answer, out).carry_out(targets)


async def resume_job(
    cli: GlobalOptions,
    tenant: str,
    job_id: str,
    given: ScanSettings,
    answer: Answer,
    *,
    failures: bool,
) -> int:
    """Runs what is unfinished of a job (`failures`: failed and partial domains too). Returns the exit code.

    Raises NotFound for an unknown job and JobHeld where a live run has it.
    """
    from contentmap_cli.storage.queue.workers import end_stale_sessions

    owner = new_run_id()
    raise_file_limit()
    with _answering(answer, job_id) as out:
        async with database_for_writing(cli, create=False, owner=owner) as database:
            sessions = Sessions(database)
            async with sessions.brief(job_id) as session, session.begin():
                job = await require_job(session, tenant, job_id)
                recorded, closed = dict(job.options), job.status in _CLOSED
                await end_stale_sessions(session, job_id, tenant, is_dead)
                held_by, alive = await jobs.holder(session, job_id, running=is_running)
                waits = held_by == QUEUE_OWNER
                if held_by is not None and (not alive or is_dead(held_by)):
                    await jobs.interrupt(session, job_id, held_by, "died")
                    alive = False
                todo = [target for target, _ in await unfinished(session, job_id, failures=failures)]
                if (todo or not closed) and (alive or not await jobs.hold_job(session, job_id, owner)):
                    raise await _held(session, job_id)
                if waits:  # no worker has it: from here on it is this run's
                    from contentmap_cli.storage.queue.queue import drop_job_entries

                    await drop_job_entries(session, job_id)
                if not todo and not closed:  # all was recorded, and then its run died
                    await jobs.finish_job(session, job_id, owner)
            if not todo:
                return await _nothing_left(cli, sessions, tenant, job_id, answer, out, failures=failures)
            settings = given.over(ScanSettings.from_recorded(recorded))
            options = settings.crawl_options()
            async with Crawler(options) as crawler:
                run = JobRun(
                    sessions,
                    crawler,
                    job_id,
                    tenant,
                    owner,
                    concurrency=options.concurrency,
                    failures_too=failures,
                )
                return await _Execution(cli, run, settings, answer, out).carry_out(todo)


async def _held(session: GuardedSession, job_id: str) -> JobHeld:
    held_by, alive = await jobs.holder(session, job_id)
    look = f"look with `contentmap status {job_id}`"
    if held_by == QUEUE_OWNER:
        stop = f"`contentmap cancel {job_id}` takes it from them"
        what = f"workers are at work on {job_id}" if alive else f"{job_id} was handed to the workers"
        return JobHeld(what, hint=f"{look}; {stop}")
    if held_by is None:
        return JobHeld(f"another run took {job_id} over, and has ended", hint=look)
    return JobHeld(f"another run holds {job_id}: {held_by}", hint=f"wait for it, or {look}")


@contextlib.contextmanager
def _answering(answer: Answer, job_id: str) -> Iterator[TextIO]:
    try:
        with answer_to(answer.output) as out:
            yield out
    except AnswerLost as lost:
        lost.hint = f"the job is recorded: `contentmap status {job_id}` shows it"
        raise


async def _nothing_left(
    cli: GlobalOptions,
    sessions: Sessions,
    tenant: str,
    job_id: str,
    answer: Answer,
    out: TextIO,
    *,
    failures: bool,
) -> int:
    """Answers for a job that needs no run, and leaves it as it is."""
    async with sessions.read(job_id) as session, session.begin():
        job = await job_summary(session, job_id, tenant)
    if job is None:
        raise unknown_job(job_id)
    scan_writer(answer.format, out, width=width_of(out), color=cli.colored(out)).finish(job)
    say(nothing_left(job_id, failures=failures), unless=cli.quiet)
    return _exit_code(job, answer.fail_on, ())


@dataclass
class _Execution:
    """One run with its answer: from the first claim to the exit code."""

    cli: GlobalOptions
    run: JobRun
    settings: ScanSettings
    answer: Answer
    out: TextIO

    async def carry_out(self, targets: Sequence[Target]) -> int:
        """Scans the targets and returns the exit code."""
        run, out = self.run, self.out
        writer = scan_writer(self.answer.format, out, width=width_of(out), color=self.cli.colored(out))
        streams = self.answer.format in STREAMED and not goes_to_file(out)
        watcher = ConsoleProgress(self.cli, run.job_id, len(targets), writer, streams_to_screen=streams)
        watcher.expectation = self.settings.expectation
        run.watcher = watcher
        run.concurrency = min(run.concurrency, max(1, len(targets)))
        said = "stopping: what is being written is finished first …"

        def leaving() -> None:
            watcher.__exit__(None, None, None)  # the terminal is whole again
            say(f"hint: {self.cli.in_full(_goes_on(run))}", unless=self.cli.quiet)

        with signals_to(run.stop, said, leaving) as signals:
            try:
                with watcher, deadline(run, self.settings.max_time):
                    await run.run(targets)
            except BaseException:
                run.stop("stopped by a bug in ContentMap")
                await self._close()
                raise
            job = await self._close()
        if job is not None:
            writer.finish(job)
        if run.broken is not None:
            if job is not None:
                run.broken.hint = f"once that is mended, {_goes_on(run)}"
            raise run.broken
        if run.superseded:
            async with run.sessions.read(run.job_id) as session, session.begin():
                if not await was_cancelled(session, run.job_id):
                    raise await _held(session, run.job_id)
        if job is None:
            return Exit.DATABASE
        if not self.cli.quiet:
            for line in scan_hints(job, watcher.remarkable, watcher.codes):
                say(f"hint: {self.cli.in_full(line)}")
        code = _exit_code(job, self.answer.fail_on, signals)
        if code == Exit.CLEAN and watcher.unexpected and self.answer.fail_on is not FailOn.NEVER:
            return Exit.NOT_CLEAN
        return code

    async def _close(self) -> JobSummary | None:
        """Ends the job in the database and reads its summary; None where the database is gone."""
        run = self.run
        try:
            await run.close()
            async with run.sessions.read(run.job_id) as session, session.begin():
                return await job_summary(session, run.job_id, run.tenant)
        except Exception as error:
            known = storage_error(error, run.sessions.database.shown)
            if run.broken is None and isinstance(known, DatabaseUnavailable):
                run.broken, run.sessions.database.hurried = known, True
            if run.broken is None:
                raise
            log.warning("the job could not be closed: %s", type(error).__name__)
            run.broken.hint = f"once it is back, {_goes_on(run)}"
            return None


def _goes_on(run: JobRun) -> str:
    return f"`contentmap resume {run.job_id}` goes on: what was recorded stays"


@contextlib.contextmanager
def signals_to(
    stop: Callable[[str], None], said: str, leaving: Callable[[], None] = lambda: None
) -> Iterator[list[signal.Signals]]:
    """First signal: stop cleanly and say so. Second: leave at once, behind `leaving`; but a terminal that is
    closed sends SIGHUP, and its shell once more."""
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def heard_one(number: signal.Signals) -> None:
        if received == [number] == [signal.SIGHUP]:
            return
        if received:
            try:
                leaving()
            finally:
                os._exit(128 + number)
        received.append(number)
        stop(f"stopped by {number.name}")
        say(said)

    # what the caller has chosen to ignore stays ignored: nohup ignores SIGHUP, a shell's `&` SIGINT
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, heard_one, number)
    try:
        yield received
    finally:
        for number in heard:
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
