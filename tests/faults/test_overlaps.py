"""Two runs that want the same: one has it, the other says who."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from databases import sqlite_first
from program import Contentmap, Said
from sqlalchemy import update
from trial import Trial, wait_until, wait_until_stopped
from web_sites import Reply, good_site, serving, urlset

from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.tables import DomainScan, Job

QUICK = {
    # rare enough that a run is hardly ever suspended while its heartbeat has the write lock of the file
    "contentmap_cli.commands.engine.job.heartbeat.HEARTBEAT_SECONDS": 2.0,
    "contentmap_cli.storage.server_driver.SERVER_SETTINGS": {"idle_in_transaction_session_timeout": "1s"},
}


async def let_leases_run_out(address: str, *, scans: bool = True) -> None:
    """Has the database's clock say what it would say a minute later: nobody was heard of since."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        past = utc_now(-1)
        await connection.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=past))
        if scans:
            held = DomainScan.lease_until.is_not(None)
            await connection.execute(update(DomainScan).where(held).values(lease_until=past))
    await database.close()


@pytest.mark.campaign
@sqlite_first
def test_many_resumes_at_once(trial: Trial) -> None:
    """One goes on, the others name it and exit with 75; all that was left is done once."""
    assert trial.scan(fault={"point": "work:transaction.committed", "nth": 2, "do": "kill"}).code == -9
    found = trial.check()
    trial.sites.gate.clear()
    started = [trial.contentmap.start("resume", trial.job_id) for _ in range(4)]
    wait_until(lambda: [process.poll() for process in started].count(None) == 1)
    trial.sites.gate.set()
    (winner,) = [process for process in started if process.poll() is None]
    for process in started:
        said = trial.contentmap.end(process)
        if process is winner:
            assert said.code == 3, said.err
        else:
            assert (said.code, f":{winner.pid}:" in said.err, "hint: " in said.err) == (75, True, True)
    trial.check_finished()
    robots = [
        key
        for key in trial.sites.asked
        if key.endswith("/robots.txt")
        and not key.startswith("www.")  # which is looked at where nothing is found
    ]
    assert sorted(robots[-len(found.unfinished()) :]) == sorted(f"{x}/robots.txt" for x in found.unfinished())


def test_two_jobs_want_one_domain(tmp_path: Path, address: str) -> None:
    """The second says which job has the domain, does the rest, and takes it up when resumed."""
    contentmap = Contentmap(tmp_path, address)
    pages = good_site("both.test") | good_site("other.test")
    slow = Reply(urlset("http://both.test/page-0").encode(), wait=30)
    with serving(pages | {"both.test/sitemap.xml": slow}) as sites:
        reach = ("--connect-to", sites.connect_to)
        first = contentmap.start("scan", "http://both.test", *reach)
        wait_until(lambda: "both.test/sitemap.xml" in sites.asked)
        second = contentmap("scan", "http://both.test", "http://other.test", *reach, "--json")
        assert second.code == 3, second.err
        results = {row["domain"]: row for row in second.json["results"]}
        assert results["other.test"]["outcome"] == "ok"
        assert results["both.test"]["outcome"] == "skipped"
        assert results["both.test"]["error"]["code"] == "domain_busy"
        first.send_signal(signal.SIGINT)
        stopped = contentmap.end(first)
        assert stopped.code == 130
        assert results["both.test"]["error"]["message"].removeprefix("being scanned by ") in stopped.err
        sites.pages |= pages
        resumed = contentmap("resume", second.json["job_id"], "--json")
    assert (resumed.code, resumed.json["status"]) == (0, "complete"), resumed.err


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_lease_that_expires_during_a_long_write(trial: Trial) -> None:
    """On SQLite the heartbeat waits for the transaction that is being written: the run is alive all the same,
    while its process runs. Suspended or gone, its lease counts."""
    trial.sites.gate.clear()
    writer = trial.start()
    wait_until(lambda: trial.look().job is not None and bool(trial.sites.asked))
    asyncio.run(let_leases_run_out(trial.contentmap.database))
    status = trial.contentmap("status", trial.job_id, "--json")
    listed = trial.contentmap("jobs", "--json")
    assert (status.json["status"], listed.json[0]["status"]) == ("running", "running")
    held = trial.resume()
    assert (held.code, f":{writer.pid}:" in held.err) == (75, True), held.err
    asyncio.run(let_leases_run_out(trial.contentmap.database))
    writer.send_signal(signal.SIGSTOP)
    wait_until_stopped(writer)
    asyncio.run(let_leases_run_out(trial.contentmap.database))
    assert trial.contentmap("status", trial.job_id, "--json").json["status"] == "interrupted"
    writer.send_signal(signal.SIGCONT)
    trial.sites.gate.set()
    assert trial.contentmap.end(writer).code == 3
    trial.check_finished()


@pytest.mark.parametrize(
    ("address", "point"),
    [
        ("sqlite", "domain.crawl_complete"),
        pytest.param("sqlite", "brief:transaction.committed", marks=pytest.mark.campaign),
        pytest.param("postgresql", "domain.crawl_complete", marks=pytest.mark.campaign),
        ("postgresql", "brief:transaction.committed"),
    ],
    indirect=["address"],
)
def test_a_run_that_slept_past_its_lease(trial: Trial, point: str) -> None:
    """Another finishes its job; awake again it writes nothing, claims nothing, and says who has the job."""
    fault = {"point": point, "nth": 2, "do": "stop"}
    sleeper = trial.start("-c", "1", fault=fault | {"set": QUICK})
    try:
        wait_until_stopped(sleeper)
        held = trial.resume()
        assert (held.code, "another run holds" in held.err) == (75, True)
        # only the job's lease: a domain that was claimed last may have a little left of its own
        asyncio.run(let_leases_run_out(trial.contentmap.database, scans=False))
        assert trial.check().job.status is JobStatus.INTERRUPTED  # type: ignore[union-attr]
        resumed = trial.resume()
        assert resumed.code == 3, resumed.err
        trial.check_finished()
        asked = len(trial.sites.asked)
    finally:
        sleeper.send_signal(signal.SIGCONT)
        said = trial.contentmap.end(sleeper)
    trial.check_finished()
    assert (said.code, f"another run took {trial.job_id} over" in said.err) == (75, True), said.err
    assert len(trial.sites.asked) - asked < 12, "it went on crawling"


@pytest.mark.campaign
@sqlite_first
def test_a_run_awake_again_beside_the_one_that_took_over(trial: Trial) -> None:
    """While the other still runs, it gives way: exit 75 and the other's name, and claims nothing more."""
    fault = {"point": "work:transaction.committed", "nth": 1, "do": "stop", "set": QUICK}
    sleeper = trial.start("-c", "1", fault=fault)
    try:
        wait_until_stopped(sleeper)
        asyncio.run(let_leases_run_out(trial.contentmap.database))
        trial.sites.gate.clear()
        other = trial.contentmap.start("resume", trial.job_id, "-c", "1")
        wait_until(lambda: _owner_is(trial, other.pid))
    finally:
        sleeper.send_signal(signal.SIGCONT)
        said = trial.contentmap.end(sleeper)
        trial.sites.gate.set()
    assert (said.code, f":{other.pid}:" in said.err) == (75, True), (said.code, said.err)
    assert "hint: " in said.err
    finished: Said = trial.contentmap.end(other)
    assert finished.code == 3, finished.err
    trial.check_finished()


def _owner_is(trial: Trial, pid: int) -> bool:
    found = trial.check(alive=True)
    return f":{pid}:" in str(found.job_row[-1])


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("address", "hours"),
    [("sqlite", 30), ("postgresql", 30), ("postgresql", -30)],
    indirect=["address"],
)
def test_the_clock_of_the_client_does_not_matter(trial: Trial, hours: int) -> None:
    """A run a day ahead or behind holds its job as any other, and takes nobody's."""
    moved = {"clock": hours * 3600.0}
    trial.sites.gate.clear()
    scan = trial.start(fault=moved)
    wait_until(lambda: bool(trial.sites.asked))
    assert trial.resume().code == 75
    assert trial.resume(fault={"clock": -hours * 3600.0}).code == 75
    status = trial.contentmap("status", "--json", fault=moved)
    assert (status.json["status"], trial.check(alive=True).job.status) == ("running", JobStatus.RUNNING)  # type: ignore[union-attr]
    trial.sites.gate.set()
    assert trial.contentmap.end(scan).code == 3
    trial.check_finished()
    assert trial.check().job.domains[ScanStatus.SKIPPED] == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_the_options_of_the_job_hold_when_it_is_resumed(trial: Trial) -> None:
    """They are recorded but for what may be secret, which is given again."""
    recorded = ("--user-agent", "mapper/1.0 (+mail@example.org)", "--header", "X-Key: secret")
    killed = trial.scan(*recorded, fault={"point": "work:transaction.committed", "nth": 2, "do": "kill"})
    assert killed.code == -9
    assert {(head["User-Agent"], head["X-Key"]) for _, head in trial.sites.heard} == {(recorded[1], "secret")}
    said = trial.resume("--header", "X-Key: another")
    assert said.code == 3, said.err
    assert {head["User-Agent"] for _, head in trial.sites.heard} == {recorded[1]}
    assert trial.sites.heard[-1][1]["X-Key"] == "another"
    trial.check_finished()
    assert not any(b"secret" in file.read_bytes() for file in trial.contentmap.folder.glob("test.db*"))
