"""The change feed: the order in which domain scans were committed; each part of a resumed scan has a row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# the scans of each domain in the order of its history, `kept` being the first that can be compared
FILL = """
INSERT INTO change_feed
    (position, tenant_id, domain_id, domain, scan_id, kind, changes, pruned_at, created_at)
WITH recorded AS (
    SELECT s.id, s.domain_id, s.added + s.removed + s.changed AS changes, j.job_type = 'pruned' AS pruned,
        coalesce(s.recorded_at, CASE WHEN s.status IN ('failed', 'deferred') THEN s.finished_at END) AS at
    FROM domain_scans s JOIN jobs j ON j.id = s.job_id
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY domain_id ORDER BY at, id) - 1 AS rank,
        count(*) OVER (PARTITION BY domain_id) AS scans
    FROM recorded WHERE at IS NOT NULL
), judged AS (
    SELECT *, coalesce(
        min(CASE WHEN NOT pruned AND rank < scans - 2 THEN rank END) OVER (PARTITION BY domain_id),
        CASE WHEN scans > 2 THEN scans - 2 ELSE 0 END) AS kept
    FROM ranked
)
SELECT row_number() OVER (ORDER BY r.at, r.id), d.tenant_id, d.id, d.name, r.id,
    CASE WHEN r.rank < r.kept THEN 'baseline' ELSE 'scan' END, r.changes,
    CASE WHEN r.rank < r.kept THEN 0 END, r.at
FROM judged r JOIN domains d ON d.id = r.domain_id
WHERE (r.rank >= r.kept AND r.changes > 0) OR r.rank = r.kept - 1
ORDER BY r.at, r.id
"""


def upgrade() -> None:
    """Create the table, and fill it from the recorded scans."""
    with op.batch_alter_table("domain_scans") as scans:
        scans.alter_column("job_id", existing_type=sa.String(length=40), nullable=True)
        scans.add_column(sa.Column("resumed_job_id", sa.String(length=40), nullable=True))
        scans.create_foreign_key(
            op.f("fk_domain_scans_resumed_job_id"), "jobs", ["resumed_job_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index(
        "ix_domain_scans_resumed_job_id",
        "domain_scans",
        ["resumed_job_id"],
    )
    op.create_table(
        "change_feed",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.BigInteger(), nullable=True),
        sa.Column("domain", sa.String(length=300), nullable=True),
        sa.Column("scan_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pruned_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_feed")),
        sa.UniqueConstraint("position", name=op.f("uq_change_feed_position")),
    )
    op.create_index(op.f("ix_change_feed_tenant_id_position"), "change_feed", ["tenant_id", "position"])
    op.create_index(op.f("ix_change_feed_domain_id_position"), "change_feed", ["domain_id", "position"])
    op.create_index(
        "ix_change_feed_pruned_at",
        "change_feed",
        ["tenant_id", "pruned_at"],
    )
    op.execute(FILL)


def downgrade() -> None:
    """Drop it. The later parts of resumed scans are deleted: what they changed stays, as of no known scan."""
    op.drop_table("change_feed")
    op.execute("DELETE FROM domain_scans WHERE job_id IS NULL")
    op.drop_index("ix_domain_scans_resumed_job_id", "domain_scans")
    with op.batch_alter_table("domain_scans") as scans:
        scans.drop_constraint(op.f("fk_domain_scans_resumed_job_id"), type_="foreignkey")
        scans.drop_column("resumed_job_id")
        scans.alter_column("job_id", existing_type=sa.String(length=40), nullable=False)
