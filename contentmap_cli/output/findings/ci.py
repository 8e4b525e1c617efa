"""The report of a check for build servers: JUnit XML and GitHub annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import TextIO

from contentmap_cli.models import Severity
from contentmap_cli.models.findings import CheckReport, Finding, Occurrence
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.escape import redact, xml_text
from contentmap_cli.output.findings.objects import (
    finding_text,
    full_text,
    local_path,
    occurrence_text,
    ordered,
    with_unnamed,
)
from contentmap_cli.output.writers.deferred_buffer import DeferredText
from contentmap_cli.output.writers.github import annotation_property, workflow_command
from contentmap_cli.output.writers.junit import attributes_text

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def write_github(out: TextIO, report: CheckReport) -> None:
    """Write an annotation per occurrence.

    GitHub shows ten of each severity, so the first occurrence of each finding precedes all others.
    """
    if report.by is Grouping.URL:
        out.writelines(
            _annotation(finding, each, full_text(finding, each)) for finding, each in report.by_url()
        )
        return
    findings = ordered(report)
    for finding in findings:
        for first in islice(with_unnamed(finding), 1):
            said = occurrence_text(first)
            text = finding_text(finding)
            out.write(_annotation(finding, first, f"{text}: {said}" if said and said not in text else text))
    for finding in findings:
        for each in islice(with_unnamed(finding), 1, None):
            out.write(_annotation(finding, each, full_text(finding, each)))


def _annotation(finding: Finding, occurrence: Occurrence, text: str) -> str:
    path, line = local_path(finding), occurrence.line or finding.line
    place = f",file={annotation_property(path)}" if path is not None else ""
    if line:
        place += f",line={line}"
    title = f"{finding.rule.id} {finding.place}"
    return workflow_command(_COMMANDS[finding.rule.severity], title, text, place)


def write_junit(out: TextIO, report: CheckReport) -> None:
    """Write a test case per finding (or per URL), and one that passes for each rule without findings.

    A case fails if its severity fails the check, and is skipped otherwise; all its occurrences are in its
    text.
    """
    cases = DeferredText()
    tests = failures = skipped = 0
    for name, classname, findings, lines in _cases(report):
        fails = any(each.rule.severity.weight >= report.fail_on.weight for each in findings)
        severity = max((each.rule.severity for each in findings), key=lambda each: each.weight)
        tests, failures, skipped = tests + 1, failures + fails, skipped + (not fails)
        message = "; ".join(dict.fromkeys(map(finding_text, findings)))
        cases.write(f"  <testcase{attributes_text({'classname': classname, 'name': redact(name)})}>")
        if fails:
            cases.write(f"<failure{attributes_text({'type': severity.value, 'message': message})}>")
        else:
            message = f"{severity}, below --fail-on {report.fail_on}: {message}"
            cases.write(f"<skipped{attributes_text({'message': message})}/><system-out>")
        for line in lines:
            cases.write(xml_text(line) + "\n")
        cases.write("</failure></testcase>\n" if fails else "</system-out></testcase>\n")
    broken = {finding.rule.id for finding in report.findings}
    for rule in report.rules:
        if rule.id not in broken:
            tests += 1
            case = {"classname": f"contentmap.check.{rule.id}", "name": rule.what}
            cases.write(f"  <testcase{attributes_text(case)}/>\n")
    suite = {"name": "contentmap check", "tests": str(tests), "failures": str(failures)}
    suite |= {"errors": "0", "skipped": str(skipped)}
    out.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite{attributes_text(suite)}>\n')
    out.writelines(cases.pieces())
    out.write("</testsuite>\n")


def _cases(report: CheckReport) -> Iterator[tuple[str, str, list[Finding], Iterable[str]]]:
    """Yield name, class, findings and lines of text of each test case that is not clean."""
    if report.by is Grouping.URL:
        for url, group in groupby(report.by_url(), key=lambda each: each[1].url):
            found = list(group)
            texts = [f"{full_text(finding, each)} [{redact(finding.place)}]" for finding, each in found]
            findings = list({id(finding): finding for finding, _ in found}.values())
            yield url or "(no URL)", "contentmap.check.url", findings, texts
        return
    for finding in ordered(report):
        lines = (
            (f"line {each.line}: " if each.line else "") + occurrence_text(each)
            for each in with_unnamed(finding)
        )
        more = (finding.rule.why, finding.rule.link)
        yield finding.place, f"contentmap.check.{finding.rule.id}", [finding], chain(lines, more)
