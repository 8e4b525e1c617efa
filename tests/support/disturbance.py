"""Workers under attack: killed, stopped and continued, their server restarted, all by lot.

What must come out is what a scan in one process comes to, each domain committed once.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import asyncpg
from queue_trial import QueueTrial

LEASES = {
    "contentmap_cli.storage.queue.queued_jobs.LEASE_SECONDS": 2.0,
    "contentmap_cli.storage.jobs.claims.LEASE_SECONDS": 2.0,
    "contentmap_cli.commands.engine.queue_run.STALE_SECONDS": 2.0,
    "contentmap_cli.commands.engine.queue_run.HEARTBEAT_SECONDS": 0.4,
    "contentmap_cli.commands.engine.queue_run._BUSY": 0.3,
    "contentmap_cli.storage.queue.host_slots._PULSE": 0.4,
    "contentmap_cli.storage.queue.host_slots._IDLE_LIMIT": "2s",
    "contentmap_cli.storage.server_driver.SERVER_SETTINGS": {
        "lock_timeout": "20s",
        "idle_in_transaction_session_timeout": "2s",
    },
}
"""Leases of two seconds, so that a suspended process outlives them and nobody need wait for a minute. As with
the real settings, the server ends an idle transaction no later than the lease."""

_AUDIT = """
CREATE TABLE commits (scan bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO commits (scan) VALUES (NEW.id); RETURN NEW; END $$;
CREATE TRIGGER note_commit AFTER UPDATE ON domain_scans FOR EACH ROW
WHEN (OLD.status = 'running' AND NEW.status NOT IN ('running', 'pending', 'interrupted'))
EXECUTE FUNCTION note_commit();
"""


async def _audit(address: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(_AUDIT)
    await connection.close()


def disturb(
    trial: QueueTrial,
    lot: random.Random,
    *,
    workers: int,
    concurrency: int,
    pause: tuple[float, float],
    restart: Callable[[], None],
    patience: float,
) -> Counter[str]:
    """Has workers do the job while they are disturbed, and returns what was done to them. Raises
    AssertionError where a worker ends as it should not, or the job has not ended after `patience` seconds."""
    done: Counter[str] = Counter()
    asyncio.run(_audit(trial.contentmap.database))
    trial.enqueue()

    def start() -> subprocess.Popen[bytes]:
        done["workers"] += 1
        return trial.contentmap.start("worker", "-c", str(concurrency), "-q", fault={"set": LEASES})

    running = [start() for _ in range(workers)]
    asleep: dict[int, float] = {}
    killed_at = len(trial.hosts) + 2
    deadline = time.monotonic() + patience
    try:
        while (left := _left(trial)) > 0:
            assert time.monotonic() < deadline, f"{left} domains are left"
            time.sleep(lot.uniform(*pause))
            for index, until in list(asleep.items()):
                if time.monotonic() > until:
                    running[index].send_signal(signal.SIGCONT)
                    del asleep[index]
            index = lot.randrange(workers)
            what = lot.random()
            if not done["restarts"] and left < len(trial.hosts) * 0.6:
                restart()
                done["restarts"] += 1
            elif what < 0.4 and left < killed_at:  # where a start takes long, it may come to something first
                killed_at = left
                running[index].kill()
                trial.contentmap.end(running[index])
                asleep.pop(index, None)
                running[index] = start()
                done["killed"] += 1
            elif what < 0.8 and index not in asleep:
                running[index].send_signal(signal.SIGSTOP)
                asleep[index] = time.monotonic() + lot.uniform(0.2, 5.0)
                done["stopped"] += 1
    finally:
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        said = [trial.contentmap.end(process) for process in running]
    # one that has only just been started may not hear signals yet
    codes = [each.code for each in said]
    assert set(codes) <= {0, -signal.SIGTERM}, (codes, [each.err for each in said])
    commits = Counter(scan for (scan,) in trial.ask("SELECT scan FROM commits"))
    assert len(commits) == len(trial.hosts)
    assert {scan: count for scan, count in commits.items() if count > 1} == {}
    assert trial.ask("SELECT count(*) FROM contentmap_pgqueuer") == [(0,)]
    trial.check_finished()
    return done


def _left(trial: QueueTrial) -> int:
    """Domains without an outcome; one more while the job is not closed."""
    query = (
        "SELECT count(*) FILTER (WHERE s.status IN ('pending', 'running'))"
        " + max((j.finished_at IS NULL)::int) FROM domain_scans s JOIN jobs j ON j.id = s.job_id"
    )
    while True:
        try:
            return int(trial.ask(query)[0][0])
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            time.sleep(0.1)  # it is being restarted
