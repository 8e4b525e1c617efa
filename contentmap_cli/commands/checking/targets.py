"""Check targets: files, recorded domains, and live sites, several at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from contentmap_cli.check.checker import Checker
from contentmap_cli.check.occurrences import OccurrenceStore
from contentmap_cli.commands.check_runner import check_file, check_live, check_stored
from contentmap_cli.commands.checking.page_check import PageCheck, Stopped
from contentmap_cli.commands.interface.document_input import is_robots, opened
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.target_input import check_targets, domain_name, target_lines
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.targets import TargetError, group_targets, parse_lines, parse_target
from contentmap_cli.errors import JobHeld, UsageError
from contentmap_cli.models import Target
from contentmap_cli.models.findings import STANDARD_INPUT, CheckedSite, CheckScope, Coverage, Finding

CONCURRENT_SITES = 8
_FILE_ENDINGS = (".xml", ".gz", ".txt", ".rss", ".atom")


@dataclass(frozen=True, slots=True)
class CheckedTarget:
    """The result of one target."""

    target: str
    files: int
    entries: int
    findings: Sequence[Finding]
    incomplete: Sequence[str]
    coverage: Coverage | None = None

    @classmethod
    def of(cls, checker: Checker) -> CheckedTarget:
        """Return the result of a checker that is finished; its hashes are not kept."""
        findings = checker.findings()
        limits, coverage = checker.incomplete(), checker.coverage()
        return cls(checker.target, checker.files, checker.seen, findings, limits, coverage)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """What is checked, and how. `base` is the URL of a file."""

    cli: GlobalOptions
    settings: ScanSettings
    scope: CheckScope
    store: OccurrenceStore
    base: str | None = None
    pages: PageCheck | None = None
    stored: bool = False

    async def check(self, names: Sequence[str], source: str | None) -> list[CheckedTarget]:
        """Check the targets, and those of the file `source`, in this order."""
        if not names and source is None:
            raise UsageError("no target given", hint="name a site or a file, or - for standard input")
        files = [] if self.stored else [each for each in names if is_file(each)]
        if self.base is not None and not files:
            raise UsageError("--base requires a file as target", hint="omit --base")
        if [*files, source].count("-") > 1:
            raise UsageError("standard input is named twice", hint="name it once")
        if self.pages is not None and files:
            raise UsageError("--pages requires a site, not a file", hint="name the site, or omit --pages")
        others = [each for each in names if each not in files]
        if self.stored:  # a name, as for the other commands that read
            for each in others:
                domain_name(each)
        sites = [*map(_site, others), *_listed(source)]
        return [*map(self._file, dict.fromkeys(files)), *await self._sites(list(dict.fromkeys(sites)))]

    def _file(self, name: str) -> CheckedTarget:
        shown = STANDARD_INPUT if name == "-" else name
        site = CheckedSite(target=shown, now=datetime.now(UTC), is_site=False, against=self.scope.against)
        checker = Checker(site, self.scope.wanted, self.store)
        limits = replace(self.settings.crawl_options().limits, details=True)
        with opened(name) as source:
            check_file(checker, shown, source, self.base, limits, robots=is_robots(name, self.base))
        return CheckedTarget.of(checker)

    async def _sites(self, sites: Sequence[Target]) -> list[CheckedTarget]:
        if not sites:
            return []
        options = self.settings.crawl_options()
        options = replace(options, limits=replace(options.limits, details=True))
        cli, scope, pages, store = self.cli, self.scope, self.pages, self.store
        opened = pages.opened(self.settings.max_time) if pages is not None else nullcontext()
        one_at_a_time = {site.domain: asyncio.Lock() for site in sites}  # of the sitemaps of one site
        async with Crawler(options) as crawler, opened:

            async def check(site: Target) -> CheckedTarget | None:
                try:
                    async with one_at_a_time[site.domain]:
                        if self.stored:
                            checker = await check_stored(cli, site, scope, crawler, pages, store)
                        else:
                            checker = await check_live(cli, site, crawler, scope, pages, store)
                except Stopped:
                    if pages is not None:
                        pages.skipped.append(site.domain)
                    return None
                except JobHeld as error:
                    if pages is None or len(sites) == 1:
                        raise
                    pages.held.append(error)
                    return None
                return CheckedTarget.of(checker)

            return await _at_once(check, sites)


async def _at_once(
    check: Callable[[Target], Awaitable[CheckedTarget | None]], sites: Sequence[Target]
) -> list[CheckedTarget]:
    """Check `CONCURRENT_SITES` sites at a time; return the results in the order of the sites."""
    results: dict[int, CheckedTarget | None] = {}
    waiting = iter(enumerate(sites))

    async def work() -> None:
        for number, site in waiting:
            results[number] = await check(site)

    tasks = [asyncio.create_task(work()) for _ in range(min(CONCURRENT_SITES, len(sites)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [result for number in range(len(sites)) if (result := results[number]) is not None]


def _site(text: str) -> Target:
    """Return a target; of one that is the URL of a sitemap, nothing else is read."""
    target = parse_target(text)
    return replace(target, only_given=bool(target.sitemaps))


def _listed(source: str | None) -> Iterator[Target]:
    """Yield the targets of a list: sites, and sitemaps where the list does not name their site."""
    if source is None:
        return
    lines = list(target_lines([], source))
    found = group_targets(lines)
    check_targets(found.errors, len(found.targets))
    whole = {
        target.domain
        for _, target in parse_lines(lines)
        if not isinstance(target, TargetError) and not target.sitemaps
    }
    for target in found.targets:
        yield replace(target, only_given=bool(target.sitemaps) and target.domain not in whole)


def is_file(text: str) -> bool:
    """Return whether a target is a file. Raise UsageError for a missing file that can only be a file."""
    if text == "-":
        return True
    if "://" in text:
        return False
    try:
        path = Path(text)
        if path.is_file():
            return True
        if path.is_dir() and ("/" in text or "." not in text):
            raise UsageError(f"{text} is a folder", hint=f"name the files in it: {path / '*.xml'}")
    except OSError:
        return False
    first, slash, _ = text.partition("/")
    may_be_a_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    if (text.lower().endswith(_FILE_ENDINGS) and not may_be_a_host) or text.startswith((".", "/")):
        raise UsageError(f"no such file: {text}", hint="name a sitemap on the web by its full URL")
    return False
