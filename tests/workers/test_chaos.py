"""Three workers under attack, for a few seconds; `benchmarks/chaos.py` is the long form."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from disturbance import LEASES, disturb
from postgres_server import PostgresServer, wanted_version
from program import Contentmap
from queue_trial import QueueTrial
from trial import Trial, make_schema, wait_until, wait_until_shut
from web_sites import Page, serving

_numbers = itertools.count()


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that only these tests use, since it is restarted."""
    own = PostgresServer.create(wanted_version())
    own.more["synchronous_commit"] = "on"  # it is stopped at once: what was committed must be there again
    try:
        own.start()
        asyncio.run(make_schema(own.address("template1")))  # every database made on it has the schema
        yield own
    finally:
        own.remove()


@pytest.fixture
def server(own_server: PostgresServer) -> PostgresServer:
    """That server, running."""
    if own_server.process is None:
        own_server.start()
    return own_server


@pytest.fixture
def own_address(server: PostgresServer) -> str:
    """A database on that server, with the current schema and no rows."""
    name = f"chaos_{next(_numbers)}"

    async def create() -> None:
        connection = await asyncpg.connect(server.address())
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return server.address(name)


@pytest.mark.campaign
def test_chaos(
    tmp_path: Path,
    server: PostgresServer,
    own_address: str,
    many_pages: dict[str, Page],
    many_undisturbed: Trial,
) -> None:
    """Kills, sleeps and a restart: each domain is committed once, and the rows are those of a calm scan."""

    def restart() -> None:
        server.stop()
        server.start()

    contentmap = Contentmap(tmp_path, own_address)
    with serving(many_pages) as sites:
        trial = QueueTrial(contentmap, sites, many_pages, many_undisturbed.expected)
        done = disturb(
            trial,
            random.Random(1),
            workers=3,
            concurrency=2,
            pause=(0.3, 0.9),
            restart=restart,
            patience=240,
        )
    assert done["restarts"] == 1


@pytest.fixture
def own_trial(
    tmp_path: Path, own_address: str, pages: dict[str, Page], undisturbed: Trial
) -> Iterator[QueueTrial]:
    """A trial on the server that a test may stop, whose pages are served."""
    with serving(pages) as sites:
        yield QueueTrial(Contentmap(tmp_path, own_address), sites, pages, undisturbed.expected)


def test_a_server_that_stays_away(server: PostgresServer, own_trial: QueueTrial) -> None:
    """A worker waits for it as long as --database-timeout says, then ends with 5."""
    _lose_the_server(own_trial, server)


@pytest.mark.campaign
def test_a_server_that_is_back_after_its_worker_has_ended(
    server: PostgresServer, own_trial: QueueTrial
) -> None:
    """The next worker scans what the one that ended with 5 had claimed, when the leases have lapsed."""
    _lose_the_server(own_trial, server)
    server.start()
    own_trial.drain()
    own_trial.check_finished()


def _lose_the_server(trial: QueueTrial, server: PostgresServer) -> None:
    """Stop the server under a worker for longer than it waits."""
    trial.enqueue()
    trial.sites.shuts_at = 12
    worker = trial.worker("--database-timeout", "0.5", "--shutdown-timeout", "0")
    wait_until_shut(trial.sites)
    server.stop()
    trial.sites.gate.set()
    said = trial.contentmap.end(worker)
    assert said.code == 5, (said.code, said.err)
    assert "cannot be reached" in said.err


@pytest.mark.campaign
def test_a_server_that_comes_later(tmp_path: Path, server: PostgresServer, own_trial: QueueTrial) -> None:
    """A worker that starts first waits for it as one that has begun: it does its work when the server is
    there, ends with 5 after --database-timeout, and with 0 on SIGTERM."""
    own_trial.enqueue()
    server.stop()
    said = own_trial.contentmap.end(own_trial.worker("--database-timeout", "0.3"))
    assert (said.code, "waiting for it" in said.err) == (5, True), said.err
    assert "cannot be reached" in said.err
    logs = [tmp_path / "told.log", tmp_path / "works.log"]
    told, works = (own_trial.worker("--log-file", str(log)) for log in logs)
    for log in logs:
        wait_until(lambda log=log: log.exists() and "waiting for it" in log.read_text())  # type: ignore[misc]
    told.send_signal(signal.SIGTERM)
    said = own_trial.contentmap.end(told)
    assert (said.code, "stopping: no domain was claimed" in said.err) == (0, True), said.err
    server.start()
    said = own_trial.contentmap.end(works)
    assert said.code == 0, said.err
    own_trial.check_finished()


@pytest.mark.campaign
def test_a_worker_is_stopped_while_the_server_is_away(
    tmp_path: Path, server: PostgresServer, own_trial: QueueTrial
) -> None:
    """It ends with 0 and does not wait for the server; the next worker scans what it held."""
    own_trial.enqueue()
    own_trial.sites.shuts_at = 12
    log = tmp_path / "worker.log"
    worker = own_trial.worker("--shutdown-timeout", "0.5", "--log-file", str(log), fault={"set": LEASES})
    wait_until_shut(own_trial.sites)
    server.stop()
    wait_until(lambda: "waiting for it" in log.read_text())
    worker.send_signal(signal.SIGTERM)
    said = own_trial.contentmap.end(worker, 60)
    assert said.code == 0, said.err
    own_trial.sites.gate.set()
    server.start()
    said = own_trial.contentmap.end(own_trial.worker(fault={"set": LEASES}))
    assert said.code == 0, said.err
    own_trial.check_finished()


def test_waiting_mends_no_wrong_address(trial: QueueTrial) -> None:
    """A server that is there and refuses is not waited for: it is said at once what to do."""
    server = trial.contentmap.database.rpartition("/")[0]
    said = Contentmap(trial.contentmap.folder, f"{server}/nowhere")("worker", "--drain")
    assert (said.code, "create it first" in said.err) == (5, True), said.err
    assert "waiting for it" not in said.err
    said = Contentmap(trial.contentmap.folder, f"{server}/postgres")("worker", "--drain")
    assert (said.code, "db upgrade`" in said.err) == (5, True), said.err
    assert "waiting for it" not in said.err
