"""The options --format, --csv-bom and --json, and the format that they and the output file select."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from contentmap_cli.commands.interface.command_decorator import Bundle
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import BINARY, CSV_FORMATS, Format, names_of, refusal, require
from contentmap_cli.output.suffixes import check_compression, format_of_file, formats_of_suffix

log = logging.getLogger("contentmap.run")

_CSV_BOM = Annotated[
    bool,
    typer.Option("--csv-bom", help="CSV with a byte order mark, for Excel.", rich_help_panel=MORE),
]
GivenFormat = Mapping[str, Any]
"""The values of --format and --csv-bom."""


def format_options(*formats: Format) -> Bundle:
    """Return --format, and --csv-bom if CSV is one of the formats."""

    def read(text: str) -> Format:
        try:
            return Format(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not one of {names_of(formats)}.") from None

    def complete(incomplete: str) -> list[str]:
        return [name for name in names_of(formats).split(", ") if name.startswith(incomplete)]

    names = names_of([format for format in formats if format is not Format.JSON], "|")
    option = typer.Option(
        "--format",
        metavar="FORMAT",
        help=names,
        parser=read,
        autocompletion=complete,
        # the first one, which a long list has no room to repeat
        show_default=formats[0].value if len(names) < 36 else False,
    )
    options: dict[str, Any] = {"format": Annotated[Format | None, option]}
    return Bundle(options | ({"csv_bom": _CSV_BOM} if Format.CSV in formats else {}))


def chosen(
    given: GivenFormat | None, as_json: bool, allowed: tuple[Format, ...], output: str | None = None
) -> Format:
    """Return the format that --format, --csv-bom and --json select, or else the suffix of the output file.

    Without a file, and for a file without a suffix, it is the first of `allowed`. Raises UsageError for
    options that exclude each other, --csv-bom for a file of another format, an unknown suffix, a format that
    is not in `allowed`, cannot be written to a terminal or compressed, or needs a package that is not
    installed. Logs a warning where an option and the suffix name different formats.
    """
    options = given or {}
    suffix, named = formats_of_suffix(output or "")
    wanted: Format | None = options.get("format")
    for name, flag, is_given in (
        ("--json", Format.JSON, as_json),
        ("--csv-bom", Format.CSV_BOM, options.get("csv_bom")),
    ):
        if is_given:
            if wanted not in (None, flag, *(CSV_FORMATS if flag in CSV_FORMATS else ())):
                raise UsageError(f"{name} and --format {wanted} exclude each other", hint="use one of them")
            wanted = flag
    if wanted is not None and named and (Format.CSV if wanted in CSV_FORMATS else wanted) not in named:
        if options.get("csv_bom"):
            raise UsageError(f"--csv-bom is for CSV, not {suffix}", hint="name a file that ends with .csv")
        if suffix != ".txt" and (suffix, wanted) != (".json", Format.SARIF):  # SARIF is JSON
            log.warning("%s contains %s, although its name ends with %s", output, wanted.value, suffix)
    if wanted is None:
        wanted = format_of_file(output, allowed) if output is not None else allowed[0]
    if wanted not in allowed:
        raise refusal(wanted, allowed)
    if output not in (None, "-"):
        check_compression(output, wanted)
    elif wanted in BINARY and sys.stdout.isatty():
        raise UsageError(f"{wanted} is not written to a terminal", hint="name a file with -o")
    require(wanted)
    return wanted
