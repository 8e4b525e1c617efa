"""Claims: which run may scan a domain, and record it.

Domain scans are claimed in short transactions, some at a time: each gets a token, an owner and a lease on
the database's clock. The transaction that records a domain scan checks its token first: a run that lost its
claim, for example because it was suspended past its lease, rolls back.

The statements are built once and have parameters: a scan runs them for every domain, and building one takes
longer than running it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, case, exists, func, or_, select, update

from contentmap_cli.errors import Code, Failure, LeaseLost
from contentmap_cli.models import DomainSummary, RememberedFile, ScanStatus, Target
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.change_feed import log_scan
from contentmap_cli.storage.jobs.packing import pack_source, unpack_target
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, SitemapFile

LEASE_SECONDS: Final = 60.0

LOCK_SECONDS: Final = 5.0
"""Seconds for which a claim waits for a domain that another transaction has locked, without recording it."""

_LOCK_POLL: Final = 0.1

RESUMABLE: Final = frozenset(
    {ScanStatus.PENDING, ScanStatus.RUNNING, ScanStatus.INTERRUPTED, ScanStatus.DEFERRED, ScanStatus.SKIPPED}
)
"""The domain scans that `resume` scans again; running ones only if their lease has expired."""

_SCANS: Final = cast("Table", DomainScan.__table__)
_DOMAINS: Final = cast("Table", Domain.__table__)
_S: Final = _SCANS.c
_D: Final = _DOMAINS.c


@dataclass(frozen=True, slots=True)
class Claim:
    """A domain scan that a run may record while its token is valid.

    `known`: whether files of the domain were recorded when it was claimed; another job may have recorded
    others since. `remembered` are those files, which are requested first and with their validators.
    `resumed`: the domain scan has recorded something already; what it records now is another part of it, with
    a row `part_id` of its own.
    """

    scan_id: int
    domain_id: int
    job_id: str
    domain: str
    target: Target
    token: str
    known: bool = False
    remembered: tuple[RememberedFile, ...] = ()
    resumed: bool = False
    part_id: int | None = None

    @property
    def history_id(self) -> int:
        """The id under which the history keeps what is recorded now."""
        return self.part_id or self.scan_id


def takeable(*, failures: bool = False) -> ColumnElement[bool]:
    """Return the condition for domain scans that a run may claim now; `failures` adds failed and partial
    ones."""
    open_states = set(RESUMABLE) - {ScanStatus.RUNNING}
    if failures:
        open_states |= {ScanStatus.FAILED, ScanStatus.PARTIAL}
    expired = and_(_S.status == ScanStatus.RUNNING, _S.lease_until < utc_now())
    return or_(_S.status.in_(sorted(open_states)), expired)


_WANTED: Final = (
    select(
        _S.id,
        _S.domain_id,
        _S.target,
        _D.name,
        _S.recorded_at.is_not(None).label("resumed"),
        exists(select(SitemapFile.id).where(SitemapFile.domain_id == _S.domain_id)).label("known"),
    )
    .join(_DOMAINS, _D.id == _S.domain_id)
    .where(
        _S.job_id == bindparam("job_id"),
        _D.tenant_id == bindparam("tenant"),
        _D.name.in_(bindparam("names", expanding=True)),
    )
)
# of jobs that claim a domain at the same time, one locks its row; the key stays free for foreign keys
_LOCK: Final = (
    select(_D.id)
    .where(_D.id.in_(bindparam("domains", expanding=True)))
    .order_by(_D.id)
    .with_for_update(key_share=True, skip_locked=True)
)
_RUNNING: Final = select(_S.domain_id, _S.job_id).where(
    _S.domain_id.in_(bindparam("domains", expanding=True)), _S.status == ScanStatus.RUNNING
)
_BUSY: Final = select(_S.domain_id, _S.job_id, _S.owner).where(
    _S.domain_id.in_(bindparam("domains", expanding=True)),
    _S.job_id != bindparam("job_id"),
    _S.status == ScanStatus.RUNNING,
    _S.lease_until > utc_now(),
)
_TAKE: Final = {
    failures: update(_SCANS)
    .where(_S.id.in_(bindparam("scans", expanding=True)), takeable(failures=failures))
    .values(
        status=ScanStatus.RUNNING,
        token=bindparam("new_token"),
        owner=bindparam("new_run_id"),
        lease_until=utc_now(lambda: LEASE_SECONDS),
        started_at=utc_now(),
        finished_at=None,
        error_code=None,
        error_message=None,
    )
    .returning(_S.id)
    for failures in (False, True)
}
_SKIP: Final = (
    update(_SCANS)
    .where(_S.id == bindparam("scan"), _S.status.in_(sorted(RESUMABLE)))
    .values(
        status=ScanStatus.SKIPPED,
        finished_at=utc_now(),
        error_code=Code.DOMAIN_BUSY,
        error_message=bindparam("message"),
    )
)


def _later(last: ColumnElement[datetime | None]) -> ColumnElement[datetime]:
    return case((last > utc_now(), last), else_=utc_now())


def recorded_now(domain_id: Any) -> ColumnElement[datetime]:
    """Return the time for a scan that is recorded now: never before the last one of its domain, whatever the
    clock does, as the history of a domain is in this order."""
    return _later(select(_D.last_scanned_at).where(_D.id == domain_id).scalar_subquery())


_LAST: Final = select(_D.last_scan_id).where(_D.id == bindparam("domain"))
_FENCE: Final = (
    update(_SCANS)
    .where(_S.id == bindparam("scan"), _S.token == bindparam("held_token"), _S.status == ScanStatus.RUNNING)
    .values(lease_until=utc_now(lambda: LEASE_SECONDS))
    .returning(_LAST.scalar_subquery())
)
_DOMAIN_LOCK: Final = _LAST.with_for_update(key_share=True)
_LAST_RESULT: Final = select(_D.last_scan_id, _D.last_scanned_at, _D.url_count).where(
    _D.id == bindparam("domain")
)
_RESULT: Final = (
    *("status", "complete", "sitemaps", "sitemaps_failed", "urls", "fetched_bytes", "requests", "retries"),
    *("seconds", "withheld"),
    *("discovery_methods", "sitemap_types", "limits", "evidence", "error_code", "error_message"),
)
_SUMS: Final = ("added", "removed", "changed")
_FINISH: Final = (
    update(_SCANS)
    .where(_S.id == bindparam("scan"), _S.token == bindparam("held_token"))
    .values(
        token=None,
        owner=None,
        lease_until=None,
        finished_at=utc_now(),
        **{name: bindparam(f"new_{name}", type_=_S[name].type) for name in _RESULT},
        **{name: _S[name] + bindparam(f"new_{name}", type_=_S[name].type) for name in _SUMS},
    )
)
# a scan that is resumed keeps the time of its first part
_FINISH_ENTRIES: Final = _FINISH.values(recorded_at=func.coalesce(_S.recorded_at, recorded_now(_S.domain_id)))
_SET_LAST: Final = (
    update(_DOMAINS)
    .where(_D.id == bindparam("domain"))
    .values(
        last_status=bindparam("new_status"),
        last_scan_id=bindparam("new_scan"),
        last_scanned_at=_later(_D.last_scanned_at),
    )
)
_RECORDED: Final = _SET_LAST.values(sitemap_count=bindparam("new_sitemaps"), url_count=bindparam("new_urls"))


async def claim_domains(
    session: GuardedSession,
    job_id: str,
    tenant: str,
    domains: Sequence[str],
    owner: str,
    *,
    failures: bool = False,
    gone: Callable[[str | None], bool] = lambda owner: False,
) -> dict[str, Claim | Failure]:
    """Claim domain scans of a job for `owner`. Return the claim, or why there is none, by the domain's name.

    A domain scan is claimed if it is unfinished, its lease has expired, and no other job is scanning the
    domain; `failures` claims failed and partial ones too. `gone` returns whether the run of an owner has
    certainly ended, so that its lease does not matter.
    """
    wanted = {
        row.name: row
        for row in await session.execute(
            _WANTED, {"job_id": job_id, "tenant": tenant, "names": list(domains)}
        )
    }
    keys = [row.domain_id for row in wanted.values()]
    busy: dict[int, str | None] = await _busy(session, job_id, keys, gone)
    if session.dialect.name == "postgresql":  # SQLite has one writer anyway
        keys = [key for key in keys if key not in busy]
        locked = await _lock(session, keys)
        busy |= locked | await _busy(session, job_id, keys, gone)
    token = uuid.uuid4().hex
    free = [row.id for row in wanted.values() if row.domain_id not in busy]
    taken = set(
        await session.scalars(_TAKE[failures], {"scans": free, "new_token": token, "new_run_id": owner})
        if free
        else ()
    )
    answers: dict[str, Claim | Failure] = {}
    for domain in domains:
        row = wanted.get(domain)
        if row is None:
            answers[domain] = Failure(Code.INTERNAL_ERROR, f"{domain} is not part of {job_id}")
        elif busy.get(row.domain_id, job_id) != job_id:
            answers[domain] = await _skip(session, row.id, busy[row.domain_id])
        elif row.id in taken:
            target = unpack_target(row.target)
            known, resumed = bool(row.known), bool(row.resumed)
            answers[domain] = Claim(
                row.id, row.domain_id, job_id, domain, target, token, known, resumed=resumed
            )
        else:
            answers[domain] = Failure(Code.LEASE_LOST, "another run of this job has claimed it")
    session.note("domains.claimed", claimed=len(taken), asked=len(domains))
    return answers


async def _busy(
    session: GuardedSession, job_id: str, domains: Sequence[int], gone: Callable[[str | None], bool]
) -> dict[int, str | None]:
    """Return those of these domains that another job is scanning, each with that job."""
    rows = await session.execute(_BUSY, {"domains": domains, "job_id": job_id})
    return {row.domain_id: str(row.job_id) for row in rows if not gone(row.owner)}


async def _lock(session: GuardedSession, domains: Sequence[int]) -> dict[int, str | None]:
    """Lock these domains, and return those that another transaction has locked, each with the job whose run
    records it, or None.

    A domain that is being recorded is not waited for, even if its lease has expired meanwhile: no heartbeat
    renews the lease of a locked row. Other locks are short.
    """
    end = time.monotonic() + LOCK_SECONDS
    while True:
        mine = set(await session.scalars(_LOCK, {"domains": domains}))
        if not (left := [each for each in domains if each not in mine]):
            return {}
        rows = await session.execute(_RUNNING, {"domains": left})
        running = {row.domain_id: str(row.job_id) for row in rows}
        if len(running) == len(left) or time.monotonic() > end:
            return {each: running.get(each) for each in left}
        await asyncio.sleep(_LOCK_POLL)


async def _skip(session: GuardedSession, scan_id: int, other_job: str | None) -> Failure:
    message = f"being scanned by {other_job}" if other_job else "locked by another transaction"
    await session.write(_SKIP, {"scan": scan_id, "message": message})
    return Failure(Code.DOMAIN_BUSY, message)


async def unfinished(
    session: GuardedSession, job_id: str, *, failures: bool = False
) -> list[tuple[Target, ScanStatus]]:
    """Return the targets of a job that a run may claim now, in the order given."""
    rows = await session.execute(
        select(_S.target, _S.status).where(_S.job_id == job_id, takeable(failures=failures)).order_by(_S.id)
    )
    return [(unpack_target(target), ScanStatus(status)) for target, status in rows]


async def fence(session: GuardedSession, claim: Claim) -> bool:
    """Check that the claim is still valid: the first statement of every transaction that records a domain.

    Returns whether the domain has a result already: without one, nothing of it is recorded. Raises LeaseLost
    if another run has the claim. The domain scan and its domain stay locked until the transaction ends, so
    that two jobs record a domain one after the other.
    """
    ours = {"scan": claim.scan_id, "held_token": claim.token, "domain": claim.domain_id}
    found = (await session.execute(_FENCE, ours)).all()
    if len(found) != 1:
        raise LeaseLost(
            f"the claim on {claim.domain} was lost to another run", hint="its result is the other run's"
        )
    if session.dialect.name == "postgresql":  # SQLite has locked it all by now
        # queried again: the fence may have read it before the lock
        found = (await session.execute(_DOMAIN_LOCK, ours)).all()
    session.note("domain.fenced", scan=claim.scan_id)
    return found[0][0] is not None


@dataclass(frozen=True, slots=True)
class LastResult:
    """The last result of a domain. Every transaction that records one changes it."""

    scan_id: int | None
    at: datetime | None
    urls: int


async def last_result(session: GuardedSession, claim: Claim) -> LastResult:
    """Return the last result of a domain. After `fence` no one else changes it before this transaction
    ends."""
    row = (await session.execute(_LAST_RESULT, {"domain": claim.domain_id})).one()
    return LastResult(*row)


async def finish_domain(
    session: GuardedSession,
    claim: Claim,
    summary: DomainSummary,
    *,
    complete: bool,
    limits: Sequence[Failure] = (),
    kept: int = 0,
) -> None:
    """Record the outcome of a domain scan, in its row, in the domain's and in the change feed. Call `fence`
    first. `kept` are recorded files of the domain that the scan did not select.
    """
    result: dict[str, Any] = {
        "scan": claim.scan_id,
        "held_token": claim.token,
        "new_status": summary.status,
        "new_complete": complete,
        "new_sitemaps": summary.sitemaps,
        "new_sitemaps_failed": summary.sitemaps_failed,
        "new_urls": summary.urls,
        "new_added": summary.added,
        "new_removed": summary.removed,
        "new_changed": summary.changed,
        "new_fetched_bytes": summary.fetched_bytes,
        "new_requests": summary.requests,
        "new_retries": summary.retries,
        "new_seconds": summary.seconds,
        "new_withheld": summary.withheld,
        "new_discovery_methods": dict(summary.discovery_methods),
        "new_sitemap_types": dict(summary.sitemap_types),
        "new_limits": [[limit.code, limit.message] for limit in limits],
        "new_evidence": [pack_source(source) for source in summary.evidence],
        "new_error_code": summary.error.code if summary.error else None,
        "new_error_message": summary.error.message if summary.error else None,
    }
    status = summary.status
    seen: dict[str, Any] = {"domain": claim.domain_id, "new_status": status, "new_scan": claim.scan_id}
    recorded = status in (ScanStatus.OK, ScanStatus.PARTIAL, ScanStatus.EMPTY)
    if recorded or (summary.sitemaps and (summary.urls or summary.removed)):
        seen |= {"new_sitemaps": summary.sitemaps + kept, "new_urls": summary.urls}
    await session.write(_FINISH_ENTRIES if recorded or summary.sitemaps else _FINISH, result)
    await session.write(_RECORDED if "new_urls" in seen else _SET_LAST, seen)
    if changes := summary.added + summary.removed + summary.changed:
        await log_scan(session, claim.domain_id, claim.history_id, changes)
    session.note("domain.recorded", status=str(summary.status))
