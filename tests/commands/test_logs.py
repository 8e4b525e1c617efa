"""The log: each step of each transaction, for people and for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import one_database
from web_sites import good_site, serving

from contentmap_cli.commands.interface.cli_errors import unexpected
from contentmap_cli.commands.interface.logging_setup import JsonFormatter, TextFormatter, set_up_logging

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


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """A log file in use."""
    file = tmp_path / "logs" / "run.log"
    file.parent.mkdir()
    set_up_logging(quiet=False, verbose=1, file=str(file), as_json=False)
    yield file
    set_up_logging(quiet=False, verbose=0, file=None, as_json=False)


def test_a_rotated_log_file_is_followed(log_file: Path) -> None:
    """Renamed, it is made again under its name; truncated, it goes on at its start; without its folder
    nothing is logged and nothing fails."""
    log = logging.getLogger("contentmap.test")
    log.info("first")
    old = log_file.rename(log_file.with_suffix(".1"))
    log.info("second")
    assert ("first" in old.read_text(), "second" in old.read_text()) == (True, False)
    assert log_file.read_text().endswith("second\n")
    log_file.write_bytes(b"")
    log.info("third")
    assert log_file.read_bytes().count(b"\0") == 0
    assert log_file.read_text().endswith("third\n")
    for file in (old, log_file):
        file.unlink()
    log_file.parent.rmdir()
    log.info("fourth")
    log_file.parent.mkdir()
    log.info("fifth")
    assert log_file.read_text().endswith("fifth\n")


def test_an_error_is_in_the_log_file_too(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The limit of processes has a name and no exit code of a bug."""
    assert unexpected(RuntimeError("can't start new thread")) == 2
    assert "code=system_limit hint=raise it" in log_file.read_text()
    assert capsys.readouterr().err.startswith("error: no thread or process can be started")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("scan", "--nonsense"), 2),
        ((), 2),
        (("db",), 2),
        (("scan", "list.txt"), 2),
        (("config", "--config", "list.txt"), 2),
        (("status", "sitemap_0"), 6),
        (("jobs", "--db", "postgresql://me@127.0.0.1:1/maps"), 5),
        (("scan", "http://a.test", "http://b.test", "--connect-to", "::127.0.0.1:1"), 4),
    ],
)
def test_every_line_on_stderr_is_json(on_sqlite: Any, words: tuple[str, ...], code: int) -> None:
    """Progress, notes, hints and errors, those of the command line included; an error is in the file too."""
    (on_sqlite.folder / "list.txt").write_text("a.test\n")
    for file in ((), ("--log-file", "log")):
        said = on_sqlite("--log-format", "json", *file, *words)
        lines = [json.loads(line) for line in said.err.splitlines()]
        assert (said.code, bool(lines), all(line["message"] for line in lines)) == (code, True, True)
    if code in (5, 6):
        logged = [json.loads(line) for line in (on_sqlite.folder / "log").read_text().splitlines()]
        assert logged[-1]["action"] == lines[-1]["action"] == "command.failed"
        assert logged[-1]["hint"]


def test_a_file_of_domains_is_not_a_domain(on_sqlite: Any) -> None:
    """It is given with -i; a domain of that name is given as a URL."""
    (on_sqlite.folder / "clients.csv").write_text("a.test\n")
    (on_sqlite.folder / "a.test").write_text("")
    said = on_sqlite("scan", "clients.csv")
    assert (said.code, "clients.csv is a file" in said.err, "-i FILE" in said.err) == (2, True, True)
    for words in (("-i", "clients.csv"), ("a.test",), ("http://clients.csv",)):
        assert on_sqlite("scan", *words, "--connect-to", "::127.0.0.1:1").code == 4, words
