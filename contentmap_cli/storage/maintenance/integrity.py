"""Check what is recorded: the file of SQLite, references, and counts held against rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.storage.reading.domains import REMOVED

LIMIT: Final = 20
"""Findings of one check that are reported."""

_QUERIES: Final = {
    "domains: url_count is not the number of different listed URLs": """
        SELECT d.id, d.name, d.url_count, count(DISTINCT u.url) FROM domains d
        LEFT JOIN sitemap_urls u ON u.domain_id = d.id AND u.removed_scan_id IS NULL
        WHERE d.id NOT IN {removed}
        GROUP BY d.id, d.name, d.url_count HAVING d.url_count <> count(DISTINCT u.url)""",
    "sitemap_urls: a row of a file of another domain, or of none": """
        SELECT DISTINCT u.domain_id, u.sitemap_file_id FROM sitemap_urls u
        LEFT JOIN sitemap_files f ON f.id = u.sitemap_file_id AND f.domain_id = u.domain_id
        WHERE f.id IS NULL""",
    "sitemap_url_changes: previous values of a URL that is not recorded": """
        SELECT c.domain_id, c.sitemap_file_id, c.url FROM sitemap_url_changes c
        LEFT JOIN sitemap_urls u
        ON u.domain_id = c.domain_id AND u.sitemap_file_id = c.sitemap_file_id AND u.url = c.url
        WHERE u.url IS NULL AND c.domain_id NOT IN {removed}""",
    "sitemap_urls: first seen by a scan of another domain, or of none": """
        SELECT DISTINCT u.domain_id, u.first_scan_id FROM sitemap_urls u
        LEFT JOIN domain_scans s ON s.id = u.first_scan_id AND s.domain_id = u.domain_id
        WHERE s.id IS NULL AND u.domain_id NOT IN {removed}""",
    "sitemap_urls: listed by a file that was removed": """
        SELECT DISTINCT u.domain_id, u.sitemap_file_id FROM sitemap_urls u
        JOIN sitemap_files f ON f.id = u.sitemap_file_id
        WHERE u.removed_scan_id IS NULL AND f.removed_at IS NOT NULL""",
    "domains: the last scan is one of another domain, or of none": """
        SELECT d.id, d.name, d.last_scan_id FROM domains d
        LEFT JOIN domain_scans s ON s.id = d.last_scan_id AND s.domain_id = d.id
        WHERE d.last_scan_id IS NOT NULL AND s.id IS NULL""",
    "domain_scans: a domain of another tenant than the job": """
        SELECT s.id, s.job_id FROM domain_scans s
        JOIN jobs j ON j.id = s.job_id JOIN domains d ON d.id = s.domain_id
        WHERE j.tenant_id <> d.tenant_id""",
    "pages: asked by a run of another domain": """
        SELECT DISTINCT p.domain_id, p.run_id FROM pages p
        JOIN page_runs r ON r.id = p.run_id WHERE r.domain_id <> p.domain_id""",
    "change_feed: a row of a domain scan that is not recorded": """
        SELECT f.position, f.domain, f.scan_id FROM change_feed f
        LEFT JOIN domain_scans s ON s.id = f.scan_id AND s.domain_id = f.domain_id
        WHERE f.kind = 'scan' AND s.id IS NULL""",
    "jobs: total_domains is less than the number of domain scans": """
        SELECT j.id, j.total_domains, count(s.id) FROM jobs j LEFT JOIN domain_scans s ON s.job_id = j.id
        GROUP BY j.id, j.total_domains HAVING j.total_domains < count(s.id)""",
}
"""Each selects the rows that break a rule; `{removed}` stands for the domains whose removal has begun."""
_REMOVED: Final = f"(SELECT id FROM domains WHERE tenant_id = '{REMOVED}')"  # noqa: S608 - a name of ours


async def integrity_problems(connection: AsyncConnection) -> AsyncIterator[str]:
    """Yield what is wrong, one line each. Reads the whole database."""
    if connection.dialect.name == "sqlite":
        whole = (await connection.execute(text(f"PRAGMA integrity_check({LIMIT})"))).scalars().all()
        if whole != ["ok"]:
            for line in whole:
                yield f"integrity_check: {line}"
            return  # rows cannot be read
        loose = await connection.execute(text("PRAGMA foreign_key_check"))
        for table, row, parent, _ in loose.fetchmany(LIMIT):
            yield f"foreign_key_check: {table}: row {row} refers to no row of {parent}"
    for rule, query in _QUERIES.items():
        limited = f"{query.format(removed=_REMOVED)} LIMIT {LIMIT}"
        for row in (await connection.execute(text(limited))).all():
            yield f"{rule}: {', '.join(map(str, row))}"
