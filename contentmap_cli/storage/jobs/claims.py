"""Claims: who may scan a domain now, and who may record it.

Domain scans are taken in a short transaction of their own, a handful at a time (token, owner, a lease
on the database's clock). The transaction that records one asks for its token first: a run that lost
its claim, by sleeping past its lease for instance, rolls back instead of writing over the other's
result.

The statements are built once and carry parameters: a scan runs them for every domain, and to build
one costs more than to run it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, func, or_, select, update

from contentmap_cli.errors import Code, Failure, LeaseLost
from contentmap_cli.models import DomainSummary, RememberedFile, ScanStatus, Target
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan, SitemapFile

LEASE_SECONDS: Final = 60.0

RESUMABLE: Final = frozenset(
    {ScanStatus.PENDING, ScanStatus.RUNNING, ScanStatus.INTERRUPTED, ScanStatus.DEFERRED, ScanStatus.SKIPPED}
)
"""What `resume` takes up again; a running one only when its lease has run out."""

_SCANS: Final = cast("Table", DomainScan.__table__)
_DOMAINS: Final = cast("Table", Domain.__table__)
_S: Final = _SCANS.c
_D: Final = _DOMAINS.c


@dataclass(frozen=True, slots=True)
class Claim:
    """One run's right to record one domain scan, and what to scan. A run that lost the token writes nothing.

    `known` says that files of the domain were recorded when it was claimed; another job may have recorded
    others since. `remembered` are those files, which are requested first and with their validators.
    """

    scan_id: int
    domain_id: int
    job_id: str
    domain: str
    target: Target
    token: str
    known: bool = False
    remembered: tuple[RememberedFile, ...] = ()


def takeable(*, failures: bool = False) -> ColumnElement[bool]:
    """The domain scans that a run may claim now; `failures` adds failed and partial ones."""
    open_states = set(RESUMABLE) - {ScanStatus.RUNNING}
    if failures:
        open_states |= {ScanStatus.FAILED, ScanStatus.PARTIAL}
    dead = and_(_S.status == ScanStatus.RUNNING, _S.lease_until < utc_now())
    return or_(_S.status.in_(sorted(open_states)), dead)


_WANTED: Final = (
    select(
        _S.id,
        _S.domain_id,
        _S.target,
        _D.name,
        exists(select(SitemapFile.id).where(SitemapFile.domain_id == _S.domain_id)).label("known"),
    )
    .join(_DOMAINS, _D.id == _S.domain_id)
    .where(
        _S.job_id == bindparam("job_id"),
        _D.tenant_id == bindparam("tenant"),
        _D.name.in_(bindparam("names", expanding=True)),
    )
)
# jobs that reach for one domain at once take turns on its row, and reach in one order. Its key is left to
# those who refer to it
_REACH: Final = (
    select(_D.id)
    .where(_D.id.in_(bindparam("domains", expanding=True)))
    .order_by(_D.id)
    .with_for_update(key_share=True)
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
    *("status", "complete", "sitemaps", "sitemaps_failed", "urls", "fetched_bytes", "requests", "seconds"),
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
# a scan that is resumed keeps the time of the first entries that it recorded
_FINISH_ENTRIES: Final = _FINISH.values(recorded_at=func.coalesce(_S.recorded_at, utc_now()))
_SET_LAST: Final = (
    update(_DOMAINS)
    .where(_D.id == bindparam("domain"))
    .values(
        last_status=bindparam("new_status"), last_scan_id=bindparam("new_scan"), last_scanned_at=utc_now()
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
    """Takes domain scans of a job for `owner`, or says of each why not, by the domain's name.

    One is taken if it is unfinished, not under a live lease, and no other job is scanning the domain;
    `failures` takes failed and partial ones too. `gone` tells of an owner whether its run surely is no
    more, so that its lease need not be waited for.
    """
    wanted = {
        row.name: row
        for row in await session.execute(
            _WANTED, {"job_id": job_id, "tenant": tenant, "names": list(domains)}
        )
    }
    keys = [row.domain_id for row in wanted.values()]
    busy = await _busy(session, job_id, keys, gone)
    if session.dialect.name == "postgresql":  # SQLite has one writer anyway
        # the row of one that is being recorded is locked for as long as that takes: nobody waits for it
        keys = [key for key in keys if key not in busy]
        await session.execute(_REACH, {"domains": keys})
        busy |= await _busy(session, job_id, keys, gone)
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
        elif row.domain_id in busy:
            answers[domain] = await _skip(session, row.id, busy[row.domain_id])
        elif row.id in taken:
            target = unpack_target(row.target)
            answers[domain] = Claim(row.id, row.domain_id, job_id, domain, target, token, bool(row.known))
        else:
            answers[domain] = Failure(Code.LEASE_LOST, "another run of this job took it")
    session.note("domains.claimed", claimed=len(taken), asked=len(domains))
    return answers


async def _busy(
    session: GuardedSession, job_id: str, domains: Sequence[int], gone: Callable[[str | None], bool]
) -> dict[int, str]:
    """Those of these domains that another job is scanning, and which one."""
    rows = await session.execute(_BUSY, {"domains": domains, "job_id": job_id})
    return {row.domain_id: str(row.job_id) for row in rows if not gone(row.owner)}


async def _skip(session: GuardedSession, scan_id: int, other_job: str) -> Failure:
    message = f"being scanned by {other_job}"
    await session.write(_SKIP, {"scan": scan_id, "message": message})
    return Failure(Code.DOMAIN_BUSY, message)


async def unfinished(
    session: GuardedSession, job_id: str, *, failures: bool = False
) -> list[tuple[Target, ScanStatus]]:
    """The targets of a job that a run may take now, in the order they were given."""
    rows = await session.execute(
        select(_S.target, _S.status).where(_S.job_id == job_id, takeable(failures=failures)).order_by(_S.id)
    )
    return [(unpack_target(target), ScanStatus(status)) for target, status in rows]


async def fence(session: GuardedSession, claim: Claim) -> bool:
    """The first statement of every transaction that records a domain: is the claim still ours?

    Returns whether the domain has a result already: without one, nothing of it is recorded. Raises LeaseLost
    where the claim is not ours any more, and so rolls everything back. The scan and its domain stay locked
    to the end: two jobs that record one domain do so one after the other.
    """
    ours = {"scan": claim.scan_id, "held_token": claim.token, "domain": claim.domain_id}
    found = (await session.execute(_FENCE, ours)).all()
    if len(found) != 1:
        raise LeaseLost(
            f"the claim on {claim.domain} was lost to another run", hint="its result is the other run's"
        )
    if session.dialect.name == "postgresql":  # SQLite has locked it all by now
        # asked again: what the fence says of it may be from before the lock
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
) -> None:
    """Records what a domain's scan came to, on its scan and on the domain itself. Call `fence` first."""
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
        "new_seconds": summary.seconds,
        "new_discovery_methods": dict(summary.discovery_methods),
        "new_sitemap_types": dict(summary.sitemap_types),
        "new_limits": [[limit.code, limit.message] for limit in limits],
        "new_evidence": [_packed(source) for source in summary.evidence],
        "new_error_code": summary.error.code if summary.error else None,
        "new_error_message": summary.error.message if summary.error else None,
    }
    seen: dict[str, Any] = {
        "domain": claim.domain_id,
        "new_status": summary.status,
        "new_scan": claim.scan_id,
    }
    recorded = summary.status in (ScanStatus.OK, ScanStatus.PARTIAL, ScanStatus.EMPTY)
    if recorded or summary.urls or summary.removed:
        seen |= {"new_sitemaps": summary.sitemaps, "new_urls": summary.urls}
    has_entries = recorded or summary.sitemaps > 0
    await session.write(_FINISH_ENTRIES if has_entries else _FINISH, result)
    await session.write(_RECORDED if "new_urls" in seen else _SET_LAST, seen)
    session.note("domain.recorded", status=str(summary.status))


def _packed(source: Source) -> dict[str, Any]:
    """A source as it is recorded."""
    failure = source.failure
    return {
        "source": source.kind,
        "url": source.url,
        "state": source.state,
        "code": failure.code if failure is not None else None,
        "message": failure.message if failure is not None else None,
    }


def unpack_evidence(packed: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    """Return the sources that a domain scan recorded."""
    return tuple(
        Source(
            SourceKind(each["source"]),
            each["url"],
            SourceState(each["state"]),
            Failure(each["code"], each["message"] or "") if each["code"] else None,
        )
        for each in packed
    )


def unpack_target(packed: Mapping[str, Any]) -> Target:
    """A target from its domain scan."""
    return Target(
        packed["domain"],
        tuple(packed["origins"]),
        tuple(packed["sitemaps"]),
        packed["path"],
        tuple(packed["more_paths"]),
    )
