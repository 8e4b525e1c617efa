"""`contentmap sitemaps`: the files of a domain, how they were found and what is wrong with them."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands import options as opt
from contentmap_cli.commands.calling import command, run_async
from contentmap_cli.commands.shell import Shell
from contentmap_cli.report.formats import LIST_FORMATS, Format

EPILOG = """\
Examples:

  contentmap sitemaps example.com

  contentmap sitemaps example.com --json

Exit codes: 0; 5 database; 6 the domain was never scanned.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "sitemaps", epilog=EPILOG)(sitemaps)


def sitemaps(
    shell: Shell,
    domain: opt.DomainArgument,
    removed: Annotated[bool, typer.Option("--removed", help="Those that are gone, too.")] = False,
    format: opt.ListFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List a domain's sitemap files: type, how found, status, counts, problems."""
    from contentmap_cli.commands.inputs import domain_name

    chosen = opt.chosen(format, as_json, LIST_FORMATS)
    run_async(_answer(shell, domain_name(domain), chosen, output, removed=removed))


async def _answer(shell: Shell, name: str, format: Format, output: str | None, *, removed: bool) -> None:
    from contentmap_cli.commands.database import database_for_reading
    from contentmap_cli.commands.known import require_domain
    from contentmap_cli.commands.output import answer_to, say, width_of
    from contentmap_cli.records.contents import stored_files
    from contentmap_cli.records.queries import last_scan
    from contentmap_cli.records.robots import current_robots
    from contentmap_cli.report.as_list import robots_note
    from contentmap_cli.report.formats import files_writer
    from contentmap_cli.report.scan_note import write_scan
    from contentmap_cli.robots import DomainRobots

    async with (
        database_for_reading(shell) as sessions,
        sessions.read(domain=name) as session,
        session.begin(),
    ):
        domain_id = await require_domain(session, shell.tenant_name, name)
        with answer_to(output) as out:
            writer = files_writer(format, out, width=width_of(out), color=shell.colored(out))
            count = 0
            async for file in stored_files(session, domain_id, removed=removed):
                writer.write(file)
                count += 1
            robots = await current_robots(session, domain_id)
            told = DomainRobots(name, robots) if robots is not None and robots.problems else None
            if told is not None and format is not Format.CSV:
                writer.write(told)
            writer.finish()
            last = await last_scan(session, domain_id)
            if last is not None and format is Format.TABLE:
                write_scan(out, last)
        if told is not None and format is Format.CSV:
            say(robots_note(told), unless=shell.quiet)
        if not count:
            why = f"{last.status}, {last.error.code}: {last.error.message}" if last and last.error else ""
            say(f"no sitemap of {name} is recorded{f' ({why})' if why else ''}", unless=shell.quiet)
