"""Baselines: findings that are known and not reported again.

A baseline names the URL of each occurrence, so that another URL in the same file is new. Schema 1 had only
counts: a finding of it is known until it occurs more often.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contentmap_cli.check.occurrences import OccurrenceStore, StoredOccurrences
from contentmap_cli.errors import UsageError
from contentmap_cli.models.findings import Finding
from contentmap_cli.output.escape import redact


@dataclass(slots=True)
class Known:
    """What a baseline says of one rule at one place: how often it occurs, and at which URLs.

    `urls` is None in schema 1.
    """

    count: int
    urls: Counter[str] | None = field(default_factory=Counter)


Baseline = Mapping[tuple[str, str], Known]
"""The known occurrences by rule and place."""


def read_baseline(file: str) -> Baseline:
    """Read a baseline. Raise UsageError for a file that is none."""
    hint = "write one with --write-baseline"
    try:
        content: Any = json.loads(Path(file).read_text(encoding="utf-8"))
        return {
            (str(each["rule"]), str(each["place"])): Known(
                int(each["count"]), Counter(map(str, each["urls"])) if "urls" in each else None
            )
            for each in content["findings"]
        }
    except OSError as error:
        raise UsageError(f"cannot read the baseline {file}", hint=hint) from error
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"invalid baseline: {file}", hint=hint) from None


def write_baseline(file: str, findings: Sequence[Finding]) -> None:
    """Write the findings to a baseline."""
    from contentmap_cli.commands.interface.answer_output import answer_to

    with answer_to(file, hint="name another file with --write-baseline") as out:
        out.write('{\n  "type": "baseline",\n  "schema": 2,\n  "findings": [')
        before = "\n"
        for each in sorted(findings, key=lambda each: (each.place, each.rule.id)):
            head = {"rule": each.rule.id, "place": each.place, "count": each.count}
            out.write(f'{before}    {json.dumps(head)[:-1]}, "urls": [')
            comma = "\n"
            for url in sorted(_urls(each)):
                out.write(f"{comma}      {json.dumps(url)}")
                comma = ",\n"
            out.write("]}")
            before = ",\n"
        out.write("\n  ]\n}\n")


def _urls(finding: Finding) -> Iterator[str]:
    return (redact(each.url) for each in finding.occurrences if each.url is not None)


def new_findings(
    findings: Sequence[Finding], baseline: Baseline, store: OccurrenceStore
) -> tuple[list[Finding], int]:
    """Return the findings with occurrences that the baseline does not have, and how many have none.

    Known occurrences are deleted from the store.
    """
    new: list[Finding] = []
    for finding in findings:
        known = baseline.get((finding.rule.id, finding.place))
        whole = baseline.get((finding.rule.id, finding.target))
        if known is None and whole is not None and whole.urls is None:
            known = whole  # schema 1 had some rules at the target that are now at its files
        if known is None:
            new.append(finding)
        elif known.urls is None:
            if finding.count > known.count:
                new.append(finding)
        elif (left := _without_known(finding, known, store)) is not None:
            new.append(left)
    return new, len(findings) - len(new)


def _without_known(finding: Finding, known: Known, store: OccurrenceStore) -> Finding | None:
    """Return the finding with its new occurrences, None if there are none."""
    urls = Counter(known.urls)
    others = known.count - urls.total()  # occurrences without a URL are compared by their number
    found: list[int] = []
    line = None
    for number, each in enumerate(finding.occurrences, start=1):
        url = redact(each.url) if each.url is not None else None
        if url is not None and urls[url] > 0:
            urls[url] -= 1
        elif url is None and others > 0:
            others -= 1
        else:
            line = line or each.line
            continue
        found.append(number)
    unnamed = max(0, finding.unnamed - max(0, others))
    count = finding.count - finding.unnamed - len(found) + unnamed
    if not count:
        return None
    if isinstance(finding.occurrences, StoredOccurrences):
        store.forget(finding.occurrences.finding, found)
    return replace(finding, count=count, unnamed=unnamed, line=line)
