"""Write the previous values of what a scan changes, so that any two scans can be compared later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, update

from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.jobs.claims import Claim, recorded_now
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import FILE_CHANGES, URL_CHANGES, DomainScan
from contentmap_cli.storage.writing.bulk import copy_records

_COLUMNS: Final = tuple(URL_CHANGES.c.keys())
_LASTMOD: Final = 2

Was = tuple[Any, ...]
"""A URL, the scan that had removed it (None: it was listed), and its published values, lastmod first."""


async def begin_part(
    session: GuardedSession, claim: Claim, status: ScanStatus, *, complete: bool, files: int
) -> Claim:
    """Add the row of another part of a domain scan that was resumed, and return the claim with its id. The
    history keeps each part as a scan; the job has the first row only. Call `fence` first."""
    part = {"domain_id": claim.domain_id, "resumed_job_id": claim.job_id, "target": {}}
    outcome = {
        "status": status,
        "complete": complete,
        "sitemaps": files,
        "recorded_at": recorded_now(claim.domain_id),
    }
    added = await session.execute(insert(DomainScan).values(**part, **outcome).returning(DomainScan.id))
    return replace(claim, part_id=added.scalar_one())


async def mark_incomplete(session: GuardedSession, claim: Claim) -> None:
    """Record that a part of a domain scan has removed nothing, although it saw the whole domain."""
    await session.write(
        update(DomainScan)
        .where(DomainScan.id == claim.part_id)
        .values(complete=False, status=ScanStatus.PARTIAL)
    )


async def log_urls(session: GuardedSession, claim: Claim, file_id: int, before: Sequence[Was]) -> None:
    """Write the previous values of URLs of one file. A statement of the transaction must have run."""
    connection = await session.connection()
    domain_id, scan_id = claim.domain_id, claim.history_id
    if connection.dialect.name == "sqlite":
        rows = [(domain_id, file_id, was[0], scan_id, *was[1:]) for was in before]
        names, marks = ",".join(_COLUMNS), ",".join("?" * len(_COLUMNS))
        statement = f"INSERT INTO {URL_CHANGES.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
        await connection.exec_driver_sql(statement, rows)
        return
    rows = [
        (domain_id, file_id, was[0], scan_id, was[1], _datetime(was[_LASTMOD]), *was[_LASTMOD + 1 :])
        for was in before
    ]
    await copy_records(session, URL_CHANGES.name, _COLUMNS, rows)


async def log_files(session: GuardedSession, claim: Claim, file_ids: Sequence[int], *, gone: bool) -> None:
    """Write that files appeared or disappeared with this scan."""
    if not file_ids:
        return
    connection = await session.connection()
    marks = "?, ?, ?" if connection.dialect.name == "sqlite" else "$1, $2, $3"
    await connection.exec_driver_sql(
        f"INSERT INTO {FILE_CHANGES.name} (sitemap_file_id, scan_id, gone) VALUES ({marks})",  # noqa: S608 - names of ours
        [(file_id, claim.history_id, gone) for file_id in file_ids],
    )


def _datetime(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
