"""The suffix of an output file: its format and its compression."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import Format

SUFFIXES: Final = {
    ".json": (Format.JSON,),
    ".ndjson": (Format.NDJSON,),
    ".jsonl": (Format.NDJSON,),
    ".csv": (Format.CSV,),
    ".xlsx": (Format.XLSX,),
    ".parquet": (Format.PARQUET,),
    ".txt": (Format.TXT, Format.TABLE),
    ".xml": (Format.XML, Format.JUNIT),
    ".sarif": (Format.SARIF,),
    ".html": (Format.HTML,),
    ".htm": (Format.HTML,),
}
"""The formats of a file's suffix: the first one that a command has."""
COMPRESSIONS: Final = (".gz", ".zst")
_ELSEWHERE: Final = {
    Format.HTML: "`contentmap report` writes HTML",
    Format.SARIF: "`contentmap check` writes SARIF",
}


def compression_of(name: str) -> str:
    """Return the suffix of a compressed file in lower case, an empty text for any other."""
    return next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), "")


def formats_of_suffix(output: str) -> tuple[str, tuple[Format, ...]]:
    """Return the suffix of an output file in lower case, without that of a compression, and its formats."""
    name = output.lower()
    suffix = PurePath(name.removesuffix(compression_of(name))).suffix
    return suffix, SUFFIXES.get(suffix, ())


def format_of_file(output: str, allowed: Sequence[Format]) -> Format:
    """Return the format of an output file by its suffix; without a suffix the first allowed.

    Raises UsageError if the suffix belongs to none of `allowed`.
    """
    suffix, formats = formats_of_suffix(output)
    if not suffix or output.endswith("/"):
        return allowed[0]
    for format in formats:
        if format in allowed:
            return format
    known = ", ".join(each for each, named in SUFFIXES.items() if set(named) & set(allowed))
    option = " or --format" if len(allowed) > 1 else ""
    hint = f"use {known} (also with .gz or .zst){option}"
    if formats and (where := _ELSEWHERE.get(formats[0])):
        hint = f"{where}; {hint}"
    raise UsageError(f"the suffix {suffix} of the output file names no format of this command", hint=hint)


def check_compression(output: str, format: Format) -> None:
    """Raise UsageError for a compressed file of a format that is compressed itself."""
    if format in (Format.XLSX, Format.PARQUET) and (suffix := compression_of(output)):
        raise UsageError(
            f"{format.value} is compressed already: {output}", hint=f"use -o {output[: -len(suffix)]}"
        )
