"""Queue a job for the workers: job, domain scans and queue entries in one transaction."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from contentmap_cli.commands.database.connection import database_address, database_for_writing
from contentmap_cli.commands.database.lookups import nothing_left, require_job
from contentmap_cli.commands.engine.run_id import is_dead
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.logging_setup import is_console_json
from contentmap_cli.commands.interface.target_input import duplicates_note, read_targets
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.errors import Exit, JobHeld, UsageError
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.queue.queue import (
    default_priority,
    drop_picked_entries,
    enqueue_scans,
    require_engine,
)
from contentmap_cli.storage.queue.queued_jobs import reopen_job, reopen_scans
from contentmap_cli.storage.session import Sessions

_REDRAW_SECONDS = 0.2


def require_queue(cli: GlobalOptions) -> None:
    """Raise UsageError if there can be no queue: the database is a file, or the extra is missing."""
    if database_address(cli).path is not None:
        raise UsageError(
            "the queue needs PostgreSQL, and this database is an SQLite file",
            hint="name a server: --db postgresql://user@host/database",
        )
    require_engine()


async def enqueue_job(
    cli: GlobalOptions,
    targets: tuple[Sequence[str], str | None],
    settings: ScanSettings,
    *,
    priority: int | None,
    as_json: bool,
) -> int:
    """Commit a job for the workers and print its id. `targets` are arguments and the path of a list.

    Raises UsageError, with nothing recorded, if a target names no site.
    """
    job_id, tenant = jobs.new_job_id(), cli.tenant_name
    found = read_targets(*targets)
    if any(each.credentials is not None for each in found.targets):
        raise UsageError(
            "--queue excludes credentials in targets: they are not recorded", hint="scan without --queue"
        )
    total = len(found.targets)
    chosen = default_priority(total) if priority is None else priority
    progress = _Progress(on=sys.stderr.isatty() and not cli.quiet and not is_console_json())
    async with database_for_writing(cli) as database:
        sessions = Sessions(database)
        progress.show(f"{total:,} targets read, recording …")
        try:
            async with sessions.brief(job_id) as session, session.begin():
                recorded = settings.recorded()
                await jobs.create_job(session, job_id, tenant, found.targets, recorded, jobs.QUEUE_OWNER)
                await enqueue_scans(
                    session,
                    job_id,
                    tenant,
                    chosen,
                    progress=lambda done: progress.show(f"{done:,} of {total:,} queued"),
                )
        finally:
            progress.clear()
    note = duplicates_note(found.duplicates, len(found.duplicates))
    if note:
        say(note, unless=cli.quiet)
    _print_queued(job_id, total, chosen, as_json=as_json)
    say(_status_hint(cli, job_id), unless=cli.quiet)
    return Exit.CLEAN


async def requeue_job(
    cli: GlobalOptions,
    job_id: str,
    given: ScanSettings,
    *,
    failures: bool,
    priority: int | None,
    as_json: bool,
) -> int:
    """Queue the unfinished domains of a job (`failures`: failed and partial domains too) for the workers.

    Raises NotFound for an unknown job and JobHeld if a live run holds it.
    """
    async with database_for_writing(cli, create=False) as database:
        sessions = Sessions(database)
        async with sessions.brief(job_id) as session, session.begin():
            job = await require_job(session, cli.tenant_name, job_id, locked=True)
            held_by, alive = await jobs.holder(session, job_id)
            if held_by not in (None, jobs.QUEUE_OWNER) and alive and not is_dead(held_by):
                raise JobHeld(
                    f"another run holds {job_id}: {held_by}", hint="wait for it, or `contentmap cancel` it"
                )
            total = await reopen_scans(session, job_id, failures=failures, gone=held_by)
            chosen = job.priority
            if total:
                options = given.over(ScanSettings.from_recorded(job.options)).recorded()
                await reopen_job(session, job_id, options)
                if priority is not None:
                    chosen = priority
                elif chosen is None:
                    chosen = default_priority(job.total_domains)
                await drop_picked_entries(session, job_id)
                await enqueue_scans(session, job_id, cli.tenant_name, chosen)
    _print_queued(job_id, total, chosen, as_json=as_json)
    say(_status_hint(cli, job_id) if total else nothing_left(job_id, failures=failures), unless=cli.quiet)
    return Exit.CLEAN


def _print_queued(job_id: str, domains: int, priority: int | None, *, as_json: bool) -> None:
    answer = {"type": "queued", "schema": 1, "job_id": job_id, "process": None, "domains": domains}
    print(json.dumps(answer | {"priority": priority}) if as_json else job_id)
    sys.stdout.flush()


def _status_hint(cli: GlobalOptions, job_id: str) -> str:
    return f"`{cli.in_full(f'contentmap status {job_id} --watch')}` follows it"


class _Progress:
    """A progress line on a terminal."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._shown = 0.0

    def show(self, text: str) -> None:
        """Replace the line by `text`, at most a few times a second."""
        if self._on and time.monotonic() - self._shown > _REDRAW_SECONDS:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Delete the line."""
        if self._on and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
