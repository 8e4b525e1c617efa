"""Workers share a job, end when told to, and take over from those that die."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest
from disturbance import LEASES
from queue_trial import QueueTrial
from trial import wait_until, wait_until_shut, wait_until_stopped

EMPTY = "SELECT (SELECT count(*) FROM contentmap_pgqueuer), (SELECT count(*) FROM contentmap_pgqueuer_log)"


def crawled(trial: QueueTrial) -> set[str]:
    """The domains whose crawl has begun."""
    return {asked.partition("/")[0].removeprefix("www.") for asked in trial.sites.asked}


def test_two_workers_do_one_job(trial: QueueTrial) -> None:
    """Each domain is crawled once, by one of them; the rows are those of a scan in one process; nothing is
    left in the queue, and both end by themselves."""
    trial.enqueue()
    workers = [trial.worker() for _ in range(2)]
    wait_until(lambda: trial.ask("SELECT count(*), count(started_at) FROM workers") == [(2, 2)])
    for worker in workers:
        said = trial.contentmap.end(worker)
        assert said.code == 0, said.err
    trial.check_finished()
    robots = Counter(asked for asked in trial.sites.asked if asked.endswith("/robots.txt"))
    assert {asked: count for asked, count in robots.items() if count > 1} == {}
    assert trial.ask(EMPTY) == [(0, 0)]


def test_the_options_of_the_job_hold_on_a_worker(trial: QueueTrial) -> None:
    """They are recorded with it; the worker's machine says nothing of them."""
    trial.enqueue("--user-agent", "Mapper/7 (ops@a.test)", "--probe", "never")
    trial.contentmap.environment["CONTENTMAP_USER_AGENT"] = "Other/1"
    trial.drain()
    assert {headers["User-Agent"] for _, headers in trial.sites.heard} == {"Mapper/7 (ops@a.test)"}
    assert not [asked for asked in trial.sites.asked if asked == "empty.test/sitemap.xml"]


def test_a_worker_is_told_to_end(trial: QueueTrial) -> None:
    """SIGTERM: what is under way finishes, nothing more is taken, the exit code is 0, and what waits is there
    for the next at once."""
    trial.enqueue()
    trial.sites.shuts_at = 8
    worker = trial.contentmap.start("worker", "-c", "2")
    wait_until_shut(trial.sites)
    worker.send_signal(signal.SIGTERM)
    trial.sites.gate.set()
    said = trial.contentmap.end(worker)
    assert said.code == 0, said.err
    left = trial.look().unfinished()
    assert left
    assert trial.ask("SELECT status, lease_until FROM jobs") == [("pending", None)]
    asked = len(trial.sites.asked)
    trial.drain()
    trial.check_finished()
    assert {key.partition("/")[0].removeprefix("www.") for key in trial.sites.asked[asked:]} == left


@pytest.mark.campaign
def test_a_domain_that_takes_too_long_is_handed_back(trial: QueueTrial) -> None:
    """After --shutdown-timeout its crawl is given up, and another worker begins it anew at once."""
    trial.enqueue()
    trial.sites.gate.clear()
    worker = trial.contentmap.start("worker", "-c", "2", "--shutdown-timeout", "0.2")
    wait_until(lambda: len(crawled(trial)) >= 2)
    worker.send_signal(signal.SIGTERM)
    said = trial.contentmap.end(worker)
    assert said.code == 0, said.err
    assert trial.ask("SELECT DISTINCT status, token FROM domain_scans") == [("pending", None)]
    trial.sites.gate.set()
    trial.drain()
    trial.check_finished()


@pytest.mark.parametrize(
    "point", ["domain.fenced", pytest.param("work:transaction.committed", marks=pytest.mark.campaign)]
)
def test_a_worker_is_killed(trial: QueueTrial, point: str) -> None:
    """The next worker takes over what was held after its lease, and does not repeat what was committed."""
    trial.enqueue()
    worker = trial.worker(fault={"point": point, "nth": 5, "do": "kill", "set": LEASES})
    assert trial.contentmap.end(worker).code == -9
    said = trial.contentmap("status", trial.job, "--json")
    assert (said.json["status"], said.json["queue"]["workers"]) == ("interrupted", 0)
    assert "no worker is running" in said.json["error"]
    assert "no worker is running" in trial.contentmap("report", trial.job).out
    asked = len(trial.sites.asked)
    left = trial.look().unfinished()
    said = trial.contentmap.end(trial.worker(fault={"set": LEASES}))
    assert said.code == 0, said.err
    trial.check_finished()
    assert {key.partition("/")[0].removeprefix("www.") for key in trial.sites.asked[asked:]} == left


@pytest.mark.campaign
def test_killed_between_the_last_commit_and_its_completion(trial: QueueTrial) -> None:
    """All is recorded, and neither the job nor the queue says so: the next worker closes and empties them,
    and crawls nothing."""
    trial.enqueue()
    worker = trial.worker(fault={"point": "job.finished", "nth": 1, "do": "kill", "set": LEASES})
    assert trial.contentmap.end(worker).code == -9
    assert not trial.look().unfinished()
    assert trial.ask("SELECT finished_at FROM jobs") == [(None,)]
    asked = len(trial.sites.asked)
    said = trial.contentmap.end(trial.worker(fault={"set": LEASES}))
    assert said.code == 0, said.err
    trial.check_finished()
    assert len(trial.sites.asked) == asked
    assert trial.ask(EMPTY) == [(0, 0)]


# with "1" it is suspended while it releases its host slots
@pytest.mark.campaign
@pytest.mark.parametrize("at_once", ["1", "4"])
def test_a_worker_that_slept_past_its_lease(trial: QueueTrial, at_once: str) -> None:
    """Stopped in the middle of a domain, it is buried by another; awake again, it records nothing of what it
    has lost, goes on as a worker like any other, and each domain is committed once."""
    trial.enqueue()
    sleeper = trial.worker(
        *("-c", at_once),
        fault={"point": "domain.crawl_complete", "nth": 3, "do": "stop", "set": LEASES},
    )
    wait_until_stopped(sleeper)
    lapsed = "SELECT bool_and(lease_until < now()) FROM domain_scans WHERE status = 'running'"
    wait_until(lambda: trial.ask(lapsed) == [(True,)])
    other = trial.contentmap.end(trial.worker("-v", fault={"set": LEASES}))
    assert other.code == 0, other.err
    assert "action=worker.took_over" in other.err
    trial.check_finished()
    sleeper.send_signal(signal.SIGCONT)
    assert trial.contentmap.end(sleeper).code == 0
    trial.check_finished()
    assert trial.ask(EMPTY) == [(0, 0)]


@pytest.mark.campaign
def test_a_small_job_is_not_stuck_behind_a_large_one(trial: QueueTrial) -> None:
    """Queued later, and done earlier; --priority says otherwise."""
    trial.enqueue()
    for more in (["http://small.test"], ["http://last.test", "--priority", "0"]):
        queued = trial.contentmap("scan", "--queue", "--connect-to", trial.sites.connect_to, *more)
        assert queued.code == 0, queued.err
    said = trial.contentmap.end(trial.contentmap.start("worker", "--drain", "-c", "1"))
    assert said.code == 0, said.err
    begun = list(dict.fromkeys(asked.partition("/")[0].removeprefix("www.") for asked in trial.sites.asked))
    assert (begun[0], begun[-1]) == ("small.test", "last.test")


@pytest.mark.campaign
def test_status_shows_the_workers(trial: QueueTrial) -> None:
    """How many are alive, what waits, how fast it goes and when it will be done; null for other jobs."""
    trial.enqueue()
    said = trial.contentmap("status", "--json")
    assert said.json["status"] == "pending"
    assert said.json["queue"] == {
        "workers": 0,
        "waiting": len(trial.hosts),
        "domains_per_second": None,
        "estimated_end": None,
    }
    trial.sites.shuts_at = 12
    worker = trial.contentmap.start("worker", "-c", "2")
    wait_until_shut(trial.sites)
    wait_until(lambda: trial.ask("SELECT count(*) > 0 FROM domain_scans WHERE finished_at IS NOT NULL")[0][0])
    said = trial.contentmap("status", "--json")
    queue = said.json["queue"]
    assert (said.json["status"], queue["workers"]) == ("running", 1)
    assert 0 < queue["waiting"] < len(trial.hosts)
    assert queue["domains_per_second"] > 0
    assert queue["estimated_end"].endswith("Z")
    assert "1 worker alive" in trial.contentmap("status").out
    assert trial.contentmap("jobs", "--json").json[0]["queue"]["workers"] == 1
    trial.sites.gate.set()
    worker.send_signal(signal.SIGTERM)
    trial.contentmap.end(worker)
    trial.drain()
    assert trial.contentmap("status", "--json").json["queue"] is None


def test_a_tenant_has_workers_of_its_own(trial: QueueTrial) -> None:
    """A worker takes nothing that is another tenant's."""
    trial.enqueue()
    assert trial.contentmap.end(trial.worker("--tenant", "other")).code == 0
    assert trial.sites.asked == []


def test_a_file_that_this_machine_does_not_have(trial: QueueTrial) -> None:
    """A job whose certificates are not here is handed back for others; the worker goes on with the rest."""
    bundle = trial.contentmap.folder / "ca.pem"
    bundle.write_bytes((Path(__file__).parents[1] / "crawl" / "data" / "tls-cert.pem").read_bytes())
    trial.enqueue("--ca-file", str(bundle))
    bundle.unlink()
    said = trial.contentmap.end(trial.worker())
    assert said.code == 0, said.err
    assert "cannot be scanned here" in said.err
    assert trial.ask("SELECT DISTINCT status, token FROM domain_scans") == [("pending", None)]
    assert trial.sites.asked == []
