"""The metrics of a worker, as a scraper and a container's health check read them."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from queue_trial import QueueTrial
from scraping import answer, free_port
from trial import wait_until

from contentmap_cli.commands.engine.metrics import Endpoint, WorkerMetrics


def values(text: str, *, plain: bool = False) -> dict[str, float]:
    """The samples by name, those with several labels summed."""
    found: dict[str, float] = {}
    for family in (parse_plain if plain else parse)(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_a_worker_is_measured_from_outside(trial: QueueTrial) -> None:
    """The counts are those of the job; nothing in them names a domain, an address or a password."""
    trial.enqueue()
    port = free_port()
    worker = trial.contentmap.start("worker", "-c", "4", "--metrics", str(port))
    try:
        wait_until(
            lambda: values(answer(port, "/metrics")[1] or "# EOF\n").get("contentmap_domains_total", 0) == 12
        )
        status, text = answer(port, "/metrics")
        assert (status, answer(port, "/health")) == (200, (200, "ok\n"))
        assert answer(port, "/")[0] == 404
        found = values(text)
        assert found["contentmap_domain_seconds_count"] == 12
        answered = [
            each for each in text.splitlines() if re.match(r"contentmap_request_seconds_count{.*xx", each)
        ]
        assert sum(float(each.split()[-1]) for each in answered) == len(trial.sites.asked)
        assert found["contentmap_transaction_seconds_count"] >= 12
        assert found["contentmap_urls_total"] == trial.ask("SELECT sum(urls) FROM domain_scans")[0][0]
        assert found["contentmap_fetched_bytes_total"] > 0
        assert found["contentmap_database_up"] == 1
        assert "contentmap_event_loop_lag_seconds_count" in found
        assert "process_cpu_seconds_total" in found
        assert '.test"' not in text
        assert trial.contentmap.database not in text
    finally:
        worker.send_signal(signal.SIGTERM)
        said = trial.contentmap.end(worker)
    assert said.code == 0, said.err


def test_a_file_for_a_collector(trial: QueueTrial, tmp_path: Path) -> None:
    """The last state is written when the worker ends."""
    trial.enqueue()
    file = tmp_path / "contentmap.prom"
    trial.drain("--metrics", str(file))
    found = values(file.read_text(encoding="utf-8"), plain=True)
    assert found["contentmap_domains_total"] == 12
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["contentmap.prom"]


def test_a_database_that_is_away_is_unhealthy(trial: QueueTrial) -> None:
    """A worker that waits for its database answers 503, and why."""
    port = free_port()
    trial.contentmap.database = f"postgresql://u@127.0.0.1:{free_port()}/x"
    worker = trial.contentmap.start("worker", "--metrics", str(port), "--database-timeout", "60")
    try:
        wait_until(lambda: answer(port, "/health") == (503, "the database is unavailable\n"))
        assert values(answer(port, "/metrics")[1])["contentmap_database_up"] == 0
    finally:
        worker.send_signal(signal.SIGTERM)
        assert trial.contentmap.end(worker).code == 0


async def test_the_queue_and_the_file_are_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The queue is counted at the start. A file that cannot be written is warned of once."""
    monkeypatch.setattr("contentmap_cli.commands.engine.metrics.REFRESH_SECONDS", 0.01)
    file = tmp_path / "folder" / "contentmap.prom"
    counts: asyncio.Queue[int] = asyncio.Queue()

    async def count_queue() -> dict[str, int]:
        counts.put_nowait(1)
        return {"queued": counts.qsize()}

    async def counted_again() -> None:
        for _ in range(counts.qsize() + 3):
            await counts.get()

    file.parent.mkdir()
    metrics = WorkerMetrics(lambda: True)
    async with metrics.given_at(Endpoint("", 0, str(file))):
        await metrics.follow(lambda: 0, count_queue)
        assert metrics.registry.get_sample_value("contentmap_queue_entries", {"status": "queued"}) == 1
        for told in (1, 2):
            away = file.parent.rename(tmp_path / "away")
            await counted_again()
            assert caplog.text.count("cannot write") == told
            (away / file.name).unlink()
            away.rename(file.parent)
            await counted_again()
            assert file.exists()
    assert caplog.text.count("cannot write") == 2


@pytest.mark.parametrize("value", ["0", "65536", "", "127.0.0.1:0", "/nowhere/at/all", "a..b:9000"])
def test_an_endpoint_that_cannot_be_had_is_refused(trial: QueueTrial, value: str) -> None:
    """Before anything is claimed."""
    trial.enqueue()
    said = trial.contentmap("worker", "--drain", "--metrics", value)
    assert said.code == 2, said.err
    assert "--metrics" in said.err
    assert trial.ask("SELECT DISTINCT status FROM domain_scans") == [("pending",)]


def test_a_port_that_is_taken_is_refused(trial: QueueTrial) -> None:
    """With the system's reason and a hint."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        said = trial.contentmap("worker", "--drain", "--metrics", f"127.0.0.1:{server.getsockname()[1]}")
    assert (said.code, time.monotonic() - began < 20) == (2, True)
    assert "ddress already in use" in said.err
