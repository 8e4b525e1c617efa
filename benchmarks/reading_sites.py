"""Large sitemaps, made by the rule and not by chance, and a server for them in a process of its own."""

from __future__ import annotations

import asyncio
import gzip
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice
from multiprocessing.connection import Connection

XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
IMAGE = "http://www.google.com/schemas/sitemap-image/1.1"
XHTML = "http://www.w3.org/1999/xhtml"
NAMES = f'xmlns="{XMLNS}" xmlns:image="{IMAGE}" xmlns:xhtml="{XHTML}"'
HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {NAMES}>\n'
TAIL = "</urlset>\n"
SECTIONS = ("garden", "kitchen", "workshop", "harbour", "library", "orchard", "cellar", "attic")
CHANGEFREQS = ("daily", "weekly", "monthly")
LANGUAGES = ("en", "de", "fr", "es", "it")

Pages = Mapping[str, bytes]


def plain_entry(number: int, site: str, query: str = "") -> str:
    """An entry with the protocol's four fields, about 200 bytes."""
    section, thing = SECTIONS[number % 8], SECTIONS[number // 8 % 8]
    loc = f"{site}/{section}/{thing}-{number * 7919 % 1_000_003}-{number}{query}"
    day = f"20{10 + number % 16}-{1 + number % 12:02d}-{1 + number % 28:02d}"
    time = f"{number % 24:02d}:{number % 60:02d}:{number * 7 % 60:02d}"
    return (
        f"  <url>\n    <loc>{loc}</loc>\n    <lastmod>{day}T{time}+00:00</lastmod>\n"
        f"    <changefreq>{CHANGEFREQS[number % 3]}</changefreq>\n"
        f"    <priority>0.{number % 10}</priority>\n  </url>\n"
    )


def rich_entry(number: int, site: str) -> str:
    """An entry with three images and five languages, about a kilobyte."""
    images = "".join(
        f"<image:image><image:loc>{site}/i/{number}-{each}.jpg</image:loc>"
        f"<image:title>Picture {each} of {number}</image:title></image:image>\n"
        for each in range(3)
    )
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href="{site}/{code}/{number}"/>\n'
        for code in LANGUAGES
    )
    return plain_entry(number, site).replace("  </url>", f"{images}{links}  </url>")


def document(entries: Iterator[str], *, size: int | None = None) -> tuple[bytes, int]:
    """A sitemap and how many entries it has: all that are given, or as many as `size` bytes hold."""
    parts = [HEAD]
    room = None if size is None else size - len(HEAD) - len(TAIL)
    for entry in entries:
        if room is not None:
            room -= len(entry)
            if room < 0:
                break
        parts.append(entry)
    parts.append(TAIL)
    return "".join(parts).encode(), len(parts) - 2


def index(files: Iterator[str]) -> bytes:
    """A sitemap index."""
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>\n" for url in files)
    return f'<?xml version="1.0"?>\n<sitemapindex xmlns="{XMLNS}">\n{entries}</sitemapindex>\n'.encode()


def big_site(site: str) -> dict[str, bytes]:
    """robots.txt, an index and 20 gzipped files of 50,000 URLs."""
    files = [f"/sitemap-{number}.xml.gz" for number in range(20)]
    pages = {
        "/robots.txt": f"Sitemap: {site}/index.xml\n".encode(),
        "/index.xml": index(site + path for path in files),
    }
    for number, path in enumerate(files):
        entries = (plain_entry(each, site) for each in range(number * 50_000, (number + 1) * 50_000))
        pages[path] = gzip.compress(document(entries)[0], 6, mtime=0)
    return pages


def damaged_entries(site: str) -> Iterator[str]:
    """Entries without end; the first has a bare & in it, so that the whole file is read the tolerant way."""
    yield plain_entry(0, site, "?a=1&b=2")
    yield from (plain_entry(number, site) for number in count(1))


def damaged_site(site: str) -> dict[str, bytes]:
    """robots.txt and a sitemap of 10 MB that is not well-formed."""
    return {
        "/robots.txt": f"Sitemap: {site}/sitemap.xml\n".encode(),
        "/sitemap.xml": document(damaged_entries(site), size=10_000_000)[0],
    }


def wide_site(site: str, children: int) -> dict[str, bytes]:
    """robots.txt and an index of many small files, of three URLs each."""
    files = [f"/s/{number}.xml" for number in range(children)]
    pages = {
        "/robots.txt": f"Sitemap: {site}/index.xml\n".encode(),
        "/index.xml": index(site + path for path in files),
    }
    for number, path in enumerate(files):
        pages[path] = document(islice((plain_entry(each, site) for each in count(3 * number)), 3))[0]
    return pages


@contextmanager
def serving(make: Callable[..., Pages], *arguments: object) -> Iterator[int]:
    """Serves `make(*arguments)` on a loopback port, from a process that makes the pages itself."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection, make: Callable[..., Pages], arguments: tuple[object, ...]) -> None:
    pages = make(*arguments)
    answers = {
        path.encode(): b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
        for path, body in pages.items()
    }
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(answers.get(request.split(b" ", 2)[1], missing))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
