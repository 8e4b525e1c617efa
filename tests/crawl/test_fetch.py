"""Fetching from correct, faulty and hostile servers."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import socket
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from contentmap_cli.crawl.access.proxies import Proxies
from contentmap_cli.crawl.http import responses
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.headers import conditional_headers
from contentmap_cli.crawl.http.own_headers import OwnHeaders
from contentmap_cli.crawl.http.responses import SAMPLE_BYTES, FetchedFile
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.models import Limits

NewSite = Callable[..., Awaitable[Any]]
NewRaw = Callable[..., Awaitable[int]]
QUICK = Limits(connect_timeout=2, read_timeout=0.4, request_timeout=2)
NEVER = 600.0
"""Seconds: longer than `fetching` goes on asking. What ends before that, and with another code, was ended by
what the test is about."""


def raw_options(port: int, **changes: Any) -> CrawlOptions:
    """Options that connect every host to this server, without retries and with short timeouts."""
    base = CrawlOptions(
        connect_to=(ConnectTo(None, None, "127.0.0.1", port),), limits=QUICK, retries=0, backoff=0.01
    )
    return replace(base, **changes)


@asynccontextmanager
async def fetching(
    options: CrawlOptions, url: str = "http://site.test/map.xml", **terms: Any
) -> AsyncIterator[FetchedFile]:
    """One fetch, closed afterwards."""
    own = OwnHeaders(terms.pop("site", "site.test"), options.headers, plain=url.startswith("http:"))
    terms = {"own": own, "validated": url} | terms
    ask = FetchRequest(max_bytes=10_000_000, clock=DomainClock(20))
    async with Fetcher(options) as fetcher:
        with await fetcher.fetch(url, replace(ask, **terms)) as fetched:
            yield fetched


def code(fetched: FetchedFile) -> str | None:
    """The failure's code."""
    return fetched.failure.code if fetched.failure else None


def says(data: bytes, *, then: float = 0.0) -> Callable[..., Awaitable[None]]:
    """A server that reads a request, sends these bytes, waits, and closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(then)

    return handle


async def test_a_file_as_transferred(new_site: NewSite) -> None:
    """The body is as transferred, with gzip; headers, size and time are recorded; the User-Agent is sent."""
    body = gzip.compress(b"<urlset/>")
    headers = {"Content-Type": "application/xml", "ETag": '"e"', "Content-Encoding": "gzip"}
    site = await new_site({"/map.xml": (200, headers, body)})
    async with fetching(site.options(user_agent="Bot/1 (+https://me.test)")) as fetched:
        assert fetched.body is not None
        assert (fetched.body.read(), fetched.size, fetched.status, code(fetched)) == (
            body,
            len(body),
            200,
            None,
        )
        assert (fetched.headers.content_type, fetched.headers.etag) == ("application/xml", '"e"')
        assert fetched.ms is not None
    sent = site.requests[0].headers
    assert sent["User-Agent"] == "Bot/1 (+https://me.test)"
    assert sent["Accept-Encoding"] == "gzip"
    assert sent["Host"] == "site.test"
    assert "Cookie" not in sent


async def test_a_success_is_2xx(new_site: NewSite) -> None:
    """The body of each is read."""
    site = await new_site()
    for status in (200, 201, 202, 203, 206, 226, 299):
        site.pages["/map.xml"] = (status, {}, b"<urlset/>")
        async with fetching(site.options()) as fetched:
            assert (code(fetched), fetched.status, fetched.size) == (None, status, 9)
    for status in (204, 205):
        site.pages["/map.xml"] = status
        async with fetching(site.options()) as fetched:
            assert (code(fetched), fetched.status, fetched.size) == (None, status, 0)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [("bytes 0-8/9", None), ("bytes 0-8/20", "body_truncated"), ("bytes 3-11/12", "body_truncated")],
)
async def test_a_part_that_was_not_asked_for(new_site: NewSite, terms: str, expected: str | None) -> None:
    """206 is a whole file if its Content-Range says so."""
    site = await new_site({"/map.xml": (206, {"Content-Range": terms}, b"<urlset/>")})
    async with fetching(site.options()) as fetched:
        assert (code(fetched), fetched.size) == (expected, 9)


async def test_a_challenge_is_no_success(new_site: NewSite) -> None:
    """A protection service that answers 202 sends no file."""
    site = await new_site({"/map.xml": (202, {"x-amzn-waf-action": "challenge"}, b"")})
    async with fetching(site.options()) as fetched:
        assert (code(fetched), fetched.body) == ("http_202", None)


async def test_other_statuses_are_failures(new_site: NewSite) -> None:
    """They have a code each, including a 304 to an unconditional request."""
    site = await new_site()
    for status in (304, 400, 404, 410, 451, 501):
        site.pages["/map.xml"] = status
        async with fetching(site.options()) as fetched:
            assert (code(fetched), fetched.body) == (f"http_{status}", None)


async def test_conditional_requests(new_site: NewSite) -> None:
    """Validators are sent unchanged, and 304 is then no failure."""
    site = await new_site({"/map.xml": 304})
    conditions = conditional_headers('W/"e"', "Wed, 01 Jan 2025 00:00:00 GMT")
    async with fetching(site.options(), conditions=conditions) as fetched:
        assert (fetched.not_modified, code(fetched)) == (True, None)
    assert site.requests[0].headers["If-None-Match"] == 'W/"e"'
    assert site.requests[0].headers["If-Modified-Since"] == "Wed, 01 Jan 2025 00:00:00 GMT"
    assert conditional_headers('"a"\r\nX: y', None) == {}


async def test_redirects_are_followed_to_their_end(new_site: NewSite) -> None:
    """Relative and absolute redirects, up to five; credentials and fragments are dropped."""
    site = await new_site(
        {
            "/map.xml": (301, {"Location": "b"}, b""),
            "/b": (302, {"Location": "http://ann:pw@www.site.test/c#x"}, b""),
            "/c": (308, {"Location": "//www.site.test/d%20e?q=1&r=%C3%BC"}, b""),
            "/d%20e?q=1&r=%C3%BC": "end",
        }
    )
    async with fetching(site.options()) as fetched:
        assert code(fetched) is None
        assert fetched.final_url == "http://www.site.test/d%20e?q=1&r=%C3%BC"
        assert len(fetched.redirects) == 3
        assert "pw" not in repr(fetched)
    assert "Authorization" not in site.requests[2].headers


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/map.xml", "redirect_loop"),
        ("http://site.test:80/map.xml#again", "redirect_loop"),
        ("ftp://site.test/map.xml", "redirect_scheme"),
        ("file:///etc/passwd", "redirect_scheme"),
        ("javascript:alert(1)", "redirect_scheme"),
        ("http://[bad", "rejected_url"),
        ("http://127.0.0.1:1/", "address_blocked"),
        ("http://[::ffff:10.0.0.1]/", "address_blocked"),
        ("http://169.254.169.254/latest/meta-data/", "address_blocked"),
        ("http://localhost:1/", "address_blocked"),
    ],
)
async def test_redirects_that_are_not_followed(new_site: NewSite, location: str, expected: str) -> None:
    """Loops, other schemes, invalid URLs and private addresses end the fetch with a code."""
    site = await new_site({"/map.xml": (302, {"Location": location}, b"")})
    only_this = ConnectTo("site.test", None, "127.0.0.1", site.port)
    async with fetching(site.options(connect_to=(only_this,))) as fetched:
        assert code(fetched) == expected


async def test_too_many_redirects(new_site: NewSite) -> None:
    """Six hops are one too many."""

    async def onward(request: Any) -> Any:
        return (302, {"Location": f"/{int(request.path.strip('/')) + 1}"}, b"")

    site = await new_site({"*": onward})
    async with fetching(site.options(), "http://site.test/0") as fetched:
        assert (code(fetched), len(site.paths)) == ("too_many_redirects", 6)


async def test_own_headers_stay_on_the_site(new_site: NewSite) -> None:
    """The user's headers are sent to the site, with or without www, and to no other site."""
    site = await new_site(
        {
            "/map.xml": (302, {"Location": "http://www.site.test/b"}, b""),
            "/b": (302, {"Location": "http://else.test/c"}, b""),
            "/c": "end",
        }
    )
    async with fetching(site.options(headers=(("X-Key", "secret"),))) as fetched:
        assert code(fetched) is None
    assert [request.headers.get("X-Key") for request in site.requests] == ["secret", "secret", None]


async def test_own_headers_replace_and_repeat(new_site: NewSite) -> None:
    """A user's header replaces the crawler's, in any case, and may be repeated."""
    site = await new_site({"/map.xml": "ok"})
    headers = (("accept", "text/xml"), ("X-A", "1"), ("X-A", "2"))
    async with fetching(site.options(headers=headers)) as fetched:
        assert code(fetched) is None
    sent = site.requests[0].headers
    assert (sent.getall("Accept"), sent.getall("X-A")) == (["text/xml"], ["1", "2"])


async def test_own_headers_stay_on_tls(new_site: NewSite, ca_file: str) -> None:
    """A redirect from https to http on the same site drops the user's headers."""
    plain = await new_site({"/b": "end"})
    secure = await new_site({"/map.xml": (302, {"Location": "http://tls.test/b"}, b"")}, tls=True)
    options = CrawlOptions(
        connect_to=(
            ConnectTo(None, 443, "127.0.0.1", secure.port),
            ConnectTo(None, 80, "127.0.0.1", plain.port),
        ),
        ca_file=ca_file,
        headers=(("X-Key", "secret"),),
    )
    async with fetching(options, "https://tls.test/map.xml", site="tls.test") as fetched:
        assert code(fetched) is None
    assert secure.requests[0].headers["X-Key"] == "secret"
    assert "X-Key" not in plain.requests[0].headers


HEAD = b"HTTP/1.1 200 OK\r\n"
HOSTILE = {
    "an SSH banner": (b"SSH-2.0-OpenSSH_9.6\r\n", "http_protocol"),
    "HTTP/0.9": (b"<html>hello</html>", "http_protocol"),
    "a bad status line": (b"HTTP/1.1 two hundred\r\n\r\n", "http_protocol"),
    "a bad length": (HEAD + b"Content-Length: -5\r\n\r\n", "http_protocol"),
    "two lengths": (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "http_protocol"),
    "an endless header": (HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n", "http_protocol"),
    "endless headers": (HEAD + b"".join(b"X%d: a\r\n" % n for n in range(5000)) + b"\r\n", "http_protocol"),
    "nothing": (b"", "connect_error"),
    "half a head": (HEAD + b"Content-", "connect_error"),
    "a short body": (HEAD + b"Content-Length: 100\r\n\r\nhalf", "body_truncated"),
    "a broken chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", "http_protocol"),
    "a missing last chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "body_truncated"),
    "trailers without end": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n" + b"X: a\r\n" * 5000, "http_protocol"),
    "a status that is none": (HEAD.replace(b"200", b"000") + b"Content-Length: 0\r\n\r\n", "http_protocol"),
    "a body behind 204": (HEAD.replace(b"200", b"204") + b"\r\n<urlset>", None),
    "a body behind 304": (HEAD.replace(b"200", b"304") + b"\r\n<urlset>", "http_304"),
    "more than the length": (HEAD + b"Content-Length: 4\r\n\r\nhalf of it", None),
    "many interim answers": (b"HTTP/1.1 103 Early\r\n\r\n" * 20 + HEAD + b"\r\nhalf", "http_protocol"),
    "a few interim answers": (b"HTTP/1.1 103 Early\r\n\r\n" * 3 + HEAD + b"\r\nhalf", None),
    "brotli": (HEAD + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nhalf", "unsupported_encoding"),
    "two encodings": (HEAD + b"Content-Encoding: gzip, br\r\n\r\na", "unsupported_encoding"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), HOSTILE.values(), ids=HOSTILE)
async def test_what_is_not_quite_http(new_raw: NewRaw, data: bytes, expected: str | None) -> None:
    """Each violation of the protocol is a failure with a code; a partial body is kept."""
    port = await new_raw(says(data))
    async with fetching(raw_options(port)) as fetched:
        assert code(fetched) == expected
        if b"\nhalf" in data and fetched.status == 200 and expected != "unsupported_encoding":
            assert fetched.body is not None
            assert fetched.body.read() == b"half"


MAP = b"<urlset><url><loc>http://site.test/a</loc></url></urlset>"
ROBOTS = b"User-agent: *\nDisallow: /private/\n"
TOKENS = [
    "UTF-8",
    "none",
    "binary",
    "8bit",
    "aws-chunked",
    "iso-8859-1",
    "x-unknown",
    "identity, utf-8",
    "br",
    "zstd",
]
PLAIN = {
    "a sitemap": MAP,
    "a sitemap behind a mark": b"\xef\xbb\xbf" + MAP,
    "a sitemap in UTF-16": MAP.decode().encode("utf-16-le"),
    "robots.txt": ROBOTS,
    "robots.txt in Cyrillic": "# Карта сайта\nUser-agent: *\nDisallow: /private/\n".encode("cp1251"),
    "a list": b"http://site.test/a\r\nhttp://site.test/b\r\n",
    "a list with a NUL": b"http://site.test/a\nhttp://site.test/b\0\n",
    "gzip": gzip.compress(MAP),
    "nothing": b"",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("token", TOKENS)
async def test_a_coding_that_was_not_applied(new_site: NewSite, token: str, body: bytes) -> None:
    """A Content-Encoding that was not applied to the body is ignored."""
    site = await new_site({"/map.xml": (200, {"Content-Encoding": token}, body)})
    async with fetching(site.options()) as fetched:
        assert code(fetched) is None
        assert fetched.body is not None
        assert (fetched.body.read(), fetched.size) == (body, len(body))


@pytest.mark.parametrize("token", ["br", "zstd", "x-vault", "utf-8", "compress", "deflate", "gzip, br"])
async def test_a_coding_that_cannot_be_undone(new_site: NewSite, token: str) -> None:
    """A body that cannot be decoded is a failure."""
    rubbish = random.Random(7).randbytes(3000)
    site = await new_site({"/map.xml": (200, {"Content-Encoding": token}, rubbish)})
    async with fetching(site.options()) as fetched:
        assert code(fetched) == "unsupported_encoding"
        assert (fetched.body, fetched.size) == (None, 0)


def _deflated(data: bytes, window: int) -> bytes:
    engine = zlib.compressobj(wbits=window)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize("window", [15, -15])
@pytest.mark.parametrize("content", [ROBOTS, MAP * 5000], ids=["small", "large"])
async def test_deflate_is_undone(new_site: NewSite, window: int, content: bytes) -> None:
    """The zlib format and raw deflate are decoded."""
    body = _deflated(content, window)
    site = await new_site({"/map.xml": (200, {"Content-Encoding": "deflate"}, body)})
    async with fetching(site.options()) as fetched:
        assert code(fetched) is None
        assert fetched.body is not None
        assert (fetched.body.read(), fetched.size) == (content, len(content))


async def test_a_cancelled_fetch_closes_its_body_after_the_thread_that_reads_it(
    new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deflate is undone in a thread."""
    began, go_on = threading.Event(), threading.Event()
    inflate, seen = responses.decode_body, []

    def slow(body: BinaryIO, plain: BinaryIO, *terms: Any) -> object:
        began.set()
        go_on.wait()
        seen.append(body.closed or plain.closed)
        return inflate(body, plain, *terms)

    monkeypatch.setattr(responses, "decode_body", slow)
    body = _deflated(b"http://site.test/1\n" * 500, 15)
    site = await new_site({"/map.xml": (200, {"Content-Encoding": "deflate"}, body)})

    async def fetch() -> None:
        async with fetching(site.options()):
            pass

    fetch_task = asyncio.create_task(fetch())
    await asyncio.to_thread(began.wait)
    for _ in range(2):  # an interrupt, and the end of the domain's time
        fetch_task.cancel()
        await asyncio.sleep(0.02)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await fetch_task
    assert seen == [False]


async def test_deflate_that_is_cut_off_or_too_large(new_site: NewSite) -> None:
    """The decoded part is kept with a failure."""
    body = _deflated(b"".join(b"http://site.test/%d\n" % n for n in range(9999)), 15)
    site = await new_site({"/map.xml": (200, {"Content-Encoding": "deflate"}, body[: len(body) // 2])})
    async with fetching(site.options()) as fetched:
        assert code(fetched) == "body_truncated"
        assert fetched.size > 1000
    site = await new_site({"/map.xml": (200, {"Content-Encoding": "deflate"}, body)})
    async with fetching(site.options(limits=replace(QUICK, body_bytes=50_000))) as fetched:
        assert code(fetched) == "body_too_large"
        assert fetched.size == 50_001


async def test_a_body_that_breaks_late(new_raw: NewRaw) -> None:
    """A chunk that is none, after the head was fine, leaves what came before it, at once."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\n")
        await writer.drain()
        await asyncio.sleep(NEVER)

    port = await new_raw(handle)
    limits = replace(QUICK, read_timeout=NEVER, request_timeout=NEVER)
    async with fetching(raw_options(port, limits=limits)) as fetched:
        assert code(fetched) == "http_protocol"
        assert fetched.body is not None
        assert fetched.body.read() == b"half"


async def test_what_a_server_says_is_not_repeated(new_raw: NewRaw) -> None:
    """Reason phrases, escape sequences and header text reach neither message nor value."""
    port = await new_raw(
        says(b"HTTP/1.1 500 \x1b[31mEvil\x07\r\nContent-Type: text/\x1b[2Jxml\r\nContent-Length: 0\r\n\r\n")
    )
    async with fetching(raw_options(port)) as fetched:
        assert fetched.failure is not None
        assert "\x1b" not in repr((fetched.failure, fetched.headers))
        assert "Evil" not in fetched.failure.message


async def test_timeouts(new_raw: NewRaw) -> None:
    """A timeout ends the wait for head and body; a partial body is kept."""
    limits = replace(QUICK, request_timeout=NEVER)
    port = await new_raw(says(b"", then=NEVER))
    async with fetching(raw_options(port, limits=limits)) as fetched:
        assert code(fetched) == "timeout"
    port = await new_raw(says(HEAD + b"Content-Length: 100\r\n\r\nhalf", then=NEVER))
    async with fetching(raw_options(port, limits=limits)) as fetched:
        assert code(fetched) == "timeout"
        assert fetched.body is not None
        assert fetched.body.read() == b"half"


def drips(head: bytes, *, every: float) -> Callable[..., Awaitable[None]]:
    """A server that sends one byte at intervals, forever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(every)

    return handle


async def test_a_drip_is_cut_off(new_raw: NewRaw) -> None:
    """A slow body ends by its rate, a slow head by the request timeout."""
    limits = replace(QUICK, slow_after=0.3, request_timeout=NEVER)
    port = await new_raw(drips(HEAD + b"Content-Length: 100000\r\n\r\n", every=0.05))
    async with fetching(raw_options(port, limits=limits)) as fetched:
        assert code(fetched) == "timeout"
        assert fetched.size > 0
    port = await new_raw(drips(HEAD + b"X: ", every=0.05))
    async with fetching(raw_options(port, limits=replace(QUICK, request_timeout=0.5))) as fetched:
        assert code(fetched) == "timeout"


async def test_endless_interim_answers(new_raw: NewRaw) -> None:
    """A server that repeats `100 Continue` is disconnected at the request timeout."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    port = await new_raw(handle)
    async with fetching(raw_options(port, limits=replace(QUICK, request_timeout=0.5))) as fetched:
        assert code(fetched) in ("http_protocol", "timeout")


async def test_an_endless_body_is_cut(new_raw: NewRaw) -> None:
    """No more than the limit is read and kept."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"a" * 65536)
            await writer.drain()

    port = await new_raw(handle)
    async with fetching(raw_options(port), max_bytes=300_000) as fetched:
        assert (code(fetched), fetched.size) == ("body_too_large", 300_000)
        assert fetched.body is not None
        assert len(fetched.body.read()) == 300_000


@pytest.mark.parametrize("size", [100, 300_000])
async def test_a_body_that_finds_no_room(
    new_site: NewSite, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A full disk is a storage error, not a network error; the request is not repeated."""
    site = await new_site({"/map.xml": b"a" * size})
    monkeypatch.setattr(responses, "spool_file", lambda: Path("/dev/full").open("w+b"))  # noqa: SIM115
    async with fetching(site.options()) as fetched:
        assert (code(fetched), fetched.body, len(site.paths)) == ("storage_error", None, 1)
        assert fetched.failure is not None
        assert "no space left on device" in fetched.failure.message


async def test_retries(new_site: NewSite) -> None:
    """Transient statuses are requested up to three times, permanent ones once."""
    for status, expected in ((503, 3), (502, 3), (429, 3), (500, 3), (404, 1), (403, 1), (501, 1)):
        site = await new_site({"/map.xml": status})
        async with fetching(site.options()) as fetched:
            assert (code(fetched), len(site.paths), fetched.requests) == (
                f"http_{status}",
                expected,
                expected,
            )


async def test_a_server_that_recovers(new_raw: NewRaw) -> None:
    """A connection reset and a 503 have no effect if the file is sent later."""
    answers = [b"", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]
    last = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0) if answers else last)
        await writer.drain()

    port = await new_raw(handle)
    async with fetching(raw_options(port, retries=2)) as fetched:
        assert (code(fetched), fetched.status, answers) == (None, 200, [])


async def test_retry_after_is_honoured(new_site: NewSite) -> None:
    """All requests to the host wait for a short Retry-After."""
    site = await new_site()

    async def busy(_: Any) -> Any:
        return "ok" if len(site.asked) > 1 else (503, {"Retry-After": "1"}, b"")

    site.pages["/map.xml"] = busy
    ask = FetchRequest(max_bytes=1000, clock=DomainClock(20))
    async with Fetcher(site.options(per_host=1)) as fetcher:
        fetched, other = await asyncio.gather(
            *(fetcher.fetch(f"http://site.test/{name}.xml", ask) for name in ("map", "other"))
        )
    fetched.close()
    other.close()
    assert code(fetched) is None
    assert sorted(site.paths) == ["/map.xml", "/map.xml", "/other.xml"]
    assert site.times[1] - site.times[0] > 0.9


async def test_retry_after_beyond_patience(new_site: NewSite) -> None:
    """A long Retry-After is not waited for, and the host gets no request until then."""
    site = await new_site({"*": (503, {"Retry-After": "500"}, b"")})
    ask = FetchRequest(max_bytes=1000, clock=DomainClock(20))
    async with Fetcher(site.options()) as fetcher:
        first = await fetcher.fetch("http://site.test/a", ask)
        second = await fetcher.fetch("http://site.test/b", ask)
        other = await fetcher.fetch("http://other.test/b", ask)
    assert (first.retry_after, code(first)) == (500.0, "http_503")
    assert second.retry_after is not None
    assert (second.requests, other.requests) == (0, 1)


async def test_connect_to_serves_literals_too(new_site: NewSite) -> None:
    """An IP literal is redirected by `--connect-to` and keeps its Host header."""
    site = await new_site({"/map.xml": "ok"})
    async with fetching(site.options(), "http://192.0.2.1:8080/map.xml") as fetched:
        assert code(fetched) is None
    assert site.requests[0].headers["Host"] == "192.0.2.1:8080"


async def test_a_proxy(new_site: NewSite) -> None:
    """The user's proxy may have a local address; it gets the whole URL, and never a local address."""
    proxy = await new_site({"http://site.test/map.xml": "ok", "*": "ok"})
    options = CrawlOptions(
        proxies=Proxies.of(f"http://ann:pw@localhost:{proxy.port}"), limits=QUICK, retries=0
    )
    async with fetching(options) as fetched:
        assert code(fetched) is None
    assert proxy.requests[0].headers["Proxy-Authorization"].startswith("Basic ")
    async with fetching(options, "http://10.0.0.1/") as fetched:
        assert code(fetched) == "address_blocked"
    assert len(proxy.requests) == 1


async def test_the_environment_is_not_asked(new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetcher uses the proxies of its options only; the command line reads the environment."""
    site = await new_site({"/map.xml": "ok"})
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with fetching(site.options()) as fetched:
        assert code(fetched) is None


async def test_connections_are_used_again(new_site: NewSite) -> None:
    """Requests to one host share a connection, also after a 404."""
    site = await new_site({"/a": "ok", "/c": "ok"})
    ask = FetchRequest(max_bytes=1000, clock=DomainClock(20))
    async with Fetcher(site.options()) as fetcher:
        for path in ("a", "missing", "c"):
            (await fetcher.fetch(f"http://site.test/{path}", ask)).close()
    peers = {request.transport.get_extra_info("peername") for request in site.requests if request.transport}
    peers |= {request._transport_peername for request in site.requests}
    assert len(peers) == 1


async def test_a_connection_that_is_never_made() -> None:
    """An unresponsive host fails after the connect timeout, without a retry."""
    with socket.socket() as deaf, contextlib.ExitStack() as taken:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(2):  # nobody accepts: the next one finds no place in the queue
            caller = taken.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        limits = replace(QUICK, connect_timeout=0.2)
        async with fetching(raw_options(deaf.getsockname()[1], limits=limits, retries=2)) as fetched:
            assert (code(fetched), fetched.requests) == ("timeout", 1)


async def test_a_proxy_that_refuses(new_raw: NewRaw) -> None:
    """The proxy's status is not recorded as the site's."""
    port = await new_raw(says(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"))
    options = CrawlOptions(proxies=Proxies.of(f"http://127.0.0.1:{port}"), limits=QUICK, retries=0)
    async with fetching(options, "https://site.test/map.xml") as fetched:
        assert (code(fetched), fetched.status) == ("proxy_error", None)


async def test_the_domains_time_ends_within_a_body(new_raw: NewRaw) -> None:
    """The partial body is kept, with the domain's time limit as the reason."""
    port = await new_raw(drips(HEAD + b"Content-Length: 100000\r\n\r\n", every=0.05))
    async with fetching(raw_options(port), clock=DomainClock(0.5)) as fetched:
        assert (code(fetched), fetched.status) == ("deadline", 200)
        assert fetched.size > 0


async def test_a_connection_that_is_reset_within_a_body(new_raw: NewRaw) -> None:
    """The body is truncated."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n" + b"a" * 1000)
        await writer.drain()
        await asyncio.sleep(0.1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with fetching(raw_options(await new_raw(reset))) as fetched:
        assert (code(fetched), fetched.size) == ("body_truncated", 1000)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"a" * 0x4000 + b"\r\n4000\r\n" + b"a" * 0x4000,
        b"Transfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 9,
    ],
)
async def test_the_body_of_a_failure_is_nobodys(new_raw: NewRaw, rest: bytes) -> None:
    """The body of a failed response, long, truncated or endless, does not change the outcome."""
    port = await new_raw(says(b"HTTP/1.1 404 No\r\n" + rest))
    async with fetching(raw_options(port)) as fetched:
        assert (code(fetched), fetched.status) == ("http_404", 404)


REFUSED = b"<title>Denied</title>" + b"<p>No entry.</p>" * 10


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (403, {"Content-Type": "text/html; charset=utf-8"}, REFUSED, REFUSED),
        (
            503,
            {"Content-Type": "TEXT/HTML", "Content-Encoding": "gzip"},
            gzip.compress(REFUSED, mtime=0),
            REFUSED,
        ),
        (404, {"Content-Type": "application/xhtml+xml"}, REFUSED, REFUSED),
        (202, {"Content-Type": "text/plain", "sg-captcha": "challenge"}, REFUSED, REFUSED),
        (429, {"Content-Type": "text/html"}, b"", b""),
        (403, {"Content-Type": "text/html"}, b"a" * 60_000, b"a" * SAMPLE_BYTES),
        (403, {"Content-Type": "text/html"}, b"a" * 2_000_000, b"a" * SAMPLE_BYTES),
        (403, {"Content-Type": "text/html"}, gzip.compress(b"a" * 9_000_000, mtime=0), b"a" * SAMPLE_BYTES),
        (403, {"Content-Type": "text/html", "Content-Encoding": "br"}, REFUSED, b""),
        (403, {"Content-Type": "application/json"}, b"{}", b""),
        (302, {"Content-Type": "text/html", "Location": "http://[bad"}, REFUSED, b""),
        (300, {"Content-Type": "text/html"}, REFUSED, REFUSED),
        (200, {"Content-Type": "text/html"}, REFUSED, b""),
    ],
)
async def test_sample_of_another_answer(
    new_site: NewSite, status: int, headers: dict[str, str], body: bytes, expected: bytes
) -> None:
    """A response other than 200 keeps the decoded beginning of a page, and nothing of other types."""
    site = await new_site({"/map.xml": (status, headers, body)})
    async with fetching(site.options(retries=0)) as fetched:
        assert (fetched.status, fetched.sample) == (status, expected)


async def test_sample_of_a_body_that_breaks_off(new_raw: NewRaw) -> None:
    """The received part of a refused page is kept."""
    head = b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: 9000\r\n\r\n"
    port = await new_raw(says(head + REFUSED))
    async with fetching(raw_options(port)) as fetched:
        assert (code(fetched), fetched.sample) == ("http_403", REFUSED)


async def test_connection_is_used_again_after_a_sample(new_site: NewSite) -> None:
    """The connection of a small refused page is reused."""
    ports: list[int] = []

    async def refuse(request: Any) -> Any:
        ports.append(request.transport.get_extra_info("peername")[1])
        return (403, {"Content-Type": "text/html"}, REFUSED)

    site = await new_site({"*": refuse})
    ask = FetchRequest(max_bytes=10_000, clock=DomainClock(20))
    async with Fetcher(site.options(retries=0)) as fetcher:
        for path in ("a", "b"):
            with await fetcher.fetch(f"http://site.test/{path}", ask) as fetched:
                assert fetched.sample == REFUSED
    assert len(ports) == 2
    assert ports[0] == ports[1]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"cf-mitigated": "challenge"}, True),
        ({"CF-Mitigated": " Challenge "}, True),
        ({"x-amzn-waf-action": "challenge"}, True),
        ({"x-amzn-waf-action": "captcha"}, True),
        ({"X-DataDome": "protected", "X-DD-B": "1"}, True),
        ({"x-sucuri-block": "XSS1"}, True),
        ({"x-vercel-mitigated": "challenge"}, True),
        ({"SG-Captcha": "challenge"}, True),
        ({"X-DataDome": "protected"}, False),
        ({"x-amzn-waf-action": "allow"}, False),
        ({"x-sucuri-id": "18001", "x-iinfo": "9-1", "cf-ray": "1-FRA", "Server": "cloudflare"}, False),
        ({}, False),
    ],
)
async def test_headers_that_mark_a_challenge(
    new_site: NewSite, headers: dict[str, str], expected: bool
) -> None:
    """A header of a protection service's own pages counts, one of all pages does not."""
    site = await new_site({"/map.xml": (200, {"Content-Type": "text/html", **headers}, b"x")})
    async with fetching(site.options()) as fetched:
        assert fetched.headers.challenge is expected
        assert fetched.headers.server == headers.get("Server", fetched.headers.server)


async def test_link_headers(new_raw: NewRaw) -> None:
    """All values of Link are kept unchanged, up to the limits."""
    lines = b"Link: </a.xml>; rel=sitemap\r\nlink: </b>; rel=alternate, </c>; rel=x\r\n"
    port = await new_raw(says(HEAD + lines + b"Content-Length: 0\r\n\r\n"))
    async with fetching(raw_options(port)) as fetched:
        assert fetched.headers.link == ("</a.xml>; rel=sitemap", "</b>; rel=alternate, </c>; rel=x")
    port = await new_raw(says(HEAD + b"Link: </a>\r\n" * 100 + b"Content-Length: 0\r\n\r\n"))
    async with fetching(raw_options(port)) as fetched:
        assert fetched.headers.link == ("</a>",) * 20
