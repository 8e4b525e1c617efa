"""Answers the crawler with heads, bodies and robots.txt that no server would send, for as long as one likes.

usage: python tests/fuzz/fuzz_http.py [--seconds 60] [--seed N]

A real server on loopback sends the bytes, in pieces, and the real `Fetcher` asks for them. Every answer must
come back as an outcome within its time: nothing raises, the loop is told of nothing, what is kept is fit
to be recorded. A robots.txt must give sitemaps without credentials, a delay within its cap, and yes or no
for every URL, in time that grows with its size alone. What fails is kept in the current folder as
`fuzz-<seed>.bin`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import random
import re
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[2]))

from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.options import CrawlOptions, parse_connect_to
from contentmap_cli.crawl.robots import read_robots
from contentmap_cli.models import Limits

AT_ONCE = 32
ROBOTS_A_ROUND = 16
LIMITS = Limits(
    connect_timeout=2.0, read_timeout=1.0, request_timeout=3.0, body_bytes=256 * 1024, redirects=3
)
PATIENCE = (LIMITS.redirects + 1) * (LIMITS.request_timeout + 1.0)
DELAY_CAP = 10.0
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

STATUS_LINES = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 301 Moved", b"HTTP/1.1 302 "),
    *(b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 404 No", b"HTTP/1.1 429 Later", b"HTTP/1.1 503 Later"),
    *(b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Switching", b"HTTP/1.1 103 Hints", b"HTTP/1.1 204 Nothing"),
    *(
        b"HTTP/1.1 999 X",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 000",
        b"HTTP/1.1 -1 X",
        b"HTTP/9.9 200 OK",
        b"ICY 200 OK",
    ),
    *(b"HTTP/1.1 200 \xff\xfe", b"HTTP/1.1 99999 X", b"HTTP/2 200", b"", b"\x16\x03\x01\x02", b"<html>"),
]
FIELDS = [
    *(
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: -1",
    ),
    *(b"Content-Length: 5, 5", b"Content-Length: 0x5", b"Content-Length: +5", b"Content-Length:"),
    *(
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip, chunked",
    ),
    *(b"Transfer-Encoding: identity", b"Transfer-Encoding:\tchunked", b"transfer-encoding : chunked"),
    *(
        b"Content-Encoding: gzip",
        b"Content-Encoding: br",
        b"Content-Encoding: gzip, gzip",
        b"Content-Encoding: \xe9",
    ),
    *(
        b"Content-Type: text/xml",
        b"Content-Type: =1+1\x1b[2J",
        b'Content-Type: text/xml; charset="',
        b"ETag: \x80\xff",
    ),
    *(b'ETag: W/"1"', b"ETag: " + b"e" * 9000, b"Last-Modified: now", b"Retry-After: 0", b"Retry-After: 1e9"),
    *(
        b"Retry-After: Fri, 99 Foo 9999 99:99:99 GMT",
        b"Retry-After: -5",
        b"Connection: close",
        b"Connection: upgrade",
    ),
    *(
        b"Connection: keep-alive",
        b"Upgrade: h2c",
        b"Set-Cookie: a=b",
        b" folded",
        b"\tfolded",
        b"no colon",
        b": empty",
    ),
    *(
        b"X: \x00",
        b"X: \r",
        b"X\x00: y",
        b"X: " + b"y" * 17_000,
        b"\xc3\xa9: x",
        b"Trailer: ETag",
        b"Date: never",
    ),
]
SOUND_STATUS_LINES = [
    *(
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 302 Found",
        b"HTTP/1.1 307 Moved",
        b"HTTP/1.0 200 OK",
    ),
    *(b"HTTP/1.1 429 Later", b"HTTP/1.1 404 No"),
]
SOUND_FIELDS = [
    *(b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Type: =1+1\x80", b'ETag: W/"1"'),
    *(
        b"Retry-After: 1e9",
        b"Retry-After: Fri, 99 Foo 9999 99:99:99 GMT",
        b"Connection: close",
        b"Date: never",
    ),
    *(b"Last-Modified: now", b"Connection: keep-alive", b"Set-Cookie: a=b", b"X: " + b"y" * 5000),
]
LOCATIONS = [
    *(
        b"/",
        b"//",
        b"http://",
        b"http://[::1",
        b"http://a.test:99999/",
        b"ftp://a.test/",
        b"javascript:1",
        b"?",
        b"#",
    ),
    *(
        b"http://user:pw@b.test/",
        b"//user@b.test/x",
        b"\\\\b.test\\x",
        b"http://\xff.test/",
        b"http://a..test/",
        b"",
    ),
    *(
        b"http://b.test/" + b"x" * 9000,
        b"http://xn--\x80/",
        b"http:///x",
        b"https://b.test/",
        b" http://b.test/ ",
    ),
]
BODIES = [
    *(
        b"",
        b"hello",
        b"hello world",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nETag: x\r\n\r\n",
        b"5\r\nhel",
    ),
    *(
        b"5;a=b\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello",
        b"-5\r\nhello\r\n",
        b"ffffffffffffffff\r\nx",
        b"5\nhello\n0\n\n",
    ),
    *(
        b"0005\r\nhello\r\n000\r\n\r\n",
        b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"1\r\na\r\n" * 3000 + b"0\r\n\r\n",
    ),
    *(gzip.compress(b"<urlset/>"), gzip.compress(b"x" * 10**6), b"\x1f\x8b", b"\x00" * 5000, b"y" * 300_000),
]
ROBOTS = [
    *(
        "User-agent: *",
        "User-agent: ContentMap",
        "user agent contentmap",
        "User-agent:",
        "USER-AGENT: x",
        "User-agent",
    ),
    *(
        "Disallow: /",
        "Disallow:",
        "Disallow: /*.php$",
        "Disallow: " + "*a" * 50,
        "Disallow: /%zz",
        "Disallow: /ä%",
    ),
    *(
        "Allow: /a",
        "Allow: $",
        "Allow: " + "/" * 500,
        "Allow: *$*",
        "Noindex: /",
        "Disallow /x",
        "disalow: /y",
        ":",
    ),
    *(
        "Crawl-delay: 1",
        "Crawl-delay: -1",
        "Crawl-delay: nan",
        "Crawl-delay: inf",
        "Crawl-delay: 1e400",
        "Crawl-delay: x",
    ),
    *(
        "Request-rate: 1/5",
        "Request-rate: 1/0",
        "Request-rate: 0/0s 9999-9999",
        "Request-rate: x",
        "Visit-time: 9-",
    ),
    *(
        "Sitemap: /s.xml",
        "Sitemap: http://u:pw@a.test/s.xml",
        "Sitemap: http://[",
        "Sitemap:",
        "sitemap /a b",
        "Host: x",
    ),
    *(
        "Sitemap: //u:pw@b.test/x",
        "Sitemap: u:pw@a.test",
        "Sitemap: http://a.test/\x00",
        "Sitemap: sitemap: sitemap: /x",
    ),
    *(
        "# comment",
        "#",
        "",
        "\x00",
        "\ufeff",
        "\u2028",
        "<html>",
        "<!DOCTYPE html>",
        "<urlset>",
        "\x1b[2J",
        "a" * 5000,
    ),
]
PATHS = ("/", "/a", "/a/b.php", "/%zz", "/ä", "/?q=1#f", "/" + "a" * 2000, "", "//x")


def scrambled(rng: random.Random, data: bytes) -> bytes:
    """The bytes with a few of them lost, doubled, changed or swapped."""
    changed = bytearray(data)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            del changed[at : at + rng.randint(1, 9)]
        elif kind == 1:
            changed[at:at] = bytes(rng.choices(b"\r\n\0 :;,\t\xff0a", k=rng.randint(1, 4)))
        elif kind == 2:
            changed[at:at] = changed[max(0, at - 40) : at]
        else:
            changed[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(changed)


def answer(rng: random.Random) -> bytes:
    """One answer: interim heads, a head and a body, in an order that may be none. Half the heads are sound:
    what is broken elsewhere would not be reached behind a broken head."""
    if rng.random() < 0.5:
        status = rng.choice(SOUND_STATUS_LINES)
        fields = rng.sample(SOUND_FIELDS, rng.randint(0, 4)) + location(
            rng, 0.3 if b" 200" in status else 0.9
        )
        return b"\r\n".join((status, *fields)) + b"\r\n\r\n" + scrambled(rng, rng.choice(BODIES))
    parts = []
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 30))):
        fields = rng.choices(SOUND_FIELDS if rng.random() < 0.5 else FIELDS, k=rng.choice((0, 1, 3, 8, 250)))
        fields += location(rng, 0.4)
        end = rng.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
        line = rng.choice(STATUS_LINES) if rng.random() < 0.5 else STATUS_LINES[0]
        parts.append(end.join((line, *fields)) + end + rng.choice((end, end, end, b"")))
    return scrambled(rng, b"".join(parts)) + scrambled(rng, rng.choice(BODIES))


def location(rng: random.Random, share: float) -> list[bytes]:
    """A Location for a share of the answers, half of them to another answer of this server."""
    if rng.random() > share:
        return []
    onward = b"/%d" % rng.randrange(10**9)
    return [b"Location: " + (rng.choice(LOCATIONS) if rng.random() < 0.5 else onward)]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a request for `/<seed>` with that seed's bytes, in pieces, and mostly hangs up then."""
    with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        head = await reader.readuntil(b"\r\n\r\n")
        number = re.match(rb"GET \S*?/(\d+)", head)
        rng = random.Random(int(number[1]) if number else len(head))
        data = answer(rng)
        pieces = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
        for start, end in zip([0, *pieces], [*pieces, len(data)], strict=True):
            writer.write(data[start:end])
            await writer.drain()
            await asyncio.sleep(0)
        if rng.random() < 0.1:
            await asyncio.wait_for(reader.read(1), 5)
    writer.close()


def check_fetched(fetched: FetchedFile) -> None:
    """Asserts that an outcome is complete and fit to be recorded."""
    assert (fetched.failure is None) <= (fetched.status in (200, 304)), fetched
    assert fetched.requests <= LIMITS.redirects + 1, fetched
    assert fetched.status is None or 100 <= fetched.status <= 999 or fetched.failure, fetched
    if fetched.body is not None:
        assert fetched.status == 200, fetched
        assert len(fetched.body.read()) == fetched.size <= LIMITS.body_bytes, fetched
    headers = fetched.headers
    for value in (headers.content_type, headers.etag, headers.last_modified):
        assert value is None or (len(value) <= 500 and not CONTROL.search(value)), fetched
    for url in (fetched.final_url, *fetched.redirects):
        assert urlsplit(url).scheme in ("http", "https"), fetched
        assert "@" not in urlsplit(url).netloc, fetched
        assert url.isascii() and url.isprintable(), fetched
    if fetched.failure is not None:
        assert fetched.failure.code != "internal_error", fetched
        assert len(fetched.failure.message) < 500, fetched
        assert "pw@" not in fetched.failure.message, fetched


async def fetch(fetcher: Fetcher, seed: int) -> None:
    """One answer's outcome, checked."""
    ask = FetchRequest(max_bytes=LIMITS.body_bytes, clock=DomainClock(PATIENCE), retries=0)
    async with asyncio.timeout(PATIENCE + 5.0):
        with await fetcher.fetch(f"http://h{seed}.test/{seed}", ask) as fetched:
            check_fetched(fetched)


def robots_text(rng: random.Random) -> bytes:
    """A robots.txt of lines that are nearly right."""
    lines = rng.choices(ROBOTS, k=rng.choice((1, 3, 10, 30, 30, 300)))
    text = rng.choice(("\n", "\n", "\r\n", "\r", "\u2028")).join(lines * rng.choice((1, 1, 1, 20)))
    data = scrambled(rng, text.encode(rng.choice(("utf-8", "utf-8", "utf-16", "utf-16-be")), "replace"))
    return gzip.compress(data) if rng.random() < 0.1 else data


def check_robots(data: bytes) -> None:
    """Asserts that a robots.txt has a meaning whatever its bytes are."""
    url = "http://a.test/robots.txt"
    started = time.process_time()
    robots = read_robots(
        FetchedFile(url, url, status=200, body=io.BytesIO(data), size=len(data)),
        limits=LIMITS,
        user_agent="ContentMap/1.0",
        delay_cap=DELAY_CAP,
    )
    for path in PATHS:
        assert robots.allows(f"http://a.test{path}") in (True, False)
    spent = time.process_time() - started
    assert spent < 1.0 + 20.0 * len(data) / 1e6, spent
    assert robots.delay is None or 0 < robots.delay <= DELAY_CAP, robots.delay
    for sitemap in robots.sitemaps:
        parts = urlsplit(sitemap)
        assert parts.scheme in ("http", "https") and parts.hostname, sitemap
        assert "@" not in parts.netloc, sitemap
    assert len(set(robots.sitemaps)) == len(robots.sitemaps), robots.sitemaps


async def run(seed: int, seconds: float) -> tuple[int, int]:
    """Rounds of answers and robots files until the time is up: how many of each."""
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = CrawlOptions(limits=LIMITS, connect_to=(parse_connect_to(f"::127.0.0.1:{port}"),))
    end = time.monotonic() + seconds
    answers = files = 0
    async with Fetcher(options) as fetcher:
        while time.monotonic() < end:
            seeds = range(seed + answers, seed + answers + AT_ONCE)
            outcomes = await asyncio.gather(*(fetch(fetcher, each) for each in seeds), return_exceptions=True)
            for each, outcome in zip(seeds, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    keep(each, answer(random.Random(each)))
                    raise outcome
            if reported:
                keep(seeds[0], repr(reported).encode())
                raise AssertionError(f"seeds {seeds[0]} to {seeds[-1]}: {reported[0]}")
            answers += AT_ONCE
            for _ in range(ROBOTS_A_ROUND):
                data = robots_text(random.Random(seed + files))
                try:
                    check_robots(data)
                except Exception:
                    keep(seed + files, data)
                    raise
                files += 1
    server.close()
    return answers, files


def keep(seed: int, data: bytes) -> None:
    """Keeps what failed."""
    print(f"seed {seed} fails", file=sys.stderr)
    Path(f"fuzz-{seed}.bin").write_bytes(data)


def main() -> int:
    """Runs until the time is up; 1 as soon as one input fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    options = parser.parse_args()
    try:
        answers, files = asyncio.run(run(options.seed, options.seconds))
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{answers} answers and {files} robots.txt from seed {options.seed} on: all came back as outcomes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
