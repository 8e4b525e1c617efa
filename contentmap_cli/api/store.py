"""Read what `contentmap scan` recorded, from synchronous code.

The functions of `storage.reading` are coroutines on a guarded asynchronous session. A store runs them on an
event loop in a thread of its own. So a notebook, whose own loop is running, can call it like any synchronous
code, SQLite and PostgreSQL are read in the same way, and no query exists twice.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Self, TypeVar

from contentmap_cli.commands.database.connection import open_for_reading
from contentmap_cli.commands.database.lookups import jobs_as_they_stand, require_domain
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import JobSummary, StoredEntry, StoredFile
from contentmap_cli.models.comparison import Change, Kind, ScanPoint, choose_scans
from contentmap_cli.models.feed import Cursor, FeedChange, read_cursor
from contentmap_cli.storage.database_errors import storage_errors
from contentmap_cli.storage.database_url import parse_database_address
from contentmap_cli.storage.reading import change_feed
from contentmap_cli.storage.reading.change_feed import FeedReader
from contentmap_cli.storage.reading.comparison import changes_between, history
from contentmap_cli.storage.reading.contents import known_domains, stored_files
from contentmap_cli.storage.reading.entry_pages import EntryFilter, EntryPages
from contentmap_cli.storage.session import GuardedSession

T = TypeVar("T")
_CLOSE_SECONDS: Final = 5.0
"""Time for statements to end when the store is closed."""


@dataclass(frozen=True, slots=True)
class Diff:
    """The changes of a domain between two scans.

    Attributes:
        domain: the domain's name.
        before: the earlier scan; None where the later one is the first that is recorded.
        after: the later scan.
        changes: sitemap files first, then URLs in the order of their code points.
        removals_withheld: whether the later scan was incomplete, so that URLs it did not see count as listed.
    """

    domain: str
    before: ScanPoint | None
    after: ScanPoint
    changes: tuple[Change, ...]
    removals_withheld: bool

    @property
    def added(self) -> tuple[str, ...]:
        """The URLs that only the later scan lists."""
        return self._urls(Kind.ADDED)

    @property
    def removed(self) -> tuple[str, ...]:
        """The URLs that only the earlier scan lists."""
        return self._urls(Kind.REMOVED)

    @property
    def changed(self) -> tuple[str, ...]:
        """The URLs that both list, with another lastmod, changefreq, priority or extension."""
        return self._urls(Kind.CHANGED)

    def _urls(self, kind: Kind) -> tuple[str, ...]:
        return tuple(
            change.url for change in self.changes if change.kind is kind and change.sitemap is not None
        )


class Store:
    """A database of scans, opened for reading. Close it, or use it as a context manager.

    `address` is an SQLite file or a database URL (`sqlite:///map.db`, `postgresql://user@host/database`);
    `tenant` is the namespace that is read. Opening never creates a database. It may be used from several
    threads, and inside a running event loop, which it blocks while it reads.

    Raises exceptions of `contentmap_cli.errors`: `NotFound` where there is no database, domain or job,
    `SchemaMismatch` and `DatabaseUnavailable` where the database cannot be read, `UsageError` for an address
    or a domain that cannot be understood.
    """

    def __init__(self, address: str | os.PathLike[str], *, tenant: str = "default") -> None:
        url = parse_database_address(os.fspath(address))
        self._shown = url.shown
        self._tenant = tenant
        self._closed = False
        self._lock = threading.Lock()  # nothing is submitted to the loop once it is being closed
        self._stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="contentmap-store", daemon=True)
        self._thread.start()
        try:
            self._sessions = self._run(self._stack.enter_async_context(open_for_reading(url)))
        except BaseException:
            self.close()
            raise

    def domains(self) -> list[str]:
        """Return the names of the domains that were scanned, the last scanned first."""
        return self._read(lambda session: known_domains(session, self._tenant, limit=None))

    def jobs(self, *, domain: str | None = None, limit: int = 20) -> list[JobSummary]:
        """Return the newest jobs, the newest first; those that scan `domain` where one is given."""
        name = parse_target(domain).domain if domain is not None else None

        return self._read(lambda session: jobs_as_they_stand(session, self._tenant, limit=limit, domain=name))

    def sitemaps(self, domain: str, *, removed: bool = False) -> list[StoredFile]:
        """Return the sitemap files of a domain, in the order they were first seen.

        With `removed`, those that no longer exist as well.
        """
        domain_id = self._domain_id(domain)

        async def read(session: GuardedSession) -> list[StoredFile]:
            files = stored_files(session, domain_id, removed=removed)
            return [file async for file in self._while_open(files)]

        return self._read(read)

    def entries(
        self,
        domain: str,
        *,
        sitemap: str | None = None,
        match: str | None = None,
        first_seen_after: date | None = None,
        lastmod_after: date | None = None,
        removed: bool = False,
        distinct: bool = False,
        limit: int | None = None,
    ) -> Iterator[StoredEntry]:
        """Iterate over the entries of a domain, file by file, each file's in the order of their URLs.

        `sitemap` is the URL of the only file to read, `match` a glob over the whole URL (`*` and `?`). Of the
        two times, a naive one is UTC and a date is its beginning; anything else raises TypeError. `removed`
        asks for the URLs that are no longer listed instead of those that are. With `distinct`, a URL of
        several files has the values of the latest lastmod, and all its files are in `sitemaps`. The database
        is read while the iterator is, in constant memory, in transactions of some thousands of entries: an
        iterator that pauses holds none open. All entries are as the last scan had left them when the
        iteration began, whatever is recorded meanwhile.
        """
        domain_id = self._domain_id(domain)
        wanted = EntryFilter(
            sitemap=sitemap,
            match=match,
            since=_moment("first_seen_after", first_seen_after),
            changed_after=_moment("lastmod_after", lastmod_after),
            removed=removed,
            distinct=distinct,
            limit=limit,
        )
        return self._entries(EntryPages(domain_id, wanted))

    def diff(
        self, domain: str, *, earlier: str | datetime | None = None, later: str | datetime | None = None
    ) -> Diff:
        """Return what changed between two scans of a domain.

        A scan is named by the id of its job, or by a time (naive: UTC) at which it was the last one. `later`
        defaults to the last scan, `earlier` to the one before `later`. Changes are held in memory.
        """
        domain_id = self._domain_id(domain)
        name = parse_target(domain).domain

        async def read(session: GuardedSession) -> Diff:
            points = await history(session, domain_id)
            pair = choose_scans(name, points, _utc(earlier), _utc(later))
            found = changes_between(session, domain_id, points, pair)
            changes = [change async for change in self._while_open(found)]
            return Diff(name, pair.before, pair.after, tuple(changes), pair.removals_withheld)

        return self._read(read)

    def changes(self, after: str | None = None, *, domains: Collection[str] = ()) -> Iterator[FeedChange]:
        """Iterate over every change of URLs in the order of the commits, of all domains or of some.

        `after` is the cursor of the last change that was processed; by default it begins with all that is
        recorded. It ends where nothing more was committed: call it again later with the last cursor. The
        changes of a scan are held in memory.
        """
        names = tuple(parse_target(domain).domain for domain in domains)

        async def begin(session: GuardedSession) -> Cursor:
            if after is None:
                return await change_feed.begin(session, self._tenant, names, at_end=False)
            await change_feed.require_ours(session, self._tenant, names, cursor := read_cursor(after))
            return cursor

        reader = FeedReader(self._tenant, names, self._read(begin))

        async def read(session: GuardedSession) -> list[FeedChange]:
            return [change async for change in self._while_open(reader.next(session))]

        before = None
        while reader.cursor != before:
            before = reader.cursor
            yield from self._read(read)

    def close(self) -> None:
        """Close all connections. May be called more than once. Iterators that are open raise ValueError.

        A read in another thread raises ValueError, if it does not end within some seconds.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            ended = asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop)
        ended.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self._shown}{' (closed)' if self._closed else ''}>"

    def _domain_id(self, domain: str) -> int:
        name = parse_target(domain).domain
        return self._read(lambda session: require_domain(session, self._tenant, name))

    def _read(self, work: Callable[[GuardedSession], Awaitable[T]]) -> T:
        """Run `work` in one read-only transaction."""

        async def read() -> T:
            async with self._sessions.read() as session, session.begin():
                return await work(session)

        return self._run(read())

    def _entries(self, pages: EntryPages) -> Iterator[StoredEntry]:
        while page := self._read(pages.next):
            yield from page

    async def _while_open(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield the items. Raise ValueError as soon as the store is closed."""
        async for item in items:
            if self._closed:
                raise _closed()
            yield item

    async def _shut_down(self) -> None:
        """End all reads, then close all connections.

        A task that is cancelled during a statement leaves a connection that cannot be closed in order. So
        reads have some time for the statement that they wait for.
        """
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._stack.aclose()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the store's own loop and wait for it. Raise ValueError for a closed store."""
        with self._lock:
            if self._closed:
                work.close()
                raise _closed()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        with storage_errors(self._shown):
            try:
                return future.result()
            except CancelledError:
                raise _closed() from None
            except BaseException:  # an interrupt of the waiting thread must not leave it running
                future.cancel()
                raise


def _closed() -> ValueError:
    return ValueError("the store is closed")


def _utc(value: T) -> T | datetime:
    """Return a naive time as UTC, and anything else as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _moment(name: str, value: date | None) -> datetime | None:
    """Return a time in UTC; a date is its beginning. Raise TypeError for anything else."""
    if value is None or isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise TypeError(f"{name} must be a datetime or a date, not {type(value).__name__}")
