"""The URLs a domain lists now with their dates, each once, streamed: what a map of the site is drawn from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from sqlalchemy import func, select

from contentmap_cli.storage.driver_columns import raw_columns
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import SITEMAP_URLS, Domain

_T = SITEMAP_URLS.c
_ROWS_A_FETCH = 10_000


async def dated_urls(
    session: GuardedSession, domain_id: int
) -> AsyncIterator[Sequence[tuple[str, str | None]]]:
    """Every URL of a domain with its lastmod as ISO 8601 text in UTC, some thousands at once.

    One that several files list comes once, with its latest date.
    """
    now = (_T.domain_id == domain_id, _T.removed_scan_id.is_(None))
    # rows are counted, not what the files say: one that broke off still lists what it listed before
    listed = await session.scalar(select(func.count()).select_from(SITEMAP_URLS).where(*now))
    different = await session.scalar(select(Domain.url_count).where(Domain.id == domain_id))
    url, lastmod = raw_columns(session, SITEMAP_URLS, ("url", "lastmod"))
    query = select(url, lastmod).where(*now)
    if listed != different:  # some are listed twice: to make them one takes three times as long
        query = select(url, func.max(lastmod)).where(*now).group_by(_T.url)
    query = query.execution_options(yield_per=_ROWS_A_FETCH)
    async for some in (await session.stream(query)).partitions():
        yield cast("Sequence[Any]", some)
