"""The outcome of the last scan of a domain, below the table of its files."""

from __future__ import annotations

from typing import TextIO

from contentmap_cli.models import DomainSummary
from contentmap_cli.output.outcomes import evidence_lines, outcome_note


def write_scan(out: TextIO, scan: DomainSummary) -> None:
    """Write the outcome of a scan with errors or a selection, and the sources that prove nothing."""
    if scan.status.clean and not scan.sitemaps_not_selected:
        return
    note = outcome_note(scan)
    out.write(f"\nlast scan: {scan.status.value}{f', {note}' if note else ''}\n")
    out.writelines(f"  {line}\n" for line in evidence_lines(scan))
    out.flush()
