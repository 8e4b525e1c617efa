"""Where the wings meet: crawl one domain, then store what was found.

    target --crawl--> DomainCrawl --(the turn to write)--> files, entries, changes --> DomainSummary

The session is the caller's, inside its one `begin()` block. All of the network comes first: no
statement runs before the last byte has arrived and been parsed, so the transaction holds a
connection and a lock only while it writes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from contentmap_cli.crawl.crawler import Crawler, CrawlProgress, DomainCrawl
from contentmap_cli.errors import Failure
from contentmap_cli.records.claims import Claim, fence, finish_domain
from contentmap_cli.records.entries import FileEntries, merge_entries
from contentmap_cli.records.files import drop_files, save_files
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.values import (
    CrawledFile,
    DomainSummary,
    FileStatus,
    RememberedFile,
    ScanStatus,
    Target,
)


class DomainFailed(Exception):
    """Nothing of a domain could be read, so there is nothing for its work session to record."""

    def __init__(self, crawl: DomainCrawl, failure: Failure, seconds: float) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = crawl.status
        self.requests = crawl.requests
        self.fetched_bytes = crawl.fetched_bytes
        self.seconds = seconds


async def process_domain(
    session: GuardedSession,
    claim: Claim,
    target: Target,
    crawler: Crawler,
    remembered: Sequence[RememberedFile] = (),
    progress: Callable[[CrawlProgress], None] | None = None,
    crawled: Callable[[], None] | None = None,
) -> DomainSummary:
    """Crawls `target` and records it through `session`, which the caller began and ends. `crawled` is called
    when the network is done with, before the wait for the turn to write.

    Returns what it came to. Raises DomainFailed where there is nothing to record, LeaseLost where
    another run has taken the domain over, and whatever the database raises.
    """
    started = time.monotonic()
    session.note("domain.crawl_started")
    with await crawler.crawl(target, remembered, progress) as crawl:
        session.note("domain.crawl_complete", status=str(crawl.status), files=len(crawl.files))
        seconds = time.monotonic() - started
        if crawled is not None:
            crawled()
        if crawl.error is not None and not crawl.files:
            raise DomainFailed(crawl, crawl.error, seconds)
        await session.turn()
        await fence(session, claim)
        return await _store(session, claim, crawl, seconds)


async def _store(session: GuardedSession, claim: Claim, crawl: DomainCrawl, seconds: float) -> DomainSummary:
    saved = await save_files(session, claim, crawl.files)
    entries = [
        FileEntries(
            file_id=file_id,
            known=file_id in saved.known,
            batches=partial(crawl.rows, index),
            whole=file.status is FileStatus.OK,
        )
        for index, (file, file_id) in enumerate(zip(crawl.files, saved.ids, strict=True))
        if file_id is not None and file.status in (FileStatus.OK, FileStatus.PARTIAL)
    ]
    vanished = saved.vanished if crawl.complete else ()
    changes = await merge_entries(
        session, claim, entries, vanished, first_scan=not saved.known, removals=crawl.complete
    )
    await drop_files(session, claim, vanished)
    good = [index for index, file in enumerate(crawl.files) if file.status is not FileStatus.FAILED]
    summary = DomainSummary(
        job_id=claim.job_id,
        domain=claim.domain,
        status=crawl.status,
        sitemaps=len(crawl.files),
        sitemaps_failed=len(crawl.files) - len(good),
        urls=changes.urls,
        added=changes.added,
        removed=changes.removed,
        changed=changes.changed,
        fetched_bytes=crawl.fetched_bytes,
        requests=crawl.requests,
        seconds=round(seconds, 3),
        error=_why(crawl),
        discovery_methods=_count(saved.methods[index] for index in good),
        sitemap_types=_count(kind for index in good if (kind := saved.types[index]) is not None),
    )
    await finish_domain(session, claim, summary, complete=crawl.complete, limits=crawl.limits)
    return summary


def _why(crawl: DomainCrawl) -> Failure | None:
    """What a person should hear first about a domain that is not clean."""
    if crawl.status in (ScanStatus.OK, ScanStatus.EMPTY):
        return None
    if crawl.error is not None:
        return crawl.error
    if crawl.limits:
        return crawl.limits[0]
    return next((_file_failure(file) for file in crawl.files if _file_failure(file)), None)


def _file_failure(file: CrawledFile) -> Failure | None:
    failure = file.error or (file.document.failure if file.document is not None else None)
    return Failure(failure.code, f"{file.url}: {failure.message}") if failure is not None else None


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(name) for name in names).items()))
