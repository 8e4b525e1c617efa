"""Evidence: how the sources of a domain ended, and for how long a file was named by nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Earlier scans recorded no evidence."""
    op.add_column("domain_scans", sa.Column("evidence", sa.JSON(), nullable=True))
    op.add_column(
        "sitemap_files", sa.Column("unnamed_scans", sa.SmallInteger(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("sitemap_files", "unnamed_scans")
    op.drop_column("domain_scans", "evidence")
