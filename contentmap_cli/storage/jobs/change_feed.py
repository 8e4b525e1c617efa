"""Write the change feed: one row per recorded domain scan that changed URLs, and its position.

A number that is taken before the commit is no order of the commits: a reader that has seen 8 would never see
a 7 that is committed later. SQLite has one writer, so the next position inside its transaction is in order.
On PostgreSQL rows are committed without a position. `sequence_changes` numbers the committed rows under a
lock that is held until its own commit, so that positions become visible in their order. Readers read numbered
rows only.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import String, bindparam, delete, func, insert, literal, null, select, text, update

from contentmap_cli.models.feed import FeedKind
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import CHANGE_FEED, Domain

_F: Final = CHANGE_FEED.c
_LOCK: Final = 0x636F6E746D6665  # any number that others are unlikely to lock
NEXT: Final = select(func.coalesce(func.max(_F.position), 0) + 1).scalar_subquery()
"""The next position. On PostgreSQL only the transaction that has the lock of `sequence_changes` uses it."""

_COLUMNS: Final = ("position", "tenant_id", "domain_id", "domain", "scan_id", "kind", "changes", "created_at")


def _log(position: Any) -> Any:
    row = select(
        position,
        Domain.tenant_id,
        Domain.id,
        Domain.name,
        bindparam("scan", type_=_F.scan_id.type),
        literal(FeedKind.SCAN.value, String()),
        bindparam("changes", type_=_F.changes.type),
        utc_now(),
    ).where(Domain.id == bindparam("domain"))
    return insert(CHANGE_FEED).from_select(_COLUMNS, row)


_LOG: Final = {"sqlite": _log(NEXT), "postgresql": _log(null())}
_WAITING: Final = select(_F.id).where(_F.position.is_(None))


def _number() -> Any:
    order = func.row_number().over(order_by=_F.id)
    rows = select(_F.id, (order + NEXT - 1).label("position")).where(_F.position.is_(None)).subquery()
    return update(CHANGE_FEED).where(_F.id == rows.c.id).values(position=rows.c.position)


NUMBER: Final = _number()
"""Numbers the rows that have no position, in the order of their ids."""


async def log_scan(session: GuardedSession, domain_id: int, scan_id: int, changes: int) -> None:
    """Write that a domain scan changed this number of URLs. Its domain must be locked, so that the rows of a
    domain are in the order of its commits."""
    row = {"domain": domain_id, "scan": scan_id, "changes": changes}
    await session.write(_LOG[session.dialect.name], row)


async def log_removal(session: GuardedSession, domain_id: int, tenant: str, name: str) -> int:
    """Delete the rows of a domain, and write that it was removed. Returns the number of deleted rows.

    The new row comes first: the highest position must not be given again. It takes the place of an earlier
    removal of this name."""
    mine = _F.domain_id == domain_id
    if await session.scalar(select(_F.id).where(mine).limit(1)) is None:
        return 0
    await sequence_changes(session)
    earlier = [_F.tenant_id == tenant, _F.domain == name, _F.kind == FeedKind.REMOVED]
    known = list(await session.scalars(select(_F.id).where(*earlier)))
    row = {"tenant_id": tenant, "domain": name, "kind": FeedKind.REMOVED, "created_at": utc_now()}
    await session.write(insert(CHANGE_FEED).values(position=NEXT, **row))
    await session.write(delete(CHANGE_FEED).where(_F.id.in_(known)))
    return await session.write(delete(CHANGE_FEED).where(mine))


async def has_unnumbered(session: GuardedSession) -> bool:
    """Return whether committed rows have no position yet."""
    return await session.scalar(_WAITING.limit(1)) is not None


async def sequence_changes(session: GuardedSession, *, wait: bool = True) -> bool:
    """Number the committed rows that have no position, in the order of their ids: for a domain, that of its
    commits. No one else numbers rows before this transaction ends. Returns whether it has the lock, which is
    always so on SQLite; without `wait` another transaction may have it, which numbers the rows then."""
    if session.dialect.name == "sqlite":
        return True
    lock = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    held = await session.scalar(text(f"SELECT {lock}({_LOCK})"))
    if held is False:
        return False
    # a statement of its own: one that has waited for the lock would not see what was committed meanwhile
    count = await session.write(NUMBER)
    if count:
        session.note("changes.numbered", rows=count)
    return True
