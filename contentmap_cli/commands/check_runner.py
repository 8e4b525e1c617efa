"""Checks a live site, a recorded domain or a file against the rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import BinaryIO

from contentmap_cli.check.checker import Checker
from contentmap_cli.check.occurrences import OccurrenceStore
from contentmap_cli.commands.checking.page_check import PageCheck, PageSite
from contentmap_cli.commands.checking.selection import Batch
from contentmap_cli.commands.database.connection import database_for_reading
from contentmap_cli.commands.database.lookups import pages as pages_of
from contentmap_cli.commands.database.lookups import read_domain
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.crawl.robots_verdict import SiteRobots, read_robots_body, read_version
from contentmap_cli.errors import Code, ContentMapError, Failure, NotFound
from contentmap_cli.models import DiscoveryMethod, DocumentKind, Limits, RememberedFile, Target
from contentmap_cli.models.entry_rows import entries_of
from contentmap_cli.models.findings import CheckedFile, CheckedSite, CheckScope
from contentmap_cli.models.hosts import normalise_url, origin_of
from contentmap_cli.models.robots import RobotsFile, RobotsVersion
from contentmap_cli.output.escape import redact
from contentmap_cli.sitemap import parse_document, parse_lastmod
from contentmap_cli.sitemap.robots.lines import RobotsText
from contentmap_cli.storage.reading.contents import find_domain, recorded_files
from contentmap_cli.storage.reading.entry_pages import EntryFilter, EntryPages, stored_batches
from contentmap_cli.storage.writing.files import remembered_files
from contentmap_cli.storage.writing.robots_versions import current_robots

SLICE = 1000
_DEEPEST = 16  # index files followed upwards; they may form a cycle


def check_file(
    checker: Checker, name: str, source: BinaryIO, base: str | None, limits: Limits, *, robots: bool
) -> None:
    """Check one document from a file."""
    spool = RowSpool()
    try:
        segment = spool.segment(base or name, room=limits.file_urls_hard, child_room=limits.file_urls_hard)
        document = parse_document(source, segment, base=base, limits=limits, robots=robots)
        segment.finish()
        file = CheckedFile(
            name=name,
            kind=document.kind,
            entries=document.entries,
            problems=document.problems,
            details=segment.problems,
            failure=document.failure,
            url=base,
            encoding=document.encoding,
            is_gzipped=document.is_gzipped,
            decoded_bytes=document.decoded_bytes,
            has_lastmod=document.has_lastmod,
            root=document.root,
        )

        def feed() -> None:
            checker.start(file)
            for start in range(0, len(segment.children), SLICE):
                checker.entries(segment.children[start : start + SLICE])
            for batch in segment.read():
                checker.entries(entries_of(batch))
            checker.end()

        feed()
        if checker.repeat():
            feed()
    finally:
        spool.close()


async def check_live(
    cli: GlobalOptions,
    target: Target,
    crawler: Crawler,
    scope: CheckScope,
    pages: PageCheck | None = None,
    store: OccurrenceStore | None = None,
) -> Checker:
    """Crawl a site and check the result, and its `pages`. Only what these answer is recorded."""
    before = await _earlier(cli, target.domain)
    started = time.monotonic()
    crawling = crawler.crawl(target)
    with await (crawling if pages is None else pages.until_stopped(crawling)) as crawl:
        now = datetime.now(UTC)
        robots = {
            origin: read_robots_body(file.body, file.final_url, cut=file.failure is not None)
            for origin, file in crawl.robots_files.items()
        }
        site = CheckedSite(
            target=target.sitemaps[0] if target.only_given else target.domain,
            now=now,
            refusals=SiteRobots(robots, scope.agents).refusals,
            agents=scope.agents,
            against=scope.against,
            failures=tuple(
                dict.fromkeys((*((crawl.failure,) if crawl.failure else ()), *crawl.limits, *crawl.notes))
            ),
            robots=_robots(crawl.robots_file),
        )
        checker = Checker(site, scope.wanted, store)
        files = _crawled(crawl, before, now)
        for _ in range(2):
            for index, file in enumerate(files):
                checker.start(file)
                for batch in crawl.rows(index):
                    checker.entries(entries_of(batch))
                    await asyncio.sleep(0)  # other sites go on
                checker.end()
            if not checker.repeat():
                break
        if pages is not None:

            async def listing() -> AsyncIterator[Batch]:
                for index, file in enumerate(files):
                    for rows in crawl.rows(index):
                        yield Batch(file, rows.urls, partial(entries_of, rows))
                        await asyncio.sleep(0)  # signals are heard

            known = (crawl.robots,) if crawl.robots is not None else ()
            page_site = PageSite(
                target,
                listing,
                known,
                SiteRobots(robots, pages.options.agents).allows,
                time.monotonic() - started,
            )
            await pages.check(page_site, crawler, checker.notes)
    return checker


async def check_stored(
    cli: GlobalOptions,
    target: Target,
    scope: CheckScope,
    crawler: Crawler | None = None,
    pages: PageCheck | None = None,
    store: OccurrenceStore | None = None,
) -> Checker:
    """Check a recorded domain, and with a crawler its `pages`. Raise NotFound if it was never scanned."""
    name = target.domain
    async with read_domain(cli, name) as (session, domain_id):
        recorded = await recorded_files(session, domain_id)
        named = _named(file.url for file, _ in recorded if file.discovered_by is DiscoveryMethod.ROBOTS)
        dated = [
            replace(file, index_lastmod=parse_lastmod(said) if said else None) for file, said in recorded
        ]
        files = _with_origin(dated, named)
        version = await current_robots(session, domain_id)
        robots = _robots_by_origin(version) if version is not None else {}
        site = CheckedSite(
            target=name,
            now=datetime.now(UTC),
            refusals=SiteRobots(robots, scope.agents).refusals,
            agents=scope.agents,
            against=scope.against,
            robots=_recorded_robots(version) if version is not None else None,
        )
        checker = Checker(site, scope.wanted, store)
        for _ in range(2):
            waiting = iter(files)
            current: CheckedFile | None = None
            async for batch in stored_batches(session, domain_id, EntryFilter()):
                for sitemap, some in groupby(batch, key=attrgetter("sitemap")):
                    if current is None or sitemap != current.name:
                        current = _advance(checker, current, waiting, sitemap)
                    if current is not None:
                        checker.entries([stored.entry for stored in some])
            _advance(checker, current, waiting, None)
            if not checker.repeat():
                break
    if pages is not None and crawler is not None:  # the transaction has ended
        sessions, by_name = pages.sessions, {file.name: file for file in files}

        async def listing() -> AsyncIterator[Batch]:
            async for batch in pages_of(sessions, EntryPages(domain_id, EntryFilter()).next, domain=name):
                for sitemap, some in groupby(batch, key=attrgetter("sitemap")):
                    entries = [stored.entry for stored in some]
                    if sitemap in by_name:
                        yield Batch(by_name[sitemap], [each.url for each in entries], entries.copy)

        allows = SiteRobots(robots, pages.options.agents).allows
        await pages.check(PageSite(target, listing, allows=allows), crawler, checker.notes)
    return checker


def _advance(
    checker: Checker, current: CheckedFile | None, waiting: Iterator[CheckedFile], name: str | None
) -> CheckedFile | None:
    """End the current file and start the next ones up to `name`; files in between have no entries."""
    if current is not None:
        checker.end()
    for file in waiting:
        checker.start(file)
        if file.name == name:
            return file
        checker.end()
    return None


def _crawled(crawl: DomainCrawl, before: Mapping[str, RememberedFile], now: datetime) -> list[CheckedFile]:
    files = []
    for index, file in enumerate(crawl.files):
        document = file.document
        earlier = before.get(file.url)
        digest = document.digest if document is not None and document.complete else None
        known = earlier is not None and bool(earlier.digest) and bool(digest) and bool(earlier.lastmod)
        files.append(
            CheckedFile(
                name=file.url,
                kind=document.kind if document else None,
                entries=document.entries if document else 0,
                problems=document.problems if document else (),
                details=partial(crawl.problems, index) if document else None,
                failure=_shown(file.error or (document.failure if document else None)),
                url=file.url,
                final_url=file.final_url,
                discovered_by=file.discovered_by,
                parent=file.parent,
                content_type=file.content_type,
                encoding=document.encoding if document else None,
                is_gzipped=bool(document and document.is_gzipped),
                decoded_bytes=document.decoded_bytes if document else 0,
                has_lastmod=bool(document and document.has_lastmod),
                root=document.root if document else None,
                index_lastmod=parse_lastmod(file.lastmod) if file.lastmod else None,
                was_changed=earlier.digest != digest if known and earlier else None,
                date_changed=earlier.lastmod != file.lastmod if known and earlier and file.lastmod else None,
                read_at=now,
            )
        )
    return _with_origin(files, _named(crawl.robots.sitemaps if crawl.robots is not None else ()))


def _robots(file: RobotsFile | None) -> CheckedFile | None:
    """Return a robots.txt as a document. The problem `robots_is_html` is reported for the site instead."""
    if file is None or file.body is None:
        return None
    return CheckedFile(
        name=file.url,
        kind=DocumentKind.ROBOTS,
        entries=len(file.sitemaps),
        problems=tuple(problem for problem in file.problems if problem.code != Code.ROBOTS_IS_HTML),
        url=file.url,
        final_url=file.final_url,
        decoded_bytes=len(file.body),
    )


def _robots_by_origin(version: RobotsVersion) -> dict[str, RobotsText | None]:
    """Return a recorded robots.txt by the origins that it is known to be that of."""
    text = read_version(version)
    return {origin_of(url) or "": text for url in (version.url, version.final_url)}


def _recorded_robots(version: RobotsVersion) -> CheckedFile | None:
    """Return a recorded robots.txt as a document."""
    if version.body is None:
        return None
    return CheckedFile(
        name=version.url,
        kind=DocumentKind.ROBOTS,
        problems=version.problems,
        url=version.url,
        final_url=version.final_url,
        decoded_bytes=len(version.body),
    )


def _named(urls: Iterable[str | None]) -> frozenset[str]:
    """Return URLs in normalised form."""
    return frozenset(normalise_url(url) or url for url in urls if url is not None)


def _with_origin(files: Sequence[CheckedFile], named: frozenset[str]) -> list[CheckedFile]:
    """Mark the files that robots.txt names, directly or through an index file."""
    by_url = {file.url: file for file in files}
    marked = []
    for file in files:
        trusted = False
        at: CheckedFile | None = file
        for _ in range(_DEEPEST):
            if at is None or at.url is None:
                break
            if at.discovered_by is DiscoveryMethod.ROBOTS or (normalise_url(at.url) or at.url) in named:
                trusted = True
                break
            at = by_url.get(at.parent) if at.parent else None
        marked.append(replace(file, trusted=trusted, named=trusted or file.parent is not None))
    return marked


def _shown(failure: Failure | None) -> Failure | None:
    return Failure(failure.code, redact(failure.message)) if failure is not None else None


async def _earlier(cli: GlobalOptions, domain: str) -> dict[str, RememberedFile]:
    """Return the files that an earlier scan recorded, by URL; empty without an earlier scan."""
    try:
        async with (
            database_for_reading(cli) as sessions,
            sessions.read(domain=domain) as session,
            session.begin(),
        ):
            found = await find_domain(session, cli.tenant_name, domain)
            if found is None:
                return {}
            return {file.url: file for file in (await remembered_files(session, [found])).get(found, [])}
    except NotFound:  # there is no database yet
        return {}
    except ContentMapError as error:
        cli.note(f"note: no earlier scan to compare with: {redact(error.message)}")
        return {}
