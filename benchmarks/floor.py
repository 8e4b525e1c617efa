"""The floor: the bare job and nothing else, to hold a whole scan against.

usage: python benchmarks/floor.py SITES (--sqlite FILE | --postgresql URL --psql PROGRAM) [--inline]
           [--at-once N]

Reads robots.txt, the sitemaps it names (else /sitemap.xml), their indexes and files, gunzips and parses as
the bytes arrive, and stores what it finds in one table keyed (file, url). There are no jobs, no claims, no
checks of any value, no limits, no conditional requests, no problems, no report: what a scan takes beyond
this is what those cost. For one big site a thread parses and another stores; `--inline` does all in the loop,
which is faster for many small sites. For PostgreSQL it writes a COPY file and has psql's `\\copy` load it.

SITES is a file of home pages, one a line. Prints {"urls": N}.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import queue
import re
import sqlite3
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import aiohttp
from lxml import etree

SPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
FIELDS = {SPACE + name: place for place, name in enumerate(("loc", "lastmod", "changefreq", "priority"), 1)}
TABLE = (
    "CREATE TABLE found (file integer NOT NULL, url text {} NOT NULL, lastmod text, changefreq text, "
    "priority text, PRIMARY KEY (file, url)) {}"
)
PIECE = 128 * 1024
PER_HOST, PER_SITE, DEEPEST = 2, 4, 5
AT_A_TIME = 500  # rows in a statement

Row = tuple[Any, ...]


class Reader:
    """One document, parsed as it comes. The parser is asked for one event, a processing instruction put in
    front of the root: that gives the tree as it grows, and whatever is finished is read and thrown away."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._parser = etree.XMLPullParser(events=("pi",), remove_blank_text=True, collect_ids=False)
        self._unzip: Any = None
        self._mark: Any = None
        self._started = False
        self.rows: list[Row] = []
        self.children: list[str] = []

    def feed(self, data: bytes) -> None:
        if not self._started and data.startswith(b"\x1f\x8b"):
            self._unzip = zlib.decompressobj(31)
        while data:
            piece, rest = data, b""
            if self._unzip is not None:
                piece = self._unzip.decompress(data, PIECE)
                rest = self._unzip.unconsumed_tail
            if not self._started:
                self._started = True
                declared = piece.find(b"?>") + 2 if piece.startswith(b"<?xml") else 0
                piece = piece[:declared] + b"<?here?>" + piece[declared:].lstrip()
            self._parser.feed(piece)
            self._harvest(whole=False)
            data = rest

    def close(self) -> None:
        self._parser.close()
        self._harvest(whole=True)
        self.rows.sort()

    def _harvest(self, *, whole: bool) -> None:
        if self._mark is None:
            self._mark = next((element for _, element in self._parser.read_events()), None)
        root = None if self._mark is None else self._mark.getnext()
        if root is None or len(root) == 0:
            return
        done = root[:] if whole else root[:-1]  # the last one may still grow
        if root.tag.endswith("sitemapindex"):
            self.children += [entry.findtext(f"{SPACE}loc") for entry in done]
        else:
            place_of, blank, append = FIELDS.get, [self._number, None, None, None, None], self.rows.append
            for entry in done:
                row = blank[:]
                for part in entry:
                    place = place_of(part.tag)
                    if place:
                        row[place] = part.text
                append(tuple(row))
        del root[: len(done)]


class Sqlite:
    """One table without a rowid, rows many at a time, one transaction for the whole."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(TABLE.format("", "WITHOUT ROWID"))
        self._one = "INSERT OR IGNORE INTO found VALUES (?,?,?,?,?)"
        self._many = self._one + ",(?,?,?,?,?)" * (AT_A_TIME - 1)
        self._database.execute("BEGIN")

    def add(self, rows: list[Row]) -> None:
        full = len(rows) - len(rows) % AT_A_TIME
        for start in range(0, full, AT_A_TIME):
            self._database.execute(self._many, tuple(chain.from_iterable(rows[start : start + AT_A_TIME])))
        self._database.executemany(self._one, rows[full:])

    def close(self) -> int:
        self._database.execute("COMMIT")
        count = self._database.total_changes
        self._database.close()
        return count


class CopyFile:
    """A text file for COPY, loaded by psql at the end."""

    def __init__(self, file: Path, address: str, psql: str) -> None:
        self._file, self._address, self._psql, self._count = file, address, psql, 0
        self._out = file.open("w", encoding="utf-8", newline="\n", buffering=1 << 20)

    def add(self, rows: list[Row]) -> None:
        self._count += len(rows)
        none = "\\N"
        self._out.write(
            "".join([f"{n}\t{u}\t{d or none}\t{c or none}\t{p or none}\n" for n, u, d, c, p in rows])
        )

    def close(self) -> int:
        self._out.close()
        table, copy = TABLE.format('COLLATE "C"', ""), f"\\copy found FROM '{self._file}'"
        command = [
            self._psql,
            "-q",
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self._address,
            "-c",
            table,
            "-c",
            copy,
        ]
        subprocess.run(command, check=True)
        return self._count


class Crawl:
    """All sites, a number of them at once."""

    def __init__(self, sites: list[str], store: Sqlite | CopyFile, *, inline: bool) -> None:
        self._sites, self._store, self._inline, self._files = iter(sites), store, inline, 0
        self._parsing = ThreadPoolExecutor(1)
        self._parsed: queue.Queue[list[Row] | None] = queue.Queue(4)

    async def run(self, at_once: int) -> None:
        storing = None if self._inline else asyncio.ensure_future(asyncio.to_thread(self._store_all))
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=PER_HOST)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, read_bufsize=2 * PIECE
        ) as session:
            self._session = session
            await asyncio.gather(*(self._some_sites() for _ in range(at_once)))
        if storing is not None:
            await asyncio.to_thread(self._parsed.put, None)
            await storing

    def _store_all(self) -> None:
        while (rows := self._parsed.get()) is not None:
            self._store.add(rows)

    async def _some_sites(self) -> None:
        for site in self._sites:
            async with self._session.get(f"{site}robots.txt") as response:
                robots = await response.text() if response.status == 200 else ""
            named = re.findall(r"^sitemap:\s*(\S+)", robots, re.IGNORECASE | re.MULTILINE)
            for url in named or [f"{site}sitemap.xml"]:
                await self._read(url, 0)

    async def _read(self, url: str, depth: int) -> None:
        self._files += 1
        reader = Reader(self._files)
        async with self._session.get(url) as response:
            if response.status != 200:
                return
            async for piece in response.content.iter_chunked(PIECE):
                await self._parse(reader.feed, piece)
        await self._parse(reader.close)
        if self._inline:
            self._store.add(reader.rows)
        else:
            await asyncio.to_thread(self._parsed.put, reader.rows)
        children = iter(reader.children if depth < DEEPEST else ())

        async def some() -> None:
            for child in children:
                await self._read(child, depth + 1)

        await asyncio.gather(*(some() for _ in range(PER_SITE)))

    async def _parse(self, work: Any, *arguments: Any) -> None:
        if self._inline:
            work(*arguments)
        else:
            await asyncio.get_running_loop().run_in_executor(self._parsing, work, *arguments)


def main() -> None:
    """Crawls and stores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sites", type=Path)
    parser.add_argument("--sqlite", type=Path, metavar="FILE")
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--psql", default="psql", metavar="PROGRAM")
    parser.add_argument("--inline", action="store_true")
    parser.add_argument("--at-once", type=int, default=100, metavar="N", help="sites at once")
    options = parser.parse_args()
    gc.disable()  # there are no circles here
    file = options.sqlite or Path("found.copy").absolute()
    store = Sqlite(file) if options.sqlite else CopyFile(file, options.postgresql, options.psql)
    sites = options.sites.read_text(encoding="utf-8").split()
    asyncio.run(Crawl(sites, store, inline=options.inline).run(min(options.at_once, len(sites))))
    print(json.dumps({"urls": store.close()}))


if __name__ == "__main__":
    main()
