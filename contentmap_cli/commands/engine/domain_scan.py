"""Crawl one domain and store the result.

    target --crawl--> DomainCrawl --compare--(the turn to write)--> files, entries, changes --> DomainSummary

The session is the caller's, inside its one `begin()` block. All of the network comes first: no
statement runs before the last byte has arrived and been parsed, so the transaction holds a
connection and a lock only while it writes. Where much was read of a domain that is known, it is
compared with what is recorded in a session that only reads, before the turn to write.

Between that and the turn nobody else records the domain: other jobs pass it over while this claim's
lease lives. A run that sleeps past its lease may find that another has recorded it meanwhile. The domain
then stands at another result, which is seen under the fence, and all is compared again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from contentmap_cli.commands.engine.progress import DomainProgress
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.errors import Failure
from contentmap_cli.models import DomainSummary, FileStatus, ScanStatus
from contentmap_cli.models.robots import costly
from contentmap_cli.storage.jobs.claims import Claim, fence, finish_domain
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.writing.change_set import ChangeSet
from contentmap_cli.storage.writing.entries import Compared, Unfit, compare_ahead, merge_entries
from contentmap_cli.storage.writing.files import drop_files, save_files
from contentmap_cli.storage.writing.robots_versions import save_robots
from contentmap_cli.storage.writing.row_diff import FileEntries
from contentmap_cli.threads import run_in_thread

WORTH_COMPARING_AHEAD = 5_000
"""Entries of a domain. Fewer are compared in its turn to write, in less time than one more session takes."""

_UNREAD = frozenset({ScanStatus.FAILED, ScanStatus.DEFERRED})


class DomainFailed(Exception):
    """Nothing of a domain could be read, so the work session has nothing to record."""

    def __init__(self, crawl: DomainCrawl, failure: Failure, seconds: float) -> None:
        super().__init__(failure.message)
        self.crawl = crawl  # closed by now: its figures, evidence and robots.txt remain
        self.failure = failure
        self.seconds = seconds


async def process_domain(
    session: GuardedSession, claim: Claim, crawler: Crawler, progress: DomainProgress
) -> DomainSummary:
    """Crawl the claimed domain and record it through `session`, which the caller began and ends.

    Returns the outcome. Raises DomainFailed where nothing could be read, LeaseLost where another run has
    taken the domain over, and whatever the database raises.
    """
    started = time.monotonic()
    session.note("domain.crawl_started")
    with await crawler.crawl(claim.target, claim.remembered, progress.updated) as crawl, ExitStack() as kept:
        session.note("domain.crawl_complete", status=str(crawl.status), files=len(crawl.files))
        seconds = time.monotonic() - started
        progress.crawled()
        if crawl.status in _UNREAD and not crawl.files and crawl.failure is not None:
            raise DomainFailed(crawl, crawl.failure, seconds)
        read, ahead = await _compare_ahead(claim, crawl, progress, kept)
        await session.turn()
        first_scan = not await fence(session, claim)
        return await _store(session, claim, read, seconds, ahead, first_scan=first_scan)


async def _compare_ahead(
    claim: Claim, crawl: DomainCrawl, progress: DomainProgress, kept: ExitStack
) -> tuple[DomainCrawl, Compared | None]:
    """What there is to write, if that is worth finding before the turn to write, and the crawl that it is of:
    where only changes of files were read, and those are not changes of what is recorded, all is read."""
    deltas = {file.url for index, file in enumerate(crawl.files) if crawl.delta(index) is not None}
    if not claim.known:
        return await _read_whole(crawl, deltas), None
    if not deltas and _entries_read(crawl) < WORTH_COMPARING_AHEAD:
        return crawl, None
    while True:
        try:
            async with progress.reading() as reading:
                return crawl, await compare_ahead(
                    reading,
                    claim,
                    {crawl.files[index].url: file for index, file in _read_files(crawl).items()},
                    {file.url for file in crawl.files if not file.is_absent},
                    kept.enter_context(ChangeSet()),
                    removals=crawl.complete,
                )
        except Unfit as unfit:
            crawl = await _read_whole(crawl, unfit.urls)


async def _read_whole(crawl: DomainCrawl, urls: Collection[str]) -> DomainCrawl:
    return await run_in_thread(crawl.read_whole, urls) if urls else crawl


def _read_files(crawl: DomainCrawl) -> dict[int, FileEntries]:
    """The files whose entries were read, by position. Of a file that is mentioned twice, the first is."""
    first: dict[str, int] = {}
    for index, file in enumerate(crawl.files):
        first.setdefault(file.url, index)
    return {
        index: FileEntries(
            None,
            False,
            partial(crawl.rows, index),
            crawl.files[index].status is FileStatus.OK,
            crawl.delta(index),
        )
        for index in first.values()
        if crawl.files[index].status in (FileStatus.OK, FileStatus.PARTIAL)
    }


def _entries_read(crawl: DomainCrawl) -> int:
    return sum(
        file.document.entries
        for file in crawl.files
        if file.document is not None and file.status in (FileStatus.OK, FileStatus.PARTIAL)
    )


async def _store(
    session: GuardedSession,
    claim: Claim,
    crawl: DomainCrawl,
    seconds: float,
    ahead: Compared | None,
    *,
    first_scan: bool,
) -> DomainSummary:
    await save_robots(session, claim, crawl.robots_file, first_scan=first_scan)
    saved = await save_files(session, claim, crawl.files, whole=crawl.complete, first_scan=first_scan)
    entries = [
        replace(file, file_id=saved.ids[index], known=saved.ids[index] in saved.known)
        for index, file in _read_files(crawl).items()
    ]
    vanished = saved.vanished if crawl.complete else ()
    changes = await merge_entries(
        session,
        claim,
        entries,
        (*vanished, *saved.absent) if crawl.complete else (),
        first_scan=not saved.known,
        removals=crawl.complete,
        ahead=ahead,
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
        error=None if crawl.status.clean else crawl.failure,
        evidence=crawl.evidence,
        discovery_methods=_count(saved.methods[index] for index in good),
        robots_problems=costly(crawl.robots_file.problems) if crawl.robots_file is not None else 0,
        sitemap_types=_count(kind for index in good if (kind := saved.types[index]) is not None),
    )
    await finish_domain(session, claim, summary, complete=crawl.complete, limits=crawl.limits)
    return summary


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(name) for name in names).items()))
