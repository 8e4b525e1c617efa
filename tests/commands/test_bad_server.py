"""PostgreSQL servers that cannot be worked with: one clear error, one hint, exit 5, and no site is asked."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from postgres_server import PostgresServer, wanted_version
from web_sites import Sites, good_site, serving, urlset

_numbers = itertools.count()


@pytest.fixture
def site() -> Iterator[Sites]:
    """A healthy site, to see whether it is asked."""
    with serving(good_site("a.test")) as sites:
        yield sites


@pytest.fixture
def program(contentmap_at: Callable[[str], Any], empty_postgres_address: str) -> Any:
    """The command on a database without a schema, as its owner."""
    return contentmap_at(empty_postgres_address)


@pytest.fixture
def role(empty_postgres_address: str, contentmap_at: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """A user who was given no rights at all, by name, and the command as that user."""
    name = f"contentmap_role_{os.getpid()}_{next(_numbers)}"
    on_server(empty_postgres_address, f"CREATE ROLE {name} LOGIN PASSWORD 'open sesame'")
    at = empty_postgres_address.rpartition("@")[2]
    yield name, contentmap_at(f"postgresql://{name}:open%20sesame@{at}")
    on_server(empty_postgres_address, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def on_server(address: str, *statements: str) -> None:
    """Runs statements as the database's owner."""

    async def run() -> None:
        connection = await asyncpg.connect(address)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def ask(address: str, query: str) -> Any:
    """One value."""

    async def run() -> Any:
        connection = await asyncpg.connect(address)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(run())


def scan(program: Any, site: Sites) -> Any:
    """A scan of the site."""
    return program("scan", "http://a.test", "--connect-to", site.connect_to)


def starts(said: Any) -> list[str]:
    """How the lines begin that are for the user to act on."""
    return [line.partition(":")[0] for line in said.err.splitlines() if line.startswith(("error:", "hint:"))]


def refused(said: Any, *words: str) -> None:
    """It was one error with one hint, and it says so."""
    assert said.code == 5, said.err
    assert starts(said) == ["error", "hint"], said.err
    assert said.out == ""
    for word in words:
        assert word in said.err, said.err
    assert "sesame" not in said.err


def test_a_server_that_is_too_old(program: Any, site: Sites) -> None:
    """A real server that says it is of version 13 is refused by every command."""
    on_server(
        program.database,
        "SET allow_system_table_mods = on; CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text "
        "LANGUAGE sql AS $$ SELECT 'PostgreSQL 13.22 on x86_64-pc-linux-gnu' $$",
    )
    for words in (("db", "upgrade"), ("status",)):
        refused(program(*words), "PostgreSQL 13", "14")
    refused(scan(program, site), "PostgreSQL 13", "14")
    assert site.asked == []


def test_a_read_only_server_takes_no_schema(program: Any) -> None:
    """`db upgrade` says what is in its way."""
    name = program.database.rpartition("/")[2]
    on_server(program.database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused(program("db", "upgrade"), "is read-only")


def test_a_hot_standby(contentmap_at: Callable[[str], Any], site: Sites) -> None:
    """What follows another server answers questions and takes no scan."""
    primary = PostgresServer.create(wanted_version())
    standby: PostgresServer | None = None
    try:
        primary.start()
        assert contentmap_at(primary.address())("db", "upgrade").code == 0
        standby = PostgresServer.standby_of(primary)
        standby.start()
        copy = contentmap_at(standby.address())
        refused(scan(copy, site), "is read-only")
        assert site.asked == []
        assert copy("jobs", "--json").json == []
        on_server(primary.address(), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        replayed = "SELECT to_regclass('jobs') IS NULL AND to_regnamespace('public') IS NOT NULL"
        while not ask(standby.address(), replayed):
            time.sleep(0.02)
        refused(copy("db", "upgrade"), "is read-only")
    finally:
        if standby is not None:
            standby.remove()
        primary.remove()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder that is a disk of its own, with room for 24 MB."""
    folder = Path(tempfile.mkdtemp(prefix="contentmap-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("only root can make a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_disk_that_fills_up(small_disk: Path, contentmap_at: Callable[[str], Any]) -> None:
    """The domain that does not fit leaves nothing, and those before it stay."""
    server = PostgresServer.create(wanted_version())
    try:
        server.start()
        place = small_disk / "data"
        place.mkdir()
        server.give(place)
        on_server(
            server.address(),
            f"CREATE TABLESPACE small LOCATION '{place}'",
            "CREATE DATABASE small TABLESPACE small",
        )
        contentmap = contentmap_at(server.address("small"))
        assert contentmap("db", "upgrade").code == 0
        long = [f"http://big.test/{number}{'x' * 1500}" for number in range(20_000)]
        pages = good_site("a.test") | good_site("big.test") | {"big.test/sitemap.xml": urlset(*long)}
        with serving(pages) as sites:
            words = ("scan", "http://a.test", "http://big.test", "--connect-to", sites.connect_to)
            said = contentmap(*words, "--concurrency", "1")
            assert said.code != 0
            assert "is full" in said.err
        counted = ask(server.address("small"), "SELECT count(*) FROM sitemap_urls")
        assert (counted, contentmap("status", "--json").json["urls"]) == (3, 3)
    finally:
        server.remove()


def test_a_user_who_may_create_nothing(role: tuple[str, Any], site: Sites) -> None:
    """Without CREATE on the schema there is no upgrade, and without a schema no scan."""
    _, stranger = role
    refused(stranger("db", "upgrade"), "rights", "grant")
    refused(scan(stranger, site), "has no ContentMap schema", "db upgrade")
    refused(stranger("status"), "has no ContentMap schema")
    assert site.asked == []


def test_a_user_who_may_not_use_the_schema(role: tuple[str, Any], program: Any, site: Sites) -> None:
    """Tables that a user cannot reach are no reason for a traceback."""
    _, stranger = role
    assert program("db", "upgrade").code == 0
    on_server(program.database, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for said in (scan(stranger, site), stranger("status"), stranger("db", "upgrade")):
        refused(said)
    assert site.asked == []


def test_a_user_who_may_read_nothing(role: tuple[str, Any], program: Any, site: Sites) -> None:
    """Somebody else's tables: what to grant is in the hint."""
    _, stranger = role
    assert program("db", "upgrade").code == 0
    for said in (scan(stranger, site), stranger("status"), stranger("db", "upgrade")):
        refused(said, "rights", "grant")
    assert site.asked == []


def test_a_user_who_may_only_read(role: tuple[str, Any], program: Any, site: Sites) -> None:
    """Asking works; a scan is refused before the first request."""
    name, reader = role
    assert program("db", "upgrade").code == 0
    assert scan(program, site).code == 0
    asked = len(site.asked)
    on_server(program.database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    refused(scan(reader, site), "rights", "grant")
    assert len(site.asked) == asked
    assert reader("status", "--json").json["urls"] == 3
    assert len(reader("urls", "a.test", "--format", "ndjson").lines) == 3


def test_another_programs_tables(program: Any, site: Sites) -> None:
    """A table of the same name without our version table is left alone."""
    on_server(program.database, "CREATE TABLE jobs (id serial PRIMARY KEY, title text)")
    for said in (program("db", "upgrade"), scan(program, site), program("status")):
        refused(said, "another program's tables", "a database of its own")
    assert site.asked == []


def test_a_server_that_fills_up(program: Any, site: Sites) -> None:
    """SQLSTATE 53100, in the middle of a domain and after: the run ends, and resume goes on."""
    assert program("db", "upgrade").code == 0
    on_server(
        program.database,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file \"base/1/2\"' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON sitemap_urls FOR EACH ROW "
        "WHEN (NEW.url LIKE '%page-2') EXECUTE FUNCTION full_disk()",
        "CREATE TRIGGER full_disk BEFORE UPDATE ON domain_scans FOR EACH ROW "
        "WHEN (NEW.status = 'failed') EXECUTE FUNCTION full_disk()",
    )
    said = scan(program, site)
    assert (said.code, starts(said)) == (5, ["error", "hint"]), said.err
    assert ("is full" in said.err, " resume" in said.err) == (True, True)
    on_server(program.database, "DROP FUNCTION full_disk CASCADE")
    job = program("status", "--json").json
    assert job["urls"] == 0
    again = program("resume", job["job_id"], "--json", "--connect-to", site.connect_to)
    assert (again.code, again.json["urls"], again.json["added"]) == (0, 3, 3)


@pytest.mark.campaign
def test_a_transaction_that_conflicts(program: Any) -> None:
    """SQLSTATE 40P01 and 40001: a domain is written again, a few times, and requested once."""
    assert program("db", "upgrade").code == 0
    on_server(
        program.database,
        "CREATE SEQUENCE tries",
        "CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.url LIKE '%b.test/%' THEN RAISE EXCEPTION 'always' USING ERRCODE = '40001'; END IF; "
        "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER conflict BEFORE INSERT ON sitemap_urls FOR EACH ROW "
        "WHEN (NEW.url LIKE '%page-2') EXECUTE FUNCTION conflict()",
    )
    with serving(good_site("a.test") | good_site("b.test")) as sites:
        said = program(
            *("scan", "http://a.test", "http://b.test", "--connect-to", sites.connect_to),
            fault={"set": {"contentmap_cli.commands.database.database_retry._BACKOFF": (0.01, 0.02)}},
        )
        assert sites.asked.count("b.test/sitemap.xml") == 1
    assert (said.code, starts(said)) == (3, ["hint"]), said.err
    found = {domain["domain"]: domain for domain in program("status", "--json").json["results"]}
    assert (found["a.test"]["outcome"], found["a.test"]["urls"]) == ("ok", 3)
    assert (found["b.test"]["outcome"], found["b.test"]["urls"]) == ("failed", 0)
    assert "always" in found["b.test"]["error"]["message"]
