"""Choose the writer of a check's report; write rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import fill, indent
from typing import TextIO

from contentmap_cli.models.findings import CheckReport, Rule
from contentmap_cli.output.findings.objects import rule_object
from contentmap_cli.output.formats import CHECK_FORMATS, Format, marked, refusal


def write_report(
    format: Format, out: TextIO, report: CheckReport, *, width: int | None = None, color: bool = False
) -> None:
    """Write a report. Other parameters and errors as for `formats.scan_writer`."""
    from contentmap_cli.output.findings import rows

    match format:
        case Format.TABLE:
            from contentmap_cli.output.findings.table import write_table

            write_table(out, report, width=width, color=color)
        case Format.JSON:
            rows.write_json(out, report)
        case Format.NDJSON:
            rows.write_ndjson(out, report)
        case Format.CSV | Format.CSV_BOM:
            rows.write_csv(marked(format, out), report)
        case Format.XLSX:
            rows.write_xlsx(out, report)
        case Format.SARIF:
            from contentmap_cli.output.findings.sarif import write_sarif

            write_sarif(out, report)
        case Format.JUNIT:
            from contentmap_cli.output.findings.ci import write_junit

            write_junit(out, report)
        case Format.GITHUB:
            from contentmap_cli.output.findings.ci import write_github

            write_github(out, report)
        case _:
            raise refusal(format, CHECK_FORMATS)


def write_rules(format: Format, out: TextIO, rules: Sequence[Rule]) -> None:
    """Write the rules: one line per rule, or objects."""
    if format is Format.JSON:
        out.write(json.dumps([rule_object(rule) for rule in rules], indent=2) + "\n")
    elif format is Format.NDJSON:
        out.writelines(json.dumps(rule_object(rule)) + "\n" for rule in rules)
    else:
        wide = max((len(rule.id) for rule in rules), default=0)
        out.writelines(f"{rule.id:<{wide}}  {rule.severity.value:<7}  {rule.what}\n" for rule in rules)


def write_explanations(format: Format, out: TextIO, explained: Sequence[tuple[Rule, str, str]]) -> None:
    """Write rules with an example that breaks each, and its repair."""
    objects = [{**rule_object(rule), "example": example, "repair": fix} for rule, example, fix in explained]
    if format is Format.JSON:
        out.write(json.dumps(objects, indent=2) + "\n")
    elif format is Format.NDJSON:
        out.writelines(json.dumps(each) + "\n" for each in objects)
    else:
        out.write(
            "\n".join(
                f"{rule.id} ({rule.severity.value}): {rule.what}\n\n"
                f"{fill(rule.why, 78)}\n\n"
                f"Example:\n{indent(example, '    ')}\n\n"
                f"{fill(f'Repair: {fix}', 78)}\n\nSource: {rule.link}\n"
                for rule, example, fix in explained
            )
        )
