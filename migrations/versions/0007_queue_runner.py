"""The queue runs on the engine's own runner: workers have no table any more.

The statistics table and the index of slots are what pgqueuer 1.6 looks for when its runner starts. The
trigger keeps its log empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATUS = "contentmap_pgqueuer_status"
ENTRIES = "contentmap_pgqueuer"
LOG = "contentmap_pgqueuer_log"
STATISTICS = "contentmap_pgqueuer_statistics"


def upgrade() -> None:
    """Replace the tables. What workers hold at this moment waits again after their lease."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_table("workers")
    op.create_table(
        STATISTICS,
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "created",
            sa.DateTime(timezone=True),
            server_default=sa.text("date_trunc('sec'::text, now())"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", postgresql.ENUM(name=STATUS, create_type=False), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{STATISTICS}")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(
        f"{ENTRIES}_picked_slot_idx",
        ENTRIES,
        ["entrypoint", "slot"],
        unique=True,
        postgresql_where=sa.text(f"(status = 'picked'::{STATUS}) AND (slot IS NOT NULL)"),
    )
    op.execute(f"DELETE FROM {LOG}")  # noqa: S608 - a constant
    op.execute(
        f"CREATE FUNCTION {LOG}_discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    op.execute(
        f"CREATE TRIGGER {LOG}_discard BEFORE INSERT ON {LOG} FOR EACH ROW EXECUTE FUNCTION {LOG}_discard()"
    )


def downgrade() -> None:
    """Drop them; the table of workers comes back empty."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"DROP TRIGGER {LOG}_discard ON {LOG}")
    op.execute(f"DROP FUNCTION {LOG}_discard")
    op.drop_index(f"{ENTRIES}_picked_slot_idx", ENTRIES)
    op.drop_table(STATISTICS)
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
