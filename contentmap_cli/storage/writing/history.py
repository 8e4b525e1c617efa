"""Write the previous values of what a scan changes, so that any two scans can be compared later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import FILE_CHANGES, URL_CHANGES, DomainScan
from contentmap_cli.storage.writing.bulk import copy_records

_COLUMNS: Final = tuple(URL_CHANGES.c.keys())
_LASTMOD: Final = 2

Was = tuple[Any, ...]
"""A URL, the scan that had removed it (None: it was listed), and its published values, lastmod first."""


async def log_urls(session: GuardedSession, claim: Claim, file_id: int, before: Sequence[Was]) -> None:
    """Write the previous values of URLs of one file. A statement of the transaction must have run."""
    connection = await session.connection()
    domain_id, scan_id = claim.domain_id, claim.scan_id
    names = ",".join(_COLUMNS)
    if connection.dialect.name == "sqlite":
        rows = [(domain_id, file_id, was[0], scan_id, *was[1:]) for was in before]
        marks = ",".join("?" * len(_COLUMNS))
        statement = f"INSERT OR IGNORE INTO {URL_CHANGES.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
        await connection.exec_driver_sql(statement, rows)
        return
    rows = [
        (domain_id, file_id, was[0], scan_id, was[1], _datetime(was[_LASTMOD]), *was[_LASTMOD + 1 :])
        for was in before
    ]
    recorded = await session.scalar(select(DomainScan.recorded_at).where(DomainScan.id == scan_id))
    if recorded is None:
        await copy_records(session, URL_CHANGES.name, _COLUMNS, rows)
        return
    # the scan is resumed, and its first part may have written some of these: a COPY cannot skip them
    marks = ",".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
    statement = f"INSERT INTO {URL_CHANGES.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of ours
    await connection.exec_driver_sql(statement, rows)


async def log_files(session: GuardedSession, claim: Claim, file_ids: Sequence[int], *, gone: bool) -> None:
    """Write that files appeared or disappeared with this scan. A resumed scan overwrites its first part."""
    if not file_ids:
        return
    connection = await session.connection()
    marks = "?, ?, ?" if connection.dialect.name == "sqlite" else "$1, $2, $3"
    await connection.exec_driver_sql(
        f"INSERT INTO {FILE_CHANGES.name} (sitemap_file_id, scan_id, gone) VALUES ({marks})"  # noqa: S608 - names of ours
        " ON CONFLICT (sitemap_file_id, scan_id) DO UPDATE SET gone = excluded.gone",
        [(file_id, claim.scan_id, gone) for file_id in file_ids],
    )


def _datetime(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
