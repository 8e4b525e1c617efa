"""`contentmap db prune`: removes what is too old, in short transactions."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contentmap_cli.batches import cut
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
"""Rows of one transaction: some tens of milliseconds."""

DOMAINS = 50
"""Domains that are looked at, and held, at once."""

FILES_SECONDS = 60.0
"""So long at most for sitemap files, on the server. Before PostgreSQL 18 it reads its whole table of URLs for
each that goes, since the key leads with the domain; what is left goes next time."""

EPILOG = """\
Examples:

  contentmap db prune --older-than 90d --dry-run

  contentmap db prune --older-than 90d --json

  contentmap db prune --older-than 2026-01-31 --unfinished

Of a domain the last two scans stay, and all that is listed now. It may run beside scans, and be stopped and
run again at any time.

Exit codes: 0, also where nothing is that old; 2 usage; 5 the database cannot be reached, or with --vacuum a
run is at work; 6 there is no database.
"""


@dataclass
class Tally:
    """What was removed, or would be."""

    rows: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0  # jobs that are old enough, and kept for `resume`
    busy: int = 0  # domains that were left alone, since they are being scanned
    files_left: int = 0  # sitemap files for which there was no time
    files_took: float = 0.0  # seconds


def prune(
    cli: GlobalOptions,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="Jobs that ended before: 90d, 12w, 36h ago, a date, a UTC date-time."
        ),
    ],
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also jobs that old which `resume` could still finish.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would remove, and remove nothing.")
    ] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Then make an SQLite file smaller: nobody can write meanwhile.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> int:
    """Remove old jobs, and what is kept only to compare them: a database does not grow for ever."""
    from contentmap_cli.commands.interface.date_arguments import parse_moment

    before = parse_moment("--older-than", older_than)
    if before > datetime.now(UTC):
        raise UsageError(f"--older-than: {older_than[:40]} is yet to come", hint="name a moment of the past")
    if dry_run and vacuum:
        raise UsageError("--dry-run changes nothing, and --vacuum does", hint="leave one of them out")
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
                raise UsageError("--vacuum is for SQLite files", hint="a server's autovacuum does it")
            without_cascades(database)
            await _remove(Sessions(database), rule, tally)
            if vacuum:
                await _vacuum(database)
            elif database.dialect == "sqlite":
                free = await _free(database)
            shown = database.shown
    _answer(cli, rule, tally, shown, dry_run=dry_run, as_json=as_json)
    _say_what_is_left(cli, tally, free)
    return 0


async def _count(sessions: Sessions, rule: Retention, tally: Tally) -> None:
    """Counts what would go, in transactions that only read, a few domains each."""
    from sqlalchemy import or_

    from contentmap_cli.storage.maintenance.prune_plan import count_jobs

    async with sessions.read() as session, session.begin():
        tally.rows["jobs"], tally.unfinished = await count_jobs(session, rule)
    async for found in _found(sessions, rule, or_(rule.pruned(), rule.too_old())):
        for each in found:
            tally.rows.update(each.count())


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
        await _remove_leftovers(sessions, found, tally)
    dropped = 1
    while dropped:
        async with sessions.brief() as session, session.begin():
            dropped = await drop_empty_jobs(session, rule)


async def _found(
    sessions: Sessions, rule: Retention, pruned: ColumnElement[bool]
) -> AsyncIterator[list[Leftovers]]:
    """What is left over, some domains at a time."""
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


async def _remove_leftovers(sessions: Sessions, found: Sequence[Leftovers], tally: Tally) -> None:
    from contentmap_cli.storage.maintenance import prune

    busy: set[int] = set()
    for large in prune.LARGE:
        await _remove_rows(sessions, large, [each for each in found if large.count(each)], busy, tally)
    for some in _in_pieces(found):
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
    """Removes rows of a large table: found in a session that reads, removed in one that writes."""
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
    """Removes a domain's files: on a server one a transaction, for each may take it a while."""
    from contentmap_cli.storage.maintenance.prune import drop_files

    server = sessions.database.dialect == "postgresql"
    for some in cut(left.files, 1 if server else ROWS):
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
    """Those of these domains that may be cleared up now. One that was busy once is left for the next time."""
    from contentmap_cli.storage.maintenance.prune import hold_domains

    wanted = {each.domain_id for each in found if each.domain_id not in busy}
    held = await hold_domains(session, wanted) if wanted else set()
    busy |= wanted - held
    return [each for each in found if each.domain_id in held]


def _in_pieces(found: Sequence[Leftovers]) -> list[list[Leftovers]]:
    """Domains whose small rows go in one transaction."""
    pieces: list[list[Leftovers]] = []
    rows = ROWS
    for each in found:
        if rows >= ROWS:
            pieces.append([])
            rows = 0
        pieces[-1].append(each)
        rows += len(each.file_changes) + len(each.scans) + 1
    return pieces


async def _vacuum(database: Database) -> None:
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.storage.maintenance.vacuum import vacuum
    from contentmap_cli.storage.schema import held_jobs

    async with database.engine.begin() as connection:
        live = await connection.run_sync(held_jobs, is_dead, is_running)
    if live:
        raise SchemaMismatch(
            f"a run is at work on {live[0]} in {database.shown}: what is old was removed, and the file is as "
            "large as before",
            hint="run it again with --vacuum when no scan runs",
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


def _say_what_is_left(cli: GlobalOptions, tally: Tally, free: int) -> None:
    from contentmap_cli.commands.interface.answer_output import say
    from contentmap_cli.output.figures import plural, size

    if tally.unfinished:
        them = plural(tally.unfinished, "job")
        say(
            f"note: {them} that old can still be resumed and stayed: --unfinished removes them too",
            unless=cli.quiet,
        )
    if tally.busy:
        say(
            f"note: {plural(tally.busy, 'domain')} left for the next time, being scanned",
            unless=cli.quiet,
        )
    if tally.files_left:
        say(
            f"note: {plural(tally.files_left, 'sitemap file')} left for the next time: each takes a server "
            "before PostgreSQL 18 a look through all URLs",
            unless=cli.quiet,
        )
    if free:
        say(
            f"note: {size(free)} of the file are free and are used again; --vacuum gives them back",
            unless=cli.quiet,
        )
