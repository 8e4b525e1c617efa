"""`check --pages`: which pages it asks, what a run that was stopped has asked, and how it is continued."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from databases import one_database, sqlite_first
from program import Contentmap, Said
from sqlalchemy import select
from web_sites import Page, Reply, Sites, index, serving, urlset

from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.tables import PageRunRow

HTML = {"Content-Type": "text/html"}
STORE = "contentmap_cli.commands.checking.page_store"


def html(number: int) -> Reply:
    """A page that can be asked for conditionally."""
    body = f"<!doctype html><title>Page {number}</title><p>{'Something is said here. ' * 20}"
    return Reply(body.encode(), headers=HTML | {"ETag": f'"{number}"'})


def site(pages: int = 30) -> dict[str, Page]:
    """A site with two files and so many pages."""
    urls = [f"http://a.test/p{number}" for number in range(pages)]
    return {
        "a.test/robots.txt": "Sitemap: http://a.test/i.xml",
        "a.test/i.xml": index("http://a.test/1.xml", "http://a.test/2.xml"),
        "a.test/1.xml": urlset(*urls[: pages // 3]),
        "a.test/2.xml": urlset(*urls[pages // 3 :]),
        **{url.removeprefix("http://"): html(number) for number, url in enumerate(urls)},
    }


@pytest.fixture
def sites() -> Iterator[Sites]:
    """A site of 30 pages."""
    with serving(site()) as running:
        yield running


class Checks:
    """Checks of the pages of one site."""

    def __init__(self, contentmap: Contentmap, sites: Sites) -> None:
        self.contentmap = contentmap
        self.sites = sites

    def words(self, *options: str) -> list[str]:
        """The command line. Pages only: what the sitemaps lack is not of interest here."""
        reach = ("--connect-to", self.sites.connect_to, "--select", "page-", "--json")
        return ["check", "http://a.test", *reach, *options]

    def __call__(self, *options: str, **more: Any) -> Said:
        return self.contentmap(*self.words(*options), **more)

    def asked(self, since: int = 0) -> Counter[str]:
        """How often each page was asked for, without made-up paths."""
        return Counter(key for key in self.sites.asked[since:] if key in self.pages)

    @property
    def pages(self) -> set[str]:
        """The pages of the site."""
        return {key for key in self.sites.pages if "/p" in key}


@pytest.fixture
def checks(contentmap: Contentmap, sites: Sites) -> Checks:
    """Checks on each database."""
    return Checks(contentmap, sites)


def counts(said: Said) -> tuple[int, int, dict[str, int]]:
    """How many pages were selected and asked, and why the others were not."""
    pages = said.json["pages"]
    return pages["selected"], pages["asked"], pages["not_asked"]


@one_database
def test_how_many(checks: Checks) -> None:
    """`--pages` with a number, in each spelling, the same pages each time; --pages alone asks 100."""
    for options in (("--pages", "6"), ("--pages=6",)):
        seen = len(checks.sites.asked)
        said = checks(*options)
        assert (said.code, counts(said)) == (0, (6, 6, {})), said.err
        again = checks.asked(seen)
        assert set(again.values()) == {1}
        assert sum(int(key.rpartition("/p")[2]) < 10 for key in again) == 2
    assert checks.asked() == Counter(dict.fromkeys(again, 2))
    seen = len(checks.sites.asked)
    for options in (("--pages",), ("--pages", "--fresh"), ("--pages", "ALL")):
        assert counts(checks(*options)) == (30, 30, {}), options
    words = ["check", "--pages", "http://a.test", "--connect-to", checks.sites.connect_to]
    assert "30 of 30 pages asked\n" in checks.contentmap(*words).out
    assert checks.asked(seen) == Counter(dict.fromkeys(checks.pages, 4))
    for wrong in ("0", "1234567890", ""):
        assert (said := checks(f"--pages={wrong}")).code == 2, wrong
        assert "invalid number of pages" in said.err
    assert checks.contentmap("check", "s.xml", "--pages", "--base", "http://a.test/s.xml").code == 2


def test_the_next_run_asks_conditionally(checks: Checks) -> None:
    """What has not changed is confirmed and kept; --fresh asks for everything as if nothing was known."""
    checks.sites.pages["a.test/p1"] = Reply(b"", 301, {"Location": "http://a.test/other"})
    checks.sites.pages["a.test/other"] = html(99)
    assert counts(checks("--pages", "all"))[1] == 30
    assert checks.sites.not_modified == 0
    checks.sites.pages["a.test/p2"] = html(98)
    assert counts(checks("--pages", "all"))[1] == 30
    assert checks.sites.not_modified == 29  # all but the redirect and the page that changed, and its target
    assert counts(checks("--pages", "all", "--fresh"))[1] == 30
    assert checks.sites.not_modified == 29
    assert set(checks.asked().values()) == {3}


def test_killed_and_run_again(checks: Checks) -> None:
    """What was recorded is not asked for again. Other processes see at once that the run has ended."""
    fault = {"point": "work:transaction.committed", "nth": 2, "do": "kill", "set": {f"{STORE}.BATCH": 5}}
    assert checks("--pages", "all", fault=fault).code == -signal.SIGKILL
    before = checks.asked()
    said = checks("--pages", "all")
    assert counts(said) == (30, 30, {})
    assert "continuing the check of" in said.err
    twice = [key for key, count in checks.asked().items() if count > 1]
    assert len(checks.asked()) == 30
    assert len(twice) <= len(before) - 10
    seen = len(checks.sites.asked)
    assert "continuing" not in checks("--pages", "all").err
    assert len(checks.asked(seen)) == 30


@sqlite_first
def test_stopped_and_run_again(checks: Checks) -> None:
    """Ctrl-C: answers that are on their way are recorded, and nothing is asked for twice. A second process
    is refused meanwhile; another selection is another run."""
    checks.sites.shuts_at = 20
    process = checks.contentmap.start(*checks.words("--pages", "all"))
    while len(checks.sites.asked) < 20:
        time.sleep(0.01)
    said = checks("--pages", "2")
    assert (said.code, "another run is checking the pages of a.test" in said.err) == (75, True)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    checks.sites.gate.set()
    stopped = checks.contentmap.end(process)
    selected, asked, reasons = counts(stopped)
    assert (stopped.code, selected, asked + reasons["stopped"]) == (130, 30, 30), stopped.err
    assert asked == len(checks.asked()) < 30
    assert counts(checks("--pages", "3")) == (3, 3, {})
    seen = len(checks.sites.asked)
    few = set(checks.sites.asked[-3:])
    assert counts(checks("--pages", "all")) == (30, 30, {})
    assert max((checks.asked(seen) - Counter(few)).values()) == 1
    assert len(checks.asked(seen)) <= 30 - asked


@one_database
def test_out_of_time(checks: Checks) -> None:
    """--domain-time and --max-time end a run without an error. The next one asks for the rest."""
    slow = [key for key in checks.pages if int(key.rpartition("/p")[2]) >= 10]
    for key in slow:
        checks.sites.pages[key] = Reply(html(0).body, headers=HTML, wait=0.3)
    said = checks("--pages", "all", "--domain-time", "1.2")
    selected, asked, reasons = counts(said)
    assert (said.code, selected, asked + reasons["time"], said.json["findings"]) == (0, 30, 30, [])
    assert 10 <= asked < 30
    said = checks("--pages", "all", "--max-time", "1.2")
    assert (said.code, counts(said)[1] > asked, "stopped" in counts(said)[2]) == (0, True, True)
    assert counts(checks("--pages", "all")) == (30, 30, {})
    assert set(checks.asked().values()) <= {1, 2}
    assert checks.asked().total() <= 34  # two requests were on their way each time


@one_database
def test_recorded_domains(checks: Checks) -> None:
    """The recorded list, with the network for the pages. A check alone is no scan."""
    assert counts(checks("--pages"))[1] == 30
    assert checks.contentmap("domains", "--json").json == []
    reach = ("--connect-to", checks.sites.connect_to, "--allow-http")
    stored = ("check", "a.test", "--stored", "--select", "page-", "--json", *reach)
    assert checks.contentmap(*stored, "--pages").code == 6
    assert checks.contentmap("urls", "a.test").code == 6
    checks.contentmap("scan", "http://a.test", "--connect-to", checks.sites.connect_to)
    seen = len(checks.sites.asked)
    said = checks.contentmap(*stored, "--pages", "9")
    assert (said.code, counts(said)) == (0, (9, 9, {})), said.err
    assert len(checks.asked(seen)) == 9
    assert "a.test/1.xml" not in checks.sites.asked[seen:]


@one_database
async def test_a_failure_is_recorded(checks: Checks, sqlite_address: str) -> None:
    """In a session of its own, with what was asked for; the next run continues."""
    assert (await asyncio.to_thread(checks, "--pages", "all", fault={"pages": 60})).code == 5
    database = open_database(checks.contentmap.database)
    async with database.engine.connect() as connection:
        run = (await connection.execute(select(PageRunRow))).one()
    await database.close()
    assert (run.finished_at, run.token) == (None, None)
    assert counts(await asyncio.to_thread(checks, "--pages", "all")) == (30, 30, {})
