"""The output of `doctor`: one line per check, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from contentmap_cli.models.diagnosis import Check, Level
from contentmap_cli.output.columns import Cell, Column, Line, Style, write_table
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.formats import Format
from contentmap_cli.output.number_format import plural

_STYLES = {
    Level.OK: Style.GREEN,
    Level.INFO: Style.CYAN,
    Level.WARNING: Style.YELLOW,
    Level.ERROR: Style.RED,
}
_COLUMNS = (
    Column("RESULT"),
    Column("CHECK"),
    Column("SUBJECT", cut=True, fit=44),
    Column("DETAILS"),
)


def diagnosis_object(target: str, checks: Sequence[Check]) -> dict[str, Any]:
    """Return the JSON object of a diagnosis."""
    return {
        "type": "diagnosis",
        "schema": 1,
        "target": target,
        "findings": sum(check.level.is_finding for check in checks),
        "checks": [diagnosis_check_object(check) for check in checks],
    }


def diagnosis_check_object(check: Check) -> dict[str, Any]:
    """Return the JSON object of one check."""
    return {
        "check": check.step,
        "result": check.level.value,
        "subject": redact(check.subject),
        "message": redact(check.message),
        "code": None if check.code is None else str(check.code),
        "action": check.action,
    }


def write_diagnosis(
    format: Format, out: TextIO, target: str, checks: Sequence[Check], *, width: int | None, color: bool
) -> None:
    """Write the checks of a target."""
    if format is Format.JSON:
        out.write(json.dumps(diagnosis_object(target, checks), indent=2) + "\n")
        return
    lines = []
    for check in checks:
        cells = [
            Cell(check.level.value, _STYLES[check.level]),
            Cell(check.step),
            Cell(terminal(redact(check.subject))),
            Cell(terminal(redact(check.message))),
        ]
        note = Cell(f"-> {check.action}", Style.BOLD) if check.action else Cell("")
        lines.append(Line(cells, note))
    write_table(out, _COLUMNS, lines, width=width, color=color)
    found = sum(check.level.is_finding for check in checks)
    out.write(f"\n{plural(len(checks), 'check')}, {plural(found, 'finding')}\n")
