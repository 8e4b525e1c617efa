"""`db check --deep`: what is recorded is consistent, and damage is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
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
    "UPDATE change_feed SET scan_id = 4711 WHERE position = 1 OR id = 1": "change_feed",
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
    """A count that is wrong, and a page that is damaged, which the schema alone does not tell."""
    assert on_sqlite("db", "upgrade").code == 0
    assert on_sqlite("db", "check", "--json").json["problems"] is None
    said = on_sqlite("db", "check", "--deep", "--json")
    assert (said.code, said.json["problems"]) == (0, [])
    assert "all rows are consistent" in on_sqlite("db", "check", "--deep").out
    file = tmp_path / "map.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "INSERT INTO domains (tenant_id, name, created_at, sitemap_count, url_count)"
            " VALUES ('default', 'a.test', '2026-11-30T10:00:00.000000Z', 0, 5)"
        )
        ((number,),) = connection.execute("SELECT max(rootpage) FROM sqlite_master WHERE name LIKE 'ix_%'")
    said = on_sqlite("db", "check", "--deep")
    assert (said.code, "url_count" in said.out, "a.test, 5, 0" in said.out) == (3, True, True), said
    data = bytearray(file.read_bytes())
    data[(number - 1) * 4096 : number * 4096] = b"\x01" * 4096
    file.write_bytes(data)
    assert on_sqlite("db", "check").code == 0
    said = on_sqlite("db", "check", "--deep")
    assert said.code == 3 or (said.code == 5 and "is damaged" in said.err), said
