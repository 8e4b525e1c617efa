"""`check --pages`: select the pages of a site, ask for them, and judge what they answered.

listing -> select_pages -> PageStore.claim -> PageAsking.run -> facts_of -> PageJudge -> findings
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from contentmap_cli.batches import batched
from contentmap_cli.check.hashing import HashBag
from contentmap_cli.check.registry import Notes
from contentmap_cli.commands.checking.page_asking import PageAsking
from contentmap_cli.commands.checking.page_facts import facts_of
from contentmap_cli.commands.checking.page_line import PageLine
from contentmap_cli.commands.checking.page_store import BATCH, PageStore
from contentmap_cli.commands.checking.selection import Listing, Selection, normalised, select_pages
from contentmap_cli.commands.database.connection import database_for_writing
from contentmap_cli.commands.engine.stop_signals import deadline, signals_to
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.listed_pages.endings import NotAsked
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Exit, JobHeld, UsageError
from contentmap_cli.models import Limits, Target
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.output.formats import Format
from contentmap_cli.storage.pages.runs import Selected
from contentmap_cli.storage.session import Sessions

T = TypeVar("T")

DEFAULT_PAGES: Final = 100
"""Pages of `--pages` without a number."""

AGENTS: Final = ("googlebot",)
"""The crawlers whose rules are judged by default, besides those for all."""

_SHOWN: Final = 5  # names of sites that were not checked
_MESSAGE: Final = "stopping: recording the pages that were asked"


class Stopped(Exception):
    """The command was stopped before a target was read."""


class PageOptions(NamedTuple):
    """What `--pages` asks for: the number of pages, None for all, whether to start over, and the crawlers
    whose rules are judged besides those for all."""

    wanted: int | None
    fresh: bool = False
    agents: tuple[str, ...] = AGENTS

    @classmethod
    def parse(cls, text: str, agents: Sequence[str] | None = None, *, fresh: bool) -> PageOptions:
        """Return the options for the value of `--pages`. Raise UsageError for an invalid one."""
        named = tuple(agent for agent in agents or () if agent != "*") or AGENTS
        number = text.strip().lower()
        if number == "all":
            return cls(None, fresh, named)
        if not number.isdecimal() or not int(number) or len(number) > 9:
            raise UsageError(
                f"--pages: invalid number of pages: {text[:40]!r}", hint="give a number from 1, or `all`"
            )
        return cls(int(number), fresh, named)


@dataclass(frozen=True, slots=True)
class PageSite:
    """A site whose pages are checked. `listing` yields its entries, as often as it is called. `robots` are
    rules that were read already. `allows` says what robots.txt allows to the crawlers that are judged.
    `seconds` is what reading its sitemaps took."""

    target: Target
    listing: Callable[[], Listing]
    robots: tuple[Robots, ...] = ()
    allows: Callable[[str, str], bool | None] | None = None
    seconds: float = 0.0


@dataclass
class PageCheck:
    """Checks the pages of the sites of one command. `counts` are those of each site. `stopped_by` is why it
    ends early; `signals` are those that were received. `held` are the sites whose pages another process
    checks, `skipped` those that were not read because the command was stopped."""

    cli: GlobalOptions
    options: PageOptions
    domain_time: float | None = None
    counts: dict[str, PageCounts] = field(default_factory=dict, init=False)
    stopped_by: str | None = field(default=None, init=False)
    signals: list[signal.Signals] = field(default_factory=list, init=False)
    held: list[JobHeld] = field(default_factory=list, init=False)
    skipped: list[str] = field(default_factory=list, init=False)
    _sessions: Sessions | None = field(default=None, init=False)
    _asking: set[PageAsking] = field(default_factory=set, init=False)
    _line: PageLine = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self._line = PageLine(self.cli)

    @asynccontextmanager
    async def opened(self, max_time: float | None) -> AsyncIterator[None]:
        """Open the database. Until the block ends, signals and `--max-time` stop the check."""
        async with database_for_writing(self.cli) as database:
            self._sessions = Sessions(database)
            with signals_to(self.stop, _MESSAGE) as self.signals, deadline(self.stop, max_time):
                yield

    @property
    def sessions(self) -> Sessions:
        """The sessions of the open database."""
        if self._sessions is None:
            raise ValueError("the database is not open")
        return self._sessions

    @property
    def total(self) -> PageCounts:
        """The counts of all sites."""
        return sum(self.counts.values(), PageCounts())

    def stop(self, reason: str) -> None:
        """Ask for no more pages, and begin with no further site."""
        self.stopped_by = self.stopped_by or reason
        self._stop.set()
        self._line.clear()
        for asking in self._asking:
            asking.stop(self._reason)

    @property
    def _reason(self) -> NotAsked:
        """Why pages are not asked after `stop`."""
        return NotAsked.STOPPED if self.signals else NotAsked.TIME

    async def until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raise Stopped if the check is stopped before."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    async def check(self, site: PageSite, crawler: Crawler, notes: Notes) -> None:
        """Check the pages that a site lists. Raise JobHeld where another process does."""
        domain, options = site.target.domain, self.options
        selection = await select_pages(site.listing(), options.wanted)
        store = await PageStore.claim(
            self.sessions,
            self.cli.tenant_name,
            domain,
            Selected(options.wanted, _scope(site.target)),
            fresh=options.fresh,
        )
        try:
            before = self.counts.get(domain, PageCounts())  # of another sitemap
            self.counts[domain] = before + await self._ask(site, crawler, store, selection)
        except Exception as error:
            await store.record_failure(error)
            raise
        finally:
            self._line.clear()
        await self._judge(site, store, selection, notes)

    def notes(self, form: Format) -> Iterator[str]:
        """Yield what the output in a format does not say."""
        is_silent = form not in (Format.TABLE, Format.JSON, Format.NDJSON)
        is_sum = form is not Format.TABLE or len(self.counts) > 1
        for domain, counts in self.counts.items():
            if is_silent or (is_sum and counts.not_asked):
                yield f"note: {domain}: {counts}"
        yield from (f"error: {error.message}" for error in self.held)
        if self.skipped:
            names = ", ".join(self.skipped[:_SHOWN]) + (", …" if len(self.skipped) > _SHOWN else "")
            yield f"note: not checked ({self.stopped_by}): {names}"
        if not self.total.finished:
            yield "hint: run the same command again to continue"

    def exit_code(self, code: int) -> int:
        """Return the exit code of a command that would otherwise end with `code`."""
        return 128 + self.signals[0] if self.signals else Exit.HELD if self.held else code

    async def _ask(
        self, site: PageSite, crawler: Crawler, store: PageStore, selection: Selection
    ) -> PageCounts:
        """Ask for the pages that the run has not asked, and return the counts."""
        domain, run, selected = site.target.domain, store.run, len(selection)
        targets = frozenset(map(hash, await store.targets())) if run.continued else frozenset()
        source = crawler.pages(
            site.target,
            has_answer=lambda url: url in selection or hash(url) in targets,
            recall=store.recall,
            robots=site.robots,
            probed=await store.probes() if run.continued else (),
            seconds=max(0.0, (self.domain_time or Limits().domain_time) - site.seconds),
        )
        asking = PageAsking(
            store, selection, site.listing, lambda asked: self._line.update(domain, asked, selected)
        )
        self._asking.add(asking)
        try:
            if self._stop.is_set():
                asking.stop(self._reason)
            if run.continued:
                self._line.clear()
                since = f"{run.started_at:%Y-%m-%d %H:%M} UTC"
                self.cli.note(f"{domain}: continuing the check of {since}; --fresh starts over")
            return await asking.run(source)
        finally:
            self._asking.discard(asking)

    async def _judge(self, site: PageSite, store: PageStore, selection: Selection, notes: Notes) -> None:
        """Judge the pages that were asked, file by file."""
        from contentmap_cli.check.pages.judge import PageJudge
        from contentmap_cli.check.pages.languages import listed_links
        from contentmap_cli.check.pages.rules import HREFLANG_ALONE, HREFLANG_RETURN
        from contentmap_cli.check.site.blocked import URL_BLOCKED

        checked = notes.is_selected(URL_BLOCKED)
        probes = await store.probes()
        links = HashBag(sys.maxsize)
        if notes.is_selected(HREFLANG_RETURN) or notes.is_selected(HREFLANG_ALONE):
            async for _, listed, entries in site.listing():
                if any(map(selection.was_taken, normalised(listed))):
                    links.add(listed_links(entries()))
        judge = PageJudge(
            notes, self.options.agents, probes, site.allows, robots_is_checked=checked, links=links.distinct()
        )
        async for file, listed, entries in site.listing():
            if not any(map(selection.was_taken, normalised(listed))):
                continue
            for some in batched(entries(), BATCH):
                asked = [url for url in normalised(each.url for each in some) if selection.was_taken(url)]
                notes.at(some)
                judge.entries(file, some, await facts_of(store, asked, some))


def _scope(target: Target) -> str | None:
    """Return a digest of the sitemaps that are read, None for all of the site."""
    if not target.only_given:
        return None
    return hashlib.blake2b("\n".join(sorted(target.sitemaps)).encode(), digest_size=16).hexdigest()
