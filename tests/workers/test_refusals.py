"""Workers of a database that answers and takes nothing, or not one of the domains."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from queue_trial import QueueTrial
from trial import wait_until

HASTE = {"contentmap_cli.commands.database.database_retry._BACKOFF": (0.01, 0.1)}


def do(trial: QueueTrial, *statements: str) -> None:
    """Runs statements as the database's owner."""

    async def run() -> None:
        connection = await asyncpg.connect(trial.contentmap.database)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def refuse(trial: QueueTrial, action: str, condition: str = "true") -> None:
    """Has the server do something else instead of inserting URLs."""
    do(
        trial,
        "CREATE FUNCTION hurdle() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {condition} THEN {action}; END IF; RETURN new; END $$",
        "CREATE TRIGGER hurdle BEFORE INSERT ON sitemap_urls FOR EACH ROW EXECUTE FUNCTION hurdle()",
    )


def asked_for(trial: QueueTrial) -> int:
    """How often the busiest file of all sites was requested."""
    return max(trial.sites.asked.count(asked) for asked in set(trial.sites.asked))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("RAISE EXCEPTION 'it took too long' USING ERRCODE = '57014'", "it took too long"),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", "administrator command"),
    ],
)
def test_a_domain_that_is_refused_each_time(trial: QueueTrial, action: str, reason: str) -> None:
    """It is failed after a few attempts, and says why; it was requested once, and the others are recorded."""
    trial.enqueue()
    host = trial.ask("SELECT name FROM domains ORDER BY id LIMIT 1")[0][0]
    refuse(trial, action, f"new.url LIKE '%{host}/%'")
    said = trial.contentmap.end(trial.worker(fault={"set": HASTE}))
    assert said.code == 0, said.err
    states = dict(trial.ask("SELECT name, status FROM domain_scans s JOIN domains d ON d.id = s.domain_id"))
    told = trial.ask("SELECT error_message FROM domain_scans WHERE error_code = 'storage_error'")
    assert (states[host], len(told)) == ("failed", 1)
    assert reason in told[0][0]
    assert not set(states.values()) & {"pending", "running", "interrupted"}
    assert asked_for(trial) == 1


@pytest.mark.campaign
def test_a_server_that_is_full(trial: QueueTrial) -> None:
    """A worker waits for it with pauses, says so once, requests nothing twice, and ends with 5."""
    trial.enqueue()
    refuse(trial, "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'")
    worker = trial.worker("--database-timeout", "1", fault={"set": HASTE})
    said = trial.contentmap.end(worker)
    assert said.code == 5, said.err
    assert said.err.count("waiting for it") == 1
    assert "is full: could not extend file" in said.err
    assert "hint:" in said.err
    assert len(said.err.splitlines()) < 60, said.err
    assert asked_for(trial) == 1
    do(trial, "DROP FUNCTION hurdle CASCADE")


def test_a_server_that_only_reads(trial: QueueTrial, tmp_path: Path) -> None:
    """A worker that is idle when that begins ends as well."""
    log = tmp_path / "worker.log"
    worker = trial.contentmap.start(
        *("worker", "-v", "--log-file", str(log), "--database-timeout", "1"), fault={"set": HASTE}
    )
    wait_until(lambda: log.exists() and "started" in log.read_text())
    name = trial.contentmap.database.rpartition("/")[2]
    do(
        trial,
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    said = trial.contentmap.end(worker)
    do(trial, f"SET transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only")
    assert said.code == 5, said.err
    assert "is read-only" in said.err
    assert len(log.read_text().splitlines()) < 30


def test_hangup_reopens_the_log_file(trial: QueueTrial, tmp_path: Path) -> None:
    """And does not end the worker."""
    log = tmp_path / "worker.log"
    worker = trial.contentmap.start("worker", "-v", "--log-file", str(log))
    wait_until(lambda: log.exists() and "started" in log.read_text())
    kept = log.rename(tmp_path / "worker.log.1")
    for _ in range(2):
        os.kill(worker.pid, signal.SIGHUP)
    trial.enqueue()
    wait_until(lambda: log.exists() and "is finished" in log.read_text())
    assert "is finished" not in kept.read_text()
    worker.send_signal(signal.SIGTERM)
    assert trial.contentmap.end(worker).code == 0
