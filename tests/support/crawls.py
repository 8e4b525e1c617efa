"""Crawls whose results are closed when the test ends (see tests/crawl/conftest.py)."""

from __future__ import annotations

from contentmap_cli.crawl.crawler import Crawler, DomainCrawl
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import RememberedFile

opened: list[DomainCrawl] = []
"""The results to close."""


async def crawl(
    options: CrawlOptions, target: str = "http://site.test", remembered: tuple[RememberedFile, ...] = ()
) -> DomainCrawl:
    """Crawl one target once."""
    async with Crawler(options) as crawler:
        opened.append(await crawler.crawl(parse_target(target), remembered))
    return opened[-1]


def close_opened() -> None:
    """Close the results."""
    while opened:
        opened.pop().close()
