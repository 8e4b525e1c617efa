"""The priority of a queued job is recorded with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Jobs that were queued before have the default priority of their size."""
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "priority")
