"""The queue, on a server: who works on it, and what waits. An SQLite file has none.

The tables `contentmap_pgqueuer` and `contentmap_pgqueuer_log` are those that pgqueuer 1.6 works with, spelled
out, so that an upgrade needs neither the extra nor a certain version of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUS = "contentmap_pgqueuer_status"
ENTRIES = "contentmap_pgqueuer"
LOG = "contentmap_pgqueuer_log"
_LABELS = ("queued", "picked", "successful", "exception", "canceled", "deleted", "failed")


def upgrade() -> None:
    """Makes the tables on PostgreSQL."""
    if op.get_bind().dialect.name != "postgresql":
        return
    status = postgresql.ENUM(*_LABELS, name=STATUS, create_type=False)
    status.create(op.get_bind())
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("owner", name=op.f("uq_workers_owner")),
    )
    op.create_table(
        ENTRIES,
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("queue_manager_id", sa.Uuid(), nullable=True),
        *(_moment(name) for name in ("created", "updated", "heartbeat", "execute_after")),
        sa.Column("status", status, nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{ENTRIES}")),
    )
    op.create_index(
        f"{ENTRIES}_picked_heartbeat_idx",
        ENTRIES,
        ["heartbeat"],
        postgresql_where=sa.text(f"status = 'picked'::{STATUS}"),
    )
    op.create_index(
        f"{ENTRIES}_queue_manager_id_idx",
        ENTRIES,
        ["queue_manager_id"],
        postgresql_where=sa.text("queue_manager_id IS NOT NULL"),
    )
    op.create_index(
        f"{ENTRIES}_ep_prio_id_idx",
        ENTRIES,
        ["entrypoint", sa.text("priority DESC"), "id"],
        postgresql_where=sa.text(f"status = 'queued'::{STATUS}"),
    )
    op.create_index(
        f"{ENTRIES}_unique_dedupe_key",
        ENTRIES,
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text(
            f"(status = ANY (ARRAY['queued'::{STATUS}, 'picked'::{STATUS}])) AND dedupe_key IS NOT NULL"
        ),
    )
    op.create_table(
        LOG,
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        _moment("created"),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("status", status, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("traceback", postgresql.JSONB(), nullable=True),
        sa.Column("aggregated", sa.Boolean(), server_default=sa.false(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{LOG}")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(f"{LOG}_job_id_status", LOG, ["job_id", sa.text("created DESC")])


def downgrade() -> None:
    """Drops them. What waits is in the domain scans as well: `resume` takes it up."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_table(LOG)
    op.drop_table(ENTRIES)
    op.drop_table("workers")
    postgresql.ENUM(name=STATUS).drop(op.get_bind())


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
