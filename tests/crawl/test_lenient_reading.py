"""What clients accept although it is not quite HTTP, and encodings that were not asked for."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import brotli
import pytest

from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.protocol import lenient_head
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.models import Limits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NewRaw = Callable[..., Awaitable[int]]
NewSite = Callable[..., Awaitable[Any]]
BODY = b"<urlset>" + b"<url><loc>http://site.test/a</loc></url>" * 5000 + b"</urlset>"


async def fetch(port: int, **limits: Any) -> FetchedFile:
    """Fetch one file without retries."""
    options = CrawlOptions(
        connect_to=(ConnectTo(None, None, "127.0.0.1", port),),
        retries=0,
        limits=Limits(request_timeout=5, **limits),
    )
    ask = FetchRequest(max_bytes=10_000_000, clock=DomainClock(20))
    async with Fetcher(options) as fetcher:
        return await fetcher.fetch("http://site.test/map.xml", ask)


def raw_deflate(data: bytes) -> bytes:
    """Return deflate without the zlib format."""
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


ENCODERS = {
    "deflate": zlib.compress,
    "raw": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "frames": lambda data: zstd.compress(data[:1000]) + zstd.compress(data[1000:]),
}
TOKENS = {"raw": "deflate", "frames": "zstd"}


@pytest.mark.parametrize("name", ENCODERS)
async def test_an_encoding_that_was_not_asked_for(new_site: NewSite, name: str) -> None:
    """The body is that of an answer without the encoding; a damaged one is truncated, a large one cut."""
    data = ENCODERS[name](BODY)
    headers = {"Content-Encoding": TOKENS.get(name, name)}
    site = await new_site({"/map.xml": (200, headers, data)})
    with await fetch(site.port) as fetched:
        assert fetched.failure is None
        assert fetched.body is not None
        assert fetched.body.read() == BODY
    with await fetch(site.port, body_bytes=150_000) as fetched:
        assert (fetched.failure and fetched.failure.code, fetched.size) == ("body_too_large", 150_001)
    site.pages["/map.xml"] = (200, headers, data[:-5])
    with await fetch(site.port) as fetched:
        assert fetched.failure is not None
        assert fetched.failure.code == "body_truncated"
    site.pages["/map.xml"] = (200, headers, b"\x00\x01\x02" * 50)
    with await fetch(site.port) as fetched:
        assert fetched.failure is not None
        assert fetched.failure.code == "unsupported_encoding"


HEAD = b"HTTP/1.1 200 OK\r\n"
LENIENT = {
    "equal lengths": (b"Content-Length: 4\r\nX: y\r\ncontent-length: 4\r\n\r\nbodymore", b"body"),
    "a list of equal lengths": (b"Content-Length: 4, 4\r\n\r\nbodymore", b"body"),
    "identity": (b"Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "identity until the end": (b"X: y\r\nTransfer-Encoding: Identity\r\n\r\nbody", b"body"),
    "identity and chunked": (b"Transfer-Encoding: identity, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", b"body"),
    "a long header": (b"X: " + b"a" * 64 * 1024 + b"\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "many headers": (b"".join(b"X-%d: %b\r\n" % (n, b"a" * 80) for n in range(700)) + b"\r\nbody", b"body"),
    "different lengths": (b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody", None),
}


@pytest.mark.parametrize(("rest", "expected"), LENIENT.values(), ids=LENIENT)
async def test_a_head_that_clients_accept(new_raw: NewRaw, rest: bytes, expected: bytes | None) -> None:
    """The body is read; framing that contradicts itself is an error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + rest)
        await writer.drain()

    with await fetch(await new_raw(serve)) as fetched:
        assert (fetched.body.read() if fetched.body else None) == expected
        assert (fetched.failure is None) is (expected is not None)


async def test_a_head_in_pieces(new_raw: NewRaw) -> None:
    """A head that arrives byte by byte, after an interim one, is the same."""
    data = b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + HEAD + LENIENT["equal lengths"][0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    with await fetch(await new_raw(serve)) as fetched:
        assert fetched.body is not None
        assert fetched.body.read() == b"body"


def test_a_usual_head_is_kept() -> None:
    """Nothing is changed without a reason."""
    head = HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\nX: identity\r\n\r\n"
    assert lenient_head(head) is head
