"""Runs a job from the command to the exit code: database, crawler, signals and answer around one JobRun."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from contentmap_cli.commands.database.connection import database_for_writing
from contentmap_cli.commands.database.database_retry import without_conflicts
from contentmap_cli.commands.database.lookups import nothing_left, require_job, unknown_job
from contentmap_cli.commands.engine.job.answer import RunAnswer, recorded_hint, run_answer
from contentmap_cli.commands.engine.job.console_progress import ConsoleProgress
from contentmap_cli.commands.engine.job.job_run import JobRun
from contentmap_cli.commands.engine.run_id import is_dead, is_running, new_run_id
from contentmap_cli.commands.engine.stop_signals import deadline, signals_to
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.cli_errors import fail
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import Answer, FailOn
from contentmap_cli.commands.interface.process_setup import raise_file_limit
from contentmap_cli.commands.notifying.notifier import Notifier
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.errors import AnswerLost, DatabaseUnavailable, Exit, JobHeld
from contentmap_cli.models import JobStatus, JobSummary, ScanStatus, Target
from contentmap_cli.output.hints import scan_hints
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.cancellation import was_cancelled
from contentmap_cli.storage.jobs.claims import unfinished
from contentmap_cli.storage.jobs.job_queries import job_summary
from contentmap_cli.storage.jobs.jobs import QUEUE_OWNER
from contentmap_cli.storage.session import GuardedSession, Sessions

log = logging.getLogger("contentmap.run")

_CLOSED = frozenset({JobStatus.COMPLETE, JobStatus.PARTIAL, JobStatus.FAILED})


async def start_job(
    cli: GlobalOptions,
    tenant: str,
    targets: Sequence[Target],
    settings: ScanSettings,
    answer: Answer,
    *,
    committed: Callable[[str], None] | None = None,
) -> int:
    """Commit a new job with all its domain scans, run it and write the answer. Returns the exit code.

    `committed` is called with the job's id as soon as the job is committed.
    """
    raise_file_limit()
    job_id, run_id = jobs.new_job_id(), new_run_id()
    # settings and files that are refused are refused before the job is committed
    async with run_answer(cli, answer, job_id, in_background=committed is not None) as written:
        options, _ = settings.crawl_options(), settings.expectation
        notifier = Notifier.of(settings, tenant)
        credentials = {each.domain: each.credentials for each in targets if each.credentials is not None}
        options = replace(options, credentials=credentials)
        async with Crawler(options) as crawler, database_for_writing(cli) as database:
            sessions = Sessions(database)
            async with sessions.brief(job_id) as session, session.begin():
                await jobs.create_job(session, job_id, tenant, targets, settings.recorded(), run_id)
                await jobs.hold_job(session, job_id, run_id)
            if committed is not None:
                committed(job_id)
            work = _Work(sessions, crawler, job_id, tenant, run_id, targets, options.concurrency)
            return await _Execution(cli, settings, written, answer.fail_on, notifier).carry_out(work)


async def resume_job(
    cli: GlobalOptions,
    tenant: str,
    job_id: str,
    given: ScanSettings,
    answer: Answer,
    *,
    failures: bool,
) -> int:
    """Run what is unfinished of a job (`failures`: failed and partial domains too). Returns the exit code.

    Raises NotFound for an unknown job and JobHeld where a live run holds it.
    """
    run_id = new_run_id()
    raise_file_limit()
    notifier = Notifier.of(given, tenant)
    async with (
        run_answer(cli, answer, job_id) as written,
        database_for_writing(cli, create=False) as database,
    ):
        sessions = Sessions(database)
        async with sessions.brief(job_id) as session, session.begin():
            job = await require_job(session, tenant, job_id)
            recorded, closed = dict(job.options), job.status in _CLOSED
            held_by, alive = await jobs.holder(session, job_id, running=is_running)
            queued = held_by == QUEUE_OWNER
            if held_by is not None and (not alive or is_dead(held_by)):
                await jobs.interrupt(session, job_id, held_by, "the run ended unexpectedly")
                alive = False
            todo = [target for target, _ in await unfinished(session, job_id, failures=failures)]
            if (todo or not closed) and (alive or not await jobs.hold_job(session, job_id, run_id)):
                raise await _job_held(session, job_id)
            if queued:  # no worker has started it: this run takes it from the queue
                from contentmap_cli.storage.queue.queue import drop_job_entries

                await drop_job_entries(session, job_id)
            if not todo and not closed:  # its run ended after the last domain, before it closed the job
                await jobs.finish_job(session, job_id, run_id)
                await notifier.record(session, job_id)
        if not todo:
            await notifier.deliver_after_run(sessions)
            job_now = await _summary(sessions, job_id, tenant)
            written.finish(job_now)
            say(nothing_left(job_id, failures=failures), unless=cli.quiet)
            await written.check()
            return _exit_code(job_now, answer.fail_on, ())
        settings = given.over(ScanSettings.from_recorded(recorded))
        options = settings.crawl_options()
        async with Crawler(options) as crawler:
            work = _Work(sessions, crawler, job_id, tenant, run_id, todo, options.concurrency, failures)
            return await _Execution(cli, settings, written, answer.fail_on, notifier).carry_out(work)


async def _job_held(session: GuardedSession, job_id: str) -> JobHeld:
    """Return the error for a job that this run does not hold, saying who does."""
    held_by, alive = await jobs.holder(session, job_id)
    look = f"look with `contentmap status {job_id}`"
    if held_by == QUEUE_OWNER:
        stop = f"`contentmap cancel {job_id}` stops the workers"
        what = f"workers are scanning {job_id}" if alive else f"{job_id} is queued for the workers"
        return JobHeld(what, hint=f"{look}; {stop}")
    if held_by is None:
        return JobHeld(f"another run took {job_id} over, and has ended", hint=look)
    return JobHeld(f"another run holds {job_id}: {held_by}", hint=f"wait for it, or {look}")


async def _summary(sessions: Sessions, job_id: str, tenant: str) -> JobSummary:
    async with sessions.read(job_id) as session, session.begin():
        job = await job_summary(session, job_id, tenant)
    if job is None:
        raise unknown_job(job_id)
    return job


@dataclass(frozen=True, slots=True)
class _Work:
    """The domains of a job that a run scans, and what it needs for that."""

    sessions: Sessions
    crawler: Crawler
    job_id: str
    tenant: str
    run_id: str
    targets: Sequence[Target]
    concurrency: int
    failures_too: bool = False


@dataclass(frozen=True, slots=True)
class _Execution:
    """One run with its answer: from the first claim to the exit code."""

    cli: GlobalOptions
    settings: ScanSettings
    written: RunAnswer
    fail_on: FailOn
    notifier: Notifier

    async def carry_out(self, work: _Work) -> int:
        """Scan the targets, close the job, write the answer, notify. Returns the exit code."""
        try:
            code = await self._carry_out(work)
        except AnswerLost:
            await self.notifier.deliver_after_run(work.sessions)
            raise
        await self.notifier.deliver_after_run(work.sessions, hurried=code > 128)
        return code

    async def _carry_out(self, work: _Work) -> int:
        progress = ConsoleProgress(
            self.cli, work.job_id, len(work.targets), self.written, self.settings.expectation
        )
        run = JobRun(
            work.sessions,
            work.crawler,
            work.job_id,
            work.tenant,
            work.run_id,
            listener=progress,
            concurrency=max(1, min(work.concurrency, len(work.targets))),
            failures_too=work.failures_too,
            notifier=self.notifier,
        )

        def before_exit() -> None:
            progress.__exit__(None, None, None)  # shows the cursor again
            say(f"hint: {self.cli.in_full(_resume_hint(run))}", unless=self.cli.quiet)

        message = "stopping: finishing the domains that are being written"
        with signals_to(run.stop, message, before_exit) as signals:
            try:
                with progress, deadline(run.stop, self.settings.max_time):
                    await run.run(target.domain for target in work.targets)
            except BaseException:
                run.stop("stopped by a bug in ContentMap")
                await self._close(run)
                raise
            job = await self._close(run)
        if job is not None:
            self.written.finish(job)
        await self._raise_what_ended(run, job)
        if job is None:
            return Exit.DATABASE
        if not self.cli.quiet:
            for line in scan_hints(job, progress.remarkable, progress.codes):
                say(f"hint: {self.cli.in_full(line)}")
        try:
            await self.written.check(hurried=bool(signals))
        except AnswerLost as lost:
            if not signals:
                raise
            lost.hint = self.cli.in_full(recorded_hint(work.job_id))
            fail(lost)  # while stderr is queued, whose reader may pause too; the signal is the exit code
        code = _exit_code(job, self.fail_on, signals)
        if code == Exit.CLEAN and progress.unexpected and self.fail_on is not FailOn.NEVER:
            return Exit.NOT_CLEAN
        return code

    async def _close(self, run: JobRun) -> JobSummary | None:
        """Close the job in the database and read its summary; None where the database is unavailable."""
        try:
            await without_conflicts(run.close, run.sessions.database.shown)
            return await _summary(run.sessions, run.job_id, run.tenant)
        except Exception as error:
            known = storage_error(error, run.sessions.database.shown)
            if run.broken is None and isinstance(known, DatabaseUnavailable):
                run.database_lost(known)
            if run.broken is None:
                raise
            log.warning("the job could not be closed: %s", type(error).__name__)
            return None

    async def _raise_what_ended(self, run: JobRun, job: JobSummary | None) -> None:
        """Raise the database error that ended the run, or JobHeld where another run has the job now."""
        if run.broken is not None:
            when = "the database is available again" if job is None else "that is fixed"
            run.broken.hint = f"once {when}, {_resume_hint(run)}"
            raise run.broken
        if run.superseded:
            async with run.sessions.read(run.job_id) as session, session.begin():
                if not await was_cancelled(session, run.job_id):
                    raise await _job_held(session, run.job_id)


def _resume_hint(run: JobRun) -> str:
    return f"run `contentmap resume {run.job_id}`; recorded domains are kept"


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
