"""The programs whose speed is compared: how each is started, and how what it did is counted."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from peers import Environment, NodeEnvironment
from speed_sites import Made, Truth
from whole_process import Run

HERE = Path(__file__).parent
CONTENTMAP = (sys.executable, "-m", "contentmap_cli")
STORED = "SELECT count(*), coalesce(sum(length(url)), 0), count(lastmod) FROM {}"
"""What a table of entries is held against the truth by."""

PEERS = ("crawlee", "ultimate-sitemap-parser", "advertools", "trafilatura", "scrapy")
NODE_PEERS = ("sitemapper", "sitemap")
CALLED = {"sitemapper": "sitemapper (node)", "sitemap": "sitemap.js (node)", "crawlee": "crawlee (Python)"}
MISSING_PARTS = ("lxml_html_clean", "sqlalchemy")
"""What the peers' environment needs besides: trafilatura does not ask for the first everywhere."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a program found: URLs, and where it can be told the characters in them and those with lastmod."""

    urls: int
    characters: int | None = None
    lastmods: int | None = None

    def fits(self, truth: Truth) -> bool:
        """Whether that is what is there."""
        there = (truth.urls, truth.characters, truth.lastmods)
        found = (self.urls, self.characters, self.lastmods)
        return all(mine is None or mine == its for mine, its in zip(found, there, strict=True))


@dataclass(frozen=True, slots=True)
class Program:
    """One program on one workload. `command` is made for a new folder, which `before` may have prepared."""

    name: str
    stores: str
    truth: Truth
    command: Callable[[Path], Sequence[str]]
    count: Callable[[Path, Run], Counted]
    before: Callable[[Path], None] = field(default=lambda folder: None)
    ours: bool = False


class Failed(Exception):
    """A program did not do what it was started for; says what it said last."""


def said(folder: Path, run: Run) -> Counted:
    """What a program printed last: one line of JSON."""
    try:
        found = json.loads(run.out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"exit code {run.code}: {(run.err or run.out).strip()[-300:]}") from None
    return Counted(found["urls"], lastmods=found.get("lastmods"))


def write_sites(folder: Path, sites: Sequence[str]) -> Path:
    """The home pages, one a line."""
    file = folder / "sites.txt"
    file.write_text("\n".join(sites) + "\n", encoding="utf-8")
    return file


# -- ContentMap


def scan(
    folder: Path, made: Made, port: int, *options: str, database: str | None = None, log: Path | None = None
) -> list[str]:
    """`contentmap scan` of named sites, all reached at a port of loopback."""
    logged = ("-vv", "--log-format", "json", "--log-file", str(log)) if log is not None else ("--quiet",)
    return [
        *CONTENTMAP,
        *("--db", database or str(folder / "map.db"), *logged),
        *(
            "scan",
            "--input-file",
            str(write_sites(folder, made.sites)),
            "--connect-to",
            f"::127.0.0.1:{port}",
        ),
        *("--format", "json", "--output", str(folder / "answer.json")),
        *("--body-cache", str(folder / "bodies"), *options),
    ]


def scanned(folder: Path, run: Run) -> Counted:
    """What the SQLite file of a clean scan holds."""
    if run.code != 0:
        raise Failed(f"exit code {run.code}: {run.err.strip()[-300:]}")
    return stored(folder / "map.db", "sitemap_urls WHERE removed_scan_id IS NULL")


def stored(file: Path, table: str) -> Counted:
    """What a table in an SQLite file holds."""
    with closing(sqlite3.connect(file)) as database:
        return Counted(*database.execute(STORED.format(table)).fetchone())


def contentmap(made: Made, port: int, *options: str, name: str = "ContentMap") -> Program:
    """A scan into a new SQLite file."""
    return Program(
        name, "SQLite", made.truth, lambda folder: scan(folder, made, port, *options), scanned, ours=True
    )


# -- the floor


def floor(made: Made, *options: str, name: str = "floor") -> Program:
    """The bare job, into a new SQLite file; the sites have addresses."""

    def command(folder: Path) -> list[str]:
        sites = write_sites(folder, made.sites)
        return [sys.executable, str(HERE / "floor.py"), str(sites), "--sqlite", "floor.db", *options]

    def count(folder: Path, run: Run) -> Counted:
        said(folder, run)
        return stored(folder / "floor.db", "found")

    return Program(name, "SQLite", made.truth, command, count, ours=True)


# -- PostgreSQL


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that runs: its address without a database, and its psql."""

    server: str
    psql: str

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What psql prints, unaligned."""
        command = [self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-d", f"{self.server}/{database}", "-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def renew(self, name: str) -> str:
        """An empty database of that name, and its address."""
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.ask(f"CREATE DATABASE {name}")
        return f"{self.server}/{name}"

    def count(self, database: str, table: str) -> Counted:
        """What a table holds."""
        return Counted(*map(int, self.ask(STORED.format(table), database).split("|")))

    def contentmap(self, made: Made, port: int) -> Program:
        """A scan into an empty database that has the schema."""

        def before(folder: Path) -> None:
            upgrade = [*CONTENTMAP, "--db", self.renew("scanned"), "--quiet", "db", "upgrade"]
            subprocess.run(upgrade, check=True, capture_output=True)

        def count(folder: Path, run: Run) -> Counted:
            if run.code != 0:
                raise Failed(f"exit code {run.code}: {run.err.strip()[-300:]}")
            return self.count("scanned", "sitemap_urls")

        address = f"{self.server}/scanned"
        return Program(
            "ContentMap",
            "PostgreSQL",
            made.truth,
            lambda folder: scan(folder, made, port, database=address),
            count,
            before,
            ours=True,
        )

    def floor(self, made: Made) -> Program:
        """The bare parse into a COPY file, and psql loading it."""

        def command(folder: Path) -> list[str]:
            sites = write_sites(folder, made.sites)
            words = ("--postgresql", f"{self.server}/floor", "--psql", self.psql)
            return [sys.executable, str(HERE / "floor.py"), str(sites), *words]

        def count(folder: Path, run: Run) -> Counted:
            said(folder, run)
            return self.count("floor", "found")

        def before(folder: Path) -> None:
            self.renew("floor")

        return Program("floor with psql \\copy", "PostgreSQL", made.truth, command, count, before, ours=True)


# -- the others


def peer(environment: Environment, reader: str, made: Made, *, reach: int | None = None) -> Program:
    """A reader of the peers' environment, which stores nothing."""

    def command(folder: Path) -> list[str]:
        sites = write_sites(folder, made.sites)
        words = [str(environment.python), str(HERE / "speed_peers.py"), reader, str(sites)]
        return words if reach is None else [*words, "--reach", str(reach)]

    return Program(_called(reader, environment.versions), "nothing", made.truth, command, _found)


def _found(folder: Path, run: Run) -> Counted:
    counted = said(folder, run)
    return Counted(counted.urls, lastmods=counted.lastmods or None)  # one of them gives URLs only


def orm_peer(environment: Environment, reader: str, made: Made) -> Program:
    """The same, with an object of SQLAlchemy's ORM for each URL."""

    def command(folder: Path) -> list[str]:
        sites = write_sites(folder, made.sites)
        words = [str(environment.python), str(HERE / "speed_peers.py"), reader, str(sites)]
        return [*words, "--store", "orm.db"]

    def count(folder: Path, run: Run) -> Counted:
        said(folder, run)
        return stored(folder / "orm.db", "urls")

    name = f"{_called(reader, environment.versions)} + ORM of SQLAlchemy {environment.versions['sqlalchemy']}"
    return Program(name, "SQLite", made.truth, command, count)


def node_peer(environment: NodeEnvironment, reader: str, made: Made) -> Program:
    """A reader of node."""

    def command(folder: Path) -> list[str]:
        sites = write_sites(folder, made.sites)
        script = str(HERE / "speed_peers.mjs")
        return [environment.node, script, str(environment.modules), reader, str(sites)]

    return Program(_called(reader, environment.versions), "nothing", made.truth, command, _found)


def _called(reader: str, versions: dict[str, str]) -> str:
    return f"{CALLED.get(reader, reader)} {versions[reader]}"


# -- anything else


def bare(name: str, *command: str) -> Program:
    """A command that crawls nothing."""

    def count(folder: Path, run: Run) -> Counted:
        if run.code != 0:
            raise Failed(f"exit code {run.code}")
        return Counted(0)

    return Program(name, "-", Truth(), lambda folder: command, count)


def system_psql(binaries: Path) -> str:
    """The psql beside a server's binaries, else the system's."""
    beside = binaries / "psql"
    return str(beside) if beside.exists() else shutil.which("psql") or "psql"
