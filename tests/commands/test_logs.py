"""The log: each step of each transaction, for people and for machines."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from databases import one_database
from web_sites import good_site, serving

from contentmap_cli.commands.interface.logging_setup import JsonFormatter, TextFormatter

SECRET = "s3cr3t-pass"


@one_database
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
        ("robots.saved", True, True),
        ("files.saved", True, True),
        ("entries.saved", True, True),
        ("domain.recorded", True, True),
        ("transaction.committed", False, False),
    ]
    assert {(line["job"], line["domain"]) for line in work} == {(job, "a.test")}
    assert all(line["action"] for line in lines)
    assert "Traceback" not in log.read_text()


@one_database
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
    assert (said.code, said.err.startswith("error: cannot write the log file")) == (2, True)
    assert not (tmp_path / "map.db").exists()


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_no_line_lets_a_text_act(formatter: logging.Formatter) -> None:
    """What was fetched reaches a terminal as an escape, as a message and as a value."""
    planted = "\x1b[2J\x9b2J\N{RIGHT-TO-LEFT OVERRIDE}\nforged"
    record = logging.makeLogRecord({"msg": "seen %s", "args": (planted,), "url": planted})
    line = formatter.format(record)
    assert "seen" in line
    assert not {"\x1b", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}", "\n"} & set(line)
