"""What happens to the process itself: killed by lot, interrupted once and twice, out of files, unheard."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from databases import sqlite_first
from trial import Trial, wait_until, wait_until_shut, wait_until_stopped

from contentmap_cli.errors import Code

on_sqlite = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_moment_drawn_by_lot(long_trial: Trial, seed: int) -> None:
    """Nothing is lost, nothing is half there. `benchmarks/kills.py` does this hundreds of times."""
    lot = random.Random(seed)
    scan = long_trial.start()
    asked = lot.randrange(1, 70)
    wait_until(lambda: len(long_trial.sites.asked) >= asked or scan.poll() is not None)
    time.sleep(lot.random() * 0.02)
    scan.kill()
    assert long_trial.contentmap.end(scan).code in (-9, 3)
    long_trial.check_resumed()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@on_sqlite
def test_a_signal_in_the_middle(long_trial: Trial, number: signal.Signals, code: int) -> None:
    """What is finished stays, the rest is given back, and the command to go on is printed."""
    words = [word for word in long_trial.words() if word != "-q"]
    long_trial.sites.shuts_at = 25
    scan = long_trial.contentmap.start(*words)
    wait_until_shut(long_trial.sites)
    scan.send_signal(number)
    long_trial.sites.gate.set()
    said = long_trial.contentmap.end(scan)
    assert said.code == code, said.err
    assert f" resume {long_trial.job_id}" in said.err
    assert long_trial.check().unfinished()
    long_trial.check_resumed()


@sqlite_first
def test_ctrl_c_twice(trial: Trial) -> None:
    """The second leaves at once, in the middle of what the first had still let finish."""
    scan = trial.start(fault={"point": "domain.recorded", "nth": 3, "do": "stop"})
    wait_until_stopped(scan)
    scan.send_signal(signal.SIGINT)  # both wait until it is awake; two of one kind would become one
    scan.send_signal(signal.SIGTERM)
    scan.send_signal(signal.SIGCONT)
    said = trial.contentmap.end(scan)
    assert said.code in (130, 143), said.err
    assert trial.check().unfinished()
    trial.check_resumed()


@pytest.mark.campaign
@on_sqlite
def test_out_of_file_descriptors(long_trial: Trial) -> None:
    """With 64 of them and a hundred domains at once, some requests fail; the run does not, and says why."""
    said = long_trial.scan("-c", "100", "--format", "ndjson", fault={"limits": {"NOFILE": 64}})
    assert said.code in (3, 5), said.err
    assert Code.INTERNAL_ERROR not in said.out + said.err
    found = long_trial.look()
    for name, status, *_, code, message in found.scans:
        if status == "failed" and (name, code) not in {
            (row[0], row[-2]) for row in long_trial.expected.scans
        }:
            assert code in (Code.CONNECT_ERROR, Code.STORAGE_ERROR, Code.ROBOTS_UNREACHABLE), (name, code)
            assert "open files" in message, message
    long_trial.resume("--failed", "-c", "4")
    mended = long_trial.look()
    assert (mended.scans, mended.domains, mended.faults) == (
        *(long_trial.expected.scans, long_trial.expected.domains),
        [],
    )


@pytest.mark.campaign
@pytest.mark.parametrize("where", ["/dev/full", "closed"])
@on_sqlite
def test_an_answer_that_cannot_be_written(trial: Trial, where: str) -> None:
    """The work is done and recorded all the same; a full disk is told, a stdout that was closed is not."""
    words = trial.contentmap.words(*trial.words("--format", "ndjson"))
    shell = ["sh", "-c", '"$@" > /dev/full' if where == "/dev/full" else '"$@" >&-', "sh", *words]
    ran = subprocess.run(
        shell,
        capture_output=True,
        env=trial.contentmap.environment | {"PATH": os.environ["PATH"]},
        cwd=trial.contentmap.folder,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert (b"could not be written" in ran.stderr) == (where == "/dev/full"), ran.stderr
    trial.check_finished()
