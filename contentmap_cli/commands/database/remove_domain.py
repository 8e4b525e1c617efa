"""`contentmap domains remove`: delete all rows of a domain in short transactions."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.database.prune import FILES_SECONDS
from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions

if TYPE_CHECKING:
    from contentmap_cli.storage.session import Sessions

EPILOG = """\
Examples:
  contentmap domains remove example.com --dry-run
  contentmap domains remove example.com --json

Everything that is recorded of the domain is deleted: its URLs, files, history, robots.txt and pages, its part
in jobs, and jobs that scanned nothing else. It may be interrupted and run again.

Exit codes: 0; 5 database; 6 domain never scanned; 75 the domain is being scanned.
"""


def remove(
    cli: GlobalOptions,
    domain: opt.DomainArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be removed.")] = False,
    as_json: opt.JsonAlone = False,
) -> None:
    """Remove a domain and all that is recorded of it."""
    from contentmap_cli.commands.interface.target_input import domain_name

    run_async(_run(cli, domain_name(domain), dry_run=dry_run, as_json=as_json))


async def _run(cli: GlobalOptions, name: str, *, dry_run: bool, as_json: bool) -> None:
    import json

    from contentmap_cli.commands.database.connection import database_for_reading, database_for_writing
    from contentmap_cli.commands.database.lookups import require_domain
    from contentmap_cli.commands.interface.answer_output import print_line
    from contentmap_cli.storage.engine import without_cascades
    from contentmap_cli.storage.maintenance import removal
    from contentmap_cli.storage.session import Sessions

    if dry_run:
        async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
            domain_id = await require_domain(session, cli.tenant_name, name, scanned=False)
            removed = await removal.count_rows(session, domain_id)
        left = 0
    else:
        async with database_for_writing(cli, create=False) as database:
            without_cascades(database)
            removed, left = await _remove(Sessions(database), cli.tenant_name, name)
    if as_json:
        answer = {
            "type": "domain_removal",
            "domain": name,
            "tenant": cli.tenant_name,
            "dry_run": dry_run,
            "removed": {table: removed[table] for table in removal.TABLES},
            "sitemap_files_left": left,
        }
        print_line(json.dumps(answer))
    else:
        print_line(f"{name}: {'would remove' if dry_run else 'removed'}")
        for table in removal.TABLES:
            print_line(f"{table:<20}  {removed[table]:>13,}")
    if left:
        cli.note(f"note: {left:,} sitemap files are left for lack of time (PostgreSQL); run it again")


async def _remove(sessions: Sessions, tenant: str, name: str) -> tuple[Counter[str], int]:
    """Remove the domain, and what interrupted removals have left. Return the rows of the domain removed by
    table, and the number of its files that are left."""
    from contentmap_cli.commands.database.lookups import require_domain
    from contentmap_cli.commands.engine.run_id import is_dead, is_running
    from contentmap_cli.errors import NotFound
    from contentmap_cli.storage.maintenance import removal

    removed: Counter[str] = Counter()
    async with sessions.brief(domain=name) as session, session.begin():
        begun = await removal.taken_away(session)
        mine = {each for each in begun if begun[each] == removal.removed_name(each, tenant, name)}
        try:
            domain_id = await require_domain(session, tenant, name, scanned=False)
            removed += await removal.take_away(session, domain_id, tenant, name, is_dead, is_running)
            mine.add(domain_id)
        except NotFound:
            if not mine:
                raise
    async with sessions.read() as session, session.begin():
        leftovers = await removal.taken_away(session)
    left = 0
    for domain_id in sorted(leftovers, key=lambda each: each not in mine):
        counts: Counter[str] = removed if domain_id in mine else Counter()
        for table in removal.LARGE:
            more = True
            while more:
                async with sessions.brief() as session, session.begin():
                    rows, more = await removal.drop_rows(session, table, domain_id)
                counts[table.name] += rows
        files = await _remove_files(sessions, domain_id, counts)
        left += files if domain_id in mine else 0
    return removed, left


async def _remove_files(sessions: Sessions, domain_id: int, removed: Counter[str]) -> int:
    """Remove the files and then the domain; return the number of files that are left for lack of time."""
    from contentmap_cli.storage.maintenance import removal

    server = sessions.database.dialect == "postgresql"
    started = time.monotonic()
    while True:
        async with sessions.brief() as session, session.begin():
            some = await removal.files_left(session, domain_id, 1 if server else removal.FILES)
            removed += await removal.drop_files(session, some)
            if not some:
                removed += await removal.drop_domain(session, domain_id)
                return 0
        if server and time.monotonic() - started > FILES_SECONDS:
            async with sessions.read() as session, session.begin():
                return len(await removal.files_left(session, domain_id, 10**9))
