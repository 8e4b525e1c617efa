"""Database addresses: what is understood, what is refused, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from contentmap_cli.errors import UsageError
from contentmap_cli.storage.database_url import parse_database_address

SERVICES = "[maps]\nhost=db.test\nport=5433\ndbname=map\npassword=50%off\n"


@pytest.mark.parametrize(
    ("text", "shown", "read_only", "immutable"),
    [
        ("map.db", "map.db", False, False),
        ("/var/lib/a@b:c/map.db", "/var/lib/a@b:c/map.db", False, False),
        ("sqlite:///map.db", "map.db", False, False),
        ("sqlite+aiosqlite:////var/lib/map.db", "/var/lib/map.db", False, False),
        ("sqlite:///year=2026.db", "sqlite:///year=2026.db", False, False),
        ("sqlite:///map.db?mode=ro", "sqlite:///map.db?mode=ro", True, False),
        ("sqlite:///file:map.db?mode=rw&uri=true", "sqlite:///map.db?mode=rw&uri=true", False, False),
        ("file:///var/lib/a%20map.db?immutable=1", "sqlite:////var/lib/a map.db?immutable=1", True, True),
        ("file:map.db?mode=ro&immutable=0", "sqlite:///map.db?mode=ro&immutable=0", True, False),
    ],
)
def test_files(text: str, shown: str, read_only: bool, immutable: bool) -> None:
    """A file name, SQLite's URL and SQLite's own URI; what is shown can be given as an address."""
    for each in (text, shown):
        address = parse_database_address(each)
        assert (address.shown, address.read_only, address.immutable) == (shown, read_only, immutable)


@pytest.mark.parametrize(
    ("text", "shown", "driver"),
    [
        ("postgres://me@host/map", "postgresql://me@host/map", {"user": "me", "host": "host"}),
        (
            "postgresql+asyncpg://me:s3cret@host:5433/map?ssl=true",
            "postgresql://me:***@host:5433/map?sslmode=require",
            {"port": "5433", "password": "s3cret", "sslmode": "require", "dbname": "map"},
        ),
        (
            "host=db.test port=5433 dbname = map user='me too' password='a \\'s3cret\\''",
            "postgresql://me%20too:***@db.test:5433/map",
            {"user": "me too", "password": "a 's3cret'"},
        ),
        (
            "postgresql://me@%2Frun%2Fpg:5433/map",
            "postgresql://me@/map?host=/run/pg&port=5433",
            {"host": "/run/pg", "port": "5433"},
        ),
        (
            "postgresql://a.test,[::1]:5433/map?target_session_attrs=read-write",
            "postgresql://a.test:5432,[::1]:5433/map?target_session_attrs=read-write",
            {"host": "a.test,[::1]", "port": "5432,5433", "target_session_attrs": "read-write"},
        ),
        ("host=::1 dbname=map", "postgresql://[::1]/map", {"host": "[::1]"}),
        (
            "postgresql:///?service=maps",
            "postgresql:///?service=maps",
            {"password": "50%off", "port": "5433"},
        ),
        ("service=maps port=6000", "postgresql://:6000/?service=maps", {"host": "db.test", "port": "6000"}),
        (
            "postgresql://host/map?sslpassword=s3cret&options=-csearch_path%3Da&pool_size=5&sslsni=1",
            "postgresql://host/map?sslpassword=***&options=-csearch_path%3Da&pool_size=5&sslsni=1",
            {"options": "-csearch_path=a", "sslpassword": "s3cret"},
        ),
        ("postgresql://", "postgresql:///", {}),
        (
            "postgresql://h/d?user=me@corp&password=a+s3cret%2B",
            "postgresql://me%40corp:***@h/d",
            {"user": "me@corp", "password": "a+s3cret+"},
        ),
    ],
)
def test_servers(
    text: str, shown: str, driver: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URLs and keyword strings of libpq reach the driver, and are shown without their passwords."""
    (tmp_path / "services").write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    address = parse_database_address(text)
    assert (address.path, address.shown, address.has_secret) == (None, shown, "s3cret" in text)
    assert "s3cret" not in repr(address)
    found = parse_qs(address.connect_arguments("test", 10)["dsn"].partition("?")[2])
    assert {name: found[name] for name in driver} == {name: [value] for name, value in driver.items()}
    assert not {"pool_size", "sslsni", "service"} & found.keys()


def test_the_schema_and_the_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema by each of its usual names, quoted; PGOPTIONS and PGCONNECT_TIMEOUT, unknown to the driver."""
    monkeypatch.setenv("PGOPTIONS", "-cwork_mem=8MB")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    for name in ("schema", "search_path", "currentSchema"):
        address = parse_database_address(f'postgresql://h/d?{name}=a"b,public')
        assert address.search_path == '"a""b", "public"'
    arguments = address.connect_arguments("test", 10)
    assert (arguments["dsn"].count("work_mem"), arguments["timeout"]) == (1, 3.0)
    assert parse_database_address("postgresql://h/d").search_path is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", ":memory:", "sqlite://", "sqlite:///:memory:", "file:map.db?mode=memory"),
        *(
            "sqlite://host/map.db",
            "sqlite:/map.db",
            "sqlite:map.db",
            "sqlite//map.db",
            "sqlite:///m.db?mode=x",
        ),
        *("sqlite:///m.db?timeout=5", "map.db?mode=ro", "/var/lib/map.db?mode=ro", "year=2026/map.db"),
        *("~nobody-of-that-name/map.db", "sqlite:///~nobody-of-that-name/map.db"),
        *("db.test:5432", "127.0.0.1:5432/s3cret", "me:s3cret@db.test/map", "me@db.test"),
        *("postgress://me:s3cret@h/d", "postgresql:/me:s3cret@h/d", "postgresql//me:s3cret@h/d"),
        *("postgres//h/d", "Postgresql:me:s3cret@h", "mysql://h/d", "http://x", "me:s3cret@://h"),
        *(
            "postgresql://h:99999/d",
            "postgresql://h:0/d",
            "postgresql://h:port/d",
            "postgresql://h/d?x=s3cret",
        ),
        *("postgresql://me:s3@cret@h/d", "postgresql://me:s3/cret@h/d", "postgresql://me:s3cret#@h/d"),
        *("postgresql://h/d?pool_size=4", "postgresql://h/d?pool_size=s3cret", "port=s3cret"),
        *(
            "postgresql://h/d?connect_timeout=s3cret",
            "hostaddr=127.0.0.1 password=s3cret",
            "host=a passw ord=s3cret",
        ),
        *("postgresql://me:2024?s3cret@h/d", "postgresql://me:2024?user=s3cret@h/d"),
        *(
            "postgresql://me:2024/x?s3cret@h/d",
            "postgresql://me:2024/x?s3=cret@h/d",
            "postgresql://h/d?s3-cret",
        ),
        *("dbname=postgresql://me:s3cret@h/d", "postgresql://h/?dbname=postgresql://me:s3cret@h/d"),
        *("host=me:s3cret@h dbname=d", "dbname='host=h password=s3cret'"),
        *("host=h password=my s3cret=x", "host=h password=my cret=x", "postgresql://h/d?password=my&cret=x"),
    ],
)
def test_refused(text: str) -> None:
    """Another database, none, or a slip: usage errors with a hint, which do not repeat what may be secret."""
    with pytest.raises(UsageError) as caught:
        parse_database_address(text)
    assert caught.value.hint
    for part in ("s3", "cret"):
        assert part not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("text", ["postgresql://me:s3cret@h/d?sslmod=x", "host=h sslmod=x another=y"])
def test_an_unknown_option_is_named(text: str) -> None:
    """Where it cannot be a part of a password."""
    with pytest.raises(UsageError, match=r"does not know: sslmod$"):
        parse_database_address(text)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("service=nowhere", "no connection service"),
        ("sslmode=verify-full sslrootcert=/nowhere/ca.pem", "sslrootcert"),
        ("sslcert={file} sslkey={file}", "sslcert"),
    ],
)
def test_refused_when_a_connection_is_made(words: str, wanted: str, tmp_path: Path) -> None:
    """A service that is not defined, files that are missing or hold no certificate."""
    file = tmp_path / "empty.pem"
    file.write_text("")
    with pytest.raises(UsageError, match=wanted):
        parse_database_address(words.format(file=file)).connect_arguments("test", 10)


def test_a_relative_file_without_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted working directory is named; an absolute path works."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(UsageError, match="working directory was deleted"):
        parse_database_address("map.db")
    assert parse_database_address(str(tmp_path / "map.db")).path == tmp_path / "map.db"
