"""The workers that are connected, as a view (PostgreSQL)."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the view. It reads the server's sessions and depends on no table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE VIEW workers AS"
            " SELECT pid, client_addr AS address, backend_start AS started_at FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'contentmap queue'"
        )


def downgrade() -> None:
    """Drop it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP VIEW workers")
