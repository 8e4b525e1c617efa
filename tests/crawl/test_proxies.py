"""Proxies: which one, for which host, and what fails because of it; on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from proxy_servers import proxy_server

from contentmap_cli.crawl.access.certificates import parse_certificate
from contentmap_cli.crawl.access.proxies import DirectHosts, Proxies, parse_proxy
from contentmap_cli.crawl.access.proxy_gate import GATE_SECONDS, ProxyGate
from contentmap_cli.crawl.http.connector import Addresses, Resolver
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.own_headers import OwnHeaders
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Limits

NewSite = Callable[..., Awaitable[Any]]
CERTIFICATE = Path(__file__).parent / "data" / "tls-cert.pem"  # for tls.test
LIMITS = Limits(connect_timeout=5, read_timeout=5, request_timeout=10)


def options(proxy: str, **changes: Any) -> CrawlOptions:
    """Options with one proxy, without retries."""
    base: dict[str, Any] = {"proxies": Proxies.of(proxy), "limits": LIMITS, "retries": 0}
    return CrawlOptions(**base | changes)


async def fetch(
    used: CrawlOptions, *urls: str, resolver: Resolver | None = None
) -> list[tuple[int | None, str | None, str]]:
    """Fetch URLs concurrently: status, code and message of each."""
    ask = FetchRequest(own=OwnHeaders(site="tls.test"), max_bytes=1000, clock=DomainClock(20))
    async with Fetcher(used, resolver) as fetcher:
        found = await asyncio.gather(*(fetcher.fetch(url, ask) for url in urls))
    for each in found:
        each.close()
    return [
        (each.status, each.failure and str(each.failure.code), each.failure.message if each.failure else "")
        for each in found
    ]


# -- the choice


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, ("https", "a.test", 443), "p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, ("http", "a.test", 80), None),
        ({"https_proxy": "p:1", "HTTPS_PROXY": "http://q:2"}, ("https", "a.test", 443), "p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:2"}, ("https", "a.test", 443), None),
        ({"HTTP_PROXY": "http://p:1"}, ("http", "a.test", 80), "p:1"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, ("http", "a.test", 80), None),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, ("http", "a.test", 80), "p:1"),
        ({"ALL_PROXY": "socks5h://p:1"}, ("http", "a.test", 80), "p:1"),
        ({"all_proxy": "http://p", "HTTPS_PROXY": "http://q:2"}, ("http", "a.test", 80), "p:1080"),
        ({"HTTPS_PROXY": "https://p"}, ("https", "a.test", 443), "p:443"),
        ({"HTTP_PROXY": "http://p:1"}, ("http", "127.0.0.1", 80), None),
        ({"HTTP_PROXY": "http://p:1"}, ("http", "[::1]", 80), None),
        ({"HTTP_PROXY": "http://p:1"}, ("http", "x.localhost", 80), None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "b.test"}, ("http", "a.test", 80), "p:1"),
        ({"HTTP_PROXY": "http://p:1", "no_proxy": "a.test"}, ("http", "a.test", 80), None),
        ({}, ("http", "a.test", 80), None),
    ],
)
def test_the_proxy_of_the_environment(
    environment: dict[str, str], url: tuple[str, str, int], expected: str | None
) -> None:
    """The variables are read as curl reads them; HTTP_PROXY is ignored in CGI; loopback is direct."""
    proxy = Proxies.of(None, environment).choose(*url)
    assert (proxy.name if proxy else None) == expected


def test_an_option_replaces_the_environment() -> None:
    """`--proxy ''` uses none, `--proxy URL` that one, and NO_PROXY counts for it."""
    environment = {"HTTP_PROXY": "http://p:1", "NO_PROXY": "b.test"}
    assert Proxies.of("", environment).choose("http", "a.test", 80) is None
    named = Proxies.of("http://q:2", environment)
    assert named.choose("http", "a.test", 80) == parse_proxy("http://q:2")
    assert named.choose("https", "sub.b.test", 443) is None
    assert named.choose("http", "127.0.0.1", 80) is not None  # the user named the proxy for all hosts


@pytest.mark.parametrize(
    ("listed", "host", "port", "direct"),
    [
        ("example.com", "example.com", 80, True),
        ("example.com", "www.example.com", 80, True),
        (".example.com", "www.example.com", 80, True),
        ("*.example.com", "a.b.example.com", 80, True),
        ("example.com", "notexample.com", 80, False),
        ("EXAMPLE.com.", "example.com", 80, True),
        ("a.test, b.test", "b.test", 80, True),
        ("a.test b.test", "b.test", 80, True),
        ("*", "any.test", 80, True),
        ("example.com:8080", "example.com", 8080, True),
        ("example.com:8080", "example.com", 80, False),
        ("192.0.2.1", "192.0.2.1", 80, True),
        ("192.0.2.0/24", "192.0.2.77", 443, True),
        ("192.0.2.0/24", "192.0.3.1", 443, False),
        ("192.0.2.1:8080", "192.0.2.1", 80, False),
        ("2001:db8::/32", "[2001:db8::1]", 80, True),
        ("[2001:db8::1]:81", "[2001:db8::1]", 81, True),
        ("[2001:db8::1]", "[2001:db8::2]", 81, False),
        ("münchen.test", "xn--mnchen-3ya.test", 80, True),
        ("a..b,,!", "a.test", 80, False),
        ("", "a.test", 80, False),
    ],
)
def test_no_proxy(listed: str, host: str, port: int, direct: bool) -> None:
    """Names with all below them, addresses, networks, ports and `*`."""
    assert DirectHosts.parse(listed).include(host, port) is direct


def test_the_url_of_a_proxy() -> None:
    """Credentials are decoded; neither errors nor `repr` quote them."""
    proxy = parse_proxy("http://ann:p%40%C3%A4@proxy.example:3128")
    assert (proxy.user, proxy.password, proxy.name) == ("ann", "p@ä", "proxy.example:3128")
    assert "p@ä" not in repr(proxy) + proxy.url
    assert parse_proxy("ann:pw@proxy.example:3128").url == "http://proxy.example:3128"
    assert parse_proxy("SOCKS5H://[::1]").url == "socks5h://[::1]:1080"
    for text in (
        "ftp://ann:s3cret@proxy.example",
        "http://ann:s3cret@",
        "http://ann:s3cret@proxy:99999",
        "http://ann:s3cret@proxy/path",
        "socks4://ann:s3cret@proxy",
        "http://ann:s3cret @proxy",
        "http://ann:1234#s3cret@proxy:3128",
        "ann:1234#s3cret@proxy:3128",
        "socks5h://ann:12?s3cret@proxy",
        "ann:12/s3cret@proxy",
    ):
        with pytest.raises(UsageError) as caught:
            parse_proxy(text, "HTTPS_PROXY")
        assert "s3cret" not in str(caught.value)
        assert "1234" not in str(caught.value)
        assert "HTTPS_PROXY" in str(caught.value)


# -- on the wire


async def test_https_through_connect(new_site: NewSite) -> None:
    """CONNECT has the credentials, in UTF-8, and the site does not get them; TLS is verified as usual."""
    site = await new_site({"/a": "ok"}, tls=True)
    async with proxy_server("http", site.port, user="ann:pä") as proxy:
        used = options(f"http://ann:p%C3%A4@127.0.0.1:{proxy.port}", ca_file=str(CERTIFICATE))
        assert await fetch(used, "https://tls.test/a") == [(200, None, "")]
        assert (await fetch(used, "https://other.test/a"))[0][1] == "tls_certificate"
    assert proxy.asked == ["tls.test:443", "other.test:443"]
    assert "Proxy-Authorization" not in site.requests[0].headers
    assert proxy.refused == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refused_credentials_are_sent_once(scheme: str) -> None:
    """A status 407 is the proxy's: one message, one request, however many hosts are asked at once."""
    async with proxy_server("http", user="ann:right") as proxy:
        urls = [f"{scheme}://host{number}.test/" for number in range(20)]
        answers = await fetch(options(f"http://ann:wr0ng@127.0.0.1:{proxy.port}"), *urls)
        unnamed = await fetch(options(f"http://127.0.0.1:{proxy.port}"), *urls)
    text = f"the proxy 127.0.0.1:{proxy.port}"
    assert set(answers) == {(None, "proxy_error", f"{text} refused the user name and password (407)")}
    assert set(unnamed) == {(None, "proxy_error", f"{text} requires a user name and password (407)")}
    assert proxy.refused == 2


async def test_a_407_of_a_site_is_its_own(new_site: NewSite) -> None:
    """Without a proxy, and within CONNECT, the status is that of the site."""
    site = await new_site({"/a": 407}, tls=True)
    async with proxy_server("http", site.port) as proxy:
        used = options(f"http://127.0.0.1:{proxy.port}", ca_file=str(CERTIFICATE))
        assert [answer[:2] for answer in await fetch(used, "https://tls.test/a", "https://tls.test/a")] == [
            (407, "http_407")
        ] * 2


@pytest.mark.parametrize(
    ("status", "code"), [(403, "proxy_error"), (502, "connect_error"), (504, "connect_error")]
)
async def test_other_answers_to_connect(status: int, code: str) -> None:
    """The proxy forbids the target, or cannot reach it; both name the proxy."""
    async with proxy_server("http", status=status) as proxy:
        found = await fetch(options(f"http://127.0.0.1:{proxy.port}"), "https://tls.test/a")
    assert found[0][:2] == (None, code)
    assert f"127.0.0.1:{proxy.port}" in found[0][2]
    assert str(status) in found[0][2]


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_is_not_there(scheme: str) -> None:
    """A closed port and an unknown name are errors of the proxy, for every kind."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for place in (f"127.0.0.1:{closed.getsockname()[1]}", "no-such-proxy.invalid:1"):
            found = await fetch(options(f"{scheme}://{place}"), "https://192.0.2.7/", "http://tls.test/")
            codes = {answer[1] for answer in found}
            assert all("(" not in answer[2] and "call" not in answer[2] for answer in found[1:]), found
            assert codes <= {"proxy_error", "address_blocked", "dns_error"}, found
            assert "proxy_error" in codes or scheme == "socks5", found


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_hangs(scheme: str, new_raw: Any) -> None:
    """It is named, and not waited for again. One that has answered others is not what failed."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    port = await new_raw(hang)
    limits = replace(LIMITS, connect_timeout=0.2)
    used = options(f"{scheme}://127.0.0.1:{port}", limits=limits, retries=2)
    (answer,) = await fetch(used, "https://tls.test/", resolver=Answers(tls_test="93.184.215.14"))
    text = f"no connection through the proxy 127.0.0.1:{port} in time (--connect-timeout)"
    assert answer == (None, "proxy_error", text)


async def test_a_site_that_hangs_behind_a_proxy(new_site: NewSite, new_raw: Any) -> None:
    """The proxy connects others, so the timeout is that of the site."""
    site = await new_site({"/a": "ok"}, tls=True)
    async with proxy_server("http", site.port) as proxy:
        used = options(f"http://127.0.0.1:{proxy.port}", ca_file=str(CERTIFICATE), retries=0)
        used = replace(used, limits=replace(LIMITS, connect_timeout=0.5))
        ask = FetchRequest(own=OwnHeaders(site="tls.test"), max_bytes=1000, clock=DomainClock(20))
        async with Fetcher(used) as fetcher:
            (await fetcher.fetch("https://tls.test/a", ask)).close()

            async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await asyncio.sleep(60)

            proxy.to_port = await new_raw(hang)
            slow = await fetcher.fetch("https://slow.test/a", ask)
    assert slow.failure is not None
    assert slow.failure.code == "timeout"
    assert f"127.0.0.1:{proxy.port}" in slow.failure.message


async def test_a_proxy_with_an_untrusted_certificate(new_site: NewSite) -> None:
    """The certificate is the proxy's."""
    proxy = await new_site(tls=True)
    found = await fetch(options(f"https://127.0.0.1:{proxy.port}"), "http://tls.test/")
    assert found[0][1] == "proxy_error"
    assert f"the certificate of the proxy 127.0.0.1:{proxy.port} is not trusted" in found[0][2]


def proxy_tls() -> ssl.SSLContext:
    """TLS of an https proxy that asks for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("tls-key.pem"))
    context.load_verify_locations(CERTIFICATE)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def test_the_tls_of_an_https_proxy_is_its_own(new_site: NewSite) -> None:
    """The client certificate is for the site in the tunnel. --insecure does not concern the proxy."""
    site = await new_site({"/a": "ok"}, tls=True, client_ca=CERTIFICATE)
    certificate = parse_certificate(str(CERTIFICATE), str(CERTIFICATE.with_name("tls-key.pem")))
    async with proxy_server("http", site.port, tls=proxy_tls()) as proxy:
        url = f"https://ann:pw@127.0.0.1:{proxy.port}"
        used = options(url, ca_file=str(CERTIFICATE), certificate=certificate)
        assert await fetch(used, "https://tls.test/a", "http://tls.test/") == [(200, None, "")] * 2
        insecure = replace(used, verify_tls=False)
        assert await fetch(insecure, "https://tls.test/a") == [(200, None, "")]
        assert proxy.certificates == [None] * 3
        asked = len(proxy.heads)
        found = await fetch(replace(insecure, ca_file=None), "https://tls.test/a", "http://tls.test/")
    assert [answer[1] for answer in found] == ["proxy_error"] * 2
    assert all("the certificate of the proxy" in answer[2] for answer in found)
    assert len(proxy.heads) == asked  # it got no password


async def test_a_proxy_that_has_answered() -> None:
    """Requests that waited for the first answer are then sent together."""
    gate = ProxyGate(parse_proxy("http://127.0.0.1:1"))
    together = asyncio.Barrier(4)

    async def wait() -> None:
        async with gate.request():
            await together.wait()

    async with gate.request():
        waiting = [asyncio.create_task(wait()) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert together.n_waiting == 0
    async with asyncio.timeout(GATE_SECONDS - 1):
        await asyncio.gather(*waiting)


async def test_no_proxy_is_direct(new_site: NewSite) -> None:
    """A host of NO_PROXY is asked directly, others through the proxy, in one session."""
    site = await new_site({"/a": "ok"})
    async with proxy_server("http") as proxy:
        environment = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": ".near.test"}
        used = site.options(proxies=Proxies.of(None, environment), limits=LIMITS)
        assert await fetch(used, "http://www.near.test/a") == [(200, None, "")]
        assert proxy.asked == []
        away = CrawlOptions(proxies=Proxies.of(None, environment), limits=LIMITS)
        assert await fetch(away, "http://far.test/a") == [(200, None, "")]
    assert proxy.asked == ["http://far.test/a"]


@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1,near.test"])
async def test_the_address_of_the_proxy_as_a_url(no_proxy: str) -> None:
    """It is allowed for connections to the proxy only: neither requested through it nor directly."""
    async with proxy_server("http") as proxy:
        environment = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": no_proxy}
        used = CrawlOptions(proxies=Proxies.of(None, environment), limits=LIMITS, retries=0)
        own = [
            f"http://{host}:{proxy.port}/menu" for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "near.test")
        ]
        table = Answers(near_test="127.0.0.1", far_test="127.0.0.1")
        found = await fetch(used, "http://far.test/", *own[: 3 if no_proxy else 2], resolver=table)
    assert [answer[:2] for answer in found] == [
        (200, None),
        *[(None, "address_blocked")] * (len(found) - 1),
    ]
    assert proxy.asked == ["http://far.test/"]


# -- SOCKS


class Answers(Resolver):
    """A resolver with the answers of the test."""

    def __init__(self, **table: str) -> None:
        super().__init__(1)
        self._table = {name.replace("_", "."): address for name, address in table.items()}

    async def addresses(self, host: str) -> Addresses:
        if host[0].isdigit() or ":" in host:
            return ((socket.AF_INET, host),)
        return ((socket.AF_INET, self._table[host]),)


async def test_socks_with_names_resolved_here(new_site: NewSite) -> None:
    """`socks5://` sends checked addresses; TLS names stay those of the URL; others are not sent."""
    site = await new_site({"/a": "ok"}, tls=True)
    async with proxy_server("socks", site.port, user="ann:pw") as proxy:
        used = options(f"socks5://ann:pw@127.0.0.1:{proxy.port}", ca_file=str(CERTIFICATE))
        table = Answers(tls_test="93.184.215.14", inner_test="10.0.0.1")
        found = await fetch(
            used, "https://tls.test/a", "https://inner.test/", "http://10.0.0.2/", resolver=table
        )
    assert [answer[:2] for answer in found] == [(200, None), *[(None, "address_blocked")] * 2]
    assert proxy.asked == ["93.184.215.14:443"]


async def test_connections_to_an_address_through_socks(new_site: NewSite) -> None:
    """`--per-address` counts the address of the site, not that of the proxy."""
    site = await new_site({"*": "ok"})
    site.hold = 0.05
    async with proxy_server("socks", site.port) as proxy:
        used = options(f"socks5://127.0.0.1:{proxy.port}", per_address=2)
        table = Answers(**{f"host{number}_test": "93.184.215.14" for number in range(6)})
        urls = [f"http://host{number}.test/" for number in range(6)]
        assert await fetch(used, *urls, resolver=table) == [(200, None, "")] * 6
    assert site.peak == 2


async def test_a_name_that_this_machine_cannot_resolve() -> None:
    """With socks5:// the message says who could."""
    async with proxy_server("socks") as proxy:
        used = options(f"socks5://127.0.0.1:{proxy.port}")
        (answer,) = await fetch(used, "http://no-such-name.invalid/")
    assert answer[1] == "dns_error"
    assert "socks5h://" in answer[2]
    assert proxy.asked == []


async def test_socks_with_names_resolved_there(new_site: NewSite) -> None:
    """`socks5h://` sends the name; only addresses in URLs are checked."""
    site = await new_site({"/a": "ok"}, tls=True)
    async with proxy_server("socks", site.port) as proxy:
        used = options(f"socks5h://127.0.0.1:{proxy.port}", ca_file=str(CERTIFICATE))
        found = await fetch(used, "https://tls.test/a", "http://10.0.0.2/")
    assert [answer[:2] for answer in found] == [(200, None), (None, "address_blocked")]
    assert proxy.asked == ["tls.test:443"]


async def test_socks_that_refuses() -> None:
    """Wrong or missing credentials are sent once; what the proxy cannot reach is the target's error."""
    urls = [f"http://host{number}.test/" for number in range(5)]
    async with proxy_server("socks", user="ann:right") as proxy:
        for said in ("ann:wr0ng@", ""):
            found = await fetch(options(f"socks5h://{said}127.0.0.1:{proxy.port}"), *urls)
            assert {answer[1] for answer in found} == {"proxy_error"}
        assert proxy.refused == 2
    async with proxy_server("socks", status=5) as proxy:
        found = await fetch(options(f"socks5h://127.0.0.1:{proxy.port}"), *urls)
        assert {answer[1:] for answer in found} == {
            (
                "connect_error",
                f"the proxy 127.0.0.1:{proxy.port} cannot connect to the site: connection refused",
            )
        }
