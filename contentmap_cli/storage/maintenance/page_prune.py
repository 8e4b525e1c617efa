"""Delete old runs of `check --pages`, and the pages that only they have asked.

The last run of a domain is kept, and what a run can still continue unless `unfinished` runs are removed too.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true

from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.maintenance.prune_plan import Retention
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import PAGES, Domain, PageRunRow

_R, _P = PageRunRow, PAGES.c


async def first_kept_runs(session: GuardedSession, rule: Retention) -> dict[int, int]:
    """Return the first run that is kept, by the id of the domain, of the domains that have older ones."""
    last = select(func.max(_R.id)).group_by(_R.domain_id)
    kept: list[ColumnElement[bool]] = [
        _R.id.in_(last),
        _R.started_at >= rule.before,
        func.coalesce(_R.lease_until > utc_now(), False),
    ]
    if not rule.unfinished:
        kept.append(_R.finished_at.is_(None))
    firsts = (
        select(_R.domain_id, func.min(_R.id).filter(or_(*kept)).label("first"), func.min(_R.id).label("any"))
        .join(Domain, Domain.id == _R.domain_id)
        .where(Domain.tenant_id == rule.tenant)
        .group_by(_R.domain_id)
        .subquery()
    )
    rows = await session.execute(
        select(firsts.c.domain_id, firsts.c.first).where(firsts.c.any < firsts.c.first)
    )
    return {row.domain_id: row.first for row in rows}


async def count_old(session: GuardedSession, domain_id: int, first: int) -> dict[str, int]:
    """Return how many runs and pages of a domain are older than its first kept run."""
    runs = select(func.count()).select_from(_R).where(_R.domain_id == domain_id, _R.id < first)
    pages = select(func.count()).select_from(PAGES).where(_P.domain_id == domain_id, _P.run_id < first)
    return {
        "page_runs": int(await session.scalar(runs) or 0),
        "pages": int(await session.scalar(pages) or 0),
    }


async def old_pages(
    session: GuardedSession, domain_id: int, first: int, *, after: str | None, limit: int
) -> list[str]:
    """Return the next URLs of the pages that no kept run has asked, in their order."""
    later = true() if after is None else _P.url > after
    query = select(_P.url).where(_P.domain_id == domain_id, _P.run_id < first, later)
    return list(await session.scalars(query.order_by(_P.url).limit(limit)))


async def drop_pages(session: GuardedSession, domain_id: int, first: int, begin: str, end: str) -> int:
    """Delete those pages from one URL to another, and return their number."""
    between = and_(_P.url >= begin, _P.url <= end)
    return await session.write(delete(PAGES).where(_P.domain_id == domain_id, _P.run_id < first, between))


async def drop_runs(session: GuardedSession, domain_id: int, first: int) -> int:
    """Delete the runs before the first one that is kept, and return their number."""
    return await session.write(delete(_R).where(_R.domain_id == domain_id, _R.id < first))
