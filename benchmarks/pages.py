"""Speed and memory of `check --pages`, next to a plain aiohttp loop and Scrapy.

    python benchmarks/pages.py [--pages 10000] [--memory 100000] [--runs 3] [--alone] [--peers DIR]

A site on loopback, served by a process of its own: pages of 20 KB with title, canonical, alternates, JSON-LD
and text. Each program asks for every page once over two connections and reads title, canonical, robots and
alternates of its head; ContentMap also reads the text, judges, and records the facts in SQLite. Programs run
alternately, each as a whole process with its children. `--memory` repeats ContentMap with as many pages.
Scrapy is installed into DIR (build/peers by default); `--alone` leaves it out. Exit code 1 if a program did
not read all pages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HOST = "pages.test"
PER_FILE = 10_000
SECTION = 100  # pages of a directory
HERE = str(Path(__file__))


# -- the site


class Site(asyncio.Protocol):
    """One connection to the site. Answers are made of a few bodies, so that the server is not measured."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            status, kind, body = self._answer(path)
            start = f"HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(start.encode() + body)  # type: ignore[attr-defined]

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/robots.txt":
            return 200, "text/plain", f"Sitemap: http://{HOST}/index.xml\n".encode()
        if path == "/index.xml":
            files = range((self._pages + PER_FILE - 1) // PER_FILE)
            names = "".join(f"<sitemap><loc>http://{HOST}/{each}.xml</loc></sitemap>" for each in files)
            return 200, "application/xml", f"<sitemapindex {NAMESPACE}>{names}</sitemapindex>".encode()
        if path.endswith(".xml"):
            first = int(path[1:-4]) * PER_FILE
            numbers = range(first, min(self._pages, first + PER_FILE))
            urls = "".join(f"<url><loc>http://{HOST}{path_of(each)}</loc></url>" for each in numbers)
            return 200, "application/xml", f"<urlset {NAMESPACE}>{urls}</urlset>".encode()
        number = path.rpartition("-")[2].removesuffix(".html")
        if path.startswith("/section-") and number.isdigit() and int(number) < self._pages:
            return 200, "text/html; charset=utf-8", page(int(number))
        return 404, "text/html", b"<title>Not found</title>"


NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def path_of(number: int) -> str:
    """The path of a page."""
    return f"/section-{number // SECTION}/page-{number}.html"


def page(number: int) -> bytes:
    """A page of about 20 KB."""
    url = f"http://{HOST}{path_of(number)}"
    links = "".join(
        f'<link rel="alternate" hreflang="{each}" href="{url}?l={each}">\n' for each in ("de", "fr")
    )
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Page {number}</title>\n'
        f'<link rel="canonical" href="{url}">\n{links}<meta name="robots" content="index, follow">\n'
        f'<script type="application/ld+json">{{"@type": "Article", "dateModified": "2026-01-02"}}</script>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>Page {number}</h1>\n"
    )
    return f"{head}{TEXTS[number % len(TEXTS)]}</body>\n</html>\n".encode()


STYLE = ".card { margin: 0 auto; padding: 1rem; color: #333 }\n" * 40


def _text(seed: int) -> str:
    chosen = random.Random(seed)
    words = ["".join(chosen.choices("abcdefghijklmnoprstuvw", k=chosen.randint(3, 9))) for _ in range(400)]
    rows = (
        f'<section class="part"><h2>{" ".join(chosen.sample(words, 4))}</h2><p class="text">'
        f'{" ".join(chosen.choices(words, k=60))} <a href="/section-{each}/">more</a></p></section>\n'
        for each in range(34)
    )
    return "".join(rows)


TEXTS = [_text(seed) for seed in range(20)]


async def _serve(pages: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Site(pages), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving(pages: int) -> Iterator[int]:
    """Serve the site in a process of its own; yield its port."""
    process = subprocess.Popen([sys.executable, HERE, "serve", str(pages)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


# -- the programs


async def plain_loop(port: int, pages: int) -> int:
    """Ask for each page over two connections and read its head; return how many were read."""
    import aiohttp
    from selectolax.lexbor import LexborHTMLParser

    numbers, done = iter(range(pages)), 0

    async def ask(session: aiohttp.ClientSession) -> None:
        nonlocal done
        for number in numbers:
            url = f"http://127.0.0.1:{port}{path_of(number)}"
            async with session.get(url, headers={"Host": HOST}, allow_redirects=False) as response:
                tree = LexborHTMLParser(await response.read())
            title = tree.css_first("title")
            tree.css("link[rel=canonical], link[rel=alternate], meta[name=robots]")
            done += title is not None and title.text() == f"Page {number}"

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        await asyncio.gather(ask(session), ask(session))
    return done


def scrapy(port: int, pages: int) -> int:
    """The same with Scrapy."""
    from scrapy import Request, Spider  # type: ignore[import-not-found]
    from scrapy.crawler import CrawlerProcess  # type: ignore[import-not-found]

    done = 0

    class Pages(Spider):  # type: ignore[misc]
        name = "pages"

        async def start(self):  # type: ignore[no-untyped-def]
            for number in range(pages):
                yield Request(f"http://127.0.0.1:{port}{path_of(number)}", headers={"Host": HOST})

        def parse(self, response):  # type: ignore[no-untyped-def]
            nonlocal done
            title = response.css("title::text").get()
            response.css("link[rel=canonical], link[rel=alternate], meta[name=robots]").getall()
            done += title.startswith("Page ")

    settings = {
        "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
        "DOWNLOAD_DELAY": 0,
        "LOG_ENABLED": False,
        "ROBOTSTXT_OBEY": True,
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Pages)
    process.start()
    return done


def commands(port: int, pages: int, folder: Path, peers: Path | None) -> dict[str, list[str]]:
    """What is run, by name."""
    found = {
        "plain aiohttp loop": [sys.executable, HERE, "plain", str(port), str(pages)],
        "contentmap": [
            *(sys.executable, "-m", "contentmap_cli", "--db", str(folder / "pages.db"), "check", HOST),
            *("--connect-to", f"::127.0.0.1:{port}", "--pages", "all", "--fresh", "--format", "json"),
            *("--domain-time", "7200", "-o", str(folder / "answer.json")),
        ],
    }
    if peers is not None:
        found["Scrapy"] = [str(peers), HERE, "scrapy", str(port), str(pages)]
    return found


def read_by(name: str, folder: Path, out: str) -> int:
    """How many pages a program read."""
    if name != "contentmap":
        return int(out or 0)
    answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return int(answer["pages"]["asked"])


# -- the tables


def measure(pages: int, runs: int, peers: Path | None, names: Sequence[str] | None = None) -> bool:
    """Run the programs alternately and print their row; return whether all read every page."""
    from whole_process import run

    rows: dict[str, list[tuple[float, float, float]]] = {}
    right = True
    print(f"\n{pages} pages\n\n| program | pages/s | CPU ms per page | peak MiB |\n|---|---|---|---|")
    with serving(pages) as port, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _ in range(runs):
            for name, command in commands(port, pages, folder, peers).items():
                if names is not None and name not in names:
                    continue
                (folder / "pages.db").unlink(missing_ok=True)
                ran = run(command, folder, seconds=3600)
                count = read_by(name, folder, ran.out)
                if count != pages:
                    print(f"{name}: {count} of {pages} pages, exit code {ran.code}", ran.err, file=sys.stderr)
                    right = False
                rows.setdefault(name, []).append((pages / ran.wall, 1000 * ran.cpu / pages, ran.peak))
    for name, figures in rows.items():
        speed, cpu, peak = (statistics.median(each) for each in zip(*figures, strict=True))
        print(f"| {name} | {speed:.0f} | {cpu:.2f} | {peak:.0f} |")
    return right


def main() -> int:
    """Run one of the programs, or measure all."""
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve(int(sys.argv[2])))
        return 0
    if sys.argv[1:2] == ["plain"]:
        print(asyncio.run(plain_loop(int(sys.argv[2]), int(sys.argv[3]))))
        return 0
    if sys.argv[1:2] == ["scrapy"]:
        print(scrapy(int(sys.argv[2]), int(sys.argv[3])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--memory", type=int, default=100_000, help="0: not measured")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    from machine import machine
    from peers import PEERS, environment

    peers = None if options.alone else environment(["scrapy"], options.peers or PEERS)
    print(machine("contentmap-cli", "aiohttp", "selectolax"))
    right = True
    if options.runs:
        right = measure(options.pages, options.runs, peers.python if peers is not None else None)
    if options.memory:
        right = measure(options.memory, 1, None, ["contentmap"]) and right
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
