"""The tables of the queue engine, pgqueuer, on PostgreSQL only, under names that begin with `contentmap_`.

They are the part of its schema that its runner works with; a test compares them with what the engine
declares. Its schedules, its notifications on every change and the indexes of its dashboards are not made. The
tables are in a `MetaData` of their own because an SQLite file has none of them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    desc,
    event,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from contentmap_cli.storage.tables import NAMING

PREFIX: Final = "contentmap_"
STATUS: Final = f"{PREFIX}pgqueuer_status"

QUEUE: Final = MetaData(naming_convention=NAMING)
"""The registry of the queue's tables."""

_ENUM = ENUM(
    *("queued", "picked", "successful", "exception", "canceled", "deleted", "failed"),
    name=STATUS,
    metadata=QUEUE,
)
_QUEUED = text(f"status = 'queued'::{STATUS}")
_PICKED = text(f"status = 'picked'::{STATUS}")


def _moment(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


ENTRIES: Final = Table(
    f"{PREFIX}pgqueuer",
    QUEUE,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("priority", Integer, nullable=False),
    Column("queue_manager_id", Uuid),
    *(_moment(name) for name in ("created", "updated", "heartbeat", "execute_after")),
    Column("status", _ENUM, nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("dedupe_key", Text),
    Column("payload", LargeBinary),
    Column("headers", JSONB),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("slot", BigInteger),
)
"""One row per queued or running domain scan; deleted when it has an outcome."""

LOG: Final = Table(
    f"{PREFIX}pgqueuer_log",
    QUEUE,
    Column("id", BigInteger, Identity(), primary_key=True),
    _moment("created"),
    Column("job_id", BigInteger, nullable=False),
    Column("status", _ENUM, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("traceback", JSONB),
    Column("aggregated", Boolean, server_default=false()),
    prefixes=["UNLOGGED"],
)
"""The engine's log of what it does, which nothing here reads. A trigger keeps it empty, since nothing in the
engine ever deletes from it."""

STATISTICS: Final = Table(
    f"{PREFIX}pgqueuer_statistics",
    QUEUE,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column(
        "created",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("date_trunc('sec'::text, now())"),
    ),
    Column("count", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", _ENUM, nullable=False),
    Column("entrypoint", Text, nullable=False),
    prefixes=["UNLOGGED"],
)
"""Sums over the log: the engine's runner looks whether the table is there. Always empty."""

DISCARD_LOG: Final = (
    f"CREATE FUNCTION {LOG.name}_discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    f"CREATE TRIGGER {LOG.name}_discard BEFORE INSERT ON {LOG.name}"
    f" FOR EACH ROW EXECUTE FUNCTION {LOG.name}_discard()",
)
for _statement in DISCARD_LOG:
    event.listen(LOG, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
event.listen(LOG, "after_drop", DDL(f"DROP FUNCTION {LOG.name}_discard"))  # type: ignore[no-untyped-call]

WORKER_SESSION: Final = "contentmap queue"
"""What a server shows of the queue's connection of a worker (`application_name`)."""

WORKERS: Final = (
    "CREATE OR REPLACE VIEW workers AS"
    " SELECT pid, client_addr AS address, backend_start AS started_at FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'contentmap queue'"
)
"""The workers that are connected, for operators: each has one `WORKER_SESSION`."""
event.listen(ENTRIES, "after_create", DDL(WORKERS))  # type: ignore[no-untyped-call]
event.listen(ENTRIES, "after_drop", DDL("DROP VIEW IF EXISTS workers"))  # type: ignore[no-untyped-call]

_e = ENTRIES.c
Index(f"{ENTRIES.name}_picked_heartbeat_idx", _e.heartbeat, postgresql_where=_PICKED)
Index(
    f"{ENTRIES.name}_queue_manager_id_idx",
    _e.queue_manager_id,
    postgresql_where=text("queue_manager_id IS NOT NULL"),
)
Index(
    f"{ENTRIES.name}_ep_prio_id_idx",
    _e.entrypoint,
    desc(_e.priority),
    _e.id,
    postgresql_where=_QUEUED,
)
Index(
    f"{ENTRIES.name}_unique_dedupe_key",
    _e.dedupe_key,
    unique=True,
    postgresql_where=text(
        f"(status = ANY (ARRAY['queued'::{STATUS}, 'picked'::{STATUS}])) AND dedupe_key IS NOT NULL"
    ),
)
Index(
    f"{ENTRIES.name}_picked_slot_idx",
    _e.entrypoint,
    _e.slot,
    unique=True,
    postgresql_where=text(f"(status = 'picked'::{STATUS}) AND (slot IS NOT NULL)"),
)
Index(f"{LOG.name}_job_id_status", LOG.c.job_id, desc(LOG.c.created))
