"""The report of a check for people: each finding with its count and the first occurrences."""

from __future__ import annotations

import textwrap
from itertools import groupby, islice
from typing import TextIO

from contentmap_cli.models import Severity
from contentmap_cli.models.findings import CheckReport, CheckSummary, Finding
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.columns import Style, styled
from contentmap_cli.output.escape import redact, terminal, url_text
from contentmap_cli.output.findings.coverage import write_coverage
from contentmap_cli.output.findings.objects import (
    EXAMPLES,
    finding_text,
    full_text,
    occurrence_text,
    ordered,
)
from contentmap_cli.output.number_format import plural

_STYLES = {Severity.ERROR: Style.RED, Severity.WARNING: Style.YELLOW, Severity.INFO: Style.CYAN}
_INDENT = " " * 13


def write_table(out: TextIO, report: CheckReport, *, width: int | None, color: bool) -> None:
    """Write the findings by file, rule or URL, the targets that pass, and the counts. `width` is that of the
    terminal: texts are wrapped, URLs are not broken."""
    if report.by is Grouping.URL:
        _urls(out, report, width=width, color=color)
    else:
        _findings(out, report, width=width, color=color)
    for target in report.summary.passed:
        out.write(f"{styled('passed', Style.GREEN, color)}   {terminal(redact(target))}\n")
    for coverage in report.summary.coverage:
        write_coverage(out, coverage, color=color)
    out.write(_counts(report.summary))


def _findings(out: TextIO, report: CheckReport, *, width: int | None, color: bool) -> None:
    by_rule = report.by is Grouping.RULE
    head = None
    for finding in ordered(report):
        rule = f"{finding.rule.id}: {finding.rule.what}"
        if head != (head := rule if by_rule else finding.place):
            out.write(styled(terminal(redact(head)), Style.BOLD, color) + "\n")
        name = terminal(redact(finding.place)) if by_rule else finding.rule.id
        line = f"line {finding.line}: " if finding.line else ""
        _write(out, finding, f"{name}  {line}{terminal(finding_text(finding))}", width, color)
        shown = 0
        for each in islice(finding.occurrences, EXAMPLES):
            if text := terminal(occurrence_text(each)):
                at = f"line {each.line}: " if each.line and finding.count > 1 else ""
                indent = " " * (len(_INDENT) + len(at))
                if width is not None and each.url and each.value and len(indent) + len(text) > width:
                    text = text.replace("  ", f"\n{indent}", 1)  # before the value
                out.write(f"{_INDENT}{at}{text}\n")
                shown += 1
        if shown and finding.count > EXAMPLES:
            out.write(f"{_INDENT}and {finding.count - EXAMPLES:,} more\n")


def _urls(out: TextIO, report: CheckReport, *, width: int | None, color: bool) -> None:
    for url, found in groupby(report.by_url(), key=lambda each: each[1].url):
        out.write(styled(url_text(redact(url or "(no URL)")), Style.BOLD, color) + "\n")
        for finding, each in found:
            text = full_text(finding, each._replace(url=None))
            place = terminal(redact(finding.place)) + (f":{each.line}" if each.line else "")
            _write(out, finding, f"{finding.rule.id}  {terminal(text)}  [{place}]", width, color)


def _write(out: TextIO, finding: Finding, text: str, width: int | None, color: bool) -> None:
    """Write a line that begins with the severity of a finding."""
    severity = f"{finding.rule.severity.value:<7}"
    lines = [f"  {severity}  {text}"]
    if width is not None:
        room = max(width, 2 * len(_INDENT))
        lines = textwrap.wrap(
            lines[0], room, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
        )
    lines[0] = lines[0].replace(severity, styled(severity, _STYLES[finding.rule.severity], color), 1)
    out.writelines(f"{line}\n" for line in lines)


def _counts(summary: CheckSummary) -> str:
    counts = ", ".join(
        plural(summary.counts.get(each, 0), each.value)
        if each is not Severity.INFO
        else f"{summary.counts.get(each, 0):,} info"
        for each in Severity
    )
    known = f", {summary.known:,} known" if summary.known else ""
    pages = f"{summary.pages}\n" if summary.pages is not None else ""
    return f"{counts}{known}; {plural(summary.files, 'file')}, {plural(summary.entries, 'url')}\n{pages}"
