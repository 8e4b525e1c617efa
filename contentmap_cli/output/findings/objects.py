"""Findings and occurrences as JSON objects, and the order in which occurrences are listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Final

from contentmap_cli.models import Severity
from contentmap_cli.models.findings import (
    STANDARD_INPUT,
    CheckReport,
    CheckSummary,
    Finding,
    Occurrence,
    Rule,
)
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.escape import redact
from contentmap_cli.output.findings.coverage import coverage_object
from contentmap_cli.output.objects import SCHEMA

EXAMPLES: Final = 5
"""Occurrences of a finding that a table shows."""


def listed(report: CheckReport) -> Iterator[tuple[Finding, Occurrence]]:
    """Yield all occurrences, by file, rule or URL. Occurrences that were only counted follow as one."""
    if report.by is Grouping.URL:
        yield from report.by_url()
        return
    for finding in ordered(report):
        for occurrence in with_unnamed(finding):
            yield finding, occurrence


def ordered(report: CheckReport) -> list[Finding]:
    """Return the findings by file or by rule."""
    if report.by is not Grouping.RULE:
        return list(report.findings)
    order = {rule.id: number for number, rule in enumerate(report.rules)}
    return sorted(report.findings, key=lambda finding: order[finding.rule.id])


def with_unnamed(finding: Finding) -> Iterator[Occurrence]:
    """Yield the occurrences of a finding; those that were only counted follow as one."""
    yield from finding.occurrences
    if finding.unnamed:
        yield Occurrence(message=f"{finding.unnamed:,} more, which were only counted")


def local_path(finding: Finding) -> str | None:
    """Return the path of a checked file from the current folder, None for anything else."""
    if not finding.is_local or finding.target == STANDARD_INPUT:
        return None
    return os.path.relpath(finding.place).replace(os.sep, "/")


def finding_object(finding: Finding) -> dict[str, object]:
    """Return a rule that a file violates, with the number of its occurrences: a row of a summary."""
    return {
        "severity": finding.rule.severity.value,
        "rule": finding.rule.id,
        "target": redact(finding.target),
        "file": _redacted(finding.file),
        "line": finding.line,
        "count": finding.count,
        "message": redact(finding.message),
        "why": finding.rule.why,
        "link": finding.rule.link,
    }


def occurrence_object(finding: Finding, occurrence: Occurrence) -> dict[str, object]:
    """Return an occurrence: a line of NDJSON, an element of `findings`."""
    message = occurrence.message or finding.message
    if message == finding.rule.what and occurrence.value is not None:
        message = f"{message}: {occurrence.value}"  # more than the title of the rule
    return {
        "type": "finding",
        "schema": SCHEMA,
        "rule": finding.rule.id,
        "severity": finding.rule.severity.value,
        "target": redact(finding.target),
        "file": _redacted(finding.file),
        "line": occurrence.line,
        "url": _redacted(occurrence.url),
        "value": _redacted(occurrence.value),
        "message": redact(message),
    }


def broken_rules(report: CheckReport) -> list[dict[str, object]]:
    """Return the rules that are violated, each with the number of its occurrences."""
    counts: Counter[str] = Counter()
    for finding in report.findings:
        counts[finding.rule.id] += finding.count
    return [{**rule_object(rule), "count": counts[rule.id]} for rule in report.rules if counts[rule.id]]


def occurrence_text(occurrence: Occurrence) -> str:
    """Return URL and value of an occurrence on one line, or its message if it has neither."""
    return redact("  ".join(filter(None, (occurrence.url, occurrence.value))) or occurrence.message or "")


def finding_text(finding: Finding) -> str:
    """Return a finding on one line: rule, message, count."""
    text = _what(finding, None)
    return f"{text} ({finding.count:,} times)" if finding.count > 1 else text


def full_text(finding: Finding, occurrence: Occurrence) -> str:
    """Return an occurrence on one line: rule, message, URL, value."""
    said = occurrence_text(occurrence)
    what = _what(finding, occurrence.message)
    return f"{what}: {said}" if said and said not in what else what


def _what(finding: Finding, message: str | None) -> str:
    what, message = finding.rule.what, redact(message or finding.message)
    return what if message == what else f"{what}: {message}"


def check_object(summary: CheckSummary) -> dict[str, object]:
    """Return the result of a check: the last line of NDJSON, the head of the JSON document."""
    return {
        "type": "check",
        "schema": SCHEMA,
        "targets": [redact(target) for target in summary.targets],
        "files": summary.files,
        "urls": summary.entries,
        "counts": {severity.value: summary.counts.get(severity, 0) for severity in Severity},
        "known": summary.known,
        "pages": pages_object(summary.pages) if summary.pages is not None else None,
        "passed": [redact(target) for target in summary.passed],
        "coverage": [coverage_object(each) for each in summary.coverage],
    }


def pages_object(counts: PageCounts) -> dict[str, object]:
    """Return how many pages a check has asked."""
    return {
        "selected": counts.selected,
        "asked": counts.asked,
        "not_asked": dict(counts.not_asked),
        "finished": counts.finished,
    }


def rule_object(rule: Rule) -> dict[str, object]:
    """Return a rule for `check --list-rules`."""
    return {
        "type": "rule",
        "id": rule.id,
        "severity": rule.severity.value,
        "what": rule.what,
        "why": rule.why,
        "link": rule.link,
    }


def _redacted(text: str | None) -> str | None:
    return redact(text) if text is not None else None
