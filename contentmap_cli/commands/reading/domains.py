"""`contentmap domains` and `contentmap tenants`: what is recorded, and whose it is."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.database.remove_domain import EPILOG as REMOVE
from contentmap_cli.commands.database.remove_domain import remove
from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import SETTINGS, ListGroup
from contentmap_cli.models import ScanStatus
from contentmap_cli.output.formats import LIST_FORMATS, Format

LIST = """\
Examples:
  contentmap domains list
  contentmap domains list --match '*.example.com' --outcome failed --json

`contentmap domains` alone is the same command.

Exit codes: 0; 5 database.
"""
TENANTS = """\
Examples:
  contentmap tenants
  contentmap tenants --json

Exit codes: 0; 5 database.
"""


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(
        name="domains",
        cls=ListGroup,
        help="List the recorded domains, or remove one.",
        rich_markup_mode=None,
        context_settings=SETTINGS,
    )
    command(group, "list", epilog=LIST)(list_domains)
    command(group, "remove", epilog=REMOVE)(remove)
    app.add_typer(group)


def list_domains(
    cli: GlobalOptions,
    match: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only domains that match the pattern (*, ?).")
    ] = None,
    outcome: Annotated[
        list[ScanStatus] | None,
        typer.Option(metavar="OUTCOME", help="Only those whose last scan ended so. Repeatable."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**9, metavar="N", help="Maximum number of domains.")
    ] = None,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List the recorded domains with the outcome of their last scan."""
    run_async(_list(cli, match, outcome, limit, opt.chosen(format, as_json, LIST_FORMATS, output), output))


def tenants(
    cli: GlobalOptions,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List the tenants of the database with their domains and jobs."""
    run_async(_tenants(cli, opt.chosen(format, as_json, LIST_FORMATS, output), output))


async def _list(
    cli: GlobalOptions,
    match: str | None,
    outcomes: list[ScanStatus] | None,
    limit: int | None,
    format: Format,
    output: str | None,
) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import pages
    from contentmap_cli.commands.interface.answer_output import answer_to, has_left, width_of
    from contentmap_cli.output.formats import domains_writer
    from contentmap_cli.storage.reading.domains import DomainPages

    wanted = DomainPages(cli.tenant_name, match=match, outcomes=outcomes, limit=limit)
    count = 0
    async with database_for_reading(cli) as sessions:
        with answer_to(output) as out:
            writer = domains_writer(format, out, width=width_of(out), color=cli.colored(out))
            async for page in pages(sessions, wanted.next):
                writer.write_all(page)
                count += len(page)
                if has_left(out):
                    return
            writer.finish()
    if not count:
        cli.note("no domains match")


async def _tenants(cli: GlobalOptions, format: Format, output: str | None) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.output.formats import tenants_writer
    from contentmap_cli.storage.reading.domains import tenants as stored_tenants

    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        found = await stored_tenants(session)
    with answer_to(output) as out:
        writer = tenants_writer(format, out, width=width_of(out), color=cli.colored(out))
        writer.write_all(found)
        writer.finish()
