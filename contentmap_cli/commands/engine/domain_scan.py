"""Crawl one domain and store the result.

    claim ── crawl ──> DomainCrawl ── compare ──> changes ── wait to write, fence, store ──> DomainSummary

The session belongs to the caller, which began its block and ends it. The network comes first: the first
statement runs after the last response was parsed, so that the transaction holds a connection and locks only
while rows are written.

A large domain that is known is compared with what is recorded before its session may write, in a session that
only reads. Meanwhile no other job records the domain, as long as the claim's lease is renewed. If another run
recorded it all the same, because this one was suspended, `merge_entries` notices and compares again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from contentmap_cli.commands.engine.progress import DomainProgress
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DomainSummary, FileStatus, ScanStatus
from contentmap_cli.models.robots import relevant_problems
from contentmap_cli.storage.jobs.claims import Claim, fence, finish_domain
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.writing.change_set import ChangeSet
from contentmap_cli.storage.writing.entries import (
    Changes,
    Compared,
    DeltaMismatch,
    compare_ahead,
    merge_entries,
)
from contentmap_cli.storage.writing.files import drop_files, save_files
from contentmap_cli.storage.writing.history import begin_part, mark_incomplete
from contentmap_cli.storage.writing.robots_versions import save_robots
from contentmap_cli.storage.writing.row_diff import FileEntries

WORTH_COMPARING_AHEAD = 5_000
"""Number of entries from which a domain is compared before its session may write. For fewer, a session of
its own takes longer than it saves."""

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

    A crawl that an earlier attempt has made is used again. Returns the outcome. Raises DomainFailed where
    nothing could be read, LeaseLost where another run has taken the domain over, and whatever the database
    raises.
    """
    crawl = progress.crawl
    if crawl is None:
        started = time.monotonic()
        session.note("domain.crawl_started")
        found = await crawler.crawl(
            claim.target, claim.remembered, progress.listener.updated, progress.waiting
        )
        crawl = progress.crawled(found, time.monotonic() - started)
        session.note("domain.crawl_complete", status=str(crawl.status), files=len(crawl.files))
    if crawl.status in _UNREAD and not crawl.files and crawl.failure is not None:
        raise DomainFailed(crawl, crawl.failure, progress.seconds)
    with ExitStack() as kept:
        read, compared = crawl, None
        if claim.known:
            read, compared = await _compare_before_writing(claim, crawl, progress, kept)
        await session.turn()
        first_scan = not await fence(session, claim)
        max_drop = crawler.options.max_drop
        return await _store(session, claim, read, progress.seconds, compared, max_drop, first_scan=first_scan)


async def _compare_before_writing(
    claim: Claim, crawl: DomainCrawl, progress: DomainProgress, kept: ExitStack
) -> tuple[DomainCrawl, Compared | None]:
    """Compare the crawl of a known domain with what is recorded, where that is worth a session of its own.

    Returns what is to be written, None where it is compared while writing, and the crawl that this refers to:
    if the changes read from a file do not apply to what is recorded, the file is read whole.
    """
    has_deltas = any(crawl.delta(index) is not None for index in range(len(crawl.files)))
    if not has_deltas and _entries_read(crawl) < WORTH_COMPARING_AHEAD:
        return crawl, None
    while True:
        try:
            async with progress.reading() as reading:
                return crawl, await compare_ahead(
                    reading,
                    claim,
                    {crawl.files[index].url: file for index, file in _read_files(crawl).items()},
                    crawl.not_selected | {file.url for file in crawl.files if not file.is_absent},
                    kept.enter_context(ChangeSet()),
                    removals=crawl.complete,
                )
        except DeltaMismatch as mismatch:
            crawl = await crawl.read_whole(mismatch.urls)


def _read_files(crawl: DomainCrawl) -> dict[int, FileEntries]:
    """Return the files whose entries were read, by position; of a file that is listed twice, the first."""
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
    """Return how many entries the files of a crawl have."""
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
    compared: Compared | None,
    max_drop: float | None,
    *,
    first_scan: bool,
) -> DomainSummary:
    """Write robots.txt, files, entries and the outcome; the session is fenced. `first_scan`: nothing of the
    domain is recorded yet."""
    if claim.resumed:
        claim = await begin_part(
            session, claim, crawl.status, complete=crawl.complete, files=len(crawl.files)
        )
    await save_robots(session, claim, crawl.robots_file, first_scan=first_scan)
    saved = await save_files(
        session,
        claim,
        crawl.files,
        whole=crawl.complete,
        first_scan=first_scan,
        not_selected=crawl.not_selected,
    )
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
        ahead=compared,
        max_drop=max_drop,
        selected=bool(crawl.not_selected),
    )
    if vanished and not changes.withheld:
        await drop_files(session, claim, vanished)
    good = [index for index, file in enumerate(crawl.files) if file.status is not FileStatus.FAILED]
    summary = DomainSummary(
        job_id=claim.job_id,
        domain=claim.domain,
        status=ScanStatus.PARTIAL if changes.withheld else crawl.status,
        sitemaps=len(crawl.files),
        sitemaps_failed=len(crawl.files) - len(good),
        urls=changes.urls,
        added=changes.added,
        removed=changes.removed,
        changed=changes.changed,
        withheld=changes.withheld,
        fetched_bytes=crawl.fetched_bytes,
        requests=crawl.requests,
        retries=crawl.retries,
        seconds=round(seconds, 3),
        error=_dropped(changes) or (None if crawl.status.clean else crawl.failure),
        evidence=crawl.evidence,
        discovery_methods=_count(saved.methods[index] for index in good),
        robots_problems=relevant_problems(crawl.robots_file.problems) if crawl.robots_file is not None else 0,
        sitemap_types=_count(kind for index in good if (kind := saved.types[index]) is not None),
    )
    complete = crawl.complete and not changes.withheld
    if changes.withheld and claim.part_id is not None:
        await mark_incomplete(session, claim)
    await finish_domain(session, claim, summary, complete=complete, limits=crawl.limits, kept=saved.kept)
    return summary


def _dropped(changes: Changes) -> Failure | None:
    """Return the failure of a scan that kept URLs because of --max-drop, None if it kept none."""
    if not changes.withheld:
        return None
    before = changes.urls - changes.added
    return Failure(
        Code.URLS_DROPPED,
        f"{changes.withheld:,} of {before:,} URLs are no longer listed; they are kept until another scan"
        " confirms it (--max-drop)",
    )


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(name) for name in names).items()))
