"""`changes`, as it is called: cursors, formats, and readers who follow."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
from typing import Any

import asyncpg
import pytest
from databases import sqlite_first
from web_sites import serving, urlset


@sqlite_first
def test_what_changed_since_a_cursor(contentmap: Any) -> None:
    """Each format has each change once; a reader goes on behind any of them, and nothing new is no line."""
    pages = {
        "t.test/robots.txt": "Sitemap: http://t.test/s.xml",
        "t.test/s.xml": urlset("http://t.test/a", "http://t.test/b", lastmod="0001-01-01"),
    }
    with serving(pages) as sites:
        scan = ("scan", "http://t.test", "-q", "--connect-to", sites.connect_to)
        assert contentmap("changes", "--after", "now").lines[0]["type"] == "cursor"
        assert contentmap(*scan).code == 0
        for words in (("--format", "ndjson"), ("--json",), ("--format", "ndjson", "--distinct")):
            listed = contentmap("urls", "t.test", *words)
            (date,) = {row["lastmod"] for row in (listed.json if "--json" in words else listed.lines)}
            assert date == "0001-01-01T00:00:00Z", words  # asyncpg stores -infinity
        assert (
            next(csv.DictReader(contentmap("urls", "t.test", "--format", "csv").out.splitlines()))["lastmod"]
            == date
        )
        pages["t.test/s.xml"] = urlset("http://t.test/b", "http://t.test/c", lastmod="2026-01-03")
        assert contentmap(*scan).code == 0
        following = contentmap.start("changes", "--follow", "--domain", "t.test")
        try:
            for _ in range(5):
                assert following.stdout is not None
                last = json.loads(following.stdout.readline())
            pages["t.test/s.xml"] = urlset("http://t.test/c", lastmod="2026-01-03")
            assert contentmap(*scan).code == 0
            told = json.loads(following.stdout.readline())
            following.send_signal(signal.SIGTERM)
            assert contentmap.end(following).code == 0
        finally:
            following.kill()
    assert (last["url"], told["change"], told["url"]) == ("http://t.test/c", "removed", "http://t.test/b")
    answer = contentmap("changes", "--json").json
    changes = answer["changes"]
    assert [(each["change"], each["url"][-1], each["fields"]) for each in changes] == [
        *(("added", "a", []), ("added", "b", [])),
        *(("removed", "a", []), ("changed", "b", ["lastmod"]), ("added", "c", [])),
        ("removed", "b", []),
    ]
    assert (changes[3]["lastmod_before"][:10], changes[3]["lastmod"][:10]) == ("0001-01-01", "2026-01-03")
    jobs = contentmap("jobs", "--format", "ndjson").lines
    assert [each["job_id"] for each in changes[1::2]] == [job["job_id"] for job in jobs[::-1]]
    assert contentmap("changes").lines == changes
    rows = list(csv.DictReader(contentmap("changes", "--format", "csv").out.splitlines()))
    names = ("cursor", "domain", "change", "url", "sitemap", "lastmod", "job_id", "scanned_at")
    assert [[row[name] for name in names] for row in rows] == [
        [each[name] or "" for name in names] for each in changes
    ]
    for number in (0, 3, 5):
        each = changes[number]
        assert contentmap("changes", "--after", each["cursor"]).lines == changes[number + 1 :]
        first = contentmap("changes", "--limit", str(number + 1))
        assert first.lines == changes[: number + 1] and each["cursor"] in first.err
    assert contentmap("changes", "--after", "now").lines[0]["cursor"].split(".")[:3] == ["1", "3", "0"]
    for wrong in ("x", changes[0]["cursor"] + "1", "1.9.0.9.1.1", told["cursor"]):
        assert contentmap("changes", "--after", wrong).code == 2, wrong
    assert contentmap("changes", "--follow", "--json").code == 2
    assert contentmap("domains", "remove", "t.test").code == 0
    assert "typo.test is not recorded" in contentmap("changes", "--domain", "typo.test").err
    assert "not recorded" not in contentmap("changes", "--domain", "t.test").err  # its removal is
    (gone,) = contentmap("changes", "--after", changes[2]["cursor"]).lines
    assert (gone["type"], gone["domain"]) == ("domain_removed", "t.test")


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
def test_a_role_that_may_only_read(contentmap: Any) -> None:
    """It numbers nothing and reads what others have numbered."""
    pages = {"t.test/robots.txt": "Sitemap: http://t.test/s.xml", "t.test/s.xml": urlset("http://t.test/a")}
    with serving(pages) as sites:
        assert contentmap("scan", "http://t.test", "-q", "--connect-to", sites.connect_to).code == 0
    name = contentmap.database.rpartition("/")[2].partition("?")[0]

    async def execute(statement: str) -> None:
        settings = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(contentmap.database, server_settings=settings)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute("UPDATE change_feed SET position = NULL"))
    for only_read, count in (("on", 0), ("off", 1)):
        asyncio.run(execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {only_read}"))
        try:
            lines = contentmap("changes").lines
        finally:
            asyncio.run(execute(f"ALTER DATABASE {name} RESET ALL"))
        assert len([line for line in lines if line["type"] == "change"]) == count
