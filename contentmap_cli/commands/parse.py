"""`contentmap parse`: parse one document without database and network."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.process_setup import tune_garbage_collector
from contentmap_cli.output.formats import PARSE_FORMATS

EPILOG = """\
Examples:
  contentmap parse sitemap.xml.gz
  contentmap parse - --base https://example.com/sitemap.xml < sitemap.xml

Exit codes: 0 complete; 2 unreadable file; 3 incomplete, or not a sitemap.
"""


def parse(
    cli: GlobalOptions,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Sitemap, feed or robots.txt; - reads stdin.")],
    base: Annotated[
        str | None,
        typer.Option(metavar="URL", help="URL of the file, the base of relative URLs."),
    ] = None,
    format: opt.ParseFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Parse a sitemap, feed or robots.txt: print entries and problems."""
    from contentmap_cli.commands.interface.document_input import checked_base, is_robots, opened
    from contentmap_cli.commands.parsed_output import write_parsed

    tune_garbage_collector()
    wanted = opt.chosen(format, as_json, PARSE_FORMATS, output)
    base = checked_base(base)
    with opened(file) as source:
        return write_parsed(cli, source, base, wanted, output, robots=is_robots(file, base))
