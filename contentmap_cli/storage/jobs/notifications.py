"""The outbox of notifications: a row for each message and target, written by the transaction that ends a job.

A message is claimed, sent and finished: a claim has a token and a lease, so that two processes never send the
same message. A process that is killed between sending and recording leaves a message that is sent once more,
with the same message id.

Services: each takes a session inside its owner's block and never begins, commits or rolls back.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case, delete, func, insert, or_, select, update

from contentmap_cli.models import ScanStatus
from contentmap_cli.models.results import ClaimedMessage, JobEvent, StoredMessage
from contentmap_cli.models.statuses import MessageStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.job_queries import job_summary, summary_of
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, Notification

LEASE_SECONDS: Final = 60.0
"""The lease of a claimed message: longer than an attempt takes."""
NAMED_DOMAINS: Final = 100
"""Domains of a job that a message names."""
KEPT: Final = timedelta(days=30)
"""Messages that were delivered or given up are kept for this long."""

_N: Final = Notification
_NOTABLE: Final = or_(
    DomainScan.status.in_((ScanStatus.FAILED, ScanStatus.PARTIAL, ScanStatus.DEFERRED, ScanStatus.SKIPPED)),
    DomainScan.added + DomainScan.removed + DomainScan.changed > 0,
)


async def job_event(
    session: GuardedSession, job_id: str, tenant: str, unexpected: int = 0
) -> JobEvent | None:
    """Return the end of a job for a message, or None where the tenant has no such job."""
    session.expunge_all()  # a job that was read before has its old status
    job = await job_summary(session, job_id, tenant)
    if job is None:
        return None
    of_job = (DomainScan.job_id == job_id, _NOTABLE)
    rank = case(
        {ScanStatus.OK: 2, ScanStatus.EMPTY: 2, ScanStatus.PARTIAL: 1}, value=DomainScan.status, else_=0
    )
    rows = await session.execute(
        select(DomainScan, Domain.name)
        .join(Domain, Domain.id == DomainScan.domain_id)
        .where(*of_job)
        .order_by(rank, (DomainScan.added + DomainScan.removed + DomainScan.changed).desc(), DomainScan.id)
        .limit(NAMED_DOMAINS)
    )
    domains = tuple(summary_of(scan, name) for scan, name in rows)
    total = len(domains)
    if total == NAMED_DOMAINS:
        total = int(await session.scalar(select(func.count()).select_from(DomainScan).where(*of_job)) or 0)
    return JobEvent(job, domains, total, unexpected)


def new_message_id() -> str:
    """Return `msg_` and 32 random hexadecimal digits."""
    return f"msg_{uuid.uuid4().hex}"


async def add_messages(
    session: GuardedSession, tenant: str, job_id: str, payload: str, targets: Collection[tuple[str, str]]
) -> None:
    """Write a message for each target, given as digest and label. Old messages that are done are deleted."""
    now = datetime.now(UTC)
    message_id = new_message_id()
    await session.execute(
        insert(_N),
        [
            {
                "tenant_id": tenant,
                "message_id": message_id,
                "job_id": job_id,
                "target": digest,
                "label": label,
                "payload": payload,
                "status": MessageStatus.PENDING,
                "attempts": 0,
                "created_at": now,
                "next_attempt_at": now,
            }
            for digest, label in targets
        ],
    )
    await session.write(
        delete(_N).where(
            _N.tenant_id == tenant, _N.status != MessageStatus.PENDING, _N.created_at < now - KEPT
        )
    )
    session.note("notification.recorded", targets=len(targets))


async def claim_message(
    session: GuardedSession, tenant: str, target: str, *, after: int = 0, due_only: bool = True
) -> ClaimedMessage | None:
    """Claim the oldest message of a target whose time has come (`due_only`) and whose key is greater than
    `after`. Return None where there is none."""
    free = [*_pending(tenant, [target]), _N.id > after]
    free.append(or_(_N.lease_until.is_(None), _N.lease_until < utc_now()))
    if due_only:
        free.append(_N.next_attempt_at <= utc_now())
    oldest = select(_N.id).where(*free).order_by(_N.id).limit(1).with_for_update(skip_locked=True)
    token = uuid.uuid4().hex
    found = (
        await session.execute(
            update(_N)
            .where(_N.id == oldest.scalar_subquery())
            .values(token=token, lease_until=utc_now(LEASE_SECONDS), attempts=_N.attempts + 1)
            .returning(_N.id, _N.message_id, _N.payload, _N.attempts, _N.created_at),
            execution_options={"synchronize_session": False},
        )
    ).one_or_none()
    return None if found is None else ClaimedMessage(*found, token)


async def finish_message(
    session: GuardedSession, message: ClaimedMessage, status: MessageStatus, error: str | None = None
) -> None:
    """Record that a message was delivered or is given up, unless its claim was lost."""
    await session.write(
        update(_N)
        .where(_N.id == message.key, _N.token == message.token)
        .values(status=status, error=error, finished_at=utc_now(), token=None, lease_until=None)
    )


async def postpone_message(
    session: GuardedSession, message: ClaimedMessage, seconds: float, error: str
) -> None:
    """Record a failed attempt and when the next one is due, unless the claim was lost."""
    await session.write(
        update(_N)
        .where(_N.id == message.key, _N.token == message.token)
        .values(next_attempt_at=utc_now(seconds), error=error, token=None, lease_until=None)
    )


async def count_pending(session: GuardedSession, tenant: str, targets: Collection[str]) -> int:
    """Return the number of messages of these targets that are to be delivered."""
    query = select(func.count()).select_from(_N).where(*_pending(tenant, targets))
    return int(await session.scalar(query) or 0)


async def undelivered(session: GuardedSession, tenant: str, *, limit: int) -> Sequence[StoredMessage]:
    """Return the oldest messages that are to be delivered, or were given up."""
    rows = await session.execute(
        select(
            *(_N.message_id, _N.job_id, _N.target, _N.label, _N.status, _N.attempts),
            *(_N.created_at, _N.next_attempt_at, _N.error),
        )
        .where(_N.tenant_id == tenant, _N.status != MessageStatus.DELIVERED)
        .order_by(_N.id)
        .limit(limit)
    )
    return [StoredMessage(*row[:4], MessageStatus(row.status), *row[5:]) for row in rows]


def _pending(tenant: str, targets: Collection[str]) -> list[ColumnElement[bool]]:
    return [_N.tenant_id == tenant, _N.status == MessageStatus.PENDING, _N.target.in_(sorted(targets))]
