"""Read the recorded domains of a tenant, and the tenants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import func, select

from contentmap_cli.errors import Failure
from contentmap_cli.models import ScanStatus, StoredDomain, StoredTenant
from contentmap_cli.storage.jobs.jobs import PRUNED
from contentmap_cli.storage.reading.contents import like_glob, was_scanned
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Job

REMOVED: Final = "\x01removed"
"""The tenant of domains that are being removed: no name that can be given, so that nobody reads them."""

_PAGE: Final = 1_000


class DomainPages:
    """Reads the domains of a tenant in the order of their names, in pages; each may be read in a transaction
    of its own and shows the domains as they are then.

    `match` is a glob over the name (* and ?) in any case, `outcomes` those of the last scans.
    """

    def __init__(
        self,
        tenant: str,
        *,
        match: str | None = None,
        outcomes: Collection[ScanStatus] | None = None,
        limit: int | None = None,
    ) -> None:
        self._left = limit
        self._after = ""
        self._query = (
            select(Domain, DomainScan.job_id, DomainScan.error_code, DomainScan.error_message)
            .outerjoin(DomainScan, DomainScan.id == Domain.last_scan_id)
            .where(Domain.tenant_id == tenant, was_scanned())
            .order_by(Domain.name)
        )
        if match is not None:
            self._query = self._query.where(like_glob(Domain.__table__.c.name, match.lower()))
        if outcomes:
            self._query = self._query.where(Domain.last_status.in_(sorted(outcomes)))

    async def next(self, session: GuardedSession) -> list[StoredDomain]:
        """Return the next domains, none at the end."""
        limit = _PAGE if self._left is None else min(_PAGE, self._left)
        if not limit:
            return []
        rows = (await session.execute(self._query.where(Domain.name > self._after).limit(limit))).all()
        if rows:
            self._after = rows[-1][0].name
        if self._left is not None:
            self._left -= len(rows)
        return [
            StoredDomain(
                domain=row.name,
                outcome=ScanStatus(row.last_status) if row.last_status else None,
                sitemaps=row.sitemap_count,
                urls=row.url_count,
                first_seen=row.created_at,
                scanned_at=row.last_scanned_at,
                job_id=job_id,
                error=Failure(code, message or "") if code else None,
            )
            for row, job_id, code, message in rows
        ]


async def tenants(session: GuardedSession) -> list[StoredTenant]:
    """Return the tenants that have domains or jobs, in the order of their names."""
    domains = await session.execute(
        select(Domain.tenant_id, func.count(), func.sum(Domain.url_count), func.max(Domain.last_scanned_at))
        .where(Domain.tenant_id != REMOVED, was_scanned())
        .group_by(Domain.tenant_id)
    )
    jobs = await session.execute(
        select(Job.tenant_id, func.count()).where(Job.job_type != PRUNED).group_by(Job.tenant_id)
    )
    counts = {row[0]: row[1] for row in jobs}
    found = {
        tenant: StoredTenant(tenant, count, counts.get(tenant, 0), int(urls), scanned)
        for tenant, count, urls, scanned in domains
    }
    for tenant, count in counts.items():
        found.setdefault(tenant, StoredTenant(tenant, 0, count, 0, None))
    return [found[tenant] for tenant in sorted(found)]
