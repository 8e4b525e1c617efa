"""What a run of `check --pages` has asked: recorded in short transactions, and looked up in batches.

Each transaction checks and renews the run's claim first. One that fails because the database cannot be
reached is repeated for a while; a lock is waited for as in a scan.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from contentmap_cli.commands.database.database_retry import DatabaseRetry, without_conflicts
from contentmap_cli.commands.engine.failures import describe
from contentmap_cli.commands.engine.run_id import is_dead, is_running, new_run_id
from contentmap_cli.errors import ConnectionLost, DatabaseUnavailable, LeaseLost
from contentmap_cli.models.pages import PageFacts
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.models.pages.json import facts_from_json, facts_to_json
from contentmap_cli.storage.pages.facts import asked_probes, asked_targets, find_facts, save_facts
from contentmap_cli.storage.pages.runs import PageRun, Selected, claim_run, end_run, fence_run
from contentmap_cli.storage.session import GuardedSession, Sessions

T = TypeVar("T")

log = logging.getLogger("contentmap.check")

BATCH: Final = 200
"""Pages of one transaction."""

SECONDS: Final = 0.1
"""Seconds after which pages are recorded, however few they are: a run that is killed loses no more."""

RENEWAL_SECONDS: Final = 15.0
"""Seconds after which the claim is renewed where nothing is recorded."""

RETRY_SECONDS: Final = 60.0
"""Seconds for which a transaction is repeated while the database cannot be reached."""


class Known(NamedTuple):
    """The recorded facts of a page. `now`: they are of this run, otherwise of an earlier one."""

    facts: PageFacts
    now: bool


@dataclass
class PageStore:
    """The record of one run, which is claimed."""

    sessions: Sessions
    run: PageRun
    _retry: DatabaseRetry = field(init=False)
    _waiting: list[tuple[PageFacts, str]] = field(default_factory=list, init=False)
    _written: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        self._retry = DatabaseRetry(RETRY_SECONDS, self.sessions.database.shown)

    @classmethod
    async def claim(
        cls, sessions: Sessions, tenant: str, domain: str, selected: Selected, *, fresh: bool
    ) -> PageStore:
        """Claim a run of a domain. Raise JobHeld where another process asks its pages."""
        owner = new_run_id()

        async def work() -> PageRun:
            async with sessions.brief(domain=domain) as session, session.begin():
                return await claim_run(
                    session, tenant, domain, selected, owner, fresh=fresh, dead=is_dead, running=is_running
                )

        return cls(sessions, await without_conflicts(work, sessions.database.shown))

    # -- reading

    async def find(self, urls: Collection[str]) -> dict[str, Known]:
        """Return what is recorded of these pages. After `fresh` nothing of an earlier run is known."""
        if not urls:
            return {}
        found = {}
        for row in await self._read(lambda session: find_facts(session, self.run.domain_id, urls)):
            now = row.run_id >= self.run.run_id
            if (now or not self.run.fresh) and (facts := facts_from_json(row.facts)) is not None:
                found[row.url] = Known(facts, now)
        return found

    async def recall(self, url: str) -> PageFacts | None:
        """Return the facts of one page, of any run."""
        found = (await self.find([url])).get(url)
        return found.facts if found is not None else None

    async def targets(self) -> list[str]:
        """Return the targets of redirects that this run has asked."""
        return await self._read(lambda session: asked_targets(session, self.run))

    async def probes(self) -> list[PageFacts]:
        """Return the facts of the made-up paths that this run has asked."""
        rows = await self._read(lambda session: asked_probes(session, self.run))
        return [facts for row in rows if (facts := facts_from_json(row)) is not None]

    async def _read(self, query: Callable[[GuardedSession], Awaitable[T]]) -> T:
        async def work() -> T:
            async with self.sessions.read(domain=self.run.domain) as session, session.begin():
                return await query(session)

        return await self._repeated(work)

    # -- writing

    async def add(self, facts: PageFacts) -> None:
        """Record a page, at once or with the next ones. A redirect is recorded with what follows it."""
        self._waiting.append((facts, facts_to_json(facts)))
        if len(self._waiting) >= BATCH and (facts.location is None or len(self._waiting) >= 2 * BATCH):
            await self.write()

    @property
    def due(self) -> float:
        """The seconds until something must be written."""
        seconds = SECONDS if self._waiting else RENEWAL_SECONDS
        return max(0.0, self._written + seconds - time.monotonic())

    async def write(self) -> None:
        """Record the pages that wait, and renew the claim."""
        await self._transaction()

    async def end(self, counts: PageCounts) -> None:
        """Record the pages that wait and how the run ended, and give up the claim."""
        await self._transaction(counts)

    async def _transaction(self, counts: PageCounts | None = None) -> None:
        shown, pages = self.sessions.database.shown, self._waiting

        async def work() -> None:
            self.sessions.database.check_file()
            async with self.sessions.work(_name(self.run), self.run.domain) as session, session.begin():
                await session.turn()
                await fence_run(session, self.run)
                await save_facts(session, self.run, pages)
                if counts is not None:
                    await end_run(session, self.run, counts)

        await self._repeated(lambda: without_conflicts(work, shown))
        self._waiting, self._written = [], time.monotonic()

    async def _repeated(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a transaction, repeated while the database cannot be reached."""
        try:
            done = await self._retry.until_it_answers(work, ConnectionLost)
        except DatabaseUnavailable as error:
            error.hint = "once it is available again, run the same command: it continues"
            raise
        self._retry.succeeded()
        return done

    async def record_failure(self, error: Exception) -> None:
        """Record in a session of its own why the run ended, and give up the claim. Raise nothing."""
        if isinstance(error, LeaseLost):
            return  # the run is another process's
        failure = describe(error, self.sessions.database.shown)
        try:
            async with (
                self.sessions.recovery(_name(self.run), self.run.domain) as session,
                session.begin(),
            ):
                await fence_run(session, self.run)
                await end_run(session, self.run, None, failure)
        except Exception as second:
            log.warning("the run was not closed: %s", describe(second, self.sessions.database.shown).message)


def _name(run: PageRun) -> str:
    """Return the name of a run in the log."""
    return f"pages_{run.run_id}"
