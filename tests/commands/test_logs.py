"""The log: each step of each transaction, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from web_sites import good_site, serving


def test_every_step_is_a_json_object(contentmap: Any, tmp_path: Path) -> None:
    """With -vv each transaction's steps carry action, job, domain, role and state, in order."""
    log = tmp_path / "log.ndjson"
    with serving(good_site("a.test")) as sites:
        said = contentmap(
            *("-vv", "--log-format", "json", "--log-file", str(log)),
            *("scan", "http://a.test", "--connect-to", sites.connect_to, "--json"),
        )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    job = said.json["job_id"]
    work = [line for line in lines if line.get("role") == "work"]
    assert [(line["action"], line["in_transaction"], line["connection_held"]) for line in work] == [
        ("transaction.begun", True, False),
        ("domain.crawl_started", True, False),
        ("domain.crawl_complete", True, False),
        ("transaction.first_statement", True, True),
        ("domain.fenced", True, True),
        ("files.saved", True, True),
        ("entries.saved", True, True),
        ("domain.recorded", True, True),
        ("transaction.committed", False, False),
    ]
    assert {(line["job"], line["domain"]) for line in work} == {(job, "a.test")}
    assert all(line["action"] for line in lines)
    assert "Traceback" not in log.read_text()


def test_text_lines_say_the_same(contentmap: Any) -> None:
    """-vv on stderr: one line a step, with the state in words."""
    with serving(good_site("a.test")) as sites:
        said = contentmap("-vv", "scan", "http://a.test", "--connect-to", sites.connect_to, "--json")
    (committed,) = [
        line
        for line in said.err.splitlines()
        if "action=transaction.committed" in line and "role=work" in line
    ]
    assert "in_transaction=False" in committed
    assert "domain=a.test" in committed


def test_a_log_that_cannot_be_written_is_an_error_before_anything_runs(
    on_sqlite: Any, tmp_path: Path
) -> None:
    """Exit 2 and nothing made."""
    said = on_sqlite("--log-file", "/proc/nowhere/log", "scan", "a.test")
    assert (said.code, said.err.startswith("error: the log file")) == (2, True)
    assert not (tmp_path / "map.db").exists()
