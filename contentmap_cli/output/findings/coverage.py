"""The comparison of sitemaps with a list of URLs, in the summary of a check."""

from __future__ import annotations

from dataclasses import asdict
from typing import TextIO

from contentmap_cli.models.findings import Coverage
from contentmap_cli.output.columns import Cell, Column, Line, write_table
from contentmap_cli.output.escape import redact, terminal, url_text
from contentmap_cli.output.number_format import number, plural

TABLE_SECTIONS = 15
_COLUMNS = (
    Column("SECTION", cut=True, fit=44),
    Column("BOTH", right=True),
    Column("ONLY IN LIST", right=True),
    Column("ONLY IN SITEMAPS", right=True),
)


def coverage_object(coverage: Coverage) -> dict[str, object]:
    """Return the numbers of a comparison, by folder too."""
    return {
        "target": redact(coverage.target),
        "list": coverage.name,
        "column": coverage.column,
        "both": coverage.both,
        "differing": coverage.differing,
        "defective": coverage.defective,
        "only_list": coverage.only_list,
        "only_sitemaps": coverage.only_sitemaps,
        "skipped": coverage.skipped,
        "sections": [asdict(section) for section in coverage.sections],
    }


def write_coverage(out: TextIO, coverage: Coverage, *, width: int | None = None, color: bool = False) -> None:
    """Write the numbers of a comparison, and the folders with most differences."""
    skipped = ", ".join(f"{count:,} {why}" for why, count in coverage.skipped.items())
    column = f", column {coverage.column}" if coverage.column else ""
    parts = [
        f"{plural(coverage.both, 'url')} in both",
        f"{coverage.only_list:,} only in the list",
        f"{coverage.only_sitemaps:,} only in sitemaps",
        *([f"{coverage.differing:,} spelt differently"] if coverage.differing else []),
        *([f"{coverage.defective:,} not to be listed"] if coverage.defective else []),
        *([f"rows not compared: {skipped}"] if skipped else []),
    ]
    names = f"{redact(coverage.target)} and {coverage.name}{column}"
    out.write(terminal(f"{names}: {'; '.join(parts)}") + "\n")
    lines = [
        Line(
            [
                Cell(url_text(section.url)),
                *(Cell(number(n)) for n in (section.both, section.only_list, section.only_sitemaps)),
            ]
        )
        for section in coverage.sections
        if section.only_list or section.only_sitemaps
    ]
    write_table(out, _COLUMNS, lines[:TABLE_SECTIONS], width=width, color=color)
