"""Read the change feed: the changes of domain scans in the order of their commits. Only reads.

What a row stands for is derived from the history, as `diff` does: the changes from the domain's scan before
to the one of the row. The changes of some small scans are read at once, those of a large one are streamed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

from sqlalchemy import Select, select

from contentmap_cli.errors import CursorExpired, UsageError
from contentmap_cli.models.comparison import Change
from contentmap_cli.models.feed import Cursor, FeedChange, FeedKind, FeedRow, row_check, selection_of
from contentmap_cli.storage.jobs.jobs import PRUNED, history_job
from contentmap_cli.storage.reading.comparison import NOTHING, history, scan_changes, url_changes
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import CHANGE_FEED, Domain, DomainScan, Job

_F = CHANGE_FEED.c
_ROWS: Final = 250
"""Rows of the feed that are read at once."""

_CHANGES: Final = 5_000
"""Changes that are read at once; the scan of more is streamed."""

_ROW: Final = (_F.position, _F.kind, _F.domain, _F.created_at, _F.domain_id, _F.scan_id)


class FeedReader:
    """Reads the feed of a tenant from a cursor on, of all domains or of some. `cursor` moves along."""

    def __init__(self, tenant: str, domains: Collection[str], cursor: Cursor) -> None:
        self.cursor = cursor
        self._mine = [_F.tenant_id == tenant]
        if domains:
            self._mine.append(_F.domain.in_(sorted(set(domains))))

    async def next(self, session: GuardedSession) -> AsyncIterator[FeedChange]:
        """Yield the changes of the next rows; none at the end. They may be read in part: the cursor is that
        of the last change that was taken. Raise CursorExpired where changes after the cursor were pruned."""
        await self._require_kept(session)
        rows = await self._rows(session)
        if not rows:
            return
        if len(rows) == 1 and (rows[0].kind is FeedKind.BASELINE or rows[0].changes > _CHANGES):
            async for change in self._with_cursors(rows[0], _streamed(session, rows[0])):
                yield change
            return
        scans = {row.scan_id: row.domain_id for row in rows if row.scan_id and row.domain_id}
        found = await scan_changes(session, scans) if scans else {}
        for row in rows:
            if row.scan_id is None:
                self.cursor = self.cursor.after(row)
                yield FeedChange(row, None, str(self.cursor))
                continue
            async for change in self._with_cursors(row, _all(found[row.scan_id])):
                yield change

    async def _require_kept(self, session: GuardedSession) -> None:
        """Raise CursorExpired where changes that the reader has not read were pruned since it began."""
        cursor = self.cursor
        pruned = select(_F.domain, _F.created_at).where(
            *self._mine, _F.pruned_at > cursor.start, _F.position > cursor.whole
        )
        gone = (await session.execute(pruned.order_by(_F.position.desc()).limit(1))).one_or_none()
        if gone is not None:
            raise CursorExpired(
                f"the cursor is older than what is kept: changes of {gone.domain} until"
                f" {gone.created_at:%Y-%m-%d %H:%M:%S} UTC were pruned after it was given",
                hint="discard what was read, and begin without --after",
            )

    async def _rows(self, session: GuardedSession) -> list[FeedRow]:
        """Return the next rows; a large one alone."""
        query = (
            select(*_ROW, Job.id, _F.changes)
            .outerjoin_from(CHANGE_FEED, DomainScan, DomainScan.id == _F.scan_id)
            .outerjoin(Job, (Job.id == history_job()) & (Job.job_type != PRUNED))
            .where(*self._mine, _F.position > self.cursor.whole, _F.kind != FeedKind.PRUNE)
            .order_by(_F.position)
            .limit(_ROWS)
        )
        rows: list[FeedRow] = []
        room = _CHANGES
        for position, kind, *others in await session.execute(query):
            row = FeedRow(position, FeedKind(kind), *others)
            room -= _CHANGES + 1 if row.kind is FeedKind.BASELINE else row.changes
            if rows and room < 0:
                break
            rows.append(row)
        return rows

    async def _with_cursors(self, row: FeedRow, changes: AsyncIterator[Change]) -> AsyncIterator[FeedChange]:
        """Yield the changes of a row that were not read, each with its cursor. The last one's is that of the
        whole row: with it, the row need not be read again."""
        read = self.cursor.read if self.cursor.position == row.position else 0
        self.cursor = self.cursor.after(row)
        before, _, after = str(self.cursor.after(row, -1)).partition("-1")  # faster than a cursor for each
        number, waiting = 0, None
        async for change in changes:
            if waiting is not None:
                yield FeedChange(row, waiting, f"{before}{number}{after}")
            number += 1
            waiting = change if number > read else None
        if waiting is not None:
            yield FeedChange(row, waiting, str(self.cursor))


async def begin(session: GuardedSession, tenant: str, domains: Collection[str], *, at_end: bool) -> Cursor:
    """Return the cursor of a reader that begins: at the beginning of what is kept, or at the end."""
    last = (await session.execute(_last())).one_or_none()
    selection = selection_of(tenant, domains)
    if last is None or not at_end:
        return Cursor(0, 0, last.position if last is not None else 0, selection, 0)
    check = row_check(last.created_at, last.scan_id)
    return Cursor(last.position, 0, last.position, selection, check)


async def require_ours(
    session: GuardedSession, tenant: str, domains: Collection[str], cursor: Cursor
) -> None:
    """Raise UsageError where a cursor is of another selection, or certainly of another database."""
    if cursor.selection != selection_of(tenant, domains):
        raise UsageError(
            "--after: the cursor is one of another tenant or of other domains",
            hint="give the same --tenant and --domain as before, or begin without --after",
        )
    last = (await session.execute(_last())).one_or_none()
    query = select(_F.created_at, _F.scan_id).where(_F.position == cursor.position)
    row = (await session.execute(query)).one_or_none()  # none: it was pruned, or its domain was removed
    newest = last.position if last is not None else 0
    if max(cursor.position, cursor.start) > newest or (
        row is not None and cursor.position and row_check(row.created_at, row.scan_id) != cursor.check
    ):
        raise UsageError(
            "--after: the cursor is one of another database, or of a later state of this one",
            hint="begin without --after; a database that was restored has lost changes that were read",
        )


async def unknown_domains(session: GuardedSession, tenant: str, domains: Collection[str]) -> list[str]:
    """Return those of the domains that are not recorded and were not removed, in their order."""
    recorded = select(Domain.name).where(Domain.tenant_id == tenant, Domain.name.in_(domains))
    known = set(await session.scalars(recorded))
    feed = select(_F.domain).where(_F.tenant_id == tenant, _F.domain.in_(domains)).distinct()
    known.update(await session.scalars(feed))
    return [name for name in domains if name not in known]


def _first_after(row: FeedRow) -> Select[Any]:
    """Select the scan of the domain's row after this one, also if it has no position yet."""
    this = select(_F.id).where(_F.position == row.position).scalar_subquery()
    later = (_F.domain_id == row.domain_id, _F.id > this)
    return select(_F.scan_id).where(*later).order_by(_F.id).limit(1)


def _last() -> Select[Any]:
    return (
        select(_F.position, _F.created_at, _F.scan_id)
        .where(_F.position.is_not(None))
        .order_by(_F.position.desc())
        .limit(1)
    )


async def _all(changes: Sequence[Change]) -> AsyncIterator[Change]:
    for change in changes:
        yield change


async def _streamed(session: GuardedSession, row: FeedRow) -> AsyncIterator[Change]:
    """Yield the changes of one row. Those of a baseline are all URLs that were listed before the next row of
    the domain. The first scan that can be compared is no bound: it changes before the feed is pruned, and
    while a scan that failed is resumed."""
    assert row.domain_id is not None  # noqa: S101 - a row of a domain
    points = await history(session, row.domain_id)
    if row.kind is FeedKind.BASELINE:
        before = NOTHING
        following = await session.scalar(_first_after(row))
        ranks = {point.scan_id: rank for rank, point in enumerate(points)}
        after = (ranks[following] if following is not None else len(points)) - 1
    else:
        after = next(rank for rank, point in enumerate(points) if point.scan_id == row.scan_id)
        before = after - 1
    async for change in url_changes(session, row.domain_id, points, before, after):
        yield change
