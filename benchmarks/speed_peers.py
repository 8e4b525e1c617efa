"""Lists every URL of some sites with its lastmod, with another program, as that program's users would.

usage: PEERS-PYTHON speed_peers.py READER SITES [--store FILE] [--reach PORT]

SITES is a file of home pages, one a line. Runs in the peers' environment. With --store each URL goes into an
SQLite file the way people write it: an object of SQLAlchemy's ORM for each, a commit for every thousand.
With --reach every site is reached at that port of loopback, for the one that takes names
and no addresses. Prints {"urls": N, "lastmods": N}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

AT_ONCE = 100

Take = Callable[[str, Any], None]
"""What is done with each URL and its lastmod."""


class Count:
    """Counts them, and hands them on to a store if there is one."""

    def __init__(self, store: Any = None) -> None:
        self.urls = self.lastmods = 0
        self._store = store

    def __call__(self, url: str, lastmod: Any) -> None:
        self.urls += 1
        self.lastmods += lastmod is not None
        if self._store is not None:
            self._store.add(url, lastmod)


def ultimate_sitemap_parser(sites: list[str], take: Take) -> None:
    """`sitemap_tree_for_homepage`, site after site."""
    from usp.tree import sitemap_tree_for_homepage

    for site in sites:
        for page in sitemap_tree_for_homepage(site).all_pages():
            take(page.url, page.last_modified)


def advertools(sites: list[str], take: Take) -> None:
    """`sitemap_to_df` of robots.txt, and of the usual place where that names nothing."""
    from advertools import sitemap_to_df

    for site in sites:
        for path in ("robots.txt", "sitemap.xml"):
            with suppress(Exception):  # it raises where there is no robots.txt
                frame = sitemap_to_df(urljoin(site, path))
                if "loc" in frame and frame["loc"].notna().any():
                    frame = frame[frame["loc"].notna()]
                    for url, lastmod in zip(frame["loc"], frame["lastmod"], strict=True):
                        take(url, lastmod)
                    break


def reach_loopback(port: int) -> None:
    """Has urllib3 connect there, whatever the host."""
    from urllib3.util import connection

    connect = connection.create_connection

    def redirected(_: tuple[str, int], *rest: Any, **options: Any) -> Any:
        return connect(("127.0.0.1", port), *rest, **options)

    connection.create_connection = redirected


def trafilatura(sites: list[str], take: Take) -> None:
    """`sitemap_search` without its pauses, allowed to reach loopback. It gives URLs only."""
    from trafilatura.settings import use_config
    from trafilatura.sitemaps import sitemap_search

    config = use_config()
    config.set("DEFAULT", "SSRF_PROTECTION", "off")
    for site in sites:
        for url in sitemap_search(site, sleep_time=0, config=config):
            take(url, None)


def scrapy(sites: list[str], take: Take) -> None:
    """A `SitemapSpider` that keeps what passes its filter and follows no page."""
    from scrapy.crawler import CrawlerProcess
    from scrapy.http import Request
    from scrapy.spiders import SitemapSpider

    class Spider(SitemapSpider):
        name = "urls"
        sitemap_urls = [urljoin(site, "robots.txt") for site in sites]  # noqa: RUF012 - scrapy's own way

        def sitemap_filter(self, entries: Any) -> Iterator[Any]:
            if entries.type == "sitemapindex":
                yield from entries
                return
            for entry in entries:
                take(entry["loc"], entry.get("lastmod"))

        def _parse_sitemap(self, response: Any) -> Any:
            if response.url.endswith("/robots.txt") and b"itemap:" not in response.body:
                return [Request(urljoin(response.url, "sitemap.xml"), self._parse_sitemap)]
            return super()._parse_sitemap(response)

        def parse(self, response: Any) -> None:
            """What a page would be given to."""

    settings = {
        "LOG_ENABLED": False,
        "CONCURRENT_REQUESTS": AT_ONCE,
        "TELNETCONSOLE_ENABLED": False,
        "HTTPERROR_ALLOWED_CODES": [404],  # a missing robots.txt leads to the usual place too
    }
    process = CrawlerProcess(settings)
    process.crawl(Spider)
    process.start()


def crawlee(sites: list[str], take: Take) -> None:
    """`parse_sitemap` of what each robots.txt names, a hundred sites at once."""
    from crawlee._utils.robots import RobotsTxtFile
    from crawlee._utils.sitemap import SitemapSource, parse_sitemap
    from crawlee.http_clients import ImpitHttpClient

    waiting = iter(sites)

    async def some(client: ImpitHttpClient) -> None:
        for site in waiting:
            robots = await RobotsTxtFile.find(site, client)
            named = robots.get_sitemaps(enqueue_strategy="all") or [urljoin(site, "sitemap.xml")]
            sources = [SitemapSource(type="url", url=url) for url in named]
            found: AsyncIterator[Any] = parse_sitemap(
                sources, client, options={"timeout": timedelta(minutes=10)}
            )
            async for entry in found:
                take(entry.loc, entry.lastmod)

    async def run() -> None:
        async with ImpitHttpClient() as client:
            await asyncio.gather(*(some(client) for _ in range(min(AT_ONCE, len(sites)))))

    asyncio.run(run())


READERS: dict[str, Callable[[list[str], Take], None]] = {
    "ultimate-sitemap-parser": ultimate_sitemap_parser,
    "advertools": advertools,
    "trafilatura": trafilatura,
    "scrapy": scrapy,
    "crawlee": crawlee,
}


def main() -> None:
    """Reads all sites and prints the count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("sites", type=Path)
    parser.add_argument("--store", type=Path, metavar="FILE")
    parser.add_argument("--reach", type=int, metavar="PORT")
    options = parser.parse_args()
    if options.reach:
        reach_loopback(options.reach)
    logging.disable(logging.CRITICAL)
    store = None
    if options.store:
        from speed_peers_orm import Store

        store = Store(options.store)
    count = Count(store)
    READERS[options.reader](options.sites.read_text(encoding="utf-8").split(), count)
    if store is not None:
        store.close()
    print(json.dumps({"urls": count.urls, "lastmods": count.lastmods}))


if __name__ == "__main__":
    main()
