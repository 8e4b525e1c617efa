"""What was: the content that scans wrote over, and the files that came and went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables. What earlier scans wrote over is not known."""
    op.create_table(
        "sitemap_url_changes",
        sa.Column("domain_id", sa.BigInteger(), nullable=False),
        sa.Column("sitemap_file_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("scan_id", sa.BigInteger(), nullable=False),
        sa.Column("removed_scan_id", sa.BigInteger(), nullable=True),
        sa.Column("lastmod", UtcDateTime("seconds"), nullable=True),
        sa.Column("lastmod_precision", sa.String(length=8), nullable=True),
        sa.Column("lastmod_text", sa.Text(), nullable=True),
        sa.Column("changefreq", sa.String(length=8), nullable=True),
        sa.Column("priority", sa.Float(), nullable=True),
        sa.Column("extras", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sitemap_file_id"],
            ["sitemap_files.id"],
            name=op.f("fk_sitemap_url_changes_sitemap_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "domain_id", "sitemap_file_id", "url", "scan_id", name=op.f("pk_sitemap_url_changes")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sitemap_file_changes",
        sa.Column("sitemap_file_id", sa.BigInteger(), nullable=False),
        sa.Column("scan_id", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sitemap_file_id"],
            ["sitemap_files.id"],
            name=op.f("fk_sitemap_file_changes_sitemap_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sitemap_file_id", "scan_id", name=op.f("pk_sitemap_file_changes")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drops them. What is recorded now stays."""
    op.drop_table("sitemap_file_changes")
    op.drop_table("sitemap_url_changes")
