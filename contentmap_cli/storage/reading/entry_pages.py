"""Read the entries of a domain, in pages that each may have a transaction of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, cast, func, literal, select, tuple_
from sqlalchemy.types import NullType

from contentmap_cli.batches import batched
from contentmap_cli.errors import NotFound
from contentmap_cli.models import DiscoveryMethod
from contentmap_cli.models.files import EntryPage, Shared
from contentmap_cli.storage.column_types import iso_text
from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.reading.contents import like_glob, lists_urls_twice
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, URL_CHANGES, Domain, DomainScan, SitemapFile
from contentmap_cli.storage.writing.row_diff import PUBLISHED

_T, _C = SITEMAP_URLS.c, URL_CHANGES.c
_KEY_COLUMNS = (_T.sitemap_file_id, _T.url)
_KEY = tuple_(*_KEY_COLUMNS)
_ROWS_A_FETCH: Final = 10_000
_FIRST_ROWS: Final = 2_000
_EXTRAS_A_FETCH: Final = 8_000_000
_FILES_A_QUERY: Final = 500
_COLUMNS: Final = ("url", "lastmod", "lastmod_text", "extras")
_SHARED: Final = (
    *("sitemap_file_id", "lastmod_precision", "changefreq", "priority", "page_type"),
    *("in_scope", "repaired", "first_scan_id", "removed_scan_id"),
)
_PRIORITY: Final = _SHARED.index("priority")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of a domain to read. A value that is not given does not filter."""

    sitemap: str | None = None  # only those this file lists
    match: str | None = None  # a glob over the whole URL: * and ?
    since: datetime | None = None  # first seen since
    changed_after: datetime | None = None  # lastmod after
    removed: bool = False  # removed entries instead of live ones
    distinct: bool = False  # of the files that list a URL, only the one with the latest lastmod
    limit: int | None = None


class EntryPages:
    """Reads the entries of a domain by file, and by URL within a file, in pages of some thousands.

    `next` may be called in a transaction of its own each time, however late. All pages show the domain after
    the scan that was the last one at the first page: what later scans add is left out, and what they change
    or remove is read from the recorded previous values. What many rows share, such as their file and their
    scans, is decoded once.
    """

    def __init__(self, domain_id: int, wanted: EntryFilter) -> None:
        self._domain_id = domain_id
        self._domain = ""
        self._wanted = wanted
        self._left = wanted.limit
        self._after = (0, "")  # the key of the last row
        self._queries: dict[bool, Select[Any]] = {}
        self._scans: dict[int | None, datetime | None] | None = None
        self._files: dict[int, tuple[str, DiscoveryMethod]] = {}
        self._listings: Mapping[int, tuple[int, tuple[int, ...]]] | None = None
        self._rows_a_fetch = min(_FIRST_ROWS, _ROWS_A_FETCH)
        self._ended = False

    async def next(self, session: GuardedSession) -> EntryPage:
        """Return the next entries, none at the end. Raise NotFound if the domain was removed meanwhile."""
        newer = await self._newer_scans(session)
        page = _page([()] * 5, {})
        while not page and not self._ended:
            columns = await self._columns(session, newer)
            if self._listings is not None:
                columns = _once(columns, self._listings)
            if self._left is not None:
                columns = [column[: self._left] for column in columns]
            page = _page(columns, await self._read_shared(session, set(columns[-1])))
        if self._left is not None:
            self._left -= len(page)
            self._ended = self._ended or not self._left
        return page

    async def _newer_scans(self, session: GuardedSession) -> dict[int, int]:
        """Return the scans that were recorded since the first page, each with its rank."""
        query = (
            select(DomainScan.id, DomainScan.recorded_at)
            .where(DomainScan.domain_id == self._domain_id, DomainScan.recorded_at.is_not(None))
            .order_by(DomainScan.recorded_at, DomainScan.id)
        )
        scans = (await session.execute(query)).all()
        found: dict[int | None, datetime | None] = {row.id: row.recorded_at for row in scans}
        if self._scans is None:
            self._scans = found
            name = await session.scalar(select(Domain.name).where(Domain.id == self._domain_id))
            self._domain = name or ""
            if self._wanted.distinct and await self._may_repeat(session):
                self._listings = await self._listed_twice(session)
        elif self._scans and not found:
            raise NotFound("the domain was removed while its URLs were read")
        return {each: rank for rank, each in enumerate(found) if each is not None and each not in self._scans}

    async def _may_repeat(self, session: GuardedSession) -> bool:
        if self._wanted.sitemap is not None:
            return False
        return self._wanted.removed or await lists_urls_twice(session, self._domain_id)

    async def _listed_twice(self, session: GuardedSession) -> dict[int, tuple[int, tuple[int, ...]]]:
        """Return, for the hash of each URL that several files list, the file with the latest lastmod and all
        files. As in DistinctCounter, the 64-bit hash is the URL."""
        wanted = (*self._conditions(session), *self._state())
        twice = select(_T.url).where(*wanted).group_by(_T.url).having(func.count() > 1)
        query = (
            select(*raw_columns(session, SITEMAP_URLS, ("url", "sitemap_file_id", "lastmod")))
            .where(*wanted, _T.url.in_(twice))
            .order_by(_T.url, _T.sitemap_file_id)
            .execution_options(yield_per=_ROWS_A_FETCH)
        )
        found: dict[int, tuple[int, tuple[int, ...]]] = {}
        same: dict[tuple[int, tuple[int, ...]], tuple[int, tuple[int, ...]]] = {}  # few different ones
        url, files, latest, winner = "", (), "", 0  # type: tuple[str, tuple[int, ...], str, int]
        async for some in (await session.stream(query)).partitions():
            for now, rows in groupby(some, key=itemgetter(0)):
                if now != url:
                    url, files, latest, winner = now, (), "", 0
                for _, file_id, lastmod in rows:
                    if not files or (lastmod or "") > latest:
                        latest, winner = lastmod or "", file_id
                    files = (*files, file_id)
                listing = winner, files
                found[hash(url)] = same.setdefault(listing, listing)
        return found

    def _conditions(self, session: GuardedSession) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on what later scans do not change."""
        wanted = self._wanted
        yield _T.domain_id == self._domain_id
        if wanted.sitemap is not None:
            yield _T.sitemap_file_id.in_(
                select(SitemapFile.id).where(
                    SitemapFile.domain_id == self._domain_id, SitemapFile.url == wanted.sitemap
                )
            )
        if wanted.match is not None:
            yield _matches(session, wanted.match)
        if wanted.since is not None:
            scans = select(DomainScan.id).where(
                DomainScan.domain_id == self._domain_id, DomainScan.recorded_at >= wanted.since
            )
            yield _T.first_scan_id.in_(scans)

    def _state(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on the state after the last scan."""
        removed = _T.removed_scan_id
        yield removed.is_not(None) if self._wanted.removed else removed.is_(None)
        if self._wanted.changed_after is not None:
            yield _T.lastmod > self._wanted.changed_after

    async def _columns(self, session: GuardedSession, newer: Mapping[int, int]) -> list[Sequence[Any]]:
        """Read the next rows of the key by column, as they were before the scans in `newer`."""
        limit = self._rows_a_fetch
        if not newer and self._left is not None and self._listings is None:
            limit = min(limit, self._left)
        query = self._queries.get(not newer)
        if query is None:
            query = self._queries[not newer] = self._query(session, as_now=not newer)
        file_id, url = self._after
        values = {"after_file": file_id, "after_url": url, "rows": limit}
        found: list[Sequence[Any]]
        if session.dialect.name == "postgresql":
            found = [column or () for column in (await session.execute(query, values)).one()]
        else:
            result: Any = await (await session.connection()).execute(query, values)
            found = [*zip(*result.cursor.fetchall(), strict=True)] or [()] * 5  # without an object per row
            result.close()
        urls, _, _, extras, keys = found
        self._ended = len(urls) < limit
        if urls:
            self._after = _file_of(keys[-1]), urls[-1]
        # media may take much memory
        size = sum(map(len, filter(None, extras)))
        self._rows_a_fetch = min(_ROWS_A_FETCH, 2 * limit if size < _EXTRAS_A_FETCH else max(1, limit // 2))
        return await self._as_before(session, found, newer) if newer and urls else found

    def _query(self, session: GuardedSession, *, as_now: bool) -> Select[Any]:
        """Return the query of a page, `as_now` with the conditions on the state after the last scan."""
        columns = raw_columns(session, SITEMAP_URLS, _COLUMNS)
        named = [column.label(name) for name, column in zip(_COLUMNS, columns, strict=True)]
        after = tuple_(bindparam("after_file", type_=BigInteger), bindparam("after_url", type_=_T.url.type))
        query: Select[Any] = (
            select(*named, _shared_text(session))
            .where(*self._conditions(session), *(self._state() if as_now else ()), after < _KEY)
            .order_by(*_KEY_COLUMNS)
            .limit(bindparam("rows", type_=BigInteger))
        )
        if session.dialect.name != "postgresql":
            return query
        rows = query.subquery()  # in one row: the driver decodes an array faster than records
        arrays: list[Any] = [func.array_agg(column, type_=NullType()) for column in rows.c]
        return select(*arrays)

    async def _as_before(
        self, session: GuardedSession, columns: Sequence[Sequence[Any]], newer: Mapping[int, int]
    ) -> list[Sequence[Any]]:
        """Return rows with the values from before the scans in `newer`."""
        first, last = (tuple_(_file_of(columns[-1][at]), columns[0][at]) for at in (0, -1))
        key = tuple_(_C.sitemap_file_id, _C.url)
        changes = await session.execute(
            select(
                *(_C.sitemap_file_id, _C.url, _C.scan_id, _C.removed_scan_id),
                *raw_columns(session, URL_CHANGES, PUBLISHED),
            ).where(_C.domain_id == self._domain_id, _C.scan_id.in_(newer), key >= first, key <= last)
        )
        was: dict[tuple[int, str], Any] = {}
        for change in sorted(changes, key=lambda change: newer[change[2]], reverse=True):
            was[change[0], change[1]] = change  # the first one replaced what was there before all
        after = self._wanted.changed_after
        before = []
        for url, moment, text, extras, shared in zip(*columns, strict=True):
            values = dict(zip(_SHARED, _split(shared), strict=True))
            values |= {"lastmod": moment, "lastmod_text": text, "extras": extras}
            if values["first_scan_id"] in newer:
                continue
            old = was.get((values["sitemap_file_id"], url))
            if old is not None:
                values |= zip(("removed_scan_id", *PUBLISHED), old[3:], strict=True)
            if values["removed_scan_id"] in newer:
                values["removed_scan_id"] = None
            gone = values["removed_scan_id"] is not None
            fits = after is None or (values["lastmod"] or "") > iso_text(after)
            if fits and gone == self._wanted.removed:
                before.append((url, *(values[name] for name in _COLUMNS[1:]), _joined(values)))
        return [*zip(*before, strict=True)] or [()] * 5

    async def _read_shared(self, session: GuardedSession, keys: set[Any]) -> dict[Any, Shared]:
        """Decode the values that rows share."""
        split = {key: _split(key) for key in keys}
        files = {values[0] for values in split.values()}
        files.update(*(key[1] for key in keys if isinstance(key, tuple)))
        for some in batched(files - self._files.keys(), _FILES_A_QUERY):
            rows = await session.execute(
                select(SitemapFile.id, SitemapFile.url, SitemapFile.discovery_method).where(
                    SitemapFile.id.in_(some)
                )
            )
            self._files |= {row.id: (row.url, DiscoveryMethod(row.discovery_method)) for row in rows}
        scans = self._scans or {}
        return {
            key: Shared._make(
                (
                    *(self._domain, *self._files[file_id], *values),
                    *(scans.get(first), scans.get(removed), self._sitemaps(key, file_id)),
                )
            )
            for key, (file_id, *values, first, removed) in split.items()
        }

    def _sitemaps(self, key: Any, file_id: int) -> tuple[str, ...]:
        if not self._wanted.distinct:
            return ()
        files = key[1] if isinstance(key, tuple) else (file_id,)
        return tuple(self._files[each][0] for each in files)


def _page(columns: Sequence[Sequence[Any]], shared: Mapping[Any, Shared]) -> EntryPage:
    urls, lastmods, texts, extras, keys = columns
    return EntryPage(urls, lastmods, texts, extras, keys, shared)


def _shared_text(session: GuardedSession) -> ColumnElement[str]:
    """Return the values of _SHARED as the text of a JSON array, with the priority as text."""
    values: list[Any] = raw_columns(session, SITEMAP_URLS, _SHARED)
    if session.dialect.name == "sqlite":
        values[_PRIORITY] = func.quote(values[_PRIORITY])  # with all digits
        return func.json_array(*values).label("shared")
    # concatenated: json_build_array takes twice as long
    texts = [func.coalesce(cast(each, Text), "null") for each in values]
    for number in (1, 2, _PRIORITY, 4):
        texts[number] = func.coalesce(literal('"').concat(cast(values[number], Text)).concat('"'), "null")
    return func.concat("[", func.concat_ws(",", *texts), "]").label("shared")


def _split(key: Any) -> tuple[Any, ...]:
    """Return the values of _SHARED."""
    values = json.loads(key[0] if isinstance(key, tuple) else key)
    priority = values[_PRIORITY]
    values[_PRIORITY] = None if priority in (None, "NULL") else float(priority)
    for number in (5, 6):
        values[number] = bool(values[number])
    return tuple(values)


def _joined(values: Mapping[str, Any]) -> str:
    """Return the text that _split takes apart."""
    texts = [values[name] for name in _SHARED]
    texts[_PRIORITY] = None if texts[_PRIORITY] is None else repr(texts[_PRIORITY])
    return json.dumps(texts, separators=(",", ":"))


def _file_of(key: str) -> int:
    return int(key[1 : key.index(",")])


def _once(
    columns: Sequence[Sequence[Any]], listings: Mapping[int, tuple[int, tuple[int, ...]]]
) -> list[Sequence[Any]]:
    """Return the rows without those of URLs that are listed with a later lastmod elsewhere. The key of a row
    whose URL has several files names these."""
    rows = []
    for url, *plain, key in zip(*columns, strict=True):
        listing = listings.get(hash(url))
        if listing is None:
            rows.append((url, *plain, key))
        elif listing[0] == _file_of(key):
            rows.append((url, *plain, (key, listing[1])))
    return [*zip(*rows, strict=True)] or [()] * 5


def _matches(session: GuardedSession, glob: str) -> ColumnElement[bool]:
    """Return the condition that a URL matches a glob of * and ?, case-sensitive; LIKE of SQLite ignores
    case."""
    if session.dialect.name == "sqlite":
        return _T.url.op("GLOB")(glob.replace("[", "[[]"))
    return like_glob(_T.url, glob)


async def stored_batches(
    session: GuardedSession, domain_id: int, wanted: EntryFilter
) -> AsyncIterator[EntryPage]:
    """Yield the entries of a domain as EntryPages does, in the session's transaction."""
    pages = EntryPages(domain_id, wanted)
    while page := await pages.next(session):
        yield page
