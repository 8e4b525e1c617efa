"""A job is called off wherever it runs, and taken up again; failed domains are tried again, here or there."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from databases import sqlite_first
from program import Contentmap
from queue_trial import QueueTrial
from trial import wait_until, wait_until_shut
from web_sites import good_site, serving


def test_a_queued_job(trial: QueueTrial) -> None:
    """Nothing of it is begun, nothing of it is left in the queue and its diary, and `resume` does it here."""
    job = trial.enqueue()
    said = trial.contentmap("cancel", job, "--json")
    assert said.code == 0, said.err
    assert (said.json["status"], said.json["error"]) == ("interrupted", "cancelled")
    assert said.json["domains"]["interrupted"] == len(trial.hosts)
    assert trial.ask("SELECT count(*) FROM contentmap_pgqueuer") == [(0,)]
    assert trial.ask("SELECT count(*) FROM contentmap_pgqueuer_log") == [(0,)]
    trial.drain()
    assert trial.sites.asked == []
    assert f"contentmap --db {trial.contentmap.database} resume {job}" in said.err
    assert trial.resume().code == 3
    trial.check_finished()


@pytest.mark.campaign
def test_a_job_that_workers_are_at_work_on(trial: QueueTrial) -> None:
    """Crawls under way are given up within seconds, what was committed stays, the worker goes on with other
    jobs; back in the queue, the rest is done."""
    job = trial.enqueue()
    trial.sites.shuts_at = 12  # nothing is answered any more
    worker = trial.contentmap.start("worker", "-c", "2")
    wait_until_shut(trial.sites)
    said = trial.contentmap("cancel", job)
    assert said.code == 0, said.err
    before = trial.check().unfinished()
    assert before
    other = trial.contentmap("scan", "--queue", "-q", "http://other.test", "--connect-to", "::127.0.0.1:1")
    ended = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL"
    wait_until(lambda: trial.ask(ended) == [(2,)])
    trial.sites.gate.set()
    worker.send_signal(signal.SIGTERM)
    assert trial.contentmap.end(worker).code == 0
    assert trial.contentmap("status", other.out.strip(), "--json").json["domains"]["failed"] == 1
    assert trial.check().unfinished() == before
    said = trial.contentmap("resume", job, "--queue", "--json")
    assert (said.code, said.json["domains"]) == (0, len(before)), said.err
    trial.drain()
    found = trial.look()
    assert (found.scans, found.files, found.urls) == (
        trial.expected.scans,
        trial.expected.files,
        trial.expected.urls,
    )


def test_workers_hold_a_job(trial: QueueTrial) -> None:
    """`resume` does not take from workers what they are at work on; once they have gone it does, and leaves
    them nothing."""
    job = trial.enqueue()
    trial.sites.shuts_at = 6
    worker = trial.contentmap.start("worker", "-c", "2")
    wait_until_shut(trial.sites)
    said = trial.contentmap("resume", job)
    assert said.code == 75, said.err
    assert f"workers are scanning {job}" in said.err
    worker.send_signal(signal.SIGTERM)
    trial.sites.gate.set()
    trial.contentmap.end(worker)
    assert trial.resume().code == 3
    trial.check_finished()
    assert trial.ask("SELECT count(*) FROM contentmap_pgqueuer") == [(0,)]


@pytest.mark.campaign
def test_failed_domains_are_tried_again(trial: QueueTrial) -> None:
    """`resume --failed --queue` leaves failed and partial ones to the workers, and only those."""
    job = trial.enqueue()
    trial.drain()
    asked = len(trial.sites.asked)
    said = trial.contentmap("resume", job, "--failed", "--queue", "--json", "--priority", "100")
    assert (said.json["domains"], said.json["priority"]) == (3, 100)
    assert trial.contentmap("status", job, "--json").json["status"] == "pending"
    trial.drain()
    again = {key.partition("/")[0].removeprefix("www.") for key in trial.sites.asked[asked:]}
    assert again == {"fails.test", "broken.test", "closed.test"}
    assert trial.contentmap("status", job, "--json").json["status"] == "partial"
    said = trial.contentmap("resume", job, "--queue", "--priority", "99")
    assert (said.code, said.out, said.err.count("\n")) == (0, f"{job}\n", 1)
    assert "nothing to do" in said.err
    assert trial.ask("SELECT priority FROM jobs") == [(100,)]
    assert trial.contentmap("resume", job, "--queue", "-q").err == ""


@sqlite_first
def test_a_scan_in_another_terminal(tmp_path: Path, address: str) -> None:
    """It notices, stops, answers with what there is and exits with 3; `resume` goes on."""
    contentmap = Contentmap(tmp_path, address)
    hosts = ("a.test", "b.test", "c.test")
    pages = {key: page for host in hosts for key, page in good_site(host).items()}
    with serving(pages) as sites:
        looks = {"set": {"contentmap_cli.commands.engine.job.heartbeat.CHECKS_PER_HEARTBEAT": 60}}
        words = ("scan", *(f"http://{host}" for host in hosts), "-c", "1", "--json")
        sites.shuts_at = 2
        scan = contentmap.start(*words, "--connect-to", sites.connect_to, fault=looks)
        wait_until_shut(sites)
        job = contentmap("status", "--json").json["job_id"]
        assert contentmap("cancel", job).code == 0
        said = contentmap.end(scan)
        sites.gate.set()
        assert said.code == 3, said.err
        assert (said.json["status"], said.json["error"]) == ("interrupted", "cancelled")
        assert f"resume {job}" in said.err
        again = contentmap("cancel", job)
        assert (again.code, "nothing to cancel" in again.err) == (0, True)
        resumed = contentmap("resume", job, "--json")
        assert (resumed.code, resumed.json["domains"]["ok"]) == (0, 3), resumed.err


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_job_that_is_not_there(tmp_path: Path, address: str) -> None:
    """Exit 6, as everywhere."""
    said = Contentmap(tmp_path, address)("cancel", "sitemap_0")
    assert (said.code, "no such job: 'sitemap_0'" in said.err) == (6, True)
