"""Writes what was before a scan wrote over it, so that any two scans can be compared later."""

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
"""A URL, the scan that had seen it go (None: it was there), and what was said of it, lastmod first."""


async def log_urls(session: GuardedSession, claim: Claim, file_id: int, before: Sequence[Was]) -> None:
    """Writes what one file's URLs were before this scan. A statement of the transaction must have run."""
    connection = await session.connection()
    domain_id, scan_id = claim.domain_id, claim.scan_id
    names = ",".join(_COLUMNS)
    if connection.dialect.name == "sqlite":
        rows = [(domain_id, file_id, was[0], scan_id, *was[1:]) for was in before]
        places = ",".join("?" * len(_COLUMNS))
        statement = f"INSERT OR IGNORE INTO {URL_CHANGES.name} ({names}) VALUES ({places})"  # noqa: S608 - names of ours
        await connection.exec_driver_sql(statement, rows)
        return
    rows = [
        (domain_id, file_id, was[0], scan_id, was[1], _moment(was[_LASTMOD]), *was[_LASTMOD + 1 :])
        for was in before
    ]
    recorded = await session.scalar(select(DomainScan.recorded_at).where(DomainScan.id == scan_id))
    if recorded is None:
        await copy_records(session, URL_CHANGES.name, _COLUMNS, rows)
        return
    # the scan is resumed, and some of this may be there from its first time: a COPY cannot pass over it
    places = ",".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
    statement = f"INSERT INTO {URL_CHANGES.name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of ours
    await connection.exec_driver_sql(statement, rows)


async def log_files(session: GuardedSession, claim: Claim, file_ids: Sequence[int], *, gone: bool) -> None:
    """Writes that files came or went with this scan; of a scan that is resumed, what it says last stands."""
    if not file_ids:
        return
    connection = await session.connection()
    places = "?, ?, ?" if connection.dialect.name == "sqlite" else "$1, $2, $3"
    await connection.exec_driver_sql(
        f"INSERT INTO {FILE_CHANGES.name} (sitemap_file_id, scan_id, gone) VALUES ({places})"  # noqa: S608 - names of ours
        " ON CONFLICT (sitemap_file_id, scan_id) DO UPDATE SET gone = excluded.gone",
        [(file_id, claim.scan_id, gone) for file_id in file_ids],
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
