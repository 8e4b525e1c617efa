"""The database goes away, hangs, fills up or is taken by another program, in the middle of a run."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from postgres_server import PostgresServer, wanted_version
from queue_trial import ask
from trial import Trial, make_schema, wait_until, wait_until_shut, wait_until_stopped
from web_sites import Reply, urlset

from contentmap_cli.errors import Code

on_sqlite = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("address", ["postgresql"], indirect=True)
_NOTICE = "contentmap_cli.storage.engine.NOTICE_SECONDS"
_numbers = itertools.count()
FEW_MORE = 16
"""Requests that may be under way when a run learns that its database is gone: none begins after that."""


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that only these tests use, for they stop it."""
    server = PostgresServer.create(wanted_version())
    server.more["synchronous_commit"] = "on"  # it is stopped at once: what was committed must be there again
    try:
        server.start()
        asyncio.run(make_schema(server.address("template1")))  # every database made on it has the schema
        yield server
    finally:
        with suppress(ProcessLookupError):
            _signal_all(server, signal.SIGCONT)
        server.remove()


@pytest.fixture
def on_own_server(long_trial: Trial, own_server: PostgresServer, address: str) -> Trial:
    """A job over thirty domains on that server."""
    name = f"{address.rpartition('/')[2]}_{next(_numbers)}"  # the other server gives a database out again
    asyncio.run(_run_on(own_server.address(), f"CREATE DATABASE {name}"))
    long_trial.contentmap.database = own_server.address(name)
    return long_trial


async def _run_on(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _signal_all(server: PostgresServer, number: signal.Signals) -> None:
    """To the server and each of its processes: stopped alone, the first would still let the others answer."""
    assert server.process is not None
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    for pid in (server.process.pid, *map(int, listed.stdout.split())):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _in_the_middle(trial: Trial, *, aloud: bool = False, fault: Any = None) -> subprocess.Popen[bytes]:
    """Starts the scan, and returns when it has asked for a part of the pages and waits for the next: the gate
    is shut."""
    trial.sites.shuts_at = 25
    scan = trial.contentmap.start(*(word for word in trial.words() if word != "-q" or not aloud), fault=fault)
    wait_until_shut(trial.sites)
    return scan


@pytest.mark.campaign
@pytest.mark.parametrize("immediate", [False, True], ids=["fast", "immediate"])
@on_postgresql
def test_the_server_is_restarted(on_own_server: Trial, own_server: PostgresServer, immediate: bool) -> None:
    """The run notices, or ends with 5 and says how to go on; nothing is lost either way."""
    trial = on_own_server
    scan = _in_the_middle(trial)
    trial.sites.gate.set()
    own_server.stop(immediate=immediate)
    own_server.start()
    said = trial.contentmap.end(scan)
    assert said.code in (3, 5), said.err
    if said.code == 5:
        assert f"resume {trial.job_id}" in said.err, said.err
    trial.check_resumed()


@pytest.mark.campaign
@on_postgresql
def test_the_server_is_restarted_while_pages_are_asked(
    on_own_server: Trial, own_server: PostgresServer
) -> None:
    """`check --pages` waits for it, and asks for no page twice."""
    sites, contentmap = on_own_server.sites, on_own_server.contentmap
    keys = [f"pages.test/p{number}" for number in range(200)]
    sites.pages |= dict.fromkeys(keys, Reply(b"<p>a", headers={"Content-Type": "text/html"}, wait=0.02))
    sites.pages["pages.test/robots.txt"] = "Sitemap: http://pages.test/s.xml"
    sites.pages["pages.test/s.xml"] = urlset(*(f"http://{key}" for key in keys))
    words = ("check", "http://pages.test", "--pages", "all", "--select", "page-status", "--json")
    process = contentmap.start(*words, "--connect-to", sites.connect_to)
    wait_until(lambda: keys[50] in sites.asked)
    own_server.stop(immediate=True)
    own_server.start()
    said = contentmap.end(process)
    assert said.json["pages"]["asked"] == len(keys), said.err
    assert {sites.asked.count(key) for key in keys} == {1}


@pytest.mark.campaign
@on_postgresql
def test_the_server_is_restarted_while_changes_are_followed(
    on_own_server: Trial, own_server: PostgresServer
) -> None:
    """The reader waits for it, and gets what is committed afterwards, once."""
    sites, contentmap = on_own_server.sites, on_own_server.contentmap
    sites.gate.set()
    sites.pages["feed.test/robots.txt"] = "Sitemap: http://feed.test/s.xml"
    following = contentmap.start("changes", "--follow")
    assert following.stdout is not None
    found = []
    for number in range(3):
        sites.pages["feed.test/s.xml"] = urlset(*(f"http://feed.test/{each}" for each in range(number + 1)))
        assert contentmap("scan", "http://feed.test", "-q", "--connect-to", sites.connect_to).code == 0
        while not found or found[-1].get("url") != f"http://feed.test/{number}":
            found.append(json.loads(following.stdout.readline()))
        own_server.stop(immediate=number == 1)
        own_server.start()
    following.terminate()
    assert contentmap.end(following).code == 0
    assert [each["url"] for each in found if each["type"] == "change"] == [
        f"http://feed.test/{number}" for number in range(3)
    ]


@on_postgresql
def test_the_server_goes_and_stays_away(on_own_server: Trial, own_server: PostgresServer) -> None:
    """The intake stops, the exit code is 5, and nobody is asked for pages that could not be kept."""
    trial = on_own_server
    scan = _in_the_middle(trial)
    own_server.stop(immediate=True)
    asked = len(trial.sites.asked)
    trial.sites.gate.set()
    said = trial.contentmap.end(scan)
    assert said.code == 5, said.err
    assert said.err.count("error: ") == 1
    assert "cannot be reached" in said.err
    assert " resume sitemap_" in said.err
    assert len(trial.sites.asked) - asked <= FEW_MORE
    own_server.start()
    trial.check_resumed()


@pytest.mark.campaign
@pytest.mark.parametrize(
    "check_seconds",
    [pytest.param(0.2, id="known"), pytest.param(3.0, id="first")],
)
@on_postgresql
def test_the_server_hangs(on_own_server: Trial, own_server: PostgresServer, check_seconds: float) -> None:
    """It takes connections and answers nothing: the run ends in a bounded time, whether it was ever
    felt or not, and goes on when resumed."""
    trial = on_own_server
    quick = {
        "contentmap_cli.storage.watchdog.CHECK_SECONDS": check_seconds,
        "contentmap_cli.storage.watchdog.ANSWER_SECONDS": 2.0,
        "contentmap_cli.storage.server_driver.CONNECT_SECONDS": 0.5,
    }
    scan = _in_the_middle(trial, aloud=True, fault={"set": quick})
    _signal_all(own_server, signal.SIGSTOP)
    asked = len(trial.sites.asked)
    trial.sites.gate.set()
    try:
        said = trial.contentmap.end(scan)
    finally:
        _signal_all(own_server, signal.SIGCONT)
    assert said.code == 5, said.err
    assert "has not answered" in said.err
    assert " resume sitemap_" in said.err
    assert len(trial.sites.asked) - asked <= FEW_MORE
    wait_until(lambda: asyncio.run(_others(trial.contentmap.database)) == 0)  # they heard that it has gone
    trial.check_resumed()


async def _others(address: str) -> int:
    """How many sessions the server has open on that database."""
    connection = await asyncpg.connect(address)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await connection.close()


@on_postgresql
def test_a_reader_of_a_server_that_hangs(on_own_server: Trial, own_server: PostgresServer) -> None:
    """`status` ends with 5 too."""
    _signal_all(own_server, signal.SIGSTOP)
    try:
        quick = {"contentmap_cli.storage.server_driver.CONNECT_SECONDS": 1.0}
        said = on_own_server.contentmap("status", fault={"set": quick})
    finally:
        _signal_all(own_server, signal.SIGCONT)
    assert (said.code, "cannot be reached" in said.err) == (5, True), said.err


@pytest.mark.campaign
@on_postgresql
def test_connections_are_ended_by_the_server(long_trial: Trial, address: str) -> None:
    """Each time it costs one attempt; the run goes on, or says that it cannot."""
    scan = long_trial.start()
    wait_until(lambda: bool(long_trial.sites.asked))
    asyncio.run(_terminate(address, scan))
    said = long_trial.contentmap.end(scan)
    assert said.code in (3, 5), said.err
    assert "internal_error" not in said.out + said.err
    long_trial.check()
    long_trial.resume()
    usual = {(row[0], row[-2]) for row in long_trial.expected.scans}
    for name, status, *_, code, message in long_trial.look().scans:
        if status == "failed" and (name, code) not in usual:  # the attempt that it cost was its last
            assert code == Code.STORAGE_ERROR, (name, code, message)
    long_trial.resume("--failed")
    mended = long_trial.look()
    assert mended.scans == long_trial.expected.scans
    assert (mended.domains, mended.faults) == (long_trial.expected.domains, [])


async def _terminate(address: str, scan: subprocess.Popen[bytes]) -> None:
    """Ends a session of a scan again and again, but not so often that a slow machine never gets anywhere."""
    connection = await asyncpg.connect(address)
    for _ in range(20):
        if scan.poll() is not None:
            break
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        )
        await asyncio.sleep(0.15)
    await connection.close()


@pytest.mark.campaign
@on_postgresql
@pytest.mark.parametrize(
    ("point", "nth"),
    [("domain.recorded", 2), ("domain.recorded", 8), ("recovery:domain.recorded", 1)],
)
def test_a_session_asleep_in_its_transaction_holds_nobody_up(
    trial: Trial, address: str, point: str, nth: int
) -> None:
    """The server ends its idle transaction no later than its lease, and another run records the domain.

    Continued, the run says who took it over, in its last domain and while it records a failure as well. One
    domain at a time: a statement of another domain that is cut in the middle is not idle for the server.
    """
    settings = {
        "contentmap_cli.storage.server_driver.SERVER_SETTINGS": {"idle_in_transaction_session_timeout": "2s"},
        "contentmap_cli.storage.jobs.jobs.LEASE_SECONDS": 2.0,
        "contentmap_cli.commands.engine.job.heartbeat.HEARTBEAT_SECONDS": 600.0,
    }
    scan = trial.start("-c", "1", fault={"point": point, "nth": nth, "do": "stop", "set": settings})
    try:
        wait_until_stopped(scan)
        wait_until(lambda: asyncio.run(ask(address, "SELECT lease_until < now() FROM jobs")) == [(True,)])
        trial.check_resumed()
    finally:
        scan.send_signal(signal.SIGCONT)
        said = trial.contentmap.end(scan)
    assert (said.code, f"another run took {trial.job_id} over" in said.err) == (75, True), said.err
    trial.check_finished()


@on_sqlite
def test_a_file_locked_for_a_while(long_trial: Trial, address: str) -> None:
    """The run waits, says so, and goes on."""
    file = address.removeprefix("sqlite:///")
    scan = _in_the_middle(long_trial, aloud=True, fault={"set": {_NOTICE: 0.3}})
    assert scan.stderr is not None
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        long_trial.sites.gate.set()
        assert any(b"another process has locked the database" in line for line in scan.stderr)
        other.execute("ROLLBACK")
    said = long_trial.contentmap.end(scan)
    assert said.code == 3, said.err
    long_trial.check_finished()


@pytest.mark.campaign
@on_sqlite
def test_a_file_locked_for_good(long_trial: Trial, address: str) -> None:
    """The run waits its time, then ends with 5 and a hint, and crawls no further."""
    file = address.removeprefix("sqlite:///")
    quick = {
        "contentmap_cli.storage.engine.BUSY_TIMEOUT_MS": 1000,
        "contentmap_cli.storage.engine.HURRIED_TIMEOUT_MS": 100,
        _NOTICE: 0.3,
    }
    scan = _in_the_middle(long_trial, aloud=True, fault={"set": quick})
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = len(long_trial.sites.asked)
        long_trial.sites.gate.set()
        said = long_trial.contentmap.end(scan)
        assert said.code == 5, said.err
        assert "is locked by another process" in said.err
        assert " resume sitemap_" in said.err
        assert said.err.index("waiting for it, up to 1 s") < said.err.index("error: ")
        assert len(long_trial.sites.asked) - asked <= FEW_MORE
        started = long_trial.contentmap("scan", "a.test", fault={"set": quick})
        assert (started.code, "is locked by another process" in started.err) == (5, True)
    long_trial.check_resumed()


@on_sqlite
def test_a_database_that_is_full(long_trial: Trial) -> None:
    """What fitted in stays; with more room the job goes on."""
    said = long_trial.scan(fault={"pages": 38})
    assert (said.code, "is full" in said.err) == (5, True), (said.code, said.err)
    assert " resume sitemap_" in said.err
    assert "internal_error" not in said.out
    long_trial.check_resumed()


@on_sqlite
def test_a_disk_that_is_full(long_trial: Trial, tmp_path: Path) -> None:
    """The same on a real file system without room."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a file system")
    try:
        long_trial.contentmap.database = f"sqlite:///{folder / 'map.db'}"
        said = long_trial.scan()
        assert (said.code, "is full" in said.err) == (5, True), (said.code, said.err)
        job_id = long_trial.job_id
        assert f" resume {job_id}" in said.err
        long_trial.check()
        subprocess.run(["mount", "-o", "remount,size=20m", folder], check=True)
        long_trial.check_resumed()
    finally:
        subprocess.run(["umount", folder], check=True)


@on_sqlite
def test_a_file_that_may_not_grow(long_trial: Trial) -> None:
    """A limit on the size of files ends the run as a full disk does."""
    said = long_trial.scan(fault={"limits": {"FSIZE": 150_000}})
    assert said.code == 5, (said.code, said.err)
    assert " resume sitemap_" in said.err
    assert "internal_error" not in said.out
    long_trial.check_resumed()
