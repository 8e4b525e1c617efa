"""A domain that is crawled and waits for its turn to write does not keep the next one from being crawled."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from web_sites import good_site, serving

from contentmap_cli.commands.engine.job.job_run import JobRun
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.crawl.crawler import Crawler, DomainCrawl
from contentmap_cli.crawl.options import CrawlOptions, parse_connect_to
from contentmap_cli.models import DomainSummary, ScanStatus, Target
from contentmap_cli.storage.engine import Database
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.session import Sessions

HOSTS = [f"site{number}.test" for number in range(5)]
PATIENCE = 20  # seconds, for a machine that is busy


class Gated(Crawler):
    """Crawls nothing until it is let, and counts."""

    def __init__(self, options: CrawlOptions) -> None:
        super().__init__(options)
        self.gate, self.full, self.ahead = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.now = self.most = self.done = 0

    async def crawl(self, *arguments: Any) -> DomainCrawl:
        """The real crawl, behind the gate."""
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == 2:
            self.full.set()
        await self.gate.wait()
        try:
            return await super().crawl(*arguments)
        finally:
            self.now -= 1
            self.done += 1
            if self.done == 3:
                self.ahead.set()


class Kept(ProgressListener):
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.summaries: list[DomainSummary] = []

    def finished(self, summary: DomainSummary) -> None:
        self.summaries.append(summary)


async def test_the_next_domain_is_crawled_while_others_wait_to_write(database: Database) -> None:
    """Two at once and one more that waits, while nobody may write; never three at once, never a fourth."""
    sites_of: dict[str, Any] = {}
    for host in HOSTS:
        sites_of |= good_site(host)
    with serving(sites_of) as sites:
        sessions = Sessions(database)
        targets = [Target(host, (f"http://{host}",)) for host in HOSTS]
        job_id = jobs.new_job_id()
        async with sessions.brief(job_id) as session, session.begin():
            await jobs.create_job(session, job_id, "default", targets, {}, "me")
            assert await jobs.hold_job(session, job_id, "me")
        options = CrawlOptions(connect_to=(parse_connect_to(sites.connect_to),), retries=0)
        async with Gated(options) as crawler:
            kept = Kept()
            run = asyncio.create_task(
                JobRun(sessions, crawler, job_id, "default", "me", listener=kept, concurrency=2).run(HOSTS)
            )
            async with AsyncExitStack() as turns, asyncio.timeout(PATIENCE):
                await crawler.full.wait()
                for _ in range(database.writers):
                    await turns.enter_async_context(sessions.brief(job_id))
                crawler.gate.set()
                await crawler.ahead.wait()
                await asyncio.sleep(0.05)
                assert crawler.done == 3
                assert kept.summaries == []
            await run
            assert crawler.most == 2
    assert [summary.status for summary in kept.summaries] == [ScanStatus.OK] * len(HOSTS)


async def test_another_domain_is_crawled_during_a_crawl_delay(database: Database) -> None:
    """One at once: while the first waits between two requests, the second has its slot."""
    slow, quick = HOSTS[:2]
    pages = {**good_site(slow), **good_site(quick)}
    pages[f"{slow}/more.xml"] = pages[f"{slow}/sitemap.xml"]
    pages[f"{slow}/robots.txt"] = "User-agent: *\nCrawl-delay: 1\n" + "".join(
        f"Sitemap: http://{slow}/{name}.xml\n" for name in ("sitemap", "more")
    )
    with serving(pages) as sites:
        sessions = Sessions(database)
        targets = [Target(host, (f"http://{host}",)) for host in (slow, quick)]
        job_id = jobs.new_job_id()
        async with sessions.brief(job_id) as session, session.begin():
            await jobs.create_job(session, job_id, "default", targets, {}, "me")
            assert await jobs.hold_job(session, job_id, "me")
        options = CrawlOptions(connect_to=(parse_connect_to(sites.connect_to),), retries=0)
        kept = Kept()
        async with Crawler(options) as crawler:
            await JobRun(sessions, crawler, job_id, "default", "me", listener=kept).run([slow, quick])
    assert [(each.domain, each.status) for each in kept.summaries] == [
        (quick, ScanStatus.OK),
        (slow, ScanStatus.OK),
    ]
