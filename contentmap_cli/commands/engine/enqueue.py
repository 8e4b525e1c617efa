"""Hands a job to the workers: job, domain scans and their entries in the queue, in one transaction."""

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
from contentmap_cli.commands.interface.target_input import duplicates_note, read_targets
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.errors import JobHeld, UsageError
from contentmap_cli.storage.database_url import FILE
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
    """Raises UsageError where there can be no queue: on a file, or without the extra."""
    if database_address(cli).drivername == FILE:
        raise UsageError(
            "workers take their work from PostgreSQL, and this database is an SQLite file",
            hint="name a server with --db, as in --db postgresql://user@host/database",
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
    """Commits a job for the workers and prints its id. `targets` are arguments and the file of a list.

    Raises UsageError, with nothing recorded, where a target names no site.
    """
    job_id, tenant = jobs.new_job_id(), cli.tenant_name
    found = read_targets(*targets)
    if any(each.credentials is not None for each in found.targets):
        raise UsageError(
            "--queue excludes credentials in targets: they are not recorded", hint="scan without --queue"
        )
    total = len(found.targets)
    chosen = default_priority(total) if priority is None else priority
    progress = _Progress(on=sys.stderr.isatty() and not cli.quiet)
    async with database_for_writing(cli) as database:
        sessions = Sessions(database)
        progress.show(f"{total:,} targets read, being recorded …")
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
    return _say_queued(cli, job_id, total, chosen, as_json=as_json)


async def requeue_job(
    cli: GlobalOptions,
    job_id: str,
    given: ScanSettings,
    *,
    failures: bool,
    priority: int | None,
    as_json: bool,
) -> int:
    """Hands what is unfinished of a job (`failures`: failed and partial domains too) to the workers.

    Raises NotFound for an unknown job and JobHeld where a live run has it.
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
            if total:
                options = given.over(ScanSettings.from_recorded(job.options)).recorded()
                await reopen_job(session, job_id, options)
            recorded = default_priority(job.total_domains) if job.priority is None else job.priority
            chosen = recorded if priority is None else priority
            await drop_picked_entries(session, job_id)
            await enqueue_scans(session, job_id, cli.tenant_name, chosen)
    if not total:
        say(nothing_left(job_id, failures=failures), unless=cli.quiet)
    return _say_queued(cli, job_id, total, chosen, as_json=as_json)


def _say_queued(cli: GlobalOptions, job_id: str, domains: int, priority: int, *, as_json: bool) -> int:
    answer = {"type": "queued", "schema": 1, "job_id": job_id, "process": None, "domains": domains}
    print(json.dumps(answer | {"priority": priority}) if as_json else job_id)
    sys.stdout.flush()
    say(f"`{cli.in_full(f'contentmap status {job_id} --watch')}` follows it", unless=cli.quiet)
    return 0


class _Progress:
    """One line on a terminal that says how far it is."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._shown = 0.0

    def show(self, text: str) -> None:
        """Says it in the place of what was said before, a few times a second."""
        if self._on and time.monotonic() - self._shown > _REDRAW_SECONDS:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._on and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
