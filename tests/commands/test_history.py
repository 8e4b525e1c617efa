"""Scans of a site that changes in every way a site can, held against a slow and obvious model.

The real command scans a real server. The model knows nothing of validators, digests or merges: it reads each
file that is served, and compares dictionaries.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from databases import DATABASES, sqlite_first
from row_writes import watch_writes, writes_so_far
from sqlalchemy import select
from web_sites import Page, Reply, Sites, serving

from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.tables import SITEMAP_URLS, SitemapFile

HOST = "t.test"
SCANS = 20
COMMANDS = """
import sys
from contentmap_cli.commands.engine import domain_scan
from contentmap_cli.commands.app import app
domain_scan.WORTH_COMPARING_AHEAD = int(sys.argv[1])
for line in sys.stdin:
    print(app(line.split(), standalone_mode=False), flush=True)
"""
SHIFTING = ("page-1", "page-2", "page-3")
CHILDREN = (*SHIFTING, "plain", "stamped")
SOLO = "solo"
CUT_AFTER = 5

Said = tuple[str, str]  # lastmod and priority, as published


@dataclass
class Site:
    """What is published: `files` by name, each with its pages; and what goes wrong today."""

    files: dict[str, dict[str, Said]]
    unnamed: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    etag: int = 0
    stamps: dict[str, int] = field(default_factory=dict)

    def publish(self, sites: Sites) -> None:
        """Puts it on the server."""
        children = [name for name in CHILDREN if name not in self.unnamed]
        robots = [f"Sitemap: http://{HOST}/index.xml"]
        if SOLO not in self.unnamed:
            robots.append(f"Sitemap: http://{HOST}/{SOLO}.xml")
        pages: dict[str, Page] = {f"{HOST}/robots.txt": "\n".join(robots)}
        listed = "".join(
            f"<sitemap><loc>http://{HOST}/{name}.xml</loc>{self._stamp(name)}</sitemap>\n"
            for name in children
        )
        pages[f"{HOST}/index.xml"] = f"<sitemapindex>{listed}</sitemapindex>"
        for name, entries in self.files.items():
            if name not in self.unnamed:
                pages[f"{HOST}/{name}.xml"] = self._reply(name, entries)
        # 501 is not retried
        pages |= {f"{HOST}/{name}.xml": 404 if name == "index" else 501 for name in self.failing}
        sites.pages.clear()
        sites.pages.update(pages)

    def _reply(self, name: str, entries: dict[str, Said]) -> Reply:
        items = [
            f"<url><loc>http://{HOST}/{page}</loc><lastmod>{day}</lastmod><priority>{priority}</priority></url>\n"
            for page, (day, priority) in entries.items()
        ]
        body = f"<urlset>{''.join(items)}</urlset>".encode()
        if name in self.cut:
            body = f"<urlset>{''.join(items[:CUT_AFTER])}<url><loc>http://{HOST}/hal".encode()
        conditional = name in SHIFTING or name == SOLO
        headers = {"ETag": f'"{self.etag}-{hash(body)}"'} if conditional else {}
        return Reply(body, headers=headers)

    def _stamp(self, name: str) -> str:
        number = self.stamps.get(name, 0)
        return f"<lastmod>2026-01-01T00:00:{number:02}Z</lastmod>" if name == "stamped" else ""

    def read(self, known: set[str]) -> dict[str, dict[str, Said]]:
        """What can be read of each file that answers today. Without an index, the files of earlier scans are
        requested all the same."""
        named = ({SOLO} | known if "index" in self.failing else set(self.files)) - self.unnamed
        return {
            name: dict(list(self.files[name].items())[: CUT_AFTER if name in self.cut else None])
            for name in sorted(named - self.failing)
        }


@dataclass
class Row:
    """One URL in one file, as it must be recorded."""

    said: Said
    first_scan: int
    removed_scan: int | None = None


class Model:
    """The slow and obvious way to keep a history."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.known: set[str] = set()  # files that were met and are not gone

    def live(self) -> dict[str, dict[str, Said]]:
        """What is said of each URL that is there, by file."""
        found: dict[str, dict[str, Said]] = {}
        for (name, page), row in self.rows.items():
            if row.removed_scan is None:
                found.setdefault(page, {})[name] = row.said
        return found

    def scan(self, number: int, site: Site) -> dict[str, int]:
        """Takes in what a scan reads; what it must say of it."""
        before = self.live()
        complete = not site.failing - {"index"} and not site.cut  # an index that answers 404 is absent
        read = site.read(self.known)
        self.known |= set(read)
        if complete:
            self.known -= site.unnamed
        for name, entries in read.items():
            for page, said in entries.items():
                row = self.rows.setdefault((name, page), Row(said, number))
                row.said, row.removed_scan = said, None
        if complete:
            for (name, page), row in self.rows.items():
                if row.removed_scan is None and page not in read.get(name, {}):
                    row.removed_scan = number
        after = self.live()
        changed = [page for page in before.keys() & after.keys() if _is_changed(before[page], after[page])]
        return {
            "urls": len(after),
            "added": len(after.keys() - before.keys()),
            "removed": len(before.keys() - after.keys()),
            "changed": len(changed),
        }


def _is_changed(before: dict[str, Said], after: dict[str, Said]) -> bool:
    return any(
        said != before[name] if name in before else said not in before.values()
        for name, said in after.items()
    )


class History:
    """Changes the site from scan to scan: some pages at random, and an event a scan."""

    def __init__(self) -> None:
        self.dice = random.Random(11)
        self.site = Site(
            {
                name: {f"{name}-{number}": ("2026-01-01", "0.5") for number in range(12)}
                for name in (*CHILDREN, SOLO)
            }
        )
        self.site.files["plain"]["page-1-3"] = ("2026-01-01", "0.5")  # two files list it
        self.events: dict[int, Callable[[], None]] = {
            3: lambda: self.site.unnamed.add(SOLO),  # a file vanishes
            5: lambda: self.site.unnamed.discard(SOLO),  # and is back
            6: lambda: self.shift("new-front"),
            7: lambda: self.site.failing.add("page-2"),  # for one scan
            9: lambda: self.site.cut.add("plain"),  # for one scan
            11: lambda: self.site.unnamed.add("page-3"),  # the index drops a child
            12: lambda: self.site.unnamed.discard("page-3"),  # and regains it
            14: self.renew_etags,  # equal bodies, other validators
            16: lambda: self.site.failing.add("index"),  # for one scan
            18: lambda: self.shift("new-front-2"),
        }
        self.quiet = {2, 6, 14, 15, 17, 18}  # apart from the event, nothing changes

    def step(self, number: int) -> None:
        """From the last scan to this one."""
        self.site.failing.clear()
        self.site.cut.clear()
        if number and number not in self.quiet:
            for _ in range(8):
                self.change_a_page(number)
        self.events.get(number, lambda: None)()
        if self.stamped() != self._last_stamped:
            self.site.stamps["stamped"] = number
        self._last_stamped = self.stamped()

    _last_stamped: dict[str, Said] = {}  # noqa: RUF012 - replaced, never changed

    def stamped(self) -> dict[str, Said]:
        """What the file is like whose index says when it changed."""
        return dict(self.site.files["stamped"])

    def change_a_page(self, number: int) -> None:
        """One page that is new, changed, gone, back, moved, moved and changed, or listed twice."""
        files, dice = self.site.files, self.dice
        name, other = dice.sample(list(files), 2)
        page = dice.choice(list(files[name]) or ["page"])
        said = files[name].get(page, ("2026-01-01", "0.5"))
        new_day = f"2026-02-{number + 1:02}"
        match dice.randrange(8):
            case 0:
                files[name][f"new-{dice.randrange(30)}"] = ("2026-01-01", "0.5")
            case 1:
                files[name][page] = (new_day, said[1])
            case 2:
                files[name][page] = (said[0], f"0.{dice.randrange(1, 9)}")
            case 3:
                files[name].pop(page, None)
            case 4:
                files[name][f"{name}-{dice.randrange(12)}"] = ("2026-01-01", "0.5")
            case 5:
                files[other][page] = files[name].pop(page, said)
            case 6:
                files[name].pop(page, None)
                files[other][page] = (new_day, said[1])
            case 7:
                files[other][page] = said

    def shift(self, new: str) -> None:
        """A new page at the front of the list that is paginated over three files."""
        sizes = [len(self.site.files[name]) for name in SHIFTING]
        pages = [(new, ("2026-03-01", "0.5"))]
        seen = {new}
        for name in SHIFTING:
            for page, said in self.site.files[name].items():
                if page not in seen:
                    pages.append((page, said))
                    seen.add(page)
        for name, size in zip(SHIFTING, sizes, strict=True):
            size = len(pages) if name == SHIFTING[-1] else size  # noqa: PLW2901
            self.site.files[name], pages = dict(pages[:size]), pages[size:]

    def renew_etags(self) -> None:
        """Every server restarts: the same bodies under new validators."""
        self.site.etag += 1


async def _recorded(address: str) -> dict[tuple[str, str], Row]:
    """The rows in the database, scans numbered from 0."""
    database = open_database(address)
    async with database.engine.begin() as connection:
        scans = (await connection.exec_driver_sql("SELECT id FROM domain_scans ORDER BY id")).scalars().all()
        numbers: dict[int | None, int | None] = {None: None} | {
            scan: number for number, scan in enumerate(scans)
        }
        rows = await connection.execute(
            select(SITEMAP_URLS, SitemapFile.url.label("file")).join(
                SitemapFile, SitemapFile.id == SITEMAP_URLS.c.sitemap_file_id
            )
        )
        found = {
            (_name(row.file).removesuffix(".xml"), _name(row.url)): Row(
                (row.lastmod.date().isoformat(), f"{row.priority:.1f}"),
                numbers[row.first_scan_id] or 0,
                numbers[row.removed_scan_id],
            )
            for row in rows
        }
    await database.close()
    return found


def _name(url: str) -> str:
    return url.removeprefix(f"http://{HOST}/")


@contextmanager
def one_process(contentmap: Any, worth_comparing_ahead: int) -> Iterator[Callable[[str], Any]]:
    """The command in one process for all calls: to start it twenty times would take longer than to scan."""
    answer, file = contentmap.folder / "answer.json", contentmap.folder / "commands.py"
    file.write_text(COMMANDS)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with contentmap.start_file(file, str(worth_comparing_ahead), text=True, **pipes) as program:
        assert program.stdin is not None
        assert program.stdout is not None

        def scan(reach: str) -> Any:
            words = (
                f"--db {contentmap.database} scan http://{HOST} --connect-to {reach} -q --json -o {answer}"
            )
            program.stdin.write(f"{words}\n")
            program.stdin.flush()
            assert program.stdout.readline().strip() in ("0", "3", "4")
            return json.loads(answer.read_text())

        yield scan
        program.stdin.close()


@pytest.mark.parametrize(
    ("address", "worth_comparing_ahead", "scans"),
    [
        ("sqlite", 0, 8),
        ("postgresql", 1_000_000, 8),
        *(
            pytest.param(address, ahead, SCANS, marks=pytest.mark.campaign)
            for address in DATABASES
            for ahead in (0, 1_000_000)
        ),
    ],
    indirect=["address"],
)
def test_scans_are_told_and_recorded_exactly(contentmap: Any, worth_comparing_ahead: int, scans: int) -> None:
    """Counts in the answer and every row in the database are the model's, after each scan, whether what was
    read is compared before the turn to write or in it."""
    history, model = History(), Model()
    with serving({}) as sites, one_process(contentmap, worth_comparing_ahead) as scan:
        for number in range(scans):
            history.step(number)
            history.site.publish(sites)
            must = model.scan(number, history.site)
            (result,) = scan(sites.connect_to)["results"]
            assert {name: result[name] for name in must} == must, f"scan {number}"
            assert asyncio.run(_recorded(contentmap.database)) == model.rows, f"scan {number}"
            whole = not history.site.failing and not history.site.cut
            assert result["outcome"] == ("ok" if whole else "partial"), f"scan {number}"
        assert sites.not_modified > scans


@sqlite_first
@pytest.mark.parametrize("dropped", [0, 1])
def test_pages_that_shift_are_one_new_url(contentmap: Any, dropped: int) -> None:
    """One new URL at the front of ten full pages is one added, and one removed where the last drops off."""
    urls = [f"http://{HOST}/{number}" for number in range(200)]
    names = [f"p{number}.xml" for number in range(11)]

    def site(urls: list[str]) -> dict[str, Page]:
        pages: dict[str, Page] = {
            f"{HOST}/robots.txt": "".join(f"Sitemap: http://{HOST}/{name}\n" for name in names)
        }
        for number, name in enumerate(names):
            listed = "".join(f"<url><loc>{url}</loc></url>" for url in urls[number * 20 : number * 20 + 20])
            pages[f"{HOST}/{name}"] = f"<urlset>{listed}</urlset>"
        return pages

    with serving(site(urls)) as sites:
        words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", "--delay", "0")
        assert contentmap(*words).json["urls"] == 200
        asyncio.run(watch_writes(contentmap.database))
        sites.pages.update(site([f"http://{HOST}/new", *urls[: 200 - dropped]]))
        again = contentmap(*words).json
        written = asyncio.run(writes_so_far(contentmap.database))
    assert (again["urls"], again["added"], again["removed"], again["changed"]) == (
        201 - dropped,
        1,
        dropped,
        0,
    )
    # in each page one URL came and one went: that is written, and no more
    assert sum(count for (table, _), count in written.items() if table == "sitemap_urls") <= 2 * len(names)


def test_a_rescan_of_what_did_not_change_writes_no_row(contentmap: Any) -> None:
    """Neither entries nor files are written, whether a 304, a digest or an index's lastmod says so."""
    history = History()
    with serving({}) as sites:
        history.step(0)
        history.site.publish(sites)
        words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", "--delay", "0")
        first = contentmap(*words).json
        asyncio.run(watch_writes(contentmap.database))
        again = contentmap(*words).json
        assert asyncio.run(writes_so_far(contentmap.database)) == {}
        assert again["urls"] == first["urls"] == 72
        assert sites.not_modified == len(SHIFTING) + 1
        assert sites.asked.count(f"{HOST}/stamped.xml") == 1
        history.renew_etags()
        history.site.publish(sites)
        contentmap(*words)
        files = asyncio.run(writes_so_far(contentmap.database))
        assert files == {("sitemap_files", "UPDATE"): len(SHIFTING) + 1}
        contentmap(*words)
        assert asyncio.run(writes_so_far(contentmap.database)) == {}
        assert sites.not_modified == 2 * (len(SHIFTING) + 1)


def test_a_large_domain_is_compared_before_its_turn_to_write(contentmap: Any, tmp_path: Path) -> None:
    """By the log: the write transaction's first statement comes when all has been compared."""
    log, robots = tmp_path / "log.ndjson", f"Sitemap: http://{HOST}/all.txt"

    def pages(first: int) -> dict[str, Page]:
        listed = "\n".join(f"http://{HOST}/{number}" for number in range(first, first + 5_000))
        return {f"{HOST}/robots.txt": robots, f"{HOST}/all.txt": listed}

    with serving(pages(0)) as sites:
        words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", "--delay", "0")
        contentmap(*words)
        sites.pages.update(pages(7))
        again = contentmap("-vv", "--log-format", "json", "--log-file", str(log), *words).json
    assert (again["urls"], again["added"], again["removed"], again["changed"]) == (5_000, 7, 7, 0)
    steps = [(step.get("role"), step["action"]) for step in map(json.loads, log.read_text().splitlines())]
    compared = steps.index(("read", "entries.compared"))
    assert compared < steps.index(("work", "transaction.first_statement"))
    assert ("work", "entries.compared_again") not in steps
