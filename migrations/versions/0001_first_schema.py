"""The first schema: jobs, domains, domain scans, sitemap files and their URLs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from contentmap_cli.storage.column_types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "domains",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_status", sa.String(length=16), nullable=True),
        sa.Column("last_scan_id", sa.BigInteger(), nullable=True),
        sa.Column("last_scanned_at", UtcDateTime(), nullable=True),
        sa.Column("sitemap_count", sa.Integer(), nullable=False),
        sa.Column("url_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_domains_tenant_id_name")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("job_type", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("total_domains", sa.Integer(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_tenant_id_created_at"), "jobs", ["tenant_id", "created_at"], unique=False)
    op.create_table(
        "domain_scans",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("domain_id", BIG_ID, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("sitemaps", sa.Integer(), nullable=False),
        sa.Column("sitemaps_failed", sa.Integer(), nullable=False),
        sa.Column("urls", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("fetched_bytes", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("discovery_methods", sa.JSON(), nullable=False),
        sa.Column("sitemap_types", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["domains.id"], name=op.f("fk_domain_scans_domain_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_domain_scans_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_scans")),
        sa.UniqueConstraint("job_id", "domain_id", name=op.f("uq_domain_scans_job_id_domain_id")),
    )
    op.create_index(
        op.f("ix_domain_scans_domain_id_status"), "domain_scans", ["domain_id", "status"], unique=False
    )
    op.create_index(op.f("ix_domain_scans_job_id_status"), "domain_scans", ["job_id", "status"], unique=False)
    op.create_table(
        "sitemap_files",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("domain_id", BIG_ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("discovery_method", sa.String(length=16), nullable=False),
        sa.Column("sitemap_type", sa.String(length=16), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("encoding", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("decoded_bytes", sa.BigInteger(), nullable=False),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("is_gzipped", sa.Boolean(), nullable=False),
        sa.Column("has_lastmod", sa.Boolean(), nullable=False),
        sa.Column("has_priority", sa.Boolean(), nullable=False),
        sa.Column("has_changefreq", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("lastmod", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(length=32), nullable=True),
        sa.Column("url_count", sa.Integer(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("fetched_at", UtcDateTime(), nullable=True),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_scan_id", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["domains.id"], name=op.f("fk_sitemap_files_domain_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sitemap_files")),
        sa.UniqueConstraint("domain_id", "url", name=op.f("uq_sitemap_files_domain_id_url")),
    )
    op.create_table(
        "sitemap_urls",
        sa.Column("domain_id", sa.BigInteger(), nullable=False),
        sa.Column("sitemap_file_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("lastmod", UtcDateTime("seconds"), nullable=True),
        sa.Column("lastmod_precision", sa.String(length=8), nullable=True),
        sa.Column("lastmod_text", sa.Text(), nullable=True),
        sa.Column("changefreq", sa.String(length=8), nullable=True),
        sa.Column("priority", sa.Float(), nullable=True),
        sa.Column("page_type", sa.String(length=32), nullable=True),
        sa.Column("in_scope", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("repaired", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("image_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("video_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("news_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("extras", sa.Text(), nullable=True),
        sa.Column("first_scan_id", sa.BigInteger(), nullable=False),
        sa.Column("removed_scan_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sitemap_file_id"],
            ["sitemap_files.id"],
            name=op.f("fk_sitemap_urls_sitemap_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("domain_id", "sitemap_file_id", "url", name=op.f("pk_sitemap_urls")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drops them, and all that was recorded."""
    op.drop_table("sitemap_urls")
    op.drop_table("sitemap_files")
    op.drop_index(op.f("ix_domain_scans_job_id_status"), table_name="domain_scans")
    op.drop_index(op.f("ix_domain_scans_domain_id_status"), table_name="domain_scans")
    op.drop_table("domain_scans")
    op.drop_index(op.f("ix_jobs_tenant_id_created_at"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("domains")
