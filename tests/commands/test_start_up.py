"""What a call loads: for what it does not do, nothing. Most of a short call's time is loading."""

from __future__ import annotations

import re
from typing import Any

import pytest
from program import MEASURED
from web_sites import serving, urlset

from contentmap_cli.commands.app import app, narrowed

DATABASE = {"sqlalchemy", "aiosqlite", "contentmap_cli.storage"}
SERVER = {
    "asyncpg",
    "pgqueuer",
    "sqlalchemy.dialects.postgresql",
    "contentmap_cli.storage.queue.queue_tables",
}
NETWORK = {"aiohttp", "ssl", "asyncio", "contentmap_cli.crawl"}
READERS = {
    "lxml.etree",
    "contentmap_cli.sitemap.xml.strict",
    "contentmap_cli.sitemap.xml.tolerant",
}
NEVER = {
    *("alembic", "rich", "plotly", "pyarrow", "tomllib"),
    *("contentmap_cli.check", "contentmap_cli.models.findings"),
    *(
        "contentmap_cli.sitemap.html.links",
        "contentmap_cli.output.writers.csv",
        "contentmap_cli.output.writers.json",
    ),
}
SITE = {
    "a.test/robots.txt": "Sitemap: http://a.test/sitemap.xml",
    "a.test/sitemap.xml": urlset("http://a.test/1", "http://a.test/2"),
}


def _loaded(program: Any, *arguments: str) -> set[str]:
    """The modules that a call loads, by name, with the packages they are in."""
    program.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    for name in MEASURED:  # who measures what the tests reach loads modules of its own
        program.environment.pop(name, None)
    said = program(*arguments)
    assert said.code == 0, said.err
    return set(re.findall(r"^import time:.*\| +(\S+)$", said.err, re.MULTILINE))


def test_help_loads_neither_database_nor_network(on_sqlite: Any) -> None:
    """It answers at once, though the app knows every command."""
    loaded = _loaded(on_sqlite, "--help")
    assert "contentmap_cli.commands.scan" in loaded
    assert loaded & (DATABASE | SERVER | NETWORK | READERS | NEVER) <= {"rich"}


def test_a_scan_loads_what_it_uses(on_sqlite: Any) -> None:
    """On a file: no server's dialect and no queue. Where nothing has changed: no reader of XML either."""
    with serving(dict(SITE)) as sites:
        scan = ("scan", "http://a.test", "--connect-to", sites.connect_to, "-q")
        first = _loaded(on_sqlite, *scan)
        again = _loaded(on_sqlite, *scan)
        assert sites.asked.count("a.test/sitemap.xml") == 2
    assert first >= READERS | {"aiohttp", "aiosqlite"}
    assert first & (SERVER | NEVER) == set()
    assert again >= {"aiohttp", "aiosqlite"}
    assert again & (SERVER | NEVER | READERS) == set()


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("scan jobs", ["scan"]),
        ("--db x scan -q jobs", ["scan"]),
        ("--db=x --tenant scan jobs --help", ["jobs"]),
        ("--tenant scan", None),
        ("--tenant scan jbos", None),
        ("-q scan", None),  # how many words such a flag takes is the parser's to know
        ("--version scan", None),
        ("db check", None),
        ("--help", None),
        ("", None),
    ],
)
def test_one_command_is_built_where_the_line_surely_names_it(line: str, commands: list[str] | None) -> None:
    """A word that may be an option's value names none: who mistypes a command is shown all of them."""
    asked = narrowed(line.split())
    if commands is None:
        assert asked is app
    else:
        assert [command.name for command in asked.registered_commands] == commands
        assert not asked.registered_groups
    assert len(app.registered_commands) > 10
