"""`contentmap db prune`: remove old jobs in short transactions."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contentmap_cli.batches import batched
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import SchemaMismatch, UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from contentmap_cli.storage.engine import Database
    from contentmap_cli.storage.maintenance.prune import Key, LargeTable
    from contentmap_cli.storage.maintenance.prune_plan import Leftovers, Retention
    from contentmap_cli.storage.session import Sessions

ROWS = 5_000
"""Rows per transaction, some tens of milliseconds."""

DOMAINS = 50
"""Domains selected and locked at once."""

FILES_SECONDS = 60.0
"""Time limit for removing sitemap files on PostgreSQL. Before version 18 each removal reads the whole
table of URLs, because its key leads with the domain. The next call removes the remaining files."""

EPILOG = """\
Examples:
  contentmap db prune --older-than 90d --dry-run
  contentmap db prune --older-than 90d --json
  contentmap db prune --older-than 2026-01-31 --unfinished

The last two scans of a domain, its last check of pages and the URLs that are listed now are kept.
Pruning may run during scans and may be interrupted.

Exit codes: 0; 2 usage; 5 database unavailable, or in use (--vacuum); 6 no database.
"""


@dataclass
class Tally:
    """What was removed or would be removed."""

    rows: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0  # old jobs kept because they can be resumed
    busy: int = 0  # domains skipped because they are being scanned
    files_left: int = 0  # sitemap files skipped for lack of time
    files_took: float = 0.0  # seconds


def prune(
    cli: GlobalOptions,
    older_than: Annotated[
        str,
        typer.Option(metavar="WHEN", help="Jobs that ended before: 90d, 12w, 36h, a date or date-time."),
    ],
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also remove jobs that can still be resumed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be removed.")] = False,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Shrink the SQLite file; blocks writers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> int:
    """Remove old jobs and the history that only they need."""
    from contentmap_cli.commands.interface.argument_values import parse_date

    before = parse_date("--older-than", older_than)
    if before > datetime.now(UTC):
        raise UsageError(f"--older-than: {older_than[:40]} is in the future", hint="use a date in the past")
    if dry_run and vacuum:
        raise UsageError("--dry-run and --vacuum exclude each other", hint="use one of them")
    return run_async(
        _prune(cli, before, unfinished=unfinished, dry_run=dry_run, vacuum=vacuum, as_json=as_json)
    )


async def _prune(
    cli: GlobalOptions,
    before: datetime,
    *,
    unfinished: bool,
    dry_run: bool,
    vacuum: bool,
    as_json: bool,
) -> int:
    from contentmap_cli.commands.database.connection import database_for_reading, database_for_writing
    from contentmap_cli.storage.engine import without_cascades
    from contentmap_cli.storage.maintenance.prune_plan import Retention
    from contentmap_cli.storage.session import Sessions

    rule = Retention(cli.tenant_name, before, unfinished)
    tally, free = Tally(), 0
    if dry_run:
        async with database_for_reading(cli) as sessions:
            await _count(sessions, rule, tally)
            shown = sessions.database.shown
    else:
        async with database_for_writing(cli, create=False) as database:
            if vacuum and database.dialect == "postgresql":
                raise UsageError(
                    "--vacuum requires an SQLite file", hint="omit it: PostgreSQL has autovacuum"
                )
            without_cascades(database)
            await _remove(Sessions(database), rule, tally)
            if vacuum:
                await _vacuum(database)
            elif database.dialect == "sqlite":
                free = await _free(database)
            shown = database.shown
    _answer(cli, rule, tally, shown, dry_run=dry_run, as_json=as_json)
    _print_notes(cli, tally, free)
    return 0


async def _count(sessions: Sessions, rule: Retention, tally: Tally) -> None:
    """Count what would be removed, in read-only transactions of a few domains."""
    from sqlalchemy import or_

    from contentmap_cli.storage.maintenance import page_prune
    from contentmap_cli.storage.maintenance.prune_plan import count_jobs

    async with sessions.read() as session, session.begin():
        tally.rows["jobs"], tally.unfinished = await count_jobs(session, rule)
    async for found in _found(sessions, rule, or_(rule.pruned(), rule.too_old())):
        for each in found:
            tally.rows.update(each.count())
    async with sessions.read() as session, session.begin():
        for domain_id, first in (await page_prune.first_kept_runs(session, rule)).items():
            tally.rows.update(await page_prune.count_old(session, domain_id, first))


async def _remove(sessions: Sessions, rule: Retention, tally: Tally) -> None:
    from contentmap_cli.storage.maintenance.prune_plan import count_jobs, drop_empty_jobs, hide_jobs

    async with sessions.read() as session, session.begin():
        _, tally.unfinished = await count_jobs(session, rule)
    while True:
        async with sessions.brief() as session, session.begin():
            hidden = await hide_jobs(session, rule)
        tally.rows["jobs"] += hidden
        if not hidden:
            break
    async for found in _found(sessions, rule, rule.pruned()):
        busy = await _remove_feed(sessions, rule, found, tally)
        await _remove_leftovers(sessions, found, busy, tally)
    dropped = 1
    while dropped:
        async with sessions.brief() as session, session.begin():
            dropped = await drop_empty_jobs(session, rule)
    await _remove_pages(sessions, rule, tally)


async def _remove_pages(sessions: Sessions, rule: Retention, tally: Tally) -> None:
    """Remove old runs of `check --pages`, after the pages that only they have asked."""
    from contentmap_cli.storage.maintenance import page_prune

    async with sessions.read() as session, session.begin():
        domains = await page_prune.first_kept_runs(session, rule)
    for domain_id, first in domains.items():
        after: str | None = None
        while True:
            async with sessions.read() as session, session.begin():
                urls = await page_prune.old_pages(session, domain_id, first, after=after, limit=ROWS)
            async with sessions.brief() as session, session.begin():
                if not urls:
                    tally.rows["page_runs"] += await page_prune.drop_runs(session, domain_id, first)
                    break
                dropped = await page_prune.drop_pages(session, domain_id, first, urls[0], urls[-1])
            tally.rows["pages"] += dropped
            after = urls[-1]


async def _found(
    sessions: Sessions, rule: Retention, pruned: ColumnElement[bool]
) -> AsyncIterator[list[Leftovers]]:
    """Yield what is to be removed, some domains at a time."""
    from contentmap_cli.storage.maintenance.prune_plan import domains_with_leftovers, find_leftovers

    after = 0
    while True:
        async with sessions.read() as session, session.begin():
            ids = await domains_with_leftovers(session, rule, pruned, after=after, limit=DOMAINS)
            found = await find_leftovers(session, ids, pruned)
        if not ids:
            return
        yield found
        after = ids[-1]


async def _remove_feed(
    sessions: Sessions, rule: Retention, found: Sequence[Leftovers], tally: Tally
) -> set[int]:
    """Remove rows of the change feed, before the history that they need. Return the domains that are being
    scanned: their rows and their history are kept."""
    from contentmap_cli.storage.maintenance.feed_prune import prune_feed

    busy: set[int] = set()
    old = [each for each in found if each.baseline is not None]
    if old:
        async with sessions.brief() as session, session.begin():
            free = await _hold(session, old, busy)
            tally.rows["change_feed"] += await prune_feed(session, rule.tenant, free)
    return busy


async def _remove_leftovers(
    sessions: Sessions, found: Sequence[Leftovers], busy: set[int], tally: Tally
) -> None:
    from contentmap_cli.storage.maintenance import prune

    for large in prune.LARGE:
        await _remove_rows(sessions, large, [each for each in found if large.count(each)], busy, tally)
    for some in _batches(found):
        async with sessions.brief() as session, session.begin():
            free = await _hold(session, some, busy)
            removed: Counter[str] = Counter()
            for each in free:
                removed["sitemap_file_changes"] += await prune.drop_file_changes(session, each)
                removed["domain_scans"] += await prune.drop_scans(session, each)
        tally.rows += removed
        for each in free:
            await _remove_files(sessions, each, busy, tally)
    tally.busy += len(busy)


async def _remove_rows(
    sessions: Sessions, large: LargeTable, found: Sequence[Leftovers], busy: set[int], tally: Tally
) -> None:
    """Remove rows of a large table: select keys in a reading session, delete in a writing one."""
    from contentmap_cli.storage.maintenance.prune import drop_rows, next_keys

    waiting = deque(each for each in found if each.domain_id not in busy)
    after: Key | None = None
    while waiting:
        page: list[tuple[Leftovers, list[Key]]] = []
        room = ROWS
        async with sessions.read() as session, session.begin():
            while waiting and room:
                keys = await next_keys(session, large, waiting[0], after=after, limit=room)
                page.append((waiting[0], keys))
                after, full = (keys[-1], True) if len(keys) == room else (None, False)
                room -= len(keys)
                if not full:
                    waiting.popleft()
        async with sessions.brief() as session, session.begin():
            held = await _hold(session, [each for each, _ in page], busy)
            removed = sum(
                [await drop_rows(session, large, each, keys) for each, keys in page if each in held]
            )
        tally.rows[large.table.name] += removed
        if waiting and waiting[0].domain_id in busy:
            waiting.popleft()
            after = None


async def _remove_files(sessions: Sessions, left: Leftovers, busy: set[int], tally: Tally) -> None:
    """Remove the files of a domain; on PostgreSQL one per transaction, since each may be slow."""
    from contentmap_cli.storage.maintenance.prune import drop_files

    server = sessions.database.dialect == "postgresql"
    for some in batched(left.files, 1 if server else ROWS):
        if server and tally.files_took >= FILES_SECONDS:
            tally.files_left += len(some)
            continue
        started = time.monotonic()
        async with sessions.brief() as session, session.begin():
            held = await _hold(session, [left], busy)
            files, changes = await drop_files(session, left, some) if held else (0, 0)
        tally.rows += Counter(sitemap_files=files, sitemap_file_changes=changes)
        tally.files_took += time.monotonic() - started


async def _hold(session: Any, found: Sequence[Leftovers], busy: set[int]) -> list[Leftovers]:
    """Lock and return the domains that are not being scanned; add the others to `busy`."""
    from contentmap_cli.storage.maintenance.prune import hold_domains

    wanted = {each.domain_id for each in found if each.domain_id not in busy}
    held = await hold_domains(session, wanted) if wanted else set()
    busy |= wanted - held
    return [each for each in found if each.domain_id in held]


def _batches(found: Sequence[Leftovers]) -> list[list[Leftovers]]:
    """Group the domains whose small rows are removed in one transaction."""
    batches: list[list[Leftovers]] = []
    rows = ROWS
    for each in found:
        if rows >= ROWS:
            batches.append([])
            rows = 0
        batches[-1].append(each)
        rows += len(each.file_changes) + len(each.scans) + 1
    return batches


async def _vacuum(database: Database) -> None:
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.storage.maintenance.vacuum import vacuum
    from contentmap_cli.storage.schema import held_jobs

    async with database.engine.begin() as connection:
        live = await connection.run_sync(held_jobs, is_dead, is_running)
    if live:
        raise SchemaMismatch(
            f"{database.shown} is in use by a run of {live[0]}: old rows were removed, the file was not "
            "shrunk",
            hint="run it again with --vacuum when no scan is running",
        )
    await vacuum(database)


async def _free(database: Database) -> int:
    from contentmap_cli.storage.engine import READ_ONLY
    from contentmap_cli.storage.maintenance.vacuum import free_bytes

    async with database.engine.connect() as connection:
        return await free_bytes(await connection.execution_options(**{READ_ONLY: True}))


def _answer(
    cli: GlobalOptions, rule: Retention, tally: Tally, shown: str, *, dry_run: bool, as_json: bool
) -> None:
    import json

    from contentmap_cli.output.objects import timestamp
    from contentmap_cli.storage.maintenance.prune_plan import TABLES

    if as_json:
        answer = {
            "type": "prune",
            "schema": 1,
            "database": shown,
            "tenant": rule.tenant,
            "before": timestamp(rule.before),
            "dry_run": dry_run,
            "removed": {table: tally.rows[table] for table in TABLES},
            "kept": {
                "unfinished_jobs": tally.unfinished,
                "busy_domains": tally.busy,
                "sitemap_files": tally.files_left,
            },
        }
        print(json.dumps(answer, ensure_ascii=False))
        return
    what = "would remove" if dry_run else "removed"
    print(f"{shown}: {what} what ended before {rule.before:%Y-%m-%d %H:%M:%S} UTC")
    for table in TABLES:
        print(f"{table:<20}  {tally.rows[table]:>13,}")


def _print_notes(cli: GlobalOptions, tally: Tally, free: int) -> None:
    from contentmap_cli.output.number_format import plural, size

    if tally.unfinished:
        them = plural(tally.unfinished, "job")
        cli.note(f"note: kept {them} that can still be resumed; remove them with --unfinished")
    if tally.busy:
        cli.note(f"note: skipped {plural(tally.busy, 'domain')} being scanned; run it again later")
    if tally.files_left:
        cli.note(
            f"note: skipped {plural(tally.files_left, 'sitemap file')} for lack of time "
            "(slow before PostgreSQL 18); run it again"
        )
    if free:
        cli.note(f"note: {size(free)} of the file are free for reuse; shrink it with --vacuum")
