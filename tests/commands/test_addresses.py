"""Database addresses on the command line and in the environment, on real databases."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from program import Contentmap
from sqlalchemy.engine import make_url
from web_sites import good_site, serving

from contentmap_cli.storage.database_url import DatabaseAddress
from contentmap_cli.storage.engine import open_database

SECRET = "s3cr3t-Zq"

At = Callable[[str], Contentmap]


@pytest.mark.parametrize(
    "address",
    [
        f"host=127.0.0.1 port=1 dbname=maps user=me password={SECRET}",
        f"postgress://me:{SECRET}@db.test/maps",
        f"me:{SECRET}@db.test",
        f"postgresql://me:{SECRET}@127.0.0.1:1/maps?sslmode=wrong",
        "db.test:5432",
        "",
    ],
)
def test_no_address_becomes_a_file_or_shows_its_password(contentmap_at: At, address: str) -> None:
    """Refused or unreachable, with a hint; nothing is made, and `config` has no password either."""
    contentmap = contentmap_at("")
    contentmap.environment["CONTENTMAP_DATABASE_URL"] = address
    for words in (("scan", "a.test"), ("config",)):
        said = contentmap(*words)
        assert said.code in ((0, 2, 5) if words == ("config",) else (2, 5)), said
        assert SECRET not in said.out + said.err
        assert said.code == 0 or "hint: " in said.err
    assert not list(contentmap.folder.iterdir())


def test_the_address_in_a_secrets_file(contentmap_at: At, tmp_path: Path) -> None:
    """Over the settings files, under an option; not together with the variable, and not unreadable."""
    contentmap = contentmap_at("")
    (tmp_path / "contentmap.toml").write_text('db = "other.db"\n')
    (tmp_path / "secret").write_text("map.db\n")
    contentmap.environment["CONTENTMAP_DATABASE_URL_FILE"] = str(tmp_path / "secret")
    rows = {row["name"]: row for row in contentmap("config", "--json").json["settings"]}
    assert (rows["db"]["value"], rows["db"]["place"]) == ("map.db", str(tmp_path / "secret"))
    assert contentmap("db", "upgrade").out.startswith("map.db: schema")
    assert contentmap("db", "check", "--db", "third.db").code == 5
    for words in (("jobs",), ("config",)):
        for name, value, wanted in (
            ("CONTENTMAP_DATABASE_URL_FILE", str(tmp_path / "missing"), "cannot read the file"),
            ("CONTENTMAP_DATABASE_URL_FILE", "", "CONTENTMAP_DATABASE_URL_FILE is empty"),
            ("CONTENTMAP_DATABASE_URL", "", "CONTENTMAP_DATABASE_URL is empty"),
        ):
            del contentmap.environment[next(key for key in contentmap.environment if "DATABASE_URL" in key)]
            contentmap.environment[name] = value
            said = contentmap(*words)
            assert (said.code, wanted in said.err) == (2, True), (words, said)


@pytest.mark.parametrize("options", ["mode=ro", "immutable=1"])
def test_a_file_that_is_only_to_be_read(contentmap_at: At, tmp_path: Path, options: str) -> None:
    """Readers list it, writers refuse; where there is no file none is made."""
    reading = contentmap_at(f"sqlite:///{tmp_path}/map.db?{options}")
    with serving(good_site("a.test", 3)) as sites:
        scan = ("scan", "http://a.test", "--connect-to", sites.connect_to)
        assert contentmap_at("map.db")(*scan).code == 0
        before = (tmp_path / "map.db").read_bytes()
        assert len(reading("urls", "a.test", "--format", "txt").out.splitlines()) == 3
        for words in (("status",), ("db", "check"), ("map", "a.test"), ("jobs",)):
            assert reading(*words).code == 0, words
        for words in (scan, ("db", "upgrade")):
            said = reading(*words)
            assert (said.code, "only to be read" in said.err, "hint: name it" in said.err) == (2, True, True)
        assert (tmp_path / "map.db").read_bytes() == before
        for mode in ("ro", "rw"):
            missing = contentmap_at(f"sqlite:///new.db?mode={mode}")
            assert missing(*scan).code in (2, 6)
    assert not (tmp_path / "new.db").exists()


def test_a_file_in_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is immutable while no log is there, and shared while another process has it open."""
    file = tmp_path / "map.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE jobs (id)")
        monkeypatch.setattr(os, "access", lambda *_: False)
        address = DatabaseAddress(str(file), file)
        assert address.sqlite_uri(writable=False).endswith("map.db?mode=ro")
    assert address.sqlite_uri(writable=False).endswith("map.db?mode=ro&immutable=1")
    assert address.sqlite_uri(writable=True).endswith("map.db?mode=rwc")


async def _execute(address: str, *statements: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        for statement in statements:
            found = await connection.fetch(statement)
        return found
    finally:
        await connection.close()


async def test_words_services_and_schemas(
    contentmap_at: At, tmp_path: Path, empty_postgres_address: str
) -> None:
    """libpq's words and a service name the same database; a schema holds all tables, also of the queue."""
    url = make_url(empty_postgres_address)
    host, port = url.query.get("host", url.host), url.query.get("port", url.port or 5432)
    words = f"host={host} port={port} dbname={url.database} user={url.username}"
    (tmp_path / "services").write_text("[maps]\n" + words.replace(" ", "\n") + "\n")
    missing = contentmap_at(f"{words} schema=crawl pool_size=5")
    said = missing("db", "upgrade")
    assert (said.code, "CREATE SCHEMA" in said.err) == (5, True), said.err
    await _execute(empty_postgres_address, "CREATE SCHEMA crawl")
    for named in (f"{words} schema=crawl pool_size=5", "service=maps options=-csearch_path=crawl"):
        contentmap = contentmap_at(named)
        contentmap.environment["PGSERVICEFILE"] = str(tmp_path / "services")
        assert contentmap("db", "upgrade").code == 0
        with serving(good_site("a.test") | good_site("b.test")) as sites:
            said = contentmap("scan", "http://a.test", "http://b.test", "--connect-to", sites.connect_to)
        assert said.code == 0, said.err
    found = await _execute(
        empty_postgres_address,
        "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname IN ('public', 'crawl') GROUP BY 1",
    )
    assert [row["schemaname"] for row in found] == ["crawl"]
    assert (await _execute(empty_postgres_address, "SELECT count(*) FROM crawl.jobs"))[0][0] == 2


async def test_the_pool_is_as_small_as_the_address_says() -> None:
    """Of five connections two are of the pool; one transaction writes at a time."""
    found = []
    for size in (5, 12, 100):
        database = open_database(f"postgresql://h/d?pool_size={size}")
        found.append((database.engine.pool.size(), database.engine.pool._max_overflow, database.writers))  # type: ignore[attr-defined]
        await database.close()
    assert found == [(2, 0, 1), (8, 1, 6), (8, 5, 8)]


@pytest.mark.parametrize("option", ["--db", "--to"])
def test_a_password_is_not_in_the_process_list(contentmap_at: At, option: str) -> None:
    """The address is overwritten before a connection is made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        address = f"postgresql://me:{SECRET}@127.0.0.1:{port}/maps"
        contentmap = contentmap_at(address if option == "--db" else "map.db")
        command = contentmap.words("jobs")
        if option == "--to":
            assert contentmap("db", "upgrade").code == 0
            command = contentmap.words("db", "copy", "--to", address)
        process = subprocess.Popen(
            command, cwd=contentmap.folder, env=contentmap.environment, stderr=subprocess.PIPE
        )
        try:
            connection, _ = server.accept()
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            connection.close()
            server.close()
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert (SECRET.encode() in shown, b"***\0" in shown, SECRET.encode() in err) == (False, True, False)


def test_a_warning_of_the_driver_is_a_line_of_the_log(contentmap_at: At, tmp_path: Path) -> None:
    """A password file that others may read is not used, which the log says."""
    (tmp_path / ".pgpass").write_text(f"*:*:*:*:{SECRET}\n")
    (tmp_path / ".pgpass").chmod(0o644)
    said = contentmap_at("postgresql://me@127.0.0.1:1/maps")("--log-format", "json", "jobs")
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert [line["action"] for line in lines] == ["library.warning", "command.failed"]
    assert SECRET not in said.err
