"""The versions of each domain's robots.txt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table. What earlier scans saw of robots.txt is not known."""
    op.create_table(
        "robots_versions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("domain_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"],
            ["domains.id"],
            name=op.f("fk_robots_versions_domain_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_robots_versions")),
    )
    op.create_index(op.f("ix_robots_versions_domain_id_id"), "robots_versions", ["domain_id", "id"])


def downgrade() -> None:
    """Drops it."""
    op.drop_table("robots_versions")
