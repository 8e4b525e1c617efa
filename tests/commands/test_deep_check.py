"""`db check --deep`: what is recorded is consistent, and damage is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import Contentmap
from recording import page, record
from sqlalchemy import text

from contentmap_cli.storage.maintenance.integrity import integrity_problems
from contentmap_cli.storage.session import Sessions

DAMAGES = {
    "UPDATE domains SET url_count = 99": "url_count",
    "UPDATE domains SET last_scan_id = 4711": "last scan",
    "UPDATE domains SET tenant_id = 'acme'": "another tenant",
    "UPDATE jobs SET total_domains = 0": "total_domains",
    "UPDATE sitemap_urls SET first_scan_id = 4711": "first seen",
    "UPDATE sitemap_files SET removed_at = first_seen": "file that was removed",
    "UPDATE sitemap_urls SET domain_id = 4711": "file of another domain",
    "UPDATE sitemap_url_changes SET url = 'https://shop.example/no'": "previous values",
}
"""Statements that break one rule each, and what the finding says."""


@pytest.mark.parametrize("statement", DAMAGES, ids=DAMAGES.values())
async def test_each_rule(sessions: Sessions, statement: str) -> None:
    """It has no finding for what scans record, and one for a row that breaks it."""
    for day in ("01", "02", "03"):
        pages = [page("a", f"2026-01-{day}"), page(f"day-{day}")]
        await record(sessions, {"a.xml": pages, "b.xml": pages} if day != "03" else {"a.xml": pages})
    async with sessions.database.engine.begin() as connection:
        assert [each async for each in integrity_problems(connection)] == []
        await connection.execute(text(statement))
        found = [each async for each in integrity_problems(connection)]
        assert any(DAMAGES[statement] in each for each in found), found
        await connection.rollback()


def test_the_command(on_sqlite: Contentmap, tmp_path: Path) -> None:
    """Exit code 3 for a file with a damaged page, and for a count that is wrong."""
    assert on_sqlite("db", "upgrade").code == 0
    assert on_sqlite("db", "check", "--json").json["problems"] is None
    said = on_sqlite("db", "check", "--deep", "--json")
    assert (said.code, said.json["problems"]) == (0, [])
    assert "all rows are consistent" in on_sqlite("db", "check", "--deep").out
    file = tmp_path / "map.db"
    data = bytearray(file.read_bytes())
    data[-4096:] = bytes(4096)
    file.write_bytes(data)
    said = on_sqlite("db", "check", "--deep")
    assert (said.code, "integrity_check" in said.out) == (3, True), said
