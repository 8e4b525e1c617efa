"""Prune the change feed: of a domain, the rows of the scans that cannot be compared any more.

The last of these rows becomes a baseline. It stands for all that was listed before the first scan that can be
compared, so that a reader that begins now misses nothing. One that began earlier must have read it as a scan.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from contentmap_cli.models.feed import FeedKind
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.change_feed import NEXT, sequence_changes
from contentmap_cli.storage.maintenance.prune_plan import Leftovers, count_feed
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import CHANGE_FEED

_F = CHANGE_FEED.c


async def prune_feed(session: GuardedSession, tenant: str, found: Sequence[Leftovers]) -> int:
    """Delete the old rows of these domains, which must be locked, and return their number."""
    await sequence_changes(session)
    number = await session.scalar(select(NEXT))
    removed = changed = 0
    for left in found:
        if left.horizon is None:
            continue
        await count_feed(session, left)
        if left.baseline is None:
            continue
        mine = _F.domain_id == left.domain_id
        baseline = update(CHANGE_FEED).where(mine, _F.id == left.baseline)
        if not left.feed:
            baseline = baseline.where(_F.kind != FeedKind.BASELINE)
        changed += await session.write(baseline.values(kind=FeedKind.BASELINE, pruned_at=number))
        if left.feed:
            removed += await session.write(delete(CHANGE_FEED).where(mine, _F.id < left.baseline))
    if changed:
        row = {"tenant_id": tenant, "kind": FeedKind.PRUNE, "created_at": utc_now()}
        await session.write(insert(CHANGE_FEED).values(position=number, **row))
        earlier = (_F.tenant_id == tenant, _F.kind == FeedKind.PRUNE, _F.position < number)
        await session.write(delete(CHANGE_FEED).where(*earlier))
    return removed
