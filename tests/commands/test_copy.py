"""`db copy`: everything arrives, in both directions, or nothing does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from program import Contentmap
from recording import ask_pages, claim_pages
from sqlalchemy import select
from web_sites import Page, good_site, index, serving, urlset

from contentmap_cli.commands.database import connection
from contentmap_cli.commands.database.connection import open_for_reading
from contentmap_cli.commands.database.copy import _run
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import StorageRefused, UsageError
from contentmap_cli.storage import server_driver
from contentmap_cli.storage.database_url import DatabaseAddress, parse_database_address
from contentmap_cli.storage.engine import Database, open_database
from contentmap_cli.storage.maintenance import copying
from contentmap_cli.storage.maintenance.copying import TABLES
from contentmap_cli.storage.session import Sessions

PAGES: dict[str, Page] = good_site("a.test", 40) | {
    "b.test/robots.txt": "Sitemap: http://b.test/index.xml\n",
    "b.test/index.xml": index("http://b.test/1.xml", "http://b.test/2.xml"),
    "b.test/1.xml": urlset(
        "http://b.test/ü?a=%00&b=\\t", "http://b.test/2", lastmod="0099-01-01T10:00:00+02:00"
    ),
    "b.test/2.xml": "<urlset><url><loc>http://b.test/3</loc><lastmod>soon</lastmod></url>"
    "<url><loc>http://b.test/first</loc><lastmod>0001-01-01</lastmod></url>"
    "<url><loc>http://b.test/last</loc><lastmod>9999-12-31T23:59:59.999999Z</lastmod></url></urlset>",
}


async def rows(address: str) -> dict[str, list[Any]]:
    """All rows, as the ORM's types have them."""
    async with (
        open_for_reading(parse_database_address(address)) as sessions,
        sessions.read() as session,
        session.begin(),
    ):
        return {
            table.name: [
                tuple(row)
                for row in await session.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in TABLES
        }


@pytest.fixture
def recorded(on_sqlite: Contentmap) -> Contentmap:
    """Two scans of two sites, with changes between them, and one of another tenant."""
    with serving(dict(PAGES)) as sites:
        on_sqlite.environment["CONTENTMAP_NOTIFY_SECRET"] = "A" * 32
        words = ("scan", "http://a.test", "http://b.test", "--connect-to", sites.connect_to)
        on_sqlite(*words)
        sites.pages |= good_site("a.test", 30) | {
            "b.test/index.xml": index("http://b.test/1.xml", "http://b.test/3.xml"),
            "b.test/1.xml": urlset("http://b.test/2", lastmod="2026-02-02"),
            "b.test/3.xml": urlset("http://b.test/4", lastmod="0001-01-01"),
        }
        on_sqlite(*words)
        # a message for a receiver that is down
        on_sqlite(*words, "--tenant", "acme", "--notify", "http://127.0.0.1:1/")
    asyncio.run(_check_pages(on_sqlite.database))
    return on_sqlite


async def _check_pages(address: str) -> None:
    database = open_database(address)
    sessions = Sessions(database)
    await ask_pages(sessions, await claim_pages(sessions, "a.test"), "1", "ü", finished=False)
    await database.close()


UNNUMBERED = "UPDATE change_feed SET position = NULL WHERE position = (SELECT max(position) FROM change_feed)"


async def test_there_and_back(
    recorded: Contentmap,
    contentmap_at: Callable[[str], Contentmap],
    empty_postgres_address: str,
    tmp_path: Path,
) -> None:
    """What comes back equals what was sent, and all changes are numbered; the server numbers new rows
    after the copied ones."""
    before = await rows(recorded.database)
    assert all(before.values())
    said = recorded("db", "copy", "--to", empty_postgres_address, "--json")
    assert said.code == 0, said.err
    assert said.json["rows"] == {name: len(found) for name, found in before.items()}
    assert await rows(empty_postgres_address) == before
    assert recorded("db", "copy", "--to", empty_postgres_address).code == 2
    server = contentmap_at(empty_postgres_address)
    connection = await asyncpg.connect(empty_postgres_address)
    await connection.execute(UNNUMBERED)  # as a run leaves it that is killed
    await connection.close()
    assert server("db", "copy", "--to", str(tmp_path / "back.db")).code == 0
    assert await rows(str(tmp_path / "back.db")) == before
    assert recorded("db", "copy", "--to", str(tmp_path / "twin.db")).code == 0
    assert await rows(str(tmp_path / "twin.db")) == before
    with serving(PAGES | good_site("new.test")) as sites:
        words = ("scan", "http://new.test", "http://a.test", "--connect-to", sites.connect_to)
        assert server(*words).code == 0


async def test_a_target_that_another_copy_has_filled(
    recorded: Contentmap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second copy found no file when it began: it is refused, and what the first has written stays."""
    target = str(tmp_path / "new.db")
    cli = GlobalOptions(recorded.database)
    usual = connection.opened_address

    @asynccontextmanager
    async def after_another(address: DatabaseAddress) -> AsyncIterator[Database]:
        monkeypatch.setattr(connection, "opened_address", usual)
        await _run(cli, target, as_json=False)
        async with usual(address) as opened:
            yield opened

    monkeypatch.setattr(connection, "opened_address", after_another)
    with pytest.raises(UsageError, match="not empty"):
        await _run(cli, target, as_json=False)
    assert all((await rows(target)).values())


def test_a_damaged_source(recorded: Contentmap, tmp_path: Path) -> None:
    """The error names the source, not the target."""
    file = tmp_path / "map.db"
    with closing(sqlite3.connect(file)) as opened:
        ((number,),) = opened.execute("SELECT rootpage FROM sqlite_master WHERE name = 'domain_scans'")
    data = bytearray(file.read_bytes())
    data[(number - 1) * 4096 : number * 4096] = b"\x01" * 4096
    file.write_bytes(data)
    said = recorded("db", "copy", "--to", str(tmp_path / "new.db"))
    assert (said.code, f"{file} is damaged" in said.err) == (5, True), said.err


def test_what_refuses_a_copy(recorded: Contentmap, tmp_path: Path) -> None:
    """A target with rows, one in a folder that is not there, and a password in neither message."""
    for target, code in (
        (recorded.database, 2),
        (str(tmp_path / "no" / "folder.db"), 5),
        (str(tmp_path), 5),
        ("postgresql://user:geheim@127.0.0.1:1/x", 5),
    ):
        said = recorded("db", "copy", "--to", target)
        assert (said.code, "geheim" in said.err + said.out, "hint:" in said.err) == (code, False, True), (
            said.err
        )
        assert " with --db" not in said.err


async def test_a_target_that_holds_something_else(
    recorded: Contentmap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read back and differs is an error, and the new file is deleted."""
    usual = copying.copy_table

    async def lossy(source: Any, target: Any, table: Any, *, shown: str) -> Any:
        written = await usual(source, target, table, shown=shown)
        if table.name == "robots_versions":
            await target.exec_driver_sql("UPDATE robots_versions SET state = 'x' WHERE id = 1")
        return written

    monkeypatch.setattr(copying, "copy_table", lossy)
    with pytest.raises(StorageRefused, match="robots_versions"):
        await _run(GlobalOptions(recorded.database), str(tmp_path / "new.db"), as_json=False)
    assert not (tmp_path / "new.db").exists()


async def test_a_database_that_waits_for_the_other(
    postgres_address: str, empty_postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither server ends the session that is idle meanwhile, as it does for a scan."""
    usual = copying.copy_table

    async def slow(source: Any, target: Any, table: Any, *, shown: str) -> Any:
        await asyncio.sleep(0.8 if table is TABLES[0] else 0)
        return await usual(source, target, table, shown=shown)

    monkeypatch.setattr(copying, "copy_table", slow)
    monkeypatch.setitem(server_driver.SERVER_SETTINGS, "idle_in_transaction_session_timeout", "400ms")
    await _run(GlobalOptions(postgres_address), empty_postgres_address, as_json=False)
    monkeypatch.undo()
    assert (await rows(empty_postgres_address)).keys() == {table.name for table in TABLES}
