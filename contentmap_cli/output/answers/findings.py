"""The output of `check`: a table, JSON, NDJSON, JUnit, SARIF or GitHub annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import islice
from typing import TextIO

from contentmap_cli.models import Severity
from contentmap_cli.models.findings import STANDARD_INPUT, CheckSummary, Finding, Rule
from contentmap_cli.output.answers.coverage import write_coverage
from contentmap_cli.output.columns import Style, styled
from contentmap_cli.output.escape import redact, terminal, xml_text
from contentmap_cli.output.formats import CHECK_FORMATS, Format
from contentmap_cli.output.number_format import plural
from contentmap_cli.output.objects import (
    EXAMPLES,
    check_object,
    finding_object,
    finding_text,
    occurrence_text,
    rule_object,
)
from contentmap_cli.output.writers.github import annotation_property, workflow_command
from contentmap_cli.output.writers.junit import attributes_text

_STYLES = {Severity.ERROR: Style.RED, Severity.WARNING: Style.YELLOW, Severity.INFO: Style.CYAN}
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def write_findings(
    format: Format,
    out: TextIO,
    findings: Sequence[Finding],
    summary: CheckSummary,
    rules: Sequence[Rule],
    *,
    color: bool = False,
) -> None:
    """Write all findings. `rules` are those that were checked."""
    if format is Format.SARIF:
        from contentmap_cli.output.writers.sarif import write_sarif

        write_sarif(out, findings, rules)
    elif format is Format.JSON:
        answer = {**check_object(summary), "findings": [finding_object(finding) for finding in findings]}
        out.write(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    elif format is Format.NDJSON:
        out.writelines(json.dumps(finding_object(finding), allow_nan=False) + "\n" for finding in findings)
        out.write(json.dumps(check_object(summary), allow_nan=False) + "\n")
    elif format is Format.JUNIT:
        _junit(out, findings, rules)
    elif format is Format.GITHUB:
        for finding in findings:
            title = f"{finding.rule.id} {finding.place}"
            file = finding.is_local and finding.target != STANDARD_INPUT
            place = f",file={annotation_property(os.path.relpath(finding.target))}" if file else ""
            line = f",line={finding.line}" if finding.line else ""
            text = finding_text(finding)
            out.write(workflow_command(_COMMANDS[finding.rule.severity], title, text, place + line))
    else:
        if format not in CHECK_FORMATS:
            raise ValueError(format)
        _table(out, findings, summary, color=color)


def write_rules(format: Format, out: TextIO, rules: Sequence[Rule]) -> None:
    """Write the rules: one line per rule, or objects."""
    if format is Format.JSON:
        out.write(json.dumps([rule_object(rule) for rule in rules], indent=2) + "\n")
    elif format is Format.NDJSON:
        out.writelines(json.dumps(rule_object(rule)) + "\n" for rule in rules)
    else:
        wide = max((len(rule.id) for rule in rules), default=0)
        out.writelines(f"{rule.id:<{wide}}  {rule.severity.value:<7}  {rule.what}\n" for rule in rules)


def _table(out: TextIO, findings: Sequence[Finding], summary: CheckSummary, *, color: bool) -> None:
    place = None
    for finding in findings:
        if finding.place != place:
            place = finding.place
            out.write(styled(terminal(redact(place)), Style.BOLD, color) + "\n")
        severity = styled(f"{finding.rule.severity.value:<7}", _STYLES[finding.rule.severity], color)
        line = f"line {finding.line}: " if finding.line else ""
        out.write(f"  {severity}  {finding.rule.id}  {line}{terminal(finding_text(finding))}\n")
        for each in islice(finding.occurrences, EXAMPLES):
            if text := occurrence_text(each):
                out.write(f"             {terminal(text)}\n")
    for coverage in summary.coverage:
        write_coverage(out, coverage, color=color)
    counts = ", ".join(
        plural(summary.counts.get(each, 0), each.value)
        if each is not Severity.INFO
        else f"{summary.counts.get(each, 0):,} info"
        for each in Severity
    )
    known = f", {summary.known:,} known" if summary.known else ""
    out.write(f"{counts}{known}; {plural(summary.files, 'file')}, {plural(summary.entries, 'url')}\n")
    if summary.pages is not None:
        out.write(f"{summary.pages}\n")


def _junit(out: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """Write a test case for each finding, and one that passes for each rule without findings."""
    broken = {finding.rule.id for finding in findings}
    clean = [rule for rule in rules if rule.id not in broken]
    suite = {
        "name": "contentmap check",
        "tests": str(len(findings) + len(clean)),
        "failures": str(len(findings)),
        "errors": "0",
        "skipped": "0",
    }
    out.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite{attributes_text(suite)}>\n')
    for finding in findings:
        text = finding_text(finding)
        case = {"classname": f"contentmap.check.{finding.rule.id}", "name": redact(finding.place)}
        failure = {"type": finding.rule.severity.value, "message": text}
        detail = "\n".join((*map(occurrence_text, finding.occurrences), finding.rule.why, finding.rule.link))
        out.write(
            f"  <testcase{attributes_text(case)}><failure{attributes_text(failure)}>"
            f"{xml_text(detail)}</failure></testcase>\n"
        )
    for rule in clean:
        case = {"classname": f"contentmap.check.{rule.id}", "name": rule.what}
        out.write(f"  <testcase{attributes_text(case)}/>\n")
    out.write("</testsuite>\n")
