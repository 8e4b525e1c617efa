"""The versions of a domain's robots.txt: written with the domain's result, one row for each that differs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import Table, and_, bindparam, func, insert, or_, select, update

from contentmap_cli.models import Problem
from contentmap_cli.models.robots import RobotsFile, RobotsState, RobotsVersion
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import RobotsVersionRow

_VERSIONS: Final = cast("Table", RobotsVersionRow.__table__)
_V: Final = _VERSIONS.c
_FACTS: Final = ("url", "final_url", "http_status", "problems")
_GIVEN: Final = {name: bindparam(f"new_{name}", type_=_V[name].type) for name in _FACTS}
_NOW: Final = bindparam("now", type_=_V.last_seen.type)
_LATEST: Final = select(func.max(_V.id)).where(_V.domain_id == bindparam("domain")).scalar_subquery()
# Other documents differ from one request to the next, as an error page does: one row stands for them all.
_SAME: Final = and_(
    _V.state == bindparam("new_state", type_=_V.state.type),
    or_(_V.state != RobotsState.READ, _V.digest == bindparam("new_digest", type_=_V.digest.type)),
)
_SEEN: Final = update(_VERSIONS).where(_V.id == _LATEST, _SAME).values(last_seen=_NOW, **_GIVEN)
_NEW: Final = insert(_VERSIONS).values(
    domain_id=bindparam("domain", type_=_V.domain_id.type),
    **{name: bindparam(f"new_{name}", type_=_V[name].type) for name in ("state", "digest", "body")},
    **_GIVEN,
    first_seen=_NOW,
    last_seen=_NOW,
)


async def save_robots(
    session: GuardedSession, claim: Claim, robots: RobotsFile | None, *, first_scan: bool = False
) -> None:
    """Record the robots.txt that a scan found: a new version if it differs from the latest one, otherwise the
    time of the latest is updated. One that was refused or unreachable changes nothing.

    Call `fence` first. `first_scan`: nothing of the domain is recorded, and nothing is looked up.
    """
    state = robots.state if robots is not None else None
    if robots is None or state is None:
        return
    values: dict[str, Any] = {
        "domain": claim.domain_id,
        "now": datetime.now(UTC),
        "new_state": state,
        "new_url": robots.url,
        "new_final_url": robots.final_url,
        "new_http_status": robots.http_status,
        "new_problems": [asdict(problem) for problem in robots.problems],
        "new_digest": robots.digest,
        "new_body": robots.body,
    }
    if first_scan or not await session.write(_SEEN, values):
        await session.write(_NEW, values)
        session.note("robots.saved", state=str(state))


async def robots_versions(session: GuardedSession, domain_id: int) -> list[RobotsVersion]:
    """Return all versions of a domain's robots.txt, the oldest first."""
    of_domain = RobotsVersionRow.domain_id == domain_id
    rows = await session.scalars(select(RobotsVersionRow).where(of_domain).order_by(RobotsVersionRow.id))
    return [_version(number, row) for number, row in enumerate(rows, start=1)]


async def current_robots(session: GuardedSession, domain_id: int) -> RobotsVersion | None:
    """Return the latest version of a domain's robots.txt, or None."""
    of_domain = RobotsVersionRow.domain_id == domain_id
    latest = select(RobotsVersionRow).where(of_domain).order_by(RobotsVersionRow.id.desc()).limit(1)
    row = await session.scalar(latest)
    if row is None:
        return None
    count = await session.scalar(select(func.count()).select_from(RobotsVersionRow).where(of_domain))
    return _version(count or 1, row)


def _version(number: int, row: RobotsVersionRow) -> RobotsVersion:
    return RobotsVersion(
        number=number,
        state=RobotsState(row.state),
        url=row.url,
        final_url=row.final_url,
        http_status=row.http_status,
        body=row.body,
        digest=row.digest,
        problems=tuple(Problem(**problem) for problem in row.problems),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )
