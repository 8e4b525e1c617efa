"""A list of targets of any length, made into a job by the server: in the memory of a few thousand of them.

    lines --COPY--> a temporary table --(those named twice are merged)--> domains, domain scans, job

All of it in the caller's transaction, which the temporary table does not outlive. PostgreSQL only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    cast,
    collate,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_not

from contentmap_cli.models import ScanStatus, Target
from contentmap_cli.storage.jobs.claims import unpack_target
from contentmap_cli.storage.jobs.jobs import add_job, pack_target
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import Domain, DomainScan
from contentmap_cli.storage.writing.bulk import copy_records

STAGE: Final = Table(
    "contentmap_stage",
    MetaData(),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("domain", Text, nullable=False),
    Column("line", Integer),
    Column("said", Text, nullable=False),
    Column("target", Text, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
_s = STAGE.c


@dataclass(frozen=True, slots=True)
class Staged:
    """A line of the list: where it stood, what it said, as it may be repeated, and the target it names."""

    position: int
    line: int | None
    said: str
    target: Target


async def open_stage(session: GuardedSession) -> None:
    """Makes the temporary table."""
    await (await session.connection()).run_sync(STAGE.create, checkfirst=False)


async def stage(session: GuardedSession, lines: Iterable[Staged]) -> None:
    """Adds lines, in their order."""
    records = (
        (one.position, one.target.domain, one.line, one.said, json.dumps(pack_target(one.target)))
        for one in lines
    )
    await copy_records(session, STAGE.name, [column.name for column in STAGE.columns], records)


async def repeated(session: GuardedSession) -> AsyncIterator[Staged]:
    """The lines of domains that have several, domain by domain, each in the order of the list."""
    twice = select(_s.domain).group_by(_s.domain).having(func.count() > 1)
    rows = await session.stream(
        select(STAGE)
        .where(_s.domain.in_(twice))
        .order_by(_s.domain, _s.position)
        .execution_options(yield_per=2000)
    )
    async for row in rows:
        yield Staged(row.position, row.line, row.said, unpack_target(json.loads(row.target)))


async def merge_repeated(session: GuardedSession, merged: Sequence[tuple[int, Target]]) -> None:
    """Keeps the first line of each domain, with what the others added, by its position."""
    if merged:
        await (await session.connection()).execute(
            update(STAGE).where(_s.position == bindparam("at")).values(target=bindparam("packed")),
            [{"at": position, "packed": json.dumps(pack_target(target))} for position, target in merged],
        )
    first = (
        select(_s.domain, func.min(_s.position).label("position"))
        .group_by(_s.domain)
        .having(func.count() > 1)
        .subquery()
    )
    await session.write(delete(STAGE).where(_s.domain == first.c.domain, _s.position != first.c.position))


async def create_staged_job(
    session: GuardedSession, job_id: str, tenant: str, options: Mapping[str, Any], owner: str
) -> int:
    """Writes the job, its domains where they are new, and a pending domain scan for each line, in order.
    Returns how many."""
    total = int(await session.scalar(select(func.count()).select_from(STAGE)) or 0)
    now = await add_job(session, job_id, tenant, total, options, owner)
    names = (
        select(literal(tenant), _s.domain, literal(now, Domain.created_at.type), literal(0), literal(0))
        # in one order, so that two jobs never wait for each other in a ring
        .order_by(collate(_s.domain, "C"))
    )
    await session.write(
        insert_or_not(Domain)
        .from_select(["tenant_id", "name", "created_at", "sitemap_count", "url_count"], names)
        .on_conflict_do_nothing()
    )
    scans = (
        select(literal(job_id), Domain.id, literal(ScanStatus.PENDING.value), cast(_s.target, JSON))
        .join(Domain, (Domain.tenant_id == tenant) & (Domain.name == _s.domain))
        .order_by(_s.position)
    )
    await session.write(insert(DomainScan).from_select(["job_id", "domain_id", "status", "target"], scans))
    session.note("job.created", domains=total)
    return total
