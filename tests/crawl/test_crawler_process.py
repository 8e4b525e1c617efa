"""Crawling in a process of its own: the same crawls as here, and no domain is lost to what happens to it."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from contentmap_cli.batches import _IN_MEMORY
from contentmap_cli.crawl import crawler_process as module
from contentmap_cli.crawl.bodies import WORTH_KEEPING
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.crawler_process import WORTH_A_PROCESS, CrawlerProcess, HeadStart, crawler_for
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.reading import LARGE
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.errors import Code, Failure
from contentmap_cli.rows import Row
from contentmap_cli.values import CrawledFile, Limits, RememberedFile, ScanStatus

NewSite = Callable[..., Awaitable[Any]]
TARGET = parse_target("http://site.test")


def sitemap(numbers: range, *, images: bool = False) -> str:
    """A sitemap of pages with these numbers, not in the order of their URLs."""
    image = '<image:image xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">' * images
    image += "<image:loc>http://site.test/a.png</image:loc></image:image>" * images
    items = "".join(
        f"<url><loc>http://site.test/page-{number * 7919 % 1_000_003}</loc>{image}"
        f"<lastmod>2026-01-{number % 28 + 1:02}</lastmod></url>\n"
        for number in numbers
    )
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</urlset>'


def index(*urls: str) -> str:
    """An index of these sitemaps."""
    items = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</sitemapindex>'


def files_without_names() -> int:
    """How many temporary files this process has open (Linux)."""
    found = []
    for number in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(number.readlink()))
    return sum(name.endswith("(deleted)") for name in found)


opened: list[DomainCrawl] = []


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


@pytest.fixture
async def start() -> AsyncIterator[Callable[[CrawlOptions], Awaitable[CrawlerProcess]]]:
    """Starts crawlers in processes of their own, and ends them."""
    made: list[CrawlerProcess] = []

    async def entered(options: CrawlOptions) -> CrawlerProcess:
        made.append(await CrawlerProcess(options).__aenter__())
        return made[-1]

    yield entered
    for crawler in made:
        await crawler.__aexit__()
        assert crawler.number is None


async def crawled(crawler: Any, remembered: tuple[RememberedFile, ...] = ()) -> DomainCrawl:
    opened.append(await crawler.crawl(TARGET, remembered))
    return opened[-1]


def contents(crawl: DomainCrawl) -> list[tuple[CrawledFile, list[Row], list[str] | None]]:
    """All of a crawl that does not hang on the moment: its files, their rows, and what went."""
    found = []
    for number, file in enumerate(crawl.files):
        delta = crawl.delta(number)
        came = crawl.rows(number) if delta is None else delta.come()
        rows = [row for batch in came for row in batch]
        found.append((replace(file, response_ms=None), rows, None if delta is None else [*delta.gone()]))
    return found


async def test_it_gives_what_a_crawler_here_gives(new_site: NewSite, start: Any) -> None:
    """Files with few rows and with many, gzipped, with extensions, broken and missing: all the same, rows
    that went through memory and rows that went through a file."""
    big = sitemap(range(9_000))
    assert len(big) > LARGE
    assert len(big) > _IN_MEMORY
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/index.xml",
            "/index.xml": index(*(f"http://site.test/{name}" for name in ("a", "b", "c.gz", "d", "e", "f"))),
            "/a": sitemap(range(3)),
            "/b": big,
            "/c.gz": gzip.compress(sitemap(range(9_000, 9_100)).encode()),
            "/d": sitemap(range(20_000, 20_050), images=True),
            "/e": "<urlset><url><loc>http://site.test/cut",
        }
    )
    async with Crawler(site.options()) as here:
        expected = await crawled(here)
    crawl = await crawled(await start(site.options()))
    assert contents(crawl) == contents(expected)
    assert sum(len(rows) for _, rows, _ in contents(crawl)) > 9_100
    for name in ("domain", "requests", "fetched_bytes", "error", "limits", "notes", "complete", "status"):
        assert getattr(crawl, name) == getattr(expected, name), name
    assert crawl.robots_file is not None
    assert crawl.robots_file == expected.robots_file


async def test_changes_alone_pass_too(new_site: NewSite, start: Any, tmp_path: Path) -> None:
    """A file of which only changes were read comes back so, and all of it can be read if that is wanted."""
    count = WORTH_KEEPING * 2
    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": sitemap(range(count))})
    crawler = await start(site.options(bodies=tmp_path / "bodies"))
    first = await crawled(crawler)
    (file,) = first.files
    assert file.document is not None
    known = RememberedFile(file.url, file.discovered_by, digest=file.document.digest, kind=file.document.kind)
    site.pages["/a"] = sitemap(range(5, count + 7))
    second = await crawled(crawler, (known,))
    ((_, came, gone),) = contents(second)
    assert gone is not None
    came_alone = {url for url, *_ in came} - {*gone}
    assert (len(came_alone), len({*gone} - {url for url, *_ in came})) == (7, 5)
    whole = second.read_whole({file.url})
    assert len([row for batch in whole.rows(0) for row in batch]) == count + 2


async def test_many_at_once(new_site: NewSite, start: Any) -> None:
    """Answers find who asked, also where each has a file to hand over."""
    pages = {f"s{n}.test/sitemap.xml": sitemap(range(n * 9_000, (n + 1) * 9_000)) for n in range(12)}
    site = await new_site(pages)
    crawler = await start(site.options())
    before = files_without_names()
    crawls = await asyncio.gather(*(crawler.crawl(parse_target(f"http://s{n}.test")) for n in range(12)))
    opened.extend(crawls)
    for number, crawl in enumerate(crawls):
        assert crawl.domain == f"s{number}.test"
        urls = {row[0] for batch in crawl.rows(0) for row in batch}
        assert urls == {
            f"http://site.test/page-{n * 7919 % 1_000_003}"
            for n in range(number * 9_000, (number + 1) * 9_000)
        }
    assert files_without_names() == before + 12
    while opened:
        opened.pop().close()
    assert files_without_names() == before


async def test_progress_and_log_come_back(
    new_site: NewSite, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks hears how far a domain is; log records arrive with what they carry, from the level up that is
    set here."""
    caplog.set_level(logging.INFO, logger="contentmap")
    caplog.handler.setLevel(logging.NOTSET)  # what is not wanted is not to be sent
    gate = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(text=sitemap(range(2)))

    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/a\nSitemap: http://site.test/b",
            "/a": sitemap(range(5)),
            "/b": late,
        }
    )
    crawler = await start(site.options())
    heard: list[CrawlProgress] = []

    def moved(progress: CrawlProgress) -> None:
        heard.append(progress)
        gate.set()

    opened.append(await crawler.crawl(TARGET, (), moved))
    assert (heard[0].domain, heard[0].files, heard[0].urls) == ("site.test", 1, 5)
    records = {record.action: record for record in caplog.records if hasattr(record, "action")}
    assert records["crawl.started"].getMessage() == "crawling site.test"
    assert records["crawl.complete"].files == 2
    assert "fetch.started" not in records


async def test_who_waits_no_more_is_not_crawled_for(new_site: NewSite, new_raw: Any, start: Any) -> None:
    """A crawl that is given up lets go of its site, and of what it has read."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.set()
        while await reader.read(1000):
            pass
        left.set()

    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": sitemap(range(3))})
    port = await new_raw(never)
    silent = ConnectTo("silent.test", None, "127.0.0.1", port)
    patient = Limits(read_timeout=300.0, request_timeout=300.0)  # else the site is let go of anyway
    crawler = await start(site.options(connect_to=(silent, *site.options().connect_to), limits=patient))
    waiting = asyncio.create_task(crawler.crawl(parse_target("http://silent.test")))
    await asyncio.wait_for(asked.wait(), 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(left.wait(), 30)
    assert (await crawled(crawler)).status is ScanStatus.OK


async def test_a_killed_process_is_replaced(new_site: NewSite, start: Any) -> None:
    """Whatever it was at is crawled by the next one."""
    asked = asyncio.Event()
    hold = True

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        if hold:
            await asyncio.Event().wait()
        return web.Response(text=sitemap(range(3)).replace("site.test", request.host))

    site = await new_site({"/sitemap.xml": slow})
    crawler = await start(site.options())
    first = crawler.number
    waiting = [asyncio.create_task(crawler.crawl(parse_target(f"http://s{n}.test"))) for n in range(20)]
    await asyncio.wait_for(asked.wait(), 30)
    hold = False
    os.kill(first, signal.SIGKILL)
    opened.extend(await asyncio.gather(*waiting))
    assert [(crawl.domain, crawl.status) for crawl in opened] == [
        (f"s{n}.test", ScanStatus.OK) for n in range(20)
    ]
    assert crawler.number not in (None, first)


async def test_one_that_kills_every_process_fails(
    new_site: NewSite, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried three times; the next domain is crawled all the same."""
    killing = True

    async def deadly(_: web.Request) -> web.Response:
        if killing:
            os.kill(crawler.numbers[-1], signal.SIGKILL)
        return web.Response(text="Sitemap: http://site.test/a")

    site = await new_site({"/robots.txt": deadly, "/a": sitemap(range(3))})
    crawler = await start(site.options())
    failed = await crawled(crawler)
    assert (failed.status, failed.files) == (ScanStatus.FAILED, ())
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == (
        Code.INTERNAL_ERROR,
        "the process that crawled it was killed",
    )
    assert [record.levelname for record in caplog.records if record.getMessage().startswith("the crawling")]
    killing = False
    assert (await crawled(crawler)).status is ScanStatus.OK


async def test_the_others_do_not_fail_with_it(new_site: NewSite, start: Any) -> None:
    """One domain ends every process that crawls it; those that are under way beside it are crawled."""
    kills = 0

    async def page(request: web.Request) -> web.Response:
        nonlocal kills
        if request.host == "s3.test":
            kills += 1
            os.kill(crawler.numbers[-1], signal.SIGKILL)
        await asyncio.sleep(0.2)
        return web.Response(text=sitemap(range(3)).replace("site.test", request.host))

    site = await new_site({"/sitemap.xml": page})
    crawler = await start(site.options())
    opened.extend(await asyncio.gather(*(crawler.crawl(parse_target(f"http://s{n}.test")) for n in range(8))))
    assert [crawl.domain for crawl in opened if crawl.status is not ScanStatus.OK] == ["s3.test"]
    assert kills == 3


async def test_signals_are_the_parent_s(new_site: NewSite, start: Any) -> None:
    """A Ctrl-C reaches the whole group: the process goes on until it is told to end."""
    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": sitemap(range(3))})
    crawler = await start(site.options())
    await crawled(crawler)  # it has started
    number = crawler.number
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(number, signum)
    assert (await crawled(crawler)).status is ScanStatus.OK
    assert crawler.number == number


async def test_one_that_hangs_is_ended(
    new_site: NewSite, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waits for a while, and then no longer."""
    monkeypatch.setattr(module, "ENDING", 0.1)
    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": sitemap(range(3))})
    crawler = await start(site.options())
    await crawled(crawler)
    os.kill(crawler.number, signal.SIGSTOP)


async def test_few_domains_are_crawled_here(new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process is worth its start for many only, and where there is a core for it and it starts."""
    site = await new_site()
    async with crawler_for(site.options(), WORTH_A_PROCESS - 1) as few:
        assert isinstance(few, Crawler)
    async with crawler_for(site.options(), WORTH_A_PROCESS) as many:
        assert isinstance(many, CrawlerProcess)
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    async with crawler_for(site.options(), WORTH_A_PROCESS) as refused:
        assert isinstance(refused, Crawler)
    monkeypatch.setattr(module.sys, "executable", "")
    async with crawler_for(site.options(), WORTH_A_PROCESS) as impossible:
        assert isinstance(impossible, Crawler)


async def test_a_process_that_has_begun_is_the_one_that_crawls(new_site: NewSite) -> None:
    """Whoever begins it ahead neither ends it nor has a second one started; what is killed before it is
    wanted is replaced as ever."""
    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": sitemap(range(3))})
    for killed in (False, True):
        with HeadStart(WORTH_A_PROCESS) as ahead:
            spawned = ahead._spawned
            assert spawned is not None
            if killed:
                spawned.process.kill()
                spawned.process.wait()
            async with crawler_for(site.options(), WORTH_A_PROCESS, ahead) as crawler:
                assert isinstance(crawler, CrawlerProcess)
                crawl = await crawled(crawler)
                assert (crawl.status, len(crawl.files)) == (ScanStatus.OK, 1)
                assert (crawler.number == spawned.process.pid) is not killed
        assert spawned.process.poll() is not None


def test_a_process_that_nobody_takes_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was refused meanwhile; and none is begun that is not worth it or cannot be."""
    with suppress(RuntimeError), HeadStart(WORTH_A_PROCESS) as ahead:
        spawned = ahead._spawned
        assert spawned is not None
        assert spawned.process.poll() is None
        raise RuntimeError
    assert spawned.process.returncode == -signal.SIGKILL
    assert spawned.orders.fileno() == spawned.descriptors.fileno() == -1
    with HeadStart(WORTH_A_PROCESS - 1) as few:
        assert few.take() is None
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    with HeadStart(WORTH_A_PROCESS) as refused:
        assert refused.take() is None


async def test_no_room_for_descriptors(new_site: NewSite, start: Any) -> None:
    """Rows on disk that find no free descriptor here are that domain's failure; the next one is well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    plugs: list[int] = []
    plugged = True

    async def plug(_: web.Request) -> web.Response:
        if plugged:
            plugs.append(os.dup(0))
            resource.setrlimit(resource.RLIMIT_NOFILE, (plugs[0] + 20, hard))
            with suppress(OSError):
                while True:
                    plugs.append(os.dup(0))
        return web.Response(text=sitemap(range(9_000)))

    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a", "/a": plug})
    crawler = await start(site.options())
    before = files_without_names()
    try:
        crawl = await crawled(crawler)
    finally:
        for number in plugs:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (crawl.status, crawl.error) == (
        ScanStatus.FAILED,
        Failure(Code.STORAGE_ERROR, "what was read cannot be kept: too many open files"),
    )
    assert files_without_names() == before
    plugged = False
    assert (await crawled(crawler)).status is ScanStatus.OK
