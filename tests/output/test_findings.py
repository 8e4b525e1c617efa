"""Findings of a check, in every format that they are written in."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree
from workbooks import Output, sheets

from contentmap_cli.check.checker import RULES, Checker
from contentmap_cli.check.occurrences import OccurrenceStore, occurrences_by_url
from contentmap_cli.check.registry import Notes
from contentmap_cli.models import DocumentKind
from contentmap_cli.models.findings import (
    CheckedFile,
    CheckedSite,
    CheckReport,
    CheckSummary,
    Finding,
    Occurrence,
    Severity,
)
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.findings.report import write_report
from contentmap_cli.output.formats import CHECK_FORMATS, Format

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "https://user:geheim@a.test/sitemap.xml"
NAMES = ("https://a.test/s1.xml", "https://a.test/s2.xml")
URLS = [f"https://a.test/p{number}?a=%" for number in range(7)]


def report(by: Grouping = Grouping.FILE, fail_on: Severity = Severity.ERROR) -> CheckReport:
    """An error with seven occurrences and a warning with one in each of two files."""
    store = OccurrenceStore()
    site = CheckedSite("a.test", NOW)
    notes = Notes(site, frozenset(RULES), store)
    for name in NAMES:
        file = CheckedFile(name, DocumentKind.URLSET)
        for number, url in enumerate(URLS):
            notes.add(RULES["url-percent"], file, url=url, line=number + 2)
        notes.add(RULES["lastmod-format"], file, url=URLS[0], value="2024/01/02", line=2)
    found = notes.findings()
    summary = CheckSummary(
        ("a.test", "b.test"), 2, 16, {Severity.ERROR: 2, Severity.WARNING: 2}, 0, ("b.test",)
    )
    rules = [RULES["lastmod-format"], RULES["url-percent"], RULES["url-host"]]
    return CheckReport(found, summary, rules, lambda: occurrences_by_url(store, found), by, fail_on)


def written(format: Format, **options: Any) -> bytes:
    out = Output()
    write_report(format, out, report(**options))
    return out.data


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_no_format_shows_a_secret(format: Format) -> None:
    """Wherever a URL with a password stands: as a target, a file, a message, an occurrence."""
    rule = RULES["url-credentials"]
    finding = Finding(rule, SECRET, SECRET, 1, f"seen {SECRET}", 2, (Occurrence(1, SECRET, SECRET, SECRET),))
    summary = CheckSummary((SECRET,), 1, 1, {Severity.ERROR: 1}, 0, (SECRET,))
    for by in Grouping:
        out = Output()
        rows = [(finding, each) for each in finding.occurrences]
        write_report(format, out, CheckReport([finding], summary, [rule], lambda rows=rows: iter(rows), by))
        text = out.text(format)
        assert "a.test/sitemap.xml" in text
        assert "geheim" not in text


@pytest.mark.parametrize("format", [each for each in CHECK_FORMATS if each is not Format.TABLE])
def test_every_occurrence_is_named(format: Format) -> None:
    """In every order: each URL as often as it occurs, in both files."""
    for by in Grouping:
        data = written(format, by=by)
        text = repr(sheets(data)["Occurrences"]) if format is Format.XLSX else data.decode()
        for number in range(len(URLS)):
            assert text.count(f"//a.test/p{number}?a=") >= (1 if by is Grouping.URL else 2), (by, number)
        assert all(name.removeprefix("https:") in text for name in NAMES)


def test_json_and_rows() -> None:
    """JSON, NDJSON and CSV have an object or a line per occurrence; JSON counts those of each rule."""
    said = json.loads(written(Format.JSON))
    assert (said["passed"], said["targets"]) == (["b.test"], ["a.test", "b.test"])
    assert [(each["id"], each["count"]) for each in said["rules"]] == [
        ("lastmod-format", 2),
        ("url-percent", 14),
    ]
    assert said["findings"][0] == {
        "type": "finding",
        "schema": 1,
        "rule": "lastmod-format",
        "severity": "warning",
        "target": "a.test",
        "file": NAMES[0],
        "line": 2,
        "url": URLS[0],
        "value": "2024/01/02",
        "message": "lastmod is not a W3C date-time: 2024/01/02",
    }
    assert [each["url"] for each in said["findings"]] == [URLS[0], *URLS] * 2
    by_url = json.loads(written(Format.JSON, by=Grouping.URL))["findings"]
    assert list(dict.fromkeys(each["url"] for each in by_url)) == URLS
    assert sorted(each["rule"] for each in by_url[:4]) == [*["lastmod-format"] * 2, *["url-percent"] * 2]
    lines = [json.loads(line) for line in written(Format.NDJSON, by=Grouping.RULE).splitlines()]
    assert [each.get("rule") for each in lines] == [*["lastmod-format"] * 2, *["url-percent"] * 14, None]
    rows = list(csv.DictReader(io.StringIO(written(Format.CSV).decode())))
    assert len(rows) == 16
    texts = ["warning", "lastmod-format", "a.test", NAMES[0], "2", URLS[0], "2024/01/02"]
    assert list(rows[0].values()) == [*texts, "lastmod is not a W3C date-time: 2024/01/02"]
    assert json.loads(_empty(Format.JSON))["findings"] == []


def _empty(format: Format) -> bytes:
    out = Output()
    write_report(format, out, CheckReport([], CheckSummary((), 0, 0, {}), []))
    return out.data


def test_a_workbook_has_findings_and_occurrences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are numbers; what does not fit a sheet is in the next one."""
    monkeypatch.setattr("contentmap_cli.output.writers.xlsx.SHEET_ROWS", 10)
    book = sheets(written(Format.XLSX))
    assert list(book) == ["Findings", "Occurrences", "Occurrences 2"]
    assert [len(rows) for rows in book.values()] == [5, 11, 7]
    assert book["Findings"][1][:6] == ["warning", "lastmod-format", "a.test", NAMES[0], 2, 1]


def test_sarif_has_a_result_for_each_occurrence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The structure that SARIF 2.1.0 requires; runs no larger than code scanning accepts, each a category."""
    monkeypatch.setattr("contentmap_cli.output.findings.sarif.RUN_RESULTS", 10)
    log = json.loads(written(Format.SARIF))
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    assert [len(run["results"]) for run in log["runs"]] == [10, 6]
    assert len({run["automationDetails"]["id"] for run in log["runs"]}) == 2
    results = [each for run in log["runs"] for each in run["results"]]
    assert len({json.dumps(each["partialFingerprints"]) for each in results}) == 16
    for run in log["runs"]:
        ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        levels = [each["defaultConfiguration"]["level"] for each in run["tool"]["driver"]["rules"]]
        assert levels == ["warning", "error", "error"]
        for each in run["results"]:
            assert ids[each["ruleIndex"]] == each["ruleId"]
            assert each["level"] in ("error", "warning", "note")
            assert each["message"]["text"]
            (location,) = each["locations"]
            assert location["physicalLocation"]["region"]["startLine"] >= 1
            assert location["physicalLocation"]["artifactLocation"]["uri"] in NAMES
            assert location["logicalLocations"][0]["fullyQualifiedName"] in URLS
    (run,) = json.loads(_empty(Format.SARIF))["runs"]
    assert run["results"] == []


def test_build_servers_see_failures_and_the_rest() -> None:
    """A case fails by --fail-on only; GitHub gets the first occurrence of each finding before all others."""
    for fail_on, failures in ((Severity.ERROR, 2), (Severity.WARNING, 4)):
        suite = etree.fromstring(written(Format.JUNIT, fail_on=fail_on))
        assert (suite.get("tests"), suite.get("failures")) == ("5", str(failures))
        assert len(suite.findall("testcase")) == 5
        assert len(suite.findall("testcase/failure")) == failures
        skipped = [each.get("message") for each in suite.findall("testcase/skipped")]
        assert len(skipped) == int(suite.get("skipped")) == 4 - failures
        assert all(each.startswith("warning, below --fail-on error: lastmod is not") for each in skipped)
    lines = written(Format.GITHUB).decode().splitlines()
    assert len(lines) == 16
    assert ["(7 times)" in line for line in lines[:4]] == [False, True, False, True]
    assert all(",line=" in line for line in lines)


def test_the_table_has_the_first_occurrences() -> None:
    """By file, by rule, and all by URL."""
    table = written(Format.TABLE).decode()
    assert (table.count("and 2 more"), table.count(URLS[4]), table.count(URLS[5])) == (2, 2, 0)
    assert "passed   b.test\n2 errors, 2 warnings, 0 info; 2 files, 16 urls\n" in table
    heads = [line for line in written(Format.TABLE, by=Grouping.RULE).decode().splitlines() if line[0] != " "]
    assert [head.split(":")[0] for head in heads[:2]] == ["lastmod-format", "url-percent"]
    by_url = written(Format.TABLE, by=Grouping.URL).decode()
    assert [line for line in by_url.splitlines() if line.startswith("http")] == URLS
    assert f"[{NAMES[1]}:8]" in by_url


def test_a_checker_shares_the_store() -> None:
    """Occurrences of several targets are in one database, and apart."""
    store = OccurrenceStore()
    for name in ("a.test", "b.test"):
        checker = Checker(CheckedSite(name, NOW), store=store)
        assert not checker.repeat()
        (finding,) = checker.findings()
        assert len(list(finding.occurrences)) == 1
    assert len(list(store.by_url())) == 2


def test_occurrences_are_in_the_order_of_lines() -> None:
    """However they were found; those without a line come last. Places count in this order."""
    store = OccurrenceStore()
    notes = Notes(CheckedSite("a.test", NOW), frozenset(RULES), store)
    for line in (9, 3, None, 5):
        notes.add(RULES["url-percent"], CheckedFile(NAMES[0], DocumentKind.URLSET), url=f"u{line}", line=line)
    (finding,) = notes.findings()
    assert [each.line for each in finding.occurrences] == [3, 5, 9, None]
    assert finding.line == 3
    store.forget(1, [1, 4])
    assert [each.url for each in finding.occurrences] == ["u5", "u9"]


def test_a_table_on_a_narrow_terminal() -> None:
    """Texts are wrapped below themselves, a value is below its URL, and no URL is broken."""
    out = Output()
    write_report(Format.TABLE, out, report(), width=40)
    lines = out.text(Format.TABLE).splitlines()
    assert lines[1:7] == [
        "  warning  lastmod-format  line 2:",
        "             lastmod is not a W3C",
        "             date-time",
        f"             {URLS[0]}",
        "             2024/01/02",
        "  error    url-percent  line 2: % that",
    ]
    assert f"             line 2: {URLS[0]}" in lines  # longer than 40
    assert max(len(line) for line in lines[:-2] if "https:" not in line) <= 40
