"""Scans of one site recorded without a crawl: what was found is given, and merged as a scan would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import func, select, update

from contentmap_cli.models import (
    CrawledFile,
    DiscoveryMethod,
    Document,
    DocumentKind,
    DomainSummary,
    Entry,
    FileStatus,
    Lastmod,
    ScanStatus,
    Target,
)
from contentmap_cli.models.entry_rows import RowBatch, RowDelta, rows_of, sorted_unique
from contentmap_cli.models.pages import PageFacts, PageState
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.jobs.claims import Claim, claim_domains, fence, finish_domain
from contentmap_cli.storage.pages.facts import save_facts
from contentmap_cli.storage.pages.runs import PageRun, Selected, claim_run, end_run, fence_run
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, DomainScan
from contentmap_cli.storage.writing.change_set import ChangeSet
from contentmap_cli.storage.writing.entries import Changes, Compared, compare_ahead, merge_entries
from contentmap_cli.storage.writing.files import drop_files, save_files
from contentmap_cli.storage.writing.history import begin_part
from contentmap_cli.storage.writing.row_diff import FileEntries

DOMAIN = "shop.example"
Listing = dict[str, list[Entry]]


def page(path: str, day: str | None = None, **more: object) -> Entry:
    """An entry of the test site, changed on a day."""
    lastmod = Lastmod(f"{day}T00:00:00Z", "day", day) if day else None
    return Entry(f"https://{DOMAIN}/{path}", lastmod, **more)  # type: ignore[arg-type]


def no_page_type(entry: Entry) -> None:
    """Nothing tells."""


def batches(entries: Sequence[Entry]) -> list[RowBatch]:
    """What a crawl gives of a file with these entries."""
    rows = sorted_unique(rows_of(entries, no_page_type))
    return [RowBatch.of(rows[start : start + 500]) for start in range(0, len(rows), 500)]


async def start(sessions: Sessions, domain: str = DOMAIN) -> Claim:
    """A job with the test site, or another one, claimed."""
    job_id = jobs.new_job_id()
    async with sessions.brief(job_id) as session, session.begin():
        target = Target(domain, (f"https://{domain}",))
        await jobs.create_job(session, job_id, "default", [target], {}, "owner")
        taken = (await claim_domains(session, job_id, "default", [domain], "owner"))[domain]
    assert isinstance(taken, Claim)
    return taken


async def resume(sessions: Sessions, job_id: str, domain: str = DOMAIN) -> Claim:
    """The domain scan of a job claimed again, as `resume --failed` does."""
    async with sessions.brief(job_id) as session, session.begin():
        mine = update(DomainScan).where(DomainScan.job_id == job_id)
        await session.write(mine.values(status=ScanStatus.PARTIAL))
        taken = (await claim_domains(session, job_id, "default", [domain], "owner", failures=True))[domain]
    assert isinstance(taken, Claim)
    return taken


async def expire(sessions: Sessions, taken: Claim) -> None:
    """The lease of a claim runs out: its run has slept too long."""
    async with sessions.brief(taken.job_id) as session, session.begin():
        late = update(DomainScan).where(DomainScan.id == taken.scan_id)
        assert await session.write(late.values(lease_until=utc_now(-1))) == 1


async def claim_pages(
    sessions: Sessions,
    domain: str = DOMAIN,
    wanted: int | None = None,
    *,
    owner: str = "owner",
    fresh: bool = False,
    tenant: str = "default",
    scope: str | None = None,
) -> PageRun:
    """A run of `check --pages`, claimed; that of a process that has ended counts as ended."""
    async with sessions.brief(domain=domain) as session, session.begin():
        return await claim_run(
            session,
            tenant,
            domain,
            Selected(wanted, scope),
            owner,
            fresh=fresh,
            dead=lambda each: each == "dead",
            running=lambda _: False,
        )


async def ask_pages(
    sessions: Sessions, run: PageRun, *paths: str, finished: bool | None = None, etag: str | None = None
) -> None:
    """Pages of a domain that a run has asked, recorded as the command does; it ends if that is said."""
    now = datetime.now(UTC)
    asked = [
        PageFacts(f"https://{run.domain}/{path}", PageState.ANSWERED, now, status=200, etag=etag)
        for path in paths
    ]
    async with sessions.work("pages", run.domain) as session, session.begin():
        await session.turn()
        await fence_run(session, run)
        await save_facts(session, run, [(page, f'"{run.run_id}"') for page in asked])
        if finished is not None:
            await end_run(session, run, PageCounts(len(paths), len(paths), finished=finished))


async def record(
    sessions: Sessions,
    listing: Listing,
    *,
    complete: bool = True,
    statuses: dict[str, FileStatus] | None = None,
    domain: str = DOMAIN,
    counted: bool = True,
    ahead: bool = False,
    between: Callable[[Claim], Awaitable[None]] | None = None,
    deltas: Mapping[str, RowDelta] | None = None,
    taken: Claim | None = None,
) -> Changes:
    """One scan of a site that finds these files; what it says is held against the table if `counted`.

    `ahead`: it is compared before its turn to write, and then, before that turn comes, `between` happens.
    `deltas` are what changed in files of which only that was read. `taken` is a claim that was made before;
    by default a new job claims the domain.
    """
    taken = taken or await start(sessions, domain)
    crawled = [
        CrawledFile(
            f"https://{domain}/{name}",
            (statuses or {}).get(name, FileStatus.OK),
            DiscoveryMethod.ROBOTS,
            document=Document(DocumentKind.URLSET, len(entries), True),
        )
        for name, entries in listing.items()
    ]
    read = {
        position: FileEntries(
            None, False, partial(batches, entries), file.status is FileStatus.OK, (deltas or {}).get(name)
        )
        for position, ((name, entries), file) in enumerate(zip(listing.items(), crawled, strict=True))
        if file.status in (FileStatus.OK, FileStatus.PARTIAL)
    }
    with ChangeSet() as differences:
        compared = None
        if ahead:
            async with sessions.comparing(taken.job_id, domain) as session, session.begin():
                named = {crawled[position].url: file for position, file in read.items()}
                met = {file.url for file in crawled}
                compared = await compare_ahead(session, taken, named, met, differences, removals=complete)
        if between is not None:
            await between(taken)
        return await _write(
            sessions, taken, crawled, read, compared, complete=complete, domain=domain, counted=counted
        )


async def _write(
    sessions: Sessions,
    taken: Claim,
    crawled: Sequence[CrawledFile],
    read: dict[int, FileEntries],
    compared: Compared | None,
    *,
    complete: bool,
    domain: str,
    counted: bool,
) -> Changes:
    async with sessions.work(taken.job_id, domain) as session, session.begin():
        await session.turn()
        await fence(session, taken)
        if taken.resumed:
            files_found = len(crawled)
            taken = await begin_part(session, taken, ScanStatus.OK, complete=complete, files=files_found)
        saved = await save_files(session, taken, crawled, whole=complete)
        files = [
            replace(file, file_id=saved.ids[position], known=saved.ids[position] in saved.known)
            for position, file in read.items()
        ]
        changes = await merge_entries(
            session,
            taken,
            files,
            saved.vanished if complete else (),
            first_scan=not saved.known,
            removals=complete,
            ahead=compared,
        )
        counts = {name: getattr(changes, name) for name in ("urls", "added", "removed", "changed")}
        summary = DomainSummary(taken.job_id, domain, ScanStatus.OK, **counts)
        await drop_files(session, taken, saved.vanished if complete else ())
        await finish_domain(session, taken, replace(summary, sitemaps=len(crawled)), complete=complete)
        # what the count is derived from must not drift from what is there
        distinct = select(func.count(SITEMAP_URLS.c.url.distinct())).where(
            SITEMAP_URLS.c.domain_id == taken.domain_id, SITEMAP_URLS.c.removed_scan_id.is_(None)
        )
        assert not counted or await session.scalar(distinct) == changes.urls
    return changes
