"""SARIF 2.1.0 (OASIS) for code scanning: a result per occurrence, ASCII only.

Section 3.27.12: several locations of one result are for what can only be repaired at all of them. Code
scanning reads the first location only, and at most 25,000 results of a run: further ones are in another run,
which needs a category of its own (`automationDetails.id`).
"""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from typing import TextIO
from urllib.parse import quote

from contentmap_cli import __version__
from contentmap_cli.models import Severity
from contentmap_cli.models.findings import CheckReport, Finding, Occurrence, Rule
from contentmap_cli.output.escape import redact
from contentmap_cli.output.findings.objects import full_text, listed, local_path, occurrence_object
from contentmap_cli.output.objects import to_json

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RUN_RESULTS = 25_000
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def write_sarif(out: TextIO, report: CheckReport) -> None:
    """Write one log, with one run for every `RUN_RESULTS` results."""
    indexes = {rule.id: number for number, rule in enumerate(report.rules)}
    driver = {"name": "ContentMap", "version": __version__, "rules": [_rule(rule) for rule in report.rules]}
    tool = json.dumps({"driver": driver}, indent=1, allow_nan=False)
    results = (to_json(_result(finding, each, indexes[finding.rule.id])) for finding, each in listed(report))
    out.write(f'{{\n"$schema": "{SCHEMA}",\n"version": "2.1.0",\n"runs": [')
    first = next(results, None)
    number = 0
    while not number or first is not None:
        number += 1
        details = to_json({"id": "contentmap/" if number == 1 else f"contentmap-{number}/"})
        out.write(
            f'{"," if number > 1 else ""}\n{{"automationDetails": {details},\n"tool": {tool},\n"results": ['
        )
        if first is not None:
            out.write(f"\n{first}")
            out.writelines(f",\n{text}" for text in islice(results, RUN_RESULTS - 1))
        out.write("]}")
        first = next(results, None)
    out.write("\n]\n}\n")


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "helpUri": rule.link,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, occurrence: Occurrence, index: int) -> dict[str, object]:
    uri = local_path(finding) or redact(finding.place)
    physical: dict[str, object] = {"artifactLocation": {"uri": quote(uri, safe=":/?#[]@!$&'()*+,;=%~")}}
    if (line := occurrence.line or finding.line) is not None and line > 0:
        physical["region"] = {"startLine": line}
    location: dict[str, object] = {"physicalLocation": physical}
    said = occurrence_object(finding, occurrence)
    if occurrence.url is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": said["url"], "kind": "resource"}]
    mark = "\n".join((finding.rule.id, finding.place, occurrence.url or "", occurrence.value or ""))
    digest = hashlib.blake2b(mark.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": full_text(finding, occurrence)},
        "locations": [location],
        "partialFingerprints": {"contentmap/v2": digest},
        "properties": {name: said[name] for name in ("target", "url", "value")},
    }
