"""The command as a user runs it: the installed program, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Contentmap:
    """Runs `contentmap` on one database, away from the user's own files."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "COLUMNS": "200",
            "PYTHONWARNINGS": "default",
        }

    def words(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "contentmap_cli", "--db", self.database, *arguments]

    def __call__(self, *arguments: str, stdin: bytes | None = None, timeout: float = 60) -> Said:
        ran = subprocess.run(
            self.words(*arguments),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=self.environment,
            cwd=self.folder,
            timeout=timeout,
            check=False,
        )
        said = Said(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
        assert "Traceback" not in said.err, said.err
        return said

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts it and leaves it running."""
        return subprocess.Popen(
            self.words(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.folder,
        )


@pytest.fixture
def contentmap_at(tmp_path: Path) -> Callable[[str], Contentmap]:
    """The command on any database, by its address."""
    return lambda address: Contentmap(tmp_path, address)


@pytest.fixture
def contentmap(tmp_path: Path, address: str) -> Contentmap:
    """The command on an empty database, once on SQLite (made on first use) and once on PostgreSQL."""
    program = Contentmap(tmp_path, address)
    if not address.startswith("sqlite"):
        assert program("db", "upgrade").code == 0
    return program


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Callable[..., Said]:
    """The command on an SQLite file that is not there yet."""
    return Contentmap(tmp_path, str(tmp_path / "map.db"))
