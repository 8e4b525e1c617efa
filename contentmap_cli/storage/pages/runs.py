"""Runs of `check --pages`: claimed, fenced and finished as domain scans are.

A domain has at most one live run. A run that ended before all its pages were asked is continued by the next
one with the same selection. What a later run has asked counts as asked: a page is known to a run if it was
asked by this run or by one with a larger id.

Services: each takes a session inside its owner's block and never begins, commits or rolls back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, func, select, update

from contentmap_cli.errors import Failure, JobHeld, LeaseLost
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.claims import LEASE_SECONDS
from contentmap_cli.storage.jobs.jobs import RunCheck, domain_ids, is_alive
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, PageRunRow

_LEASED: Final = func.coalesce(PageRunRow.lease_until > utc_now(), False)


class Selected(NamedTuple):
    """What a run selects: the number of pages, None for all, of the whole site or of a `scope`."""

    wanted: int | None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class PageRun:
    """The claim on a run: it may record pages while its token is valid. A run that was not `continued` is
    new; with `fresh` it uses nothing that is known."""

    run_id: int
    domain_id: int
    domain: str
    token: str
    started_at: datetime
    continued: bool = False
    fresh: bool = False


async def claim_run(
    session: GuardedSession,
    tenant: str,
    domain: str,
    selected: Selected,
    owner: str,
    *,
    fresh: bool,
    dead: Callable[[str | None], bool],
    running: RunCheck,
) -> PageRun:
    """Claim the unfinished run of a selection, or a new one, for `owner`. The domain is added if it is new.

    With `fresh`, or where a later run has the same or a larger selection, the run is a new one. Other claims
    on the domain, which have expired, are invalid then. `dead` and `running` say of a run whether its process
    has certainly ended, or certainly runs. Raise JobHeld where another run of the domain is live.
    """
    domain_id = (await domain_ids(session, tenant, [domain], datetime.now(UTC)))[domain]
    # of two claims at the same time one waits; the key stays free for foreign keys
    await session.execute(select(Domain.id).where(Domain.id == domain_id).with_for_update(key_share=True))
    await require_idle(session, domain_id, domain, dead=dead, running=running)
    lost = (PageRunRow.domain_id == domain_id, PageRunRow.token.is_not(None))
    await session.write(update(PageRunRow).where(*lost).values(token=None, owner=None, lease_until=None))
    last = (
        await session.scalars(
            select(PageRunRow)
            .where(PageRunRow.domain_id == domain_id, *_covers(selected))
            .order_by(PageRunRow.id.desc())
            .limit(1)
        )
    ).one_or_none()
    token = uuid.uuid4().hex
    held = {"token": token, "owner": owner, "lease_until": utc_now(LEASE_SECONDS)}
    same = last is not None and (last.wanted, last.scope) == selected and last.finished_at is None
    if last is not None and same and not fresh:
        again = {"error_code": None, "error_message": None}
        await session.write(update(PageRunRow).where(PageRunRow.id == last.id).values(**held, **again))
        session.note("pages.claimed", run=last.id, continued=True)
        return PageRun(last.id, domain_id, domain, token, last.started_at, continued=True)
    row = PageRunRow(domain_id=domain_id, **selected._asdict(), started_at=datetime.now(UTC))
    session.add(row)
    await session.flush()
    await session.write(update(PageRunRow).where(PageRunRow.id == row.id).values(**held))
    session.note("pages.claimed", run=row.id, continued=False)
    return PageRun(row.id, domain_id, domain, token, row.started_at, fresh=fresh)


def _covers(selected: Selected) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions for runs whose selection is at least as large."""
    every, whole = PageRunRow.wanted.is_(None), PageRunRow.scope.is_(None)
    return (
        every if selected.wanted is None else every | (PageRunRow.wanted >= selected.wanted),
        whole if selected.scope is None else whole | (PageRunRow.scope == selected.scope),
    )


async def require_idle(
    session: GuardedSession,
    domain_id: int,
    domain: str,
    *,
    dead: Callable[[str | None], bool],
    running: RunCheck,
) -> None:
    """Raise JobHeld if a live run is asking the pages of a domain."""
    found = await session.execute(
        select(PageRunRow.owner, _LEASED).where(
            PageRunRow.domain_id == domain_id, PageRunRow.token.is_not(None)
        )
    )
    for owner, leased in found:
        if not dead(owner) and is_alive(session, owner, leased=leased, running=running):
            raise JobHeld(
                f"another run is checking the pages of {domain}: {owner}", hint="wait until it has ended"
            )


async def fence_run(session: GuardedSession, run: PageRun) -> None:
    """Check that the claim is still valid, and renew its lease: the first statement of every transaction that
    records pages. Raise LeaseLost if another run has it."""
    held = await session.write(
        update(PageRunRow)
        .where(PageRunRow.id == run.run_id, PageRunRow.token == run.token)
        .values(lease_until=utc_now(LEASE_SECONDS))
    )
    if held != 1:
        raise LeaseLost(
            f"the claim on the pages of {run.domain} was lost to another run",
            hint="what was recorded until then is kept; run it again",
        )
    session.note("pages.fenced", run=run.run_id)


async def end_run(
    session: GuardedSession, run: PageRun, counts: PageCounts | None, error: Failure | None = None
) -> None:
    """Record how a run ended, and give up its claim. Without counts, those of an earlier part of the run
    remain. Call `fence_run` first."""
    numbers: dict[str, Any] = {}
    if counts is not None:
        numbers = {
            "selected": counts.selected,
            "asked": counts.asked,
            "not_asked": dict(counts.not_asked),
        }
    finished = counts is not None and counts.finished
    await session.write(
        update(PageRunRow)
        .where(PageRunRow.id == run.run_id, PageRunRow.token == run.token)
        .values(
            token=None,
            owner=None,
            lease_until=None,
            finished_at=utc_now() if finished else None,
            **numbers,
            error_code=error.code if error else None,
            error_message=error.message if error else None,
        )
    )
    session.note("pages.recorded", run=run.run_id, finished=finished)
