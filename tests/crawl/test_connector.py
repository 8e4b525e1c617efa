"""DNS lookups and routes."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from contentmap_cli.crawl.http import connector
from contentmap_cli.crawl.http.connector import Connector, Resolver
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions


async def test_look_ups_of_one_name_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent requests for a name share a lookup; cancelling one does not affect the others."""
    asked: list[str] = []
    release = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        release.wait(5)
        return real("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver(4)
    askers = [asyncio.create_task(resolver.addresses("a.test")) for _ in range(5)]
    await asyncio.sleep(0.05)
    askers[0].cancel()
    release.set()
    answers = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [((socket.AF_INET, "127.0.0.1"),)] * 4
    await resolver.addresses("a.test")
    assert asked == ["a.test"]
    await resolver.close()


async def test_look_ups_run_as_many_at_once_as_there_are_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred names are looked up concurrently."""
    together = threading.Barrier(100)

    def slow(*_: Any, **__: Any) -> Any:
        together.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver(100)
    await asyncio.gather(*(resolver.addresses(f"{number}.test") for number in range(100)))
    await resolver.close()


async def test_a_name_that_does_not_exist_is_remembered_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is cached for https and http; a temporary failure is not."""
    asked: list[str] = []

    def missing(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN if host.startswith("down") else socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", missing)
    resolver = Resolver(2)
    for host in ("none.test", "none.test", "down.test", "down.test"):
        with pytest.raises(socket.gaierror):
            await resolver.addresses(host)
    assert asked == ["none.test", "down.test", "down.test"]
    await resolver.close()


async def test_the_oldest_answer_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is bounded."""
    monkeypatch.setattr(connector, "_CACHED_HOSTS", 2)
    resolver = Resolver(1)
    for number in range(1, 5):
        await resolver.addresses(f"127.0.0.{number}")
    assert list(resolver._cache) == ["127.0.0.3", "127.0.0.4"]
    await resolver.close()


async def test_a_name_without_an_address_of_a_kind_that_can_be_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It counts as a name that does not exist."""
    odd = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/x", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: odd)
    resolver = Resolver(1)
    with pytest.raises(socket.gaierror, match="no address"):
        await resolver.addresses("a.test")
    await resolver.close()


async def test_a_look_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It times out with a temporary failure, and the running lookup is cancelled."""
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60))
    dialler = Connector(CrawlOptions())
    with pytest.raises(socket.gaierror, match="timed out") as caught:
        await dialler.address(dialler.route("http://a.test/"), 0.05)
    assert caught.value.errno == socket.EAI_AGAIN
    waiting = asyncio.create_task(dialler.address(dialler.route("http://a.test/"), 60))
    await asyncio.sleep(0)
    await dialler.close()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_routes() -> None:
    """The first rule that names the host and port redirects the connection and keeps the host name."""
    dialler = Connector(
        CrawlOptions(
            connect_to=(
                ConnectTo("a.test", 443, "::1", 8443),
                ConnectTo(None, 80, "127.0.0.1", None),
            )
        )
    )
    route = dialler.route("https://a.test/x?y=%20")
    assert (route.url, route.host_header, route.server_hostname) == (
        "https://[::1]:8443/x?y=%20",
        "a.test",
        "a.test",
    )
    assert dialler.route("http://b.test/").url == "http://127.0.0.1:80/"
    for other in ("http://b.test:8080/", "https://b.a.test/", "https://b.test/"):
        assert (dialler.route(other).url, dialler.route(other).host_header) == (other, None)
    with pytest.raises(ValueError, match="http"):
        dialler.route("ftp://b.test/")
    assert dialler.policy.check("::1", 8443) is None
    assert dialler.policy.check("::1", 8444) is not None
    await dialler.close()


async def test_consent_is_not_for_other_ports() -> None:
    """A rule that keeps the port allows that port only."""
    dialler = Connector(CrawlOptions(connect_to=(ConnectTo(None, 80, "127.0.0.1", None),)))
    assert dialler.policy.check("127.0.0.1", 80) is None
    assert dialler.policy.check("127.0.0.1", 22) is not None
    await dialler.close()
