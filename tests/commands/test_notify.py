"""Notifications: recorded with the end of a job, delivered once, to receivers on loopback."""

from __future__ import annotations

import signal
import socket
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from databases import sqlite_first
from http_servers import TLS
from receivers import CLOSE, HANG, receiving
from standardwebhooks import Webhook
from trial import wait_until
from web_sites import Reply, good_site, serving, urlset

SECRET = "whsec_Q29udGVudE1hcCBuZWVkcyBhIHNlY3JldCBvZiAyNCBieXRlcw=="


@pytest.fixture
def notifying(contentmap: Any) -> Any:
    """The command with a secret for webhooks."""
    contentmap.environment["CONTENTMAP_NOTIFY_SECRET"] = SECRET
    return contentmap


def free_port() -> int:
    """A port that refuses connections."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@sqlite_first
def test_a_job_is_notified_once_and_signed(notifying: Any) -> None:
    """The independent verifier accepts the message; a receiver over TLS; nothing is sent without a change."""
    forbidden = "User-agent: *\nDisallow: /\n"
    with (
        serving(good_site("a.test") | {"b.test/robots.txt": forbidden}) as sites,
        receiving(tls=True) as receiver,
    ):
        words = (
            "scan",
            "http://a.test",
            "--connect-to",
            sites.connect_to,
            "--ca-file",
            str(TLS / "tls-cert.pem"),
        )
        notify = ("--notify", receiver.url)
        first = notifying(*words, *notify, "--json")
        assert (first.code, first.err.count("notification")) == (0, 0), first.err
        again = notifying(*words, *notify)
        always = notifying(*words, *notify, "--notify-on", "always")
        failed = notifying(*words, "http://b.test", *notify, "--notify-on", "failure", "--json")
    assert (again.code, always.code, failed.code) == (0, 0, 3)
    [(headers, body), *others] = receiver.requests
    event = Webhook(SECRET).verify(body, headers)
    assert len(others) == 2
    assert len(set(receiver.ids)) == 3
    data = event["data"]
    assert event["type"] == "job.finished"
    assert (data["job_id"], data["status"], data["added"]) == (first.json["job_id"], "complete", 3)
    assert data["domains"]["ok"] == 1
    assert [(each["domain"], each["added"]) for each in data["results"]] == [("a.test", 3)]
    last = Webhook(SECRET).verify(others[1][1], others[1][0])["data"]
    assert (last["status"], last["results_omitted"]) == ("partial", 0)
    assert [(each["domain"], each["outcome"]) for each in last["results"]] == [("b.test", "failed")]
    assert last["results"][0]["error"]["code"] == "disallowed"


@sqlite_first
def test_a_receiver_that_is_down_gets_each_message_once_later(notifying: Any) -> None:
    """The scan is not failed by it; the next run, `notify`, or two at once deliver. No secret is recorded."""
    port = free_port()
    target = f"http://127.0.0.1:{port}/hook/t0k3n-Zq"
    with serving(good_site("a.test")) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--notify", target)
        first = notifying(*words, "-vv")
        assert first.code == 0
        assert "1 notification to be delivered later" in first.err
        assert "t0k3n" not in first.err + first.out
        sites.pages["a.test/sitemap.xml"] = urlset("http://a.test/other")
        once = {"set": {"contentmap_cli.commands.notifying.notifier.RUN_PASSES": 1}}
        assert notifying(*words, "-q", fault=once).code == 0
    listed = notifying("notify", "--pending", "--notify", target, "--json").lines
    assert [(each["status"], each["configured"], each["target"]) for each in listed] == [
        ("pending", True, f"http://127.0.0.1:{port}")
    ] * 2
    assert "connection" in listed[0]["error"].lower()
    assert "not configured here" in notifying("notify", "--pending").out
    assert notifying("notify", "--notify", target).code == 3
    with receiving(port=port) as receiver:
        both = [notifying.start("notify", "--notify", target) for _ in range(2)]
        assert {notifying.end(each).code for each in both} <= {0, 3}
        assert notifying("notify", "--notify", target).code == 0
        assert len(receiver.ids) == len(set(receiver.ids)) == 2
        assert receiver.events[0]["data"]["added"] == 3
    assert notifying("notify", "--pending").out == ""
    if notifying.database.startswith("sqlite"):
        with closing(sqlite3.connect(notifying.database.removeprefix("sqlite:///"))) as database:
            told = "\n".join(database.iterdump())
            assert "notifications" in told
            assert "t0k3n" not in told
            assert SECRET[6:] not in told


@pytest.mark.campaign
@sqlite_first
def test_a_receiver_that_fails_is_asked_again(notifying: Any) -> None:
    """Two errors, a connection that is closed, an answer that is a redirect: the same id each time."""
    with serving(good_site("a.test")) as sites:
        words = (
            "scan",
            "http://a.test",
            "--connect-to",
            sites.connect_to,
            "--notify-on",
            "always",
            "--notify",
        )
        with receiving(500, CLOSE) as receiver:
            assert notifying(*words, receiver.url).err.count("delivered later") == 0
            assert (len(receiver.ids), len(set(receiver.ids))) == (3, 1)
        with receiving(302, 410) as receiver:
            assert notifying(*words, receiver.url).code == 0
            assert len(receiver.ids) == 2
            listed = notifying("notify", "--pending", "--json").lines
            assert [(each["status"], each["error"]) for each in listed] == [("gone", "HTTP 410")]
        with receiving(HANG) as receiver:
            fault = {"set": {"contentmap_cli.commands.notifying.notifier.ATTEMPT_SECONDS": 0.2}}
            assert notifying(*words, receiver.url, fault=fault).err.count("delivered later") == 0
            assert (len(receiver.ids), len(set(receiver.ids))) == (2, 1)


@pytest.mark.parametrize("point", ["notification.recorded", "brief:transaction.committed"])
@sqlite_first
def test_a_killed_run_loses_no_message(notifying: Any, point: str) -> None:
    """Killed before the commit, there is no message until `resume`; after it, the next run sends."""
    with serving(good_site("a.test")) as sites, receiving() as receiver:
        words = ("--connect-to", sites.connect_to, "--notify", receiver.url)
        nth = 1
        if point == "brief:transaction.committed":  # create the job, claim the domain, close the job
            nth = 3
        killed = notifying("scan", "http://a.test", *words, fault={"point": point, "nth": nth, "do": "kill"})
        assert killed.code == -signal.SIGKILL
        assert receiver.requests == []
        assert len(notifying("notify", "--pending", "--json").lines) == int(nth == 3)
        notifying("resume", *words)
        assert len(receiver.ids) == 1
        data = receiver.events[0]["data"]
        assert (data["status"], data["added"], data["finished_at"] is None) == ("complete", 3, False)
        notifying("scan", "http://a.test", *words)
        assert len(receiver.ids) == 1
        few = ("--notify-on", "failure", "--expect-urls", "4:")
        assert notifying("scan", "http://a.test", *words, *few).code == 3
        assert [event["data"]["unexpected"] for event in receiver.events] == [0, 1]


@sqlite_first
def test_an_interrupted_job_and_its_end_are_two_messages(notifying: Any) -> None:
    """Ctrl-C is a failure; `resume` tells of the whole job."""
    pages = good_site("a.test") | {
        "b.test/robots.txt": Reply(b"Sitemap: http://b.test/sitemap.xml\n"),
        "b.test/sitemap.xml": urlset("http://b.test/1"),
    }
    with serving(pages) as sites, receiving() as receiver:
        sites.shuts_at = 3
        words = ("--connect-to", sites.connect_to, "--notify", receiver.url)
        run = notifying.start("scan", "http://a.test", "http://b.test", "-c", "1", *words)
        wait_until(lambda: not sites.gate.is_set())
        run.send_signal(signal.SIGINT)
        assert notifying.end(run).code == 130
        sites.gate.set()
        assert notifying("resume", *words).code == 0
    assert [event["data"]["status"] for event in receiver.events] == ["interrupted", "complete"]
    assert receiver.events[1]["data"]["domains"]["ok"] == 2


def test_notify_test(on_sqlite: Any) -> None:
    """It says what happened, and never the target."""
    asked = on_sqlite("notify", "--test", "https://127.0.0.1:1/t0k3n")
    assert (asked.code, "CONTENTMAP_NOTIFY_SECRET" in asked.err) == (2, True)
    on_sqlite.environment["CONTENTMAP_NOTIFY_SECRET"] = SECRET
    with receiving(200, 503) as receiver:
        said = on_sqlite("notify", "--test", receiver.url)
        assert (said.code, said.out) == (0, f"http://127.0.0.1:{receiver.port}: delivered\n")
        assert Webhook(SECRET).verify(receiver.requests[0][1], receiver.requests[0][0])["type"] == "test"
        said = on_sqlite("notify", "--test", receiver.url, "--json")
        assert (said.code, said.json["error"]) == (3, "HTTP 503")
    for target in ("t0k3n", "https://", "nosuch://t0k3n", "mailto://t0k3n@@"):
        said = on_sqlite("notify", "--test", target)
        assert said.code == 2, target
        assert "t0k3n" not in said.err, target
    for secret in ("whsec_t0k3n", "t0k3n", "whsec_" + "QUFB" * 4):
        on_sqlite.environment["CONTENTMAP_NOTIFY_SECRET"] = secret
        said = on_sqlite("notify", "--test", "https://127.0.0.1:1/")
        assert (said.code, secret in said.err) == (2, False)
    on_sqlite.environment |= {"CONTENTMAP_NOTIFY": "https://h/t0k3n slack://t0k3n"}
    shown = on_sqlite("config").out
    assert "t0k3n" not in shown
    assert "https://***, slack://***" in shown


def test_apprise_sends_a_short_text(on_sqlite: Any) -> None:
    """Names, codes and numbers; nothing of the target is said where the service fails."""
    with serving(good_site("a.test")) as sites, receiving(200, 500) as receiver:
        target = receiver.url.replace("http", "json")
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "-v")
        first = on_sqlite(*words, "--notify", target)
        assert first.code == 0
        once = {"set": {"contentmap_cli.commands.notifying.notifier.RUN_PASSES": 1}}
        failed = on_sqlite(*words, "--notify", target, "--notify-on", "always", fault=once)
    assert receiver.events[0]["title"] == "ContentMap: job complete"
    text = receiver.events[0]["message"].splitlines()
    assert text[:3] == [
        "1 domain: 1 ok",
        "3 URLs: 3 added, 0 removed, 0 changed",
        "a.test: ok, 3 added",
    ]
    assert "1 notification to be delivered later" in failed.err
    assert "json://: the service did not take the message" in failed.err
    assert "t0k3n" not in first.err + failed.err


@pytest.mark.campaign
def test_many_messages_many_senders(notifying: Any) -> None:
    """A process is killed after a claim, another one after sending; four at once send the rest. Each message
    arrives once; only the one that was sent and not recorded arrives twice, with the same id."""
    with serving(good_site("a.test")) as sites, receiving() as down:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "-q", "--notify-on", "always")
        once = {"set": {"contentmap_cli.commands.notifying.notifier.RUN_PASSES": 0}}
        for _ in range(12):
            notifying(*words, "--notify", down.url, fault=once)
        deliver = ("notify", "--notify", down.url)
        lease = {"set": {"contentmap_cli.storage.jobs.notifications.LEASE_SECONDS": 1.0}}
        points = (("brief:transaction.committed", 1), ("brief:transaction.first_statement", 2))
        kills = [{"point": point, "nth": nth, "do": "kill"} | lease for point, nth in points]
        assert [notifying(*deliver, fault=fault).code for fault in kills] == [-signal.SIGKILL] * 2
        running = [notifying.start(*deliver, fault=lease) for _ in range(4)]
        assert {notifying.end(each).code for each in running} <= {0, 3}
        wait_until(lambda: notifying(*deliver, fault=lease).code == 0)
        assert len(set(down.ids)) == 12
        assert len(down.ids) == 13
