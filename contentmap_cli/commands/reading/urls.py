"""`contentmap urls`: entries of domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.completion import complete_domain
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import ENTRY_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.commands.interface.sitemap_folder import SitemapFiles
    from contentmap_cli.storage.reading.entry_pages import EntryFilter

EPILOG = """\
Examples:
  contentmap urls example.com -o urls.csv
  contentmap urls example.com --match '*/blog/*' --first-seen-after 7d --json
  contentmap urls --all -o urls.parquet
  contentmap urls example.com --format xml -o sitemaps/ --gzip

-o FOLDER/ writes sitemaps of at most 50,000 URLs and 50 MiB, and their index sitemap.xml.
WHEN is a date, a UTC date-time, or an age such as 12h, 7d or 2w.

Exit codes: 0; 2 usage; 3 file not written; 5 database; 6 domain never scanned.
"""


def urls(
    cli: GlobalOptions,
    domains: Annotated[
        list[str] | None,
        typer.Argument(metavar="DOMAIN", help="Scanned domains.", autocompletion=complete_domain),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All domains of the tenant.")] = False,
    match: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only URLs that match the pattern (*, ?).")
    ] = None,
    first_seen_after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only URLs first seen after then.")
    ] = None,
    lastmod_after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only URLs with a later lastmod.")
    ] = None,
    removed: Annotated[bool, typer.Option("--removed", help="Only URLs that are no longer listed.")] = False,
    sitemap: Annotated[
        str | None, typer.Option(metavar="URL", help="Only URLs of this sitemap file.")
    ] = None,
    distinct: Annotated[
        bool | None,
        typer.Option(
            "--distinct/--no-distinct",
            help="Each URL once, with its sitemaps.",
            show_default="txt, xml",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**12, metavar="N", help="Maximum number of URLs.")
    ] = None,
    format: opt.EntryFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Base URL of sitemaps in a folder.", show_default="site"),
    ] = None,
    compressed: Annotated[bool, typer.Option("--gzip", help="Compress the sitemaps in a folder.")] = False,
) -> None:
    """List the URLs in the sitemaps of domains."""
    from contentmap_cli.commands.interface.argument_values import parse_date
    from contentmap_cli.commands.interface.sitemap_folder import SitemapFiles, is_folder
    from contentmap_cli.commands.interface.target_input import domain_name
    from contentmap_cli.storage.reading.entry_pages import EntryFilter

    chosen = opt.chosen(format, as_json, ENTRY_FORMATS, output)
    wanted = EntryFilter(
        sitemap=sitemap,
        match=match,
        since=parse_date("--first-seen-after", first_seen_after) if first_seen_after else None,
        changed_after=parse_date("--lastmod-after", lastmod_after) if lastmod_after else None,
        removed=removed,
        distinct=chosen in (Format.TXT, Format.XML) if distinct is None else distinct,
        limit=limit,
    )
    names = list(dict.fromkeys(map(domain_name, domains or ())))
    if bool(names) == everything:
        raise UsageError(
            "domains and --all exclude each other" if names else "no domain is named",
            hint="name domains, or use --all for all of them",
        )
    if output is not None and is_folder(output):
        if chosen is not Format.XML:
            raise UsageError(f"{output} is a folder: only --format xml writes one", hint="add --format xml")
        if len(names) != 1:
            raise UsageError(
                "a folder of sitemaps is for one domain", hint="name one domain, or a file with -o"
            )
        files = SitemapFiles(output, base or f"https://{names[0]}/", compressed=compressed)
        run_async(_write_folder(cli, names[0], wanted, files))
        return
    if base is not None or compressed:
        raise UsageError("--base and --gzip require a folder of sitemaps", hint="add --format xml -o FOLDER/")
    run_async(_answer(cli, names, wanted, chosen, output))


async def _answer(
    cli: GlobalOptions, names: Sequence[str], wanted: EntryFilter, format: Format, output: str | None
) -> None:
    """Write the entries of these domains, of all where none is named."""
    from contentmap_cli.commands.database.lookups import pages, recorded_domains
    from contentmap_cli.commands.interface.answer_output import answer_to, has_left, width_of
    from contentmap_cli.output.formats import entries_writer
    from contentmap_cli.output.writers.sitemap_xml import MAX_URLS
    from contentmap_cli.storage.reading.entry_pages import EntryPages

    async with recorded_domains(cli, names) as (sessions, domains):
        with answer_to(output) as out:
            width, color = width_of(out), cli.colored(out)
            writer = entries_writer(format, out, width=width, color=color, with_files=wanted.distinct)
            count = 0
            for domain_id, name in domains:
                left = None if wanted.limit is None else wanted.limit - count
                if left == 0:
                    break
                entries = EntryPages(domain_id, replace(wanted, limit=left))
                async for batch in pages(sessions, entries.next, domain=name):
                    writer.write_all(batch)
                    count += len(batch)
                    if has_left(out):
                        return
            writer.finish()
    if not count:
        name = domains[0][1] if len(domains) == 1 else f"{len(domains):,} domains"
        files = f"; list the files with `contentmap sitemaps {name}`" if wanted.sitemap is not None else ""
        is_all = replace(wanted, limit=None, distinct=False) == type(wanted)()
        lists = f"{name} {'lists' if len(domains) == 1 else 'list'} no URLs"
        cli.note(lists if is_all else f"no URLs of {name} match{files if len(domains) == 1 else ''}")
    elif format is Format.XML and count > MAX_URLS:
        cli.note(
            f"note: {count:,} URLs in one sitemap; the protocol allows {MAX_URLS:,} per file: use -o FOLDER/"
        )


async def _write_folder(cli: GlobalOptions, name: str, wanted: EntryFilter, files: SitemapFiles) -> None:
    """Write sitemaps of at most the protocol's size, and their index, into a folder."""
    from contentmap_cli.commands.database.lookups import pages, recorded_domain
    from contentmap_cli.output.number_format import plural
    from contentmap_cli.output.writers.sitemap_xml import SitemapFolder
    from contentmap_cli.storage.reading.entry_pages import EntryPages

    count = 0
    async with recorded_domain(cli, name) as (sessions, domain_id):
        with files.made():
            with SitemapFolder(files.part, files.address) as folder:
                async for batch in pages(sessions, EntryPages(domain_id, wanted).next, domain=name):
                    folder.write_all(batch)
                    count += len(batch)
                with files.index() as index:
                    folder.finish(index)
            files.publish(folder.parts)
    cli.note(f"{plural(count, 'URL')} in {plural(folder.parts, 'sitemap')} and an index")
