"""`contentmap parse`: one document, no database, no network."""

from __future__ import annotations

import sys
import tempfile
from pathlib import PurePath
from typing import Annotated, BinaryIO, cast

import typer

from contentmap_cli.commands import options as opt
from contentmap_cli.commands.process import calm_collector
from contentmap_cli.commands.shell import Shell, command
from contentmap_cli.errors import UsageError
from contentmap_cli.report.formats import Format

EPILOG = """\
Examples:

  contentmap parse sitemap.xml.gz

  contentmap parse - --base https://example.com/sitemap.xml < sitemap.xml

Exit codes: 0 read whole; 3 something is missing or it is no sitemap; 2 the file cannot be read.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "parse", epilog=EPILOG)(parse)


def parse(
    shell: Shell,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A file, or - for standard input.")],
    base: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where it came from: relative URLs are resolved against it."),
    ] = None,
    format: opt.ParseFormat = Format.NDJSON,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Read one sitemap, feed or robots.txt and show its entries and its problems."""
    from contentmap_cli.commands.inputs import check_base
    from contentmap_cli.commands.parsed import write_parsed

    calm_collector()
    wanted = opt.chosen(format, as_json, opt.PARSE_FORMATS)
    check_base(base)
    robots = base is None and PurePath(file).name.lower() == "robots.txt"
    with opened(file) as source:
        return write_parsed(shell, source, base, wanted, output, robots=robots)


def opened(file: str) -> BinaryIO:
    """A file, or standard input, that can be read twice. Raises UsageError where it cannot be read."""
    try:
        source = sys.stdin.buffer if file == "-" else open(file, "rb")  # noqa: PTH123, SIM115 - the caller closes it
        if file != "-" and source.seekable():
            return cast("BinaryIO", source)
        # the parser may have to read twice, and a pipe cannot
        copy = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - the caller closes it
        while chunk := source.read(1 << 16):
            copy.write(chunk)
        copy.seek(0)
        return cast("BinaryIO", copy)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", hint="name a file, or - for standard input") from error
