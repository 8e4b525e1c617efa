"""What the last scan of a domain came to, below the answer about its files."""

from __future__ import annotations

from typing import TextIO

from contentmap_cli.report.formats import Format
from contentmap_cli.report.objects import domain_object, to_json
from contentmap_cli.report.outcomes import evidence_lines, outcome_note
from contentmap_cli.values import DomainSummary


def write_scan(format: Format, out: TextIO, scan: DomainSummary) -> None:
    """Write the outcome of a scan that is not clean, with the sources that prove nothing.

    As text below a table, as a last object of type `domain` in NDJSON; other formats have files alone.
    """
    if format is Format.NDJSON:
        out.write(to_json(domain_object(scan)) + "\n")
    elif format is Format.TABLE and not scan.status.clean:
        note = outcome_note(scan)
        out.write(f"\nlast scan: {scan.status.value}{f', {note}' if note else ''}\n")
        out.writelines(f"  {line}\n" for line in evidence_lines(scan))
    out.flush()
