"""Cases that attack below the document: HTTP, its framing, its codings, its redirects, time itself."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from functools import cache
from itertools import count, repeat

from hostile_server import HEAD, Call, Case, Made, Page, answer, robots, urlset

MEGABYTE = 1_000_000
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FOREVER = 10_000.0
CASES: list[Case] = []


def case(
    name: str,
    outcome: str,
    code: str | None,
    sitemap: Page | None = None,
    *,
    urls: int | None = None,
    scheme: str = "http",
    heavy: bool = False,
    **pages: Page,
) -> None:
    """Adds a case: its sitemap, or pages by name, where `robots`, `home` and `every` stand for paths."""
    paths = {"robots": "/robots.txt", "home": "/", "every": "*", "tls": "tls"}
    served = {paths.get(path, f"/{path}.xml"): page for path, page in pages.items()}
    if sitemap is not None:
        served["/sitemap.xml"] = sitemap
    CASES.append(Case(name, outcome, code, served, urls, scheme, heavy))


def good(name: str, number: int = 3) -> bytes:
    """A good sitemap for the host of a case."""
    return urlset(f"{name}.test", number)


def begun(name: str) -> bytes:
    """A sitemap that goes on after three whole entries."""
    return good(name).removesuffix(b"</urlset>\n")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- compression


@cache
def gzip_zeros(size: int, start: bytes = b"") -> bytes:
    """Gzip data of `start` and `size` zero bytes, a thousandth of that, by repeating what a megabyte gives.

    The checksum at its end is wrong: nobody gets there.
    """
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = engine.compress(start) + engine.flush(zlib.Z_FULL_FLUSH)
    block = engine.compress(bytes(MEGABYTE)) + engine.flush(zlib.Z_FULL_FLUSH)
    return first + block * (size // MEGABYTE) + engine.flush()


def bomb(body: Callable[[bool], bytes], *headers: bytes) -> Made:
    """An answer whose body is made later."""
    return Made(lambda full: answer(body(full), *headers))


def much(full: bool) -> int:
    """Ten gigabytes, or what is twice the limit."""
    return (10_000 if full else 100) * MEGABYTE


BOMB = bomb(lambda full: gzip_zeros(much(full)))
SMALL_BOMB = bomb(lambda _: gzip_zeros(much(False)))  # within the limits of robots.txt and home pages
case("bomb", "failed", "body_too_large", BOMB)
case(
    "bomb-encoded",
    "failed",
    "body_too_large",
    bomb(lambda full: gzip_zeros(much(full)), b"Content-Encoding: gzip"),
)
case(
    "bomb-with-urls",
    "partial",
    "body_too_large",
    bomb(lambda full: gzip_zeros(much(full), begun("bomb-with-urls"))),
    urls=3,
)
case(
    "bomb-nested",
    "failed",
    "body_too_large",
    bomb(lambda full: gzip.compress(gzip_zeros(much(full)), 9, mtime=0)),
)
case("bomb-everywhere", "failed", "body_too_large", robots=robots("bomb-everywhere.test"), every=BOMB)
case(
    "nested-thrice",
    "failed",
    "unsupported_encoding",
    answer(gzip.compress(gzip.compress(gzip.compress(good("nested-thrice"))))),
)
case(
    "members",
    "failed",
    "decompress_members",
    bomb(lambda full: gzip.compress(b"", mtime=0) * (500_000 if full else 5000)),
)
case(
    "members-nested",
    "failed",
    "decompress_members",
    bomb(lambda full: gzip.compress(gzip.compress(b"", mtime=0) * (500_000 if full else 5000), mtime=0)),
)
case(
    "gzip-endless-name",
    "failed",
    "body_truncated",
    bomb(lambda full: b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * (5 if full else 1) * MEGABYTE),
)
case(
    "gzip-truncated", "partial", "body_truncated", answer(gzip.compress(good("gzip-truncated", 2000))[:-2000])
)
case(
    "gzip-checksum",
    "partial",
    "body_truncated",
    answer(gzip.compress(good("gzip-checksum"))[:-8] + b"12345678"),
    urls=3,
)
case("gzip-garbage", "ok", None, answer(gzip.compress(good("gzip-garbage")) + b"garbage" * 1000), urls=3)
for coding in ("br", "zstd", "deflate", "compress", "xz", "aes128gcm"):
    case(
        f"coding-{coding}",
        "failed",
        "unsupported_encoding",
        answer(bytes(range(256)) * 4000, b"Content-Encoding: " + coding.encode()),
    )
case(
    "coding-list",
    "ok",
    None,
    answer(good("coding-list"), b"Content-Encoding: " + b"gzip, br, " * 1500),
    urls=3,  # the content is plain, whatever the list says
)
case("coding-lies", "ok", None, answer(good("coding-lies"), b"Content-Encoding: gzip"), urls=3)
case(
    "coding-deflate-lies",
    "failed",
    "unsupported_encoding",
    bomb(lambda full: zlib.compress(bytes(60 * MEGABYTE), 9), b"Content-Encoding: deflate"),
)


# -- time and size


async def silence(call: Call) -> None:
    """Nothing, for ever."""
    await asyncio.sleep(FOREVER)


async def slow_head(call: Call) -> None:
    await call.stream(HEAD + b"X-Slow: ", repeat(b"a"), every=0.1)


async def slow_body(call: Call) -> None:
    head = HEAD + b"Content-Length: 1000000\r\n\r\n" + begun("slow-body")
    await call.stream(head, repeat(b" "), every=0.1)


async def endless_body(call: Call) -> None:
    await call.stream(HEAD + b"\r\n" + begun("endless-body"), repeat(b" " * 65536))


async def endless_urls(call: Call) -> None:
    pieces = (
        "".join(
            f"<url><loc>http://endless-urls.test/{start + each}/{'x' * 500}</loc></url>\n"
            for each in range(100)
        ).encode()
        for start in count(0, 100)
    )
    await call.stream(HEAD + b"\r\n<urlset>", pieces)


async def endless_header(call: Call) -> None:
    await call.stream(HEAD + b"X: ", repeat(b"a" * 65536))


async def endless_headers(call: Call) -> None:
    await call.stream(HEAD, repeat(b"X: a\r\n" * 10_000))


async def endless_reason(call: Call) -> None:
    await call.stream(b"HTTP/1.1 200 ", repeat(b"a" * 65536))


async def endless_interim(call: Call) -> None:
    await call.stream(b"", repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000))


async def endless_early_hints(call: Call) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    await call.stream(b"", repeat(hints), every=0.005)


async def endless_extension(call: Call) -> None:
    await call.stream(CHUNKED + b"1;", repeat(b"a" * 65536))


async def chunk_extensions(call: Call) -> None:
    await call.stream(CHUNKED, repeat(b"1;" + b"a" * 10_000 + b"\r\n \r\n"))


async def endless_trailers(call: Call) -> None:
    await call.stream(CHUNKED + chunk(good("endless-trailers")) + b"0\r\n", repeat(b"X: a\r\n" * 10_000))


async def endless_trailer(call: Call) -> None:
    await call.stream(CHUNKED + chunk(good("endless-trailer")) + b"0\r\nX: ", repeat(b"a" * 65536))


async def tiny_chunks(call: Call) -> None:
    body = good("tiny-chunks", 2000)
    pieces = (body[start : start + 5000] for start in range(0, len(body), 5000))
    await call.stream(CHUNKED, (b"".join(b"1\r\n%c\r\n" % byte for byte in piece) for piece in pieces))
    await call.send(b"0\r\n\r\n")


async def endless_tiny_chunks(call: Call) -> None:
    await call.stream(CHUNKED + chunk(begun("endless-tiny-chunks")), repeat(b"1\r\n \r\n" * 20_000))


async def endless_error(call: Call) -> None:
    await call.stream(b"HTTP/1.1 404 Not Found\r\n\r\n", repeat(b"a" * 65536))


async def slow_error(call: Call) -> None:
    await call.stream(b"HTTP/1.1 404 Not Found\r\n\r\n", repeat(b"a"), every=0.1)


case("silence", "failed", "timeout", silence)
case("silent-host", "failed", "timeout", every=silence, heavy=True)
case("slow-head", "failed", "timeout", slow_head)
case("slow-body", "partial", "timeout", slow_body, urls=3)
case("endless-body", "partial", "body_too_large", endless_body, urls=3, heavy=True)
case("endless-urls", "partial", "body_too_large", endless_urls, heavy=True)
case("endless-header", "failed", "http_protocol", endless_header)
case("endless-headers", "failed", "http_protocol", endless_headers)
case("endless-reason", "failed", "http_protocol", endless_reason)
case("endless-interim", "failed", "http_protocol", endless_interim)
case("endless-early-hints", "failed", "http_protocol", endless_early_hints)
case("endless-extension", "failed", "timeout", endless_extension)
case("chunk-extensions", "failed", "timeout", chunk_extensions)
case("endless-trailers", "partial", "http_protocol", endless_trailers, urls=3)
case("endless-trailer", "partial", "http_protocol", endless_trailer, urls=3)
case("tiny-chunks", "ok", None, tiny_chunks, urls=2000, heavy=True)
case("endless-tiny-chunks", "partial", "timeout", endless_tiny_chunks, urls=3)
case("endless-error", "failed", "http_404", endless_error)
case("slow-error", "failed", "http_404", slow_error)


# -- framing


async def reset_at_once(call: Call) -> None:
    call.reset()


async def reset_in_head(call: Call) -> None:
    await call.send(HEAD + b"Content-Le")
    await asyncio.sleep(0.05)
    call.reset()


async def reset_in_body(call: Call) -> None:
    await call.send(HEAD + b"Content-Length: 100000\r\n\r\n" + begun("reset-in-body"))
    await asyncio.sleep(0.2)
    call.reset()


async def late_bad_chunk(call: Call) -> None:
    await call.send(CHUNKED + chunk(begun("bad-chunk-late")))
    await asyncio.sleep(0.2)
    await call.send(b"zz\r\n\r\n")
    await asyncio.sleep(FOREVER)


def with_length(length: bytes, name: str) -> bytes:
    """An answer that claims a length."""
    return HEAD + b"Content-length: " + length + b"\r\n\r\n" + good(name)


case("reset", "failed", "connect_error", reset_at_once)
case("reset-in-head", "failed", "connect_error", reset_in_head)
case("reset-in-body", "partial", "body_truncated", reset_in_body, urls=3)
case("length-too-long", "partial", "body_truncated", with_length(b"100000", "length-too-long"), urls=3)
case("length-too-short", "partial", "xml_error", with_length(b"200", "length-too-short"), urls=1)
case("length-negative", "failed", "http_protocol", with_length(b"-1", "length-negative"))
case("length-huge", "failed", "http_protocol", with_length(b"9" * 40, "length-huge"))
case(
    "length-petabyte",
    "partial",
    "body_truncated",
    with_length(b"1000000000000000", "length-petabyte"),
    urls=3,
)
case("length-text", "failed", "http_protocol", with_length(b"ten", "length-text"))
case("lengths-two", "failed", "http_protocol", with_length(b"10\r\nContent-length: 20", "lengths-two"))
case(
    "length-and-chunks",
    "failed",
    "http_protocol",
    HEAD + b"Content-length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(good("length-and-chunks")),
)
case("chunk-bad", "failed", "http_protocol", CHUNKED + b"4\r\n<url\r\nzz\r\n")
case("bad-chunk-late", "partial", "http_protocol", late_bad_chunk, urls=3)
case("chunk-huge", "failed", "http_protocol", CHUNKED + b"f" * 40 + b"\r\n")
case("chunk-negative", "failed", "http_protocol", CHUNKED + b"-1\r\n")
case("chunk-cut", "partial", "body_truncated", CHUNKED + chunk(begun("chunk-cut")), urls=3)
case(
    "transfer-coding",
    "ok",
    None,
    HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(good("transfer-coding")),
    urls=3,
)
case("nothing", "failed", "connect_error", b"")
case("http-0-9", "failed", "http_protocol", b"<urlset></urlset>")
case("http-2", "failed", "http_protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
case("http-9", "failed", "http_protocol", b"HTTP/9.9 200 OK\r\n\r\n")
case("ssh", "failed", "http_protocol", b"SSH-2.0-OpenSSH_9.6\r\n")
case("smtp", "failed", "http_protocol", b"220 mail.test ESMTP\r\n")
case("ssh-host", "failed", "http_protocol", every=b"SSH-2.0-OpenSSH_9.6\r\n")
case("tls-alert", "failed", "http_protocol", b"\x15\x03\x01\x00\x02\x02\x46")
case("noise", "failed", "http_protocol", bytes(range(256)) * 100)
case("request-back", "failed", "http_protocol", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
case("tls-garbage", "failed", "tls_error", scheme="https", tls=b"HTTP/1.1 400 Bad\r\n\r\n", every=b"")
case("tls-silence", "failed", "timeout", scheme="https", tls=silence, every=b"")
case("header-nul", "failed", "http_protocol", answer(good("header-nul"), b"X: a\0b"))
case("header-nameless", "failed", "http_protocol", answer(good("header-nameless"), b": a"))
case(
    "header-control",
    "ok",
    None,
    answer(
        good("header-control"),
        b"X: \x1b[2J\x07",
        b"ETag: \x1b]0;pwned\x07",
        b"Content-Type: text/\x1b[31mxml",
        status=b"200 \x1b[31mOK\x1b[2J",
    ),
    urls=3,
)
case("header-folded", "ok", None, answer(good("header-folded"), b"X: a\r\n folded"), urls=3)
case(
    "cookies",
    "ok",
    None,
    answer(
        good("cookies"),
        *(b"Set-Cookie: c%d=%b; Domain=.test" % (number, b"x" * 4000) for number in range(50)),
    ),
    urls=3,
)
case(
    "cookies-too-many",
    "failed",
    "http_protocol",
    answer(good("cookies-too-many"), *(b"Set-Cookie: c%d=x" % number for number in range(5000))),
)

# -- statuses

for status, expected in {
    "0": "http_protocol",
    "99": "http_protocol",
    "000": "http_protocol",
    "099": "http_protocol",
    "1000": "http_protocol",
    "2e2": "http_protocol",
    "101": "http_101",
    "201": None,
    "204": "not_a_sitemap",
    "205": None,
    "206": None,
    "226": None,
    "300": "http_300",
    "304": "http_304",
    "305": "http_305",
    "418": "http_418",
    "451": "http_451",
    "600": "http_600",
    "999": "http_999",
}.items():
    case(
        f"status-{status}",
        "failed" if expected else "ok",
        expected,
        answer(good(f"status-{status}"), status=f"{status} Well".encode()),
    )
case(
    "status-101-upgrade",
    "failed",
    "http_101",
    answer(b"x" * 100_000, b"Upgrade: h2c", b"Connection: Upgrade", status=b"101 Switching"),
)
case("status-500-robots", "failed", "robots_unreachable", robots=answer(b"", status=b"501 No"))
case(
    "retry-later",
    "deferred",
    "http_503",
    answer(b"", b"Retry-After: 99999999999999999999", status=b"503 Later"),
)
case(
    "retry-in-9999",
    "deferred",
    "http_429",
    answer(b"", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", status=b"429 Later"),
)
case("retry-nonsense", "failed", "http_503", answer(b"", b"Retry-After: -1e999", status=b"503 Later"))
case(
    "retry-host",
    "deferred",
    "robots_unreachable",
    every=answer(b"", b"Retry-After: 86400", status=b"503 Later"),
)


# -- redirects


def moved(location: bytes, *headers: bytes) -> bytes:
    """A redirect."""
    return answer(b"", b"Location: " + location, *headers, status=b"302 Found")


async def onward(call: Call) -> None:
    digits = "".join(filter(str.isdigit, call.path))
    number = int(digits or 0)
    await call.send(moved(b"/onward-%d.xml" % (number + 1)))


async def endless_redirect(call: Call) -> None:
    await call.stream(b"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n", repeat(b"a" * 65536))


case("redirect-itself", "failed", "redirect_loop", moved(b"/sitemap.xml"))
case("redirect-circle", "failed", "redirect_loop", moved(b"/b.xml"), b=moved(b"/sitemap.xml"))
case("redirect-case", "failed", "redirect_loop", moved(b"HTTP://Redirect-Case.TEST:80/sitemap.xml#again"))
case("redirect-on", "failed", "too_many_redirects", robots=robots("redirect-on.test"), every=onward)
case("redirect-everywhere", "failed", "redirect_loop", every=moved(b"/robots.txt"))
case("redirect-none", "failed", "http_302", answer(b"", status=b"302 Found"))
case("redirect-endless", "failed", "http_404", endless_redirect)
for scheme in (
    "file:///etc/passwd",
    "ftp://a.test/",
    "javascript:alert(1)",
    "data:text/xml,<urlset/>",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ws://a.test/",
    "jar:http://a.test!/b",
    "//[::1",
):
    name = f"redirect-{scheme.partition(':')[0].strip('/[') or 'broken'}"
    code = "rejected_url" if scheme.startswith("//") else "redirect_scheme"
    case(name, "failed", code, moved(scheme.encode()))
case("redirect-long", "failed", "http_protocol", moved(b"/" + b"a" * MEGABYTE))
case("redirect-16k", "failed", "http_404", moved(b"/" + b"a" * 16_000))
case("redirect-control", "failed", "http_404", moved(b"/a\x1b[2J\x07b.xml"))
case("redirect-nul", "failed", "http_protocol", moved(b"/a\0b"))
case("redirect-two", "failed", "http_404", moved(b"/a.xml", b"Location: /b.xml"))
case(
    "redirect-credentials",
    "ok",
    None,
    moved(b"http://user:pass@redirect-credentials.test/b.xml"),
    b=answer(good("redirect-credentials")),
    urls=3,
)
