"""Findings of a check, in every format that they are written in."""

from __future__ import annotations

import io

import pytest

from contentmap_cli.check.checker import RULES
from contentmap_cli.models.findings import CheckSummary, Finding, Occurrence, Severity
from contentmap_cli.output.answers.findings import write_findings
from contentmap_cli.output.formats import CHECK_FORMATS, Format

SECRET = "https://user:geheim@a.test/sitemap.xml"


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_no_format_shows_a_secret(format: Format) -> None:
    """Wherever a URL with a password stands: as a target, a file, a message, an example."""
    rule = RULES["url-credentials"]
    finding = Finding(rule, SECRET, SECRET, 1, f"seen {SECRET}", 2, (Occurrence(1, SECRET, SECRET, SECRET),))
    summary = CheckSummary((SECRET,), 1, 1, {Severity.ERROR: 1})
    out = io.StringIO()
    write_findings(format, out, [finding], summary, [rule])
    assert "a.test/sitemap.xml" in out.getvalue()
    assert "geheim" not in out.getvalue()
