"""Statements made ready for the driver."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select, update

from contentmap_cli.models import JobStatus
from contentmap_cli.storage.prepared import Prepared
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Domain, Job

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COLUMNS = ["id", "tenant_id", "job_type", "status", "total_domains", "options", "created_at"]
INSERT = Prepared(insert(Job), COLUMNS)
FINISH = Prepared(
    update(Job)
    .where(Job.id == bindparam("job"), Job.status == JobStatus.RUNNING)
    .values(error="stopped", options={"b": [2]}, finished_at=bindparam("moment", type_=Job.finished_at.type))
    .returning(Job.total_domains)
)


async def test_it_writes_what_sqlalchemy_would(sessions: Sessions) -> None:
    """Moments and JSON in the column's own form; what the statement brings along goes with what is given."""
    rows = [
        dict(zip(COLUMNS, (name, "default", "sitemap", status, 3, {"a": [1]}, MOMENT), strict=True))
        for name, status in (("one", JobStatus.RUNNING), ("two", JobStatus.PENDING))
    ]
    async with sessions.brief() as session, session.begin():
        await session.later(*(INSERT.filled(session.dialect, row) for row in rows))
        found = [
            await session.ask(*FINISH.filled(session.dialect, {"job": name, "moment": MOMENT}))
            for name in ("one", "two")
        ]
    assert [[tuple(row) for row in each] for each in found] == [[(3,)], []]
    async with sessions.read() as session, session.begin():
        job = (await session.scalars(select(Job).where(Job.id == "one"))).one()
        assert (job.options, job.created_at, job.finished_at, job.error) == (
            {"b": [2]},
            MOMENT,
            MOMENT,
            "stopped",
        )


async def test_no_parameter_is_left_out(sessions: Sessions) -> None:
    """A misspelt name is an error, and no NULL."""
    statement = Prepared(select(Domain.id).where(Domain.name == bindparam("name")))
    with pytest.raises(KeyError, match="name"):
        statement.filled(sessions.database.engine.dialect, {"nmae": "x"})
