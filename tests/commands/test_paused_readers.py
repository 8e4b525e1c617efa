"""A reader that pauses: a pager, a terminal after Ctrl-S, a slow program."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from program import Contentmap
from web_sites import Sites, good_site, serving

HOSTS = [f"host{number}.test" for number in range(20)]
SITES = {key: page for host in HOSTS for key, page in good_site(host).items()}
F_SETPIPE_SZ = 1031

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="pipes of another size: Linux")


def narrow(process: subprocess.Popen[bytes]) -> None:
    """Make the pipes of a process hold one page each."""
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            fcntl.fcntl(stream, F_SETPIPE_SZ, 4096)


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Return whether the condition becomes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.1)
    return condition()


def ended(database: Path, status: str) -> bool:
    """Return whether the only job has ended with this status."""
    with closing(sqlite3.connect(database)) as connection, suppress(sqlite3.OperationalError):
        return connection.execute("SELECT status FROM jobs").fetchall() == [(status,)]
    return False


def start(contentmap: Contentmap, sites: Sites, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a scan of all hosts whose output nobody reads."""
    targets = [f"http://{host}" for host in HOSTS]
    words = ("--connect-to", sites.connect_to, "-c", "4", "--format", "ndjson")
    process = contentmap.start("scan", *targets, *words, **streams)
    narrow(process)
    return process


def test_a_run_goes_on(on_sqlite: Contentmap, tmp_path: Path) -> None:
    """All is recorded and the job is closed while nobody reads; then every line arrives."""
    with serving(SITES) as sites:
        run = start(on_sqlite, sites)
        assert wait_for(lambda: ended(tmp_path / "map.db", "complete"))
        said = on_sqlite.end(run)
    assert said.code == 0
    assert [line["type"] for line in said.lines] == ["domain"] * len(HOSTS) + ["job"]
    assert all(f" {host} " in said.err for host in HOSTS)


@pytest.mark.parametrize("named", ["answer", "/dev/stdout"])
def test_a_pipe_named_as_the_output(on_sqlite: Contentmap, tmp_path: Path, named: str) -> None:
    """A named pipe is waited for, and read late like any other."""
    fifo = tmp_path / "answer"
    os.mkfifo(fifo)
    with serving(SITES) as sites:
        words = ("--connect-to", sites.connect_to, "-c", "4", "--format", "ndjson", "-o", named)
        run = on_sqlite.start("scan", *(f"http://{host}" for host in HOSTS), *words)
        assert run.stdout is not None
        reader = run.stdout if named.startswith("/") else fifo.open("rb")
        fcntl.fcntl(reader, F_SETPIPE_SZ, 4096)
        assert wait_for(lambda: ended(tmp_path / "map.db", "complete"))
        lines = [json.loads(line) for line in reader]
        said = on_sqlite.end(run)
        reader.close()
    assert (said.code, [line["type"] for line in lines]) == (0, ["domain"] * len(HOSTS) + ["job"])
    assert fifo.is_fifo()


def test_a_pipe_whose_reader_leaves(on_sqlite: Contentmap, tmp_path: Path) -> None:
    """It was named, so that it is an error, as with a file."""
    fifo = tmp_path / "answer"
    os.mkfifo(fifo)
    with serving(SITES) as sites:
        words = ("--connect-to", sites.connect_to, "--format", "ndjson", "-o", str(fifo))
        run = on_sqlite.start("scan", f"http://{HOSTS[0]}", *words)
        fifo.open("rb").close()  # waits for the run
        said = on_sqlite.end(run)
    assert (said.code, f"{fifo} could not be written" in said.err) == (3, True), said.err
    assert ended(tmp_path / "map.db", "complete")


@pytest.mark.parametrize("messages_read", [False, True])
def test_a_run_that_is_stopped_does_not_wait(
    on_sqlite: Contentmap, tmp_path: Path, messages_read: bool
) -> None:
    """A first SIGTERM ends it, although nobody reads what is left; the messages name the lost answer."""
    fault = {"set": {"contentmap_cli.commands.engine.queued_output.HURRIED_SECONDS": 0.3}}
    with serving(SITES) as sites, (tmp_path / "messages").open("w+b") as messages:
        sites.shuts_at = 3 * len(HOSTS) // 2
        run = start(on_sqlite, sites, fault=fault, **{"stderr": messages} if messages_read else {})
        assert wait_for(lambda: not sites.gate.is_set())
        run.send_signal(signal.SIGTERM)
        sites.gate.set()
        try:
            assert run.wait(20) == 128 + signal.SIGTERM
        finally:
            run.kill()
            run.communicate()
        messages.seek(0)
        said = messages.read().decode()
    assert ended(tmp_path / "map.db", "interrupted")
    lost = "error: the answer could not be written: its reader has stopped reading"
    assert (lost in said, " status sitemap_" in said) == (messages_read, messages_read), said
