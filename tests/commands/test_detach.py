"""`scan --detach`: the id at once, the work in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_first
from web_sites import Reply, good_site, serving


def test_a_detached_scan_goes_on_by_itself(contentmap: Any) -> None:
    """stdout is the id and ends while the scan runs; `status --wait` sees its end, -o its answer."""
    with serving(good_site("a.test")) as sites:
        sites.gate.clear()
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--detach", "--log-file", "log")
        said = contentmap(*words, "-o", "answer.csv", "--format", "csv")
        assert (said.code, said.out.count("\n")) == (0, 1), said.err
        job_id = said.out.strip()
        assert contentmap("status", job_id, "--exit-code").code == 8
        waiting = contentmap.start("status", job_id, "--wait", "--json")
        sites.gate.set()
        waited = contentmap.end(waiting)
    assert waited.json["status"] == "complete"
    log = (contentmap.folder / "log").read_text()
    assert "a.test" in log


@sqlite_first
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_detached_scan_can_be_ended_and_resumed(contentmap: Any, number: signal.Signals) -> None:
    """A signal interrupts it cleanly, a kill leaves a job that has died; both go on with resume."""
    pages = good_site("a.test") | {"a.test/robots.txt": Reply(b"", wait=30.0)}
    with serving(pages) as sites:
        said = contentmap("scan", "http://a.test", "--connect-to", sites.connect_to, "--detach", "--json")
        job = said.json
        assert os.getsid(job["process"]) == job["process"]
        os.kill(job["process"], number)
        ended = contentmap("status", job["job_id"], "--wait", "--json").json
        assert ended["status"] == "interrupted"
        assert ("died" in ended["error"]) == (number == signal.SIGKILL)
        sites.pages["a.test/robots.txt"] = good_site("a.test")["a.test/robots.txt"]
        assert contentmap("resume", job["job_id"], "--json").json["status"] == "complete"


def test_a_run_killed_before_its_commit_is_told_as_a_shell_would() -> None:
    """The caller ends with 128 and the signal, and prints no id."""
    program = (
        "import os, sys; from contentmap_cli.commands.engine.job.detach import in_background; "
        "from contentmap_cli.commands.interface.global_options import GlobalOptions; "
        "sys.exit(in_background(GlobalOptions(), lambda committed: os.kill(os.getpid(), 9), as_json=False))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (137, b"")


def test_what_is_known_before_the_commit_is_said_in_front(contentmap_at: Any, tmp_path: Path) -> None:
    """An error before the job stands appears in the foreground, with its own exit code and no id."""
    program = contentmap_at("postgresql://nobody@127.0.0.1:1/none")
    said = program("scan", "a.test", "--detach")
    assert (said.code, said.out) == (5, "")
    assert "error:" in said.err
    program = contentmap_at(str(tmp_path / "map.db"))
    assert program("scan", "a.test", "--detach", "--format", "csv").code == 2
    assert program("scan", "a.test", "--detach", "-o", "none/answer").code == 2
