"""The worker that ends a job writes its notification with the end, and delivers it."""

from __future__ import annotations

import signal

import pytest
from queue_trial import QueueTrial
from receivers import receiving
from trial import wait_until


@pytest.mark.campaign
def test_a_job_of_workers_is_notified_once(trial: QueueTrial) -> None:
    """By two workers that end it; by the next one, where the receiver is down."""
    trial.contentmap.environment["CONTENTMAP_NOTIFY_SECRET"] = "A" * 32
    refused = trial.contentmap("scan", "a.test", "--queue", "--notify", "http://127.0.0.1:1/t0k3n")
    assert (refused.code, "worker --notify" in refused.err) == (2, True)
    assert "t0k3n" not in refused.err
    with receiving() as receiver:
        trial.contentmap.environment["CONTENTMAP_NOTIFY"] = receiver.url
        job = trial.enqueue()
        workers = [trial.worker() for _ in range(2)]
        assert {trial.contentmap.end(worker).code for worker in workers} == {0}
        assert [event["data"]["job_id"] for event in receiver.events] == [job]
        data = receiver.events[0]["data"]
        assert (data["status"], data["domains"]["total"], data["results_omitted"]) == ("partial", 12, 0)
        assert [each["outcome"] for each in data["results"][:4]] == ["failed"] * 2 + ["partial", "ok"]
        port = receiver.port
    trial.enqueue("--refresh")
    said = trial.contentmap.end(trial.worker("--notify-on", "always"))
    assert said.code == 0
    assert "delivered later" in said.err
    with receiving(port=port) as receiver:
        waiting = trial.contentmap.start("worker")
        wait_until(lambda: trial.ask("SELECT count(*) FROM notifications WHERE status = 'pending'") == [(0,)])
        waiting.send_signal(signal.SIGTERM)
        assert trial.contentmap.end(waiting).code == 0
        assert len(receiver.ids) == len(set(receiver.ids)) >= 1
