"""Claims: who may scan a domain now, and who may record it.

A domain scan is taken in a short transaction of its own (token, owner, a lease on the database's
clock). The transaction that records it asks for the token first: a run that lost its claim, by
sleeping past its lease for instance, rolls back instead of writing over the other's result.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import aliased

from contentmap_cli.errors import Code, Failure, LeaseLost
from contentmap_cli.records.session import GuardedSession
from contentmap_cli.records.tables import Domain, DomainScan
from contentmap_cli.records.types import utc_now
from contentmap_cli.values import DomainSummary, ScanStatus, Target

LEASE_SECONDS: Final = 60.0

RESUMABLE: Final = frozenset(
    {ScanStatus.PENDING, ScanStatus.RUNNING, ScanStatus.INTERRUPTED, ScanStatus.DEFERRED, ScanStatus.SKIPPED}
)
"""What `resume` takes up again; a running one only when its lease has run out."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One run's right to record one domain scan. The token is the fence: who lost it writes nothing."""

    scan_id: int
    domain_id: int
    job_id: str
    domain: str
    token: str


async def claim(
    session: GuardedSession, job_id: str, tenant: str, domain: str, owner: str, *, failures: bool = False
) -> Claim | Failure:
    """Takes one domain scan for `owner`, or says why not.

    It is taken if it is unfinished, not under a live lease, and no other job is scanning the domain;
    `failures` takes failed and partial ones too.
    """
    row = (
        await session.execute(
            select(DomainScan.id, Domain.id)
            .join(Domain, Domain.id == DomainScan.domain_id)
            .where(DomainScan.job_id == job_id, Domain.tenant_id == tenant, Domain.name == domain)
            # two jobs that reach for one domain at once take turns on its row; SQLite has one writer anyway
            .with_for_update(of=Domain)
        )
    ).one_or_none()
    if row is None:
        return Failure(Code.INTERNAL_ERROR, f"{domain} is not part of {job_id}")
    scan_id, domain_id = row
    other = aliased(DomainScan)
    busy = (
        await session.execute(
            select(other.job_id).where(
                other.domain_id == domain_id,
                other.id != scan_id,
                other.status == ScanStatus.RUNNING,
                other.lease_until > utc_now(),
            )
        )
    ).scalar()
    if busy is not None:
        await session.write(
            update(DomainScan)
            .where(DomainScan.id == scan_id, DomainScan.status.in_(RESUMABLE))
            .values(
                status=ScanStatus.SKIPPED,
                finished_at=utc_now(),
                error_code=Code.DOMAIN_BUSY,
                error_message=f"being scanned by {busy}",
            )
        )
        session.note("domain.busy", other_job=busy)
        return Failure(Code.DOMAIN_BUSY, f"being scanned by {busy}")
    token = uuid.uuid4().hex
    took = await session.write(
        update(DomainScan)
        .where(DomainScan.id == scan_id, takeable(failures=failures))
        .values(
            status=ScanStatus.RUNNING,
            token=token,
            owner=owner,
            lease_until=utc_now(LEASE_SECONDS),
            started_at=utc_now(),
            finished_at=None,
            error_code=None,
            error_message=None,
        )
    )
    if took != 1:
        session.note("domain.held")
        return Failure(Code.LEASE_LOST, "another run of this job took it")
    session.note("domain.claimed", scan=scan_id)
    return Claim(scan_id, domain_id, job_id, domain, token)


def takeable(*, failures: bool = False) -> ColumnElement[bool]:
    """The domain scans that a run may claim now."""
    open_states = set(RESUMABLE) - {ScanStatus.RUNNING}
    if failures:
        open_states |= {ScanStatus.FAILED, ScanStatus.PARTIAL}
    dead = and_(DomainScan.status == ScanStatus.RUNNING, DomainScan.lease_until < utc_now())
    return or_(DomainScan.status.in_(open_states), dead)


async def unfinished(
    session: GuardedSession, job_id: str, *, failures: bool = False
) -> list[tuple[Target, ScanStatus]]:
    """The targets of a job that a run may take now, in the order they were given."""
    rows = await session.execute(
        select(DomainScan.target, DomainScan.status)
        .where(DomainScan.job_id == job_id, takeable(failures=failures))
        .order_by(DomainScan.id)
    )
    return [(_unpack(target), ScanStatus(status)) for target, status in rows]


async def fence(session: GuardedSession, claim: Claim) -> None:
    """The first statement of every transaction that records a domain: is the claim still ours?

    Raises LeaseLost otherwise, and so rolls everything back. The row stays locked to the end.
    """
    still = await session.write(
        update(DomainScan)
        .where(
            DomainScan.id == claim.scan_id,
            DomainScan.token == claim.token,
            DomainScan.status == ScanStatus.RUNNING,
        )
        .values(lease_until=utc_now(LEASE_SECONDS))
    )
    if still != 1:
        raise LeaseLost(
            f"the claim on {claim.domain} was lost to another run", hint="its result is the other run's"
        )
    session.note("domain.fenced", scan=claim.scan_id)


async def finish_domain(
    session: GuardedSession,
    claim: Claim,
    summary: DomainSummary,
    *,
    complete: bool,
    limits: Sequence[Failure] = (),
) -> None:
    """Records what a domain's scan came to, on its scan and on the domain itself. Call `fence` first."""
    await session.write(
        update(DomainScan)
        .where(DomainScan.id == claim.scan_id, DomainScan.token == claim.token)
        .values(
            status=summary.status,
            token=None,
            owner=None,
            lease_until=None,
            finished_at=utc_now(),
            complete=complete,
            sitemaps=summary.sitemaps,
            sitemaps_failed=summary.sitemaps_failed,
            urls=summary.urls,
            added=summary.added,
            removed=summary.removed,
            changed=summary.changed,
            fetched_bytes=summary.fetched_bytes,
            requests=summary.requests,
            seconds=summary.seconds,
            discovery_methods=dict(summary.discovery_methods),
            sitemap_types=dict(summary.sitemap_types),
            limits=[[limit.code, limit.message] for limit in limits],
            error_code=summary.error.code if summary.error else None,
            error_message=summary.error.message if summary.error else None,
        )
    )
    recorded = summary.status in (ScanStatus.OK, ScanStatus.PARTIAL, ScanStatus.EMPTY)
    await session.write(
        update(Domain)
        .where(Domain.id == claim.domain_id)
        .values(
            last_status=summary.status,
            last_scan_id=claim.scan_id,
            last_scanned_at=utc_now(),
            **({"sitemap_count": summary.sitemaps, "url_count": summary.urls} if recorded else {}),
        )
    )
    session.note("domain.recorded", status=str(summary.status))


def _unpack(packed: Mapping[str, Any]) -> Target:
    return Target(
        packed["domain"],
        tuple(packed["origins"]),
        tuple(packed["sitemaps"]),
        packed["path"],
        tuple(packed["more_paths"]),
    )
