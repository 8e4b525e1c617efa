"""`check --pages`: which pages it asks, what a run that was stopped has asked, and how it is continued."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from databases import one_database, sqlite_first
from program import Contentmap, Said
from sqlalchemy import select, text
from web_sites import Page, Reply, Sites, index, serving, urlset

from contentmap_cli.commands.checking.page_check import PageOptions
from contentmap_cli.commands.interface.help_pages import _with_values
from contentmap_cli.errors import UsageError
from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.tables import PAGES, PageRunRow

HTML = {"Content-Type": "text/html"}
STORE = "contentmap_cli.commands.checking.page_store"
BATCHES = {f"{STORE}.BATCH": 5, f"{STORE}.SECONDS": 60}


def html(number: int) -> Reply:
    """A page that can be asked for conditionally."""
    body = f"<!doctype html><title>Page {number}</title><p>{'Something is said here. ' * 20}"
    return Reply(body.encode(), headers=HTML | {"ETag": f'"{number}"'})


def site(pages: int = 30) -> dict[str, Page]:
    """A site with two files that list `pages` pages."""
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
    """The number that is given, the same pages each time, from both files; all; and by default up to 100."""
    for options in (("--pages", "6"), ("--pages=6", "--fresh")):
        seen = len(checks.sites.asked)
        said = checks(*options)
        assert (said.code, counts(said)) == (0, (6, 6, {})), said.err
        again = checks.asked(seen)
        assert set(again.values()) == {1}
        assert sum(int(key.rpartition("/p")[2]) < 10 for key in again) == 2
    assert checks.asked() == Counter(dict.fromkeys(again, 2))
    words = ["check", "--pages", "http://a.test", "--connect-to", checks.sites.connect_to]
    assert "30 of 30 pages asked\n" in checks.contentmap(*words).out
    assert "note: a.test: 30 of 30 pages asked\n" in checks.contentmap(*words, "--format", "github").err
    assert checks.contentmap("check", "s.xml", "--pages", "--base", "http://a.test/s.xml").code == 2


@one_database
def test_urls_that_are_too_long_to_record(checks: Checks) -> None:
    """They are not requested, and the summary says why."""
    start = "http://a.test/p"
    urls = [f"{start}{'x' * (2_048 - len(start))}", f"{start}{'é' * 400}"]  # 2,400 characters as requested
    checks.sites.pages = {
        "a.test/robots.txt": "Sitemap: http://a.test/1.xml\nSitemap: http://b.test/2.xml",
        "a.test/1.xml": urlset(*urls),
        "b.test/2.xml": urlset("http://b.test/p1"),
        urls[0].removeprefix("http://"): html(1),
        "b.test/p1": html(2),
    }
    said = checks("--pages", "all", "--select", "http-")
    assert counts(said) == (3, 2, {"url_length": 1}), said.err
    assert not any("%C3%A9" in key for key in checks.sites.asked)
    assert "1 with URLs of over 2,048 characters" in said.err


@one_database
def test_two_sitemaps_of_a_site(checks: Checks) -> None:
    """They are checked one after the other, and counted together."""
    files = [f"http://a.test/{number}.xml" for number in (1, 2)]
    said = checks.contentmap(
        *("check", *files, "--connect-to", checks.sites.connect_to, "--select", "page-", "--json"),
        *("--pages", "all"),
    )
    assert (said.code, counts(said)) == (0, (30, 30, {})), said.err
    assert checks.asked() == Counter(dict.fromkeys(checks.pages, 1))


def test_the_value_of_the_option() -> None:
    """A number or `all`, in the next word or after =; without one, the next word is a target."""
    for given, read in {
        "--pages": "--pages=100",
        "--pages 7 a.test": "--pages 7 a.test",
        "--pages -5 a.test": "--pages -5 a.test",
        "--pages many a.test": "--pages many a.test",
        "--pages 127.0.0.1": "--pages=100 127.0.0.1",
        "--pages a.test": "--pages=100 a.test",
        "a.test --pages All": "a.test --pages All",
        "--pages --json": "--pages=100 --json",
        "--pages=7 -- --pages": "--pages=7 -- --pages",
    }.items():
        assert " ".join(_with_values(given.split())) == read
    assert (PageOptions.parse("7", fresh=False).wanted, PageOptions.parse("All", fresh=True).wanted) == (
        7,
        None,
    )
    for wrong in ("0", "1234567890", "", "-1", "seven"):
        with pytest.raises(UsageError, match="invalid number of pages"):
            PageOptions.parse(wrong, fresh=False)


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


async def test_killed_and_run_again(checks: Checks) -> None:
    """What was recorded is not asked for again. Other processes see at once that the run has ended."""
    fault = {"point": "work:transaction.committed", "nth": 2, "do": "kill", "set": BATCHES}
    killed = await asyncio.to_thread(checks, "--pages", "all", fault=fault)
    assert killed.code == -signal.SIGKILL
    recorded = {row.url.removeprefix("http://") for row in await rows(checks, select(PAGES.c.url))}
    assert len(recorded) >= 10
    said = await asyncio.to_thread(checks, "--pages", "all")
    assert counts(said) == (30, 30, {})
    assert "continuing the check of" in said.err
    asked = checks.asked()
    assert len(asked) == 30
    assert {asked[key] for key in recorded if key in checks.pages} == {1}
    seen = len(checks.sites.asked)
    assert "continuing" not in (await asyncio.to_thread(checks, "--pages", "all")).err
    assert len(checks.asked(seen)) == 30


@sqlite_first
def test_stopped_and_run_again(checks: Checks) -> None:
    """Ctrl-C: answers that are on their way are recorded, and nothing is asked for twice. A second process
    is refused meanwhile; another selection is another run."""
    opened = threading.Event()
    slow = [key for key in checks.pages if int(key.rpartition("/p")[2]) >= 15]
    for key in slow:
        checks.sites.pages[key] = Reply(html(0).body, headers=HTML, until=opened)
    process = checks.contentmap.start(*checks.words("--pages", "all"))
    while len(checks.asked()) < 17:
        time.sleep(0.01)
    busy = "another run is checking the pages of a.test"
    said = checks("--pages", "2")
    assert (said.code, said.out, busy in said.err) == (75, "", True)
    said = checks("http://b.test", "--pages", "2")  # the other site is checked
    assert (said.code, said.json["targets"], busy in said.err) == (75, ["b.test"], True)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    opened.set()
    stopped = checks.contentmap.end(process)
    assert (stopped.code, counts(stopped)) == (130, (30, 17, {"stopped": 13})), stopped.err
    assert len(checks.asked()) == 17
    assert counts(checks("--pages", "3")) == (3, 3, {})
    few = Counter(checks.sites.asked[-3:])
    seen = len(checks.sites.asked)
    assert counts(checks("--pages", "all")) == (30, 30, {})
    assert set(checks.asked(seen).values()) == {1}
    assert not few.keys() & checks.asked(seen).keys()


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
    assert (said.code, counts(said)[1] > asked, "time" in counts(said)[2]) == (0, True, True)
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


@sqlite_first
async def test_a_failure_is_recorded(checks: Checks) -> None:
    """In a session of its own. The next run continues, with what was recorded before."""
    await asyncio.to_thread(checks, "--pages", "4")
    refuse = "ALTER TABLE pages ADD CONSTRAINT no CHECK (url NOT LIKE '%p20')"
    if checks.contentmap.database.startswith("sqlite"):
        refuse = (
            "CREATE TRIGGER no BEFORE INSERT ON pages WHEN NEW.url LIKE '%p20' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    await rows(checks, text(refuse))
    fault = {"set": BATCHES}
    said = await asyncio.to_thread(checks, "--pages", "all", fault=fault)
    assert said.code == 1
    query = select(PageRunRow.finished_at, PageRunRow.token, PageRunRow.error_code).order_by(PageRunRow.id)
    assert (await rows(checks, query))[-1] == (None, None, "internal_error")
    await rows(
        checks, text("DROP TRIGGER no" if "TRIGGER" in refuse else "ALTER TABLE pages DROP CONSTRAINT no")
    )
    said = await asyncio.to_thread(checks, "--pages", "all")
    assert (counts(said), "continuing" in said.err) == ((30, 30, {}), True)


async def rows(checks: Checks, query: Any) -> list[Any]:
    """Run a statement on the database of the checks."""
    database = open_database(checks.contentmap.database)
    async with database.engine.begin() as connection:
        result = await connection.execute(query)
        found = list(result) if result.returns_rows else []
    await database.close()
    return found


@one_database
def test_a_noindex_that_the_crawler_never_sees(contentmap: Contentmap) -> None:
    """robots.txt forbids the page to the crawler that is judged, not to the one that asks. Said once each.

    Beside it, an alternate that links back by its sitemap entry only, which is no fault.
    """
    reply = Reply(b"<!doctype html><title>Page</title><p>Text", headers=HTML | {"X-Robots-Tag": "noindex"})
    robots = "User-agent: Bingbot\nDisallow: /p\nSitemap: http://a.test/s.xml"
    link = '<{}link rel="alternate" hreflang="{}" href="http://a.test/{}"{}>'
    back = link.format("xhtml:", "de", "de", "/")
    listed = urlset("http://a.test/p", "http://a.test/de", "http://a.test/en")
    listed = listed.replace("/en</loc>", f"/en</loc>{back}").replace(
        "<urlset", '<urlset xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    )
    pages = {"a.test/robots.txt": robots, "a.test/s.xml": listed, "a.test/p": reply}
    german = html(1).body.replace(b"<p>", f"{link.format('', 'en', 'en', '')}<p>".encode())
    pages |= {"a.test/de": Reply(german, headers=HTML), "a.test/en": html(2)}

    def found(*words: str) -> set[str]:
        said = contentmap("check", "a.test", "--json", "--pages", "all", "--select", "page", *words)
        return {each["rule"] for each in said.json["findings"]}

    unseen = {"page-noindex", "page-noindex-unseen", "url-blocked"}
    with serving(pages) as running:
        live = ("--connect-to", running.connect_to, "--select", "url-blocked")
        assert found(*live) == {"page-noindex", "url-blocked"}
        assert found(*live, "--as-agent", "Bingbot") == unseen
        contentmap("scan", "a.test", "--connect-to", running.connect_to)
        assert found(*live, "--stored", "--as-agent", "bingbot") == unseen
        unchecked = (*live[:2], "--as-agent", "Bingbot")
        assert found(*unchecked) == unseen - {"url-blocked"} | {"page-disallowed"}
