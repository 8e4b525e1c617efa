"""`contentmap sitemaps`: sitemap files of a domain."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.output.formats import LIST_FORMATS, ROW_FORMATS, Format

EPILOG = """\
Examples:
  contentmap sitemaps example.com
  contentmap sitemaps example.com --json

Exit codes: 0; 5 database; 6 domain never scanned.
"""


def sitemaps(
    cli: GlobalOptions,
    domain: opt.DomainArgument,
    removed: Annotated[bool, typer.Option("--removed", help="Also files that are no longer listed.")] = False,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List the sitemap files of a domain with their status and problems."""
    from contentmap_cli.commands.interface.target_input import domain_name

    chosen = opt.chosen(format, as_json, LIST_FORMATS, output)
    run_async(_answer(cli, domain_name(domain), chosen, output, removed=removed))


async def _answer(
    cli: GlobalOptions, name: str, format: Format, output: str | None, *, removed: bool
) -> None:
    from contentmap_cli.commands.database.lookups import pages, recorded_domain
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.models.robots import DomainRobots
    from contentmap_cli.output.answers.lists import robots_note
    from contentmap_cli.output.formats import files_writer
    from contentmap_cli.output.scan_note import write_scan
    from contentmap_cli.storage.jobs.job_queries import last_scan
    from contentmap_cli.storage.reading.contents import FilePages
    from contentmap_cli.storage.writing.robots_versions import current_robots

    async with recorded_domain(cli, name) as (sessions, domain_id):
        async with sessions.read(domain=name) as session, session.begin():
            robots = await current_robots(session, domain_id)
            last = await last_scan(session, domain_id)
        problems = DomainRobots(name, robots) if robots is not None and robots.problems else None
        with answer_to(output) as out:
            writer = files_writer(format, out, width=width_of(out), color=cli.colored(out))
            count = 0
            async for page in pages(sessions, FilePages(domain_id, removed=removed).next, domain=name):
                writer.write_all(page)
                count += len(page)
            if problems is not None and format not in ROW_FORMATS:
                writer.write(problems)
            writer.finish()
            if last is not None and format is Format.TABLE:
                write_scan(out, last)
    if problems is not None and format in ROW_FORMATS:
        cli.note(robots_note(problems))
    if not count:
        why = f"{last.status}, {last.error.code}: {last.error.message}" if last and last.error else ""
        cli.note(f"no sitemap of {name} is recorded{f': {why}' if why else ''}")
