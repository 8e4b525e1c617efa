"""Who sleeps in the middle of a transaction keeps its row locks: nobody waits for them who wants its job."""

from __future__ import annotations

import signal

import pytest
from disturbance import LEASES, PATIENT
from queue_trial import QueueTrial
from trial import wait_until, wait_until_stopped

LEASE_OF_A_RUN = {
    "contentmap_cli.storage.jobs.jobs.LEASE_SECONDS": 2.0,
    "contentmap_cli.commands.engine.job.heartbeat.HEARTBEAT_SECONDS": 0.4,
}
IMPATIENT = {"contentmap_cli.storage.engine.SERVER_SETTINGS": {"lock_timeout": "10s"}}


@pytest.mark.parametrize(
    ("whose", "point", "command"),
    [
        ("run", "domains.claimed", "cancel"),
        ("run", "domain.recorded", "resume --queue"),
        ("worker", "domains.claimed", "resume --queue"),
        ("worker", "domain.recorded", "cancel"),
    ],
)
def test_nobody_waits_for_a_sleeper(trial: QueueTrial, whose: str, point: str, command: str) -> None:
    """Its run, or its worker, fell asleep; the job is called off, or handed to the workers, all the same."""
    asleep = {"point": point, "nth": 2, "do": "stop", "set": LEASES | LEASE_OF_A_RUN | PATIENT}
    if whose == "run":
        sleeper = trial.start("-c", "1", fault=asleep)
    else:
        trial.enqueue()
        sleeper = trial.worker("-c", "1", fault=asleep)
    try:
        wait_until_stopped(sleeper)
        leases = "jobs" if whose == "run" else "workers"
        wait_until(lambda: trial.ask(f"SELECT lease_until < now() FROM {leases}") == [(True,)])
        wait_until(lambda: trial.ask("SELECT lease_until < now() FROM jobs") != [(False,)])
        ((trial.job,),) = trial.ask("SELECT id FROM jobs")
        name, *options = command.split()
        said = trial.contentmap(name, trial.job, *options, fault={"set": IMPATIENT})
        assert said.code == 0, said.err
        if command == "cancel":
            assert trial.resume().code == 3
        else:
            other = trial.contentmap.end(trial.worker(fault={"set": LEASES}))
            assert other.code == 0, other.err
        trial.check_finished()
    finally:
        sleeper.send_signal(signal.SIGCONT)
        said = trial.contentmap.end(sleeper)
    assert said.code == (75 if whose == "run" else 0), said.err
    trial.check_finished()
