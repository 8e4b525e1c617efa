"""`contentmap map`: URL counts of a domain by section."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.output.formats import LIST_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.models.sections import Section
    from contentmap_cli.storage.session import GuardedSession

EPILOG = """\
Examples:
  contentmap map example.com
  contentmap map example.com --depth 3 --min-share 0.1
  contentmap map example.com --json

A section is a folder of the URL path: /blog/a/b is in /, /blog/ and /blog/a/. A URL counts once, however many
sitemaps list it.

Exit codes: 0; 5 database; 6 domain never scanned.
"""


def map_(
    cli: GlobalOptions,
    domain: opt.DomainArgument,
    depth: Annotated[int, typer.Option(min=0, max=12, metavar="N", help="Depth of the tree.")] = 2,
    min_share: Annotated[
        float,
        typer.Option(
            min=0.0, max=100.0, metavar="PERCENT", help="Fold sections with a smaller share of the URLs."
        ),
    ] = 1.0,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """Show the sections of a domain with URL counts, shares and dates."""
    from contentmap_cli.commands.interface.target_input import domain_name

    chosen = opt.chosen(format, as_json, LIST_FORMATS, output)
    run_async(_answer(cli, domain_name(domain), depth, min_share / 100, chosen, output))


async def _answer(
    cli: GlobalOptions, name: str, depth: int, share: float, format: Format, output: str | None
) -> None:
    from contentmap_cli.commands.database.lookups import read_domain
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.output.answers.map import SiteMap, write_map
    from contentmap_cli.storage.jobs.job_queries import last_scanned_at

    async with read_domain(cli, name) as (session, domain_id):
        scanned = await last_scanned_at(session, domain_id) or datetime.now(UTC)
        top, folded = await read_sections(session, domain_id)
    if not top.urls:
        cli.note(f"no URL of {name} is recorded; see `contentmap sitemaps {name}`")
    with answer_to(output) as out:
        least = max(1, round(top.urls * share))
        site = SiteMap(name, top, depth, least, f"{scanned:%Y-%m}", folded)
        write_map(format, out, site, width=width_of(out), color=cli.colored(out))
        drawn = width_of(out) is not None
    if folded and not (format is Format.TABLE and drawn):  # the drawing has its own note
        cli.note("note: the smallest sections are counted in their parent")


async def read_sections(session: GuardedSession, domain_id: int) -> tuple[Section, bool]:
    """Count the listed URLs of a domain by section, and judge their dates. Return the whole site, and whether
    small sections were counted in their parent."""
    from contentmap_cli.models.lastmod.trust_counter import TrustCounter
    from contentmap_cli.models.sections import SectionCounter
    from contentmap_cli.storage.reading.contents import dated_urls
    from contentmap_cli.storage.reading.date_history import Sample, date_histories

    counter = SectionCounter()
    sample = Sample()
    async for batch in dated_urls(session, domain_id):
        counter.add(batch)
        sample.add(batch)
    top = counter.tree()
    scans, histories = await date_histories(session, domain_id, sample.keys)
    TrustCounter(scans).judge(top, histories)
    return top, counter.folded
