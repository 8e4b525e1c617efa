"""The tables of the queue, which only a server has: who works on it, and what waits.

`workers` is ours. The other two are the queue engine's, pgqueuer's, under names that begin with ours: the
part of its schema that enqueueing, taking and settling touch. Its schedules, statistics, notifications and
the indexes that only those need are not used here, and so not made. A test holds what is made against what
the engine itself declares.

They stand in a registry of their own: an SQLite file has none of them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    desc,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from contentmap_cli.storage.column_types import UtcDateTime
from contentmap_cli.storage.tables import NAMING

PREFIX: Final = "contentmap_"
STATUS: Final = f"{PREFIX}pgqueuer_status"

QUEUE: Final = MetaData(naming_convention=NAMING)
"""The registry of the queue's tables."""

WORKERS: Final = Table(
    "workers",
    QUEUE,
    Column("id", Uuid, primary_key=True),  # what the engine calls a queue manager
    Column("tenant_id", String(64), nullable=False),
    Column("owner", String(128), nullable=False, unique=True),  # what stands in the domain scans it holds
    Column("concurrency", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("finished", BigInteger, nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("heartbeat_at", UtcDateTime(), nullable=False),
    Column("lease_until", UtcDateTime(), nullable=False),
)
"""One row a worker, as long as it lives: its heartbeat, and what it is doing."""

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
"""What waits or is being worked on: one row a domain scan, gone when it has an outcome."""

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
"""The engine's diary, which it writes and nobody here reads. Rows go when their entry is settled; a crash of
the server may empty it."""

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
Index(f"{LOG.name}_job_id_status", LOG.c.job_id, desc(LOG.c.created))
