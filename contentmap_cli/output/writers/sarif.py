"""SARIF 2.1.0 (OASIS) for code scanning: one run with its rules, and a result per finding. ASCII only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TextIO
from urllib.parse import quote

from contentmap_cli import __version__
from contentmap_cli.models import Severity
from contentmap_cli.models.findings import Finding, Rule
from contentmap_cli.output.escape import redact
from contentmap_cli.output.objects import finding_text, occurrence_text

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def write_sarif(out: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """Write one log with one run; `rules` are those that were checked."""
    places = {rule.id: number for number, rule in enumerate(rules)}
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ContentMap",
                        "version": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "results": [_result(finding, places[finding.rule.id]) for finding in findings],
            }
        ],
    }
    out.write(json.dumps(log, indent=2, allow_nan=False) + "\n")


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "helpUri": rule.link,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, place: int) -> dict[str, object]:
    location: dict[str, object] = {
        "artifactLocation": {"uri": quote(redact(finding.place), safe=":/?#[]@!$&'()*+,;=%~")}
    }
    if finding.line is not None and finding.line > 0:
        location["region"] = {"startLine": finding.line}
    mark = f"{finding.rule.id}\n{finding.place}".encode("utf-8", "replace")
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": place,
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": finding_text(finding)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"contentmap/v1": hashlib.blake2b(mark, digest_size=16).hexdigest()},
        "properties": {"count": finding.count, "examples": [*map(occurrence_text, finding.occurrences)]},
    }
