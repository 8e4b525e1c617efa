"""Politeness holds across workers: two requests at a time for a host and for an address, whoever asks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from queue_trial import QueueTrial, ask
from trial import wait_until

from contentmap_cli.storage.database_url import parse_database_address
from contentmap_cli.storage.queue import host_slots
from contentmap_cli.storage.queue.host_slots import SharedHostSlots


@dataclass
class OneAddress:
    """Many sites on one address, a port each, and how many requests it had at a time at most. They answer
    once `open` is set."""

    ports: list[int] = field(default_factory=list)
    now: int = 0
    most: int = 0
    served: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: threading.Event = field(default_factory=threading.Event)


@contextmanager
def one_address(sites: int) -> Iterator[OneAddress]:
    """Serves so many sites without a sitemap on 127.0.0.1."""
    seen = OneAddress()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with seen.lock:
                seen.now += 1
                seen.served += 1
                seen.most = max(seen.most, seen.now)
            seen.open.wait(60)
            time.sleep(0.01)
            with seen.lock:
                seen.now -= 1  # before the answer is out: who has it may ask again at once
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(sites)]
    for server in servers:
        seen.ports.append(server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield seen
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@pytest.mark.campaign
def test_two_workers_and_many_domains_on_one_address(trial: QueueTrial) -> None:
    """The server never has more than six requests at a time, and both workers have some of them."""
    with one_address(24) as seen:
        targets = [f"http://127.0.0.1:{port}" for port in seen.ports]
        said = trial.contentmap("scan", "--queue", *targets, "--allow-private", "--probe", "never")
        assert said.code == 0, said.err
        workers = [trial.contentmap.start("worker", "--drain", "-c", "6") for _ in range(2)]
        # both have begun before either can be done
        wait_until(lambda: trial.ask("SELECT count(DISTINCT owner) FROM domain_scans") == [(2,)])
        seen.open.set()
        ended = [trial.contentmap.end(worker) for worker in workers]
    assert [each.code for each in ended] == [0, 0], [each.err for each in ended]
    assert 1 <= seen.most <= 6
    assert seen.served >= 48
    done = trial.contentmap("status", said.out.strip(), "--json").json
    assert done["domains"]["empty"] == 24, done
    assert all("worker ended: 0 domains" not in each.err for each in ended)


_THEIRS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = 'contentmap host slots'"
)
_SESSIONS = f"SELECT count(*) {_THEIRS}"
_END_SESSIONS = f"SELECT pg_terminate_backend(pid) {_THEIRS}"


async def test_places_are_shared_and_come_back(postgres_address: str) -> None:
    """Of one key two are given, whoever asks; a third waits until one is free; other keys do not wait."""
    address = parse_database_address(postgres_address)
    async with SharedHostSlots(address) as one, SharedHostSlots(address) as two:
        async with one.place("a"), two.place("a"):
            third = asyncio.create_task(_hold(two, "a"))
            async with asyncio.timeout(60), one.place("b"):
                pass
            assert not third.done()
        await asyncio.wait_for(third, 60)


async def test_a_place_goes_with_its_session(postgres_address: str) -> None:
    """Who loses its connection holds nothing; it connects again and goes on. A wait that is called off takes
    nothing with it."""
    address = parse_database_address(postgres_address)
    async with SharedHostSlots(address) as one, SharedHostSlots(address) as two:
        async with one.place("a"), one.place("a"):
            given_up = asyncio.create_task(_hold(two, "a"))
            async with asyncio.timeout(60):
                while await ask(postgres_address, _SESSIONS) != [(2,)]:  # noqa: ASYNC110 - a server has no event
                    await asyncio.sleep(0.02)
            given_up.cancel()
            await asyncio.wait([given_up])
            assert len(await ask(postgres_address, _END_SESSIONS)) == 2
            async with asyncio.timeout(60), two.place("a"), two.place("a"):
                pass
        async with asyncio.timeout(60), one.place("a"):
            pass


async def test_a_host_that_is_done_with_is_forgotten(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker asks a million hosts in its life: of one whose place was given back, nothing is kept."""
    monkeypatch.setattr(host_slots, "_LONGEST", 0.02)
    monkeypatch.setattr(host_slots, "_POLL", 0.01)
    monkeypatch.setattr(host_slots, "_PULSE", 0.05)
    address = parse_database_address(postgres_address)
    async with SharedHostSlots(address) as shared, asyncio.timeout(60):
        for number in range(3):
            async with shared.place(f"host {number}.test"):
                await asyncio.sleep(0.05)  # held for long: it goes back at once
        while shared.known:  # noqa: ASYNC110 - the server's answer is what is waited for
            await asyncio.sleep(0.02)


async def _hold(shared: SharedHostSlots, key: str) -> None:
    async with shared.place(key):
        pass


async def test_a_place_that_comes_when_nobody_wants_it_any_more(postgres_address: str) -> None:
    """It goes to the next."""
    address = parse_database_address(postgres_address)
    async with SharedHostSlots(address) as one, asyncio.timeout(60), one.place("a"):
        async with one.place("a"):
            given_up = asyncio.create_task(_hold(one, "a"))
            while not one._waiting["a"]:  # noqa: ASYNC110 - nobody tells of who waits
                await asyncio.sleep(0.01)
        given_up.cancel()  # in the moment in which the place was given to it
        await asyncio.wait([given_up])
        assert given_up.cancelled()
        async with one.place("a"):
            pass
