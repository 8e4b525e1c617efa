"""The command as a user runs it: the installed program, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fork_server import STARTED_WITH, ForkedBeforeImport, ForkedProcess, can_fork

FAULTY = Path(__file__).with_name("faulty.py")
PATIENCE = 180
"""Seconds after which a program counts as one that hangs: far more than any takes where it is alone."""
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""For the environment of a program: whoever measures what the tests reach measures it too."""


MANY = Path(__file__).with_name("many_calls.py")


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
    """Runs `contentmap` on one database, away from the user's own files. `fault` is one for `faulty.py`."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "COLUMNS": "200",
            **STARTED_WITH,
            **MEASURED,
        }

    def words(self, *arguments: str, fault: Mapping[str, Any] | None = None) -> list[str]:
        """The command line."""
        program = ["-m", "contentmap_cli"] if fault is None else [str(FAULTY), json.dumps(fault)]
        return [sys.executable, *program, *(["--db", self.database] if self.database else []), *arguments]

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        timeout: float = PATIENCE,
        fault: Mapping[str, Any] | None = None,
    ) -> Said:
        given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        return self.end(self.start(*arguments, fault=fault, stdin=given), timeout, stdin=stdin)

    def start(
        self, *arguments: str, fault: Mapping[str, Any] | None = None, **streams: Any
    ) -> subprocess.Popen[bytes]:
        """Starts it and leaves it running; `stdin`, `stdout` and `stderr` as for `subprocess.Popen`."""
        words = self.words(*arguments, fault=fault)
        start: type[subprocess.Popen[bytes]] = subprocess.Popen
        if can_fork(self.environment):
            words = words[1:]
            # a fault of these kinds must be there before a module is imported
            start = ForkedBeforeImport if {"clock", "set"} & set(fault or ()) else ForkedProcess
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        test = {"PYTEST_CURRENT_TEST": os.environ.get("PYTEST_CURRENT_TEST", "")}
        return start(words, env=self.environment | test, cwd=self.folder, **pipes | streams)

    def many(self, *lines: str) -> list[Said]:
        """Runs command lines in one process: two hundred starts would take longer than all the calls."""
        environment = self.environment | {"CONTENTMAP_DATABASE_URL": self.database}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with self.start_file(MANY, env=environment, text=True, **pipes) as process:
            out, _ = process.communicate("\n".join(lines), timeout=PATIENCE)
        return [Said(*json.loads(answer)) for answer in out.splitlines()]

    def start_file(self, file: Path, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Starts a program that calls the modules of ContentMap; options as for `subprocess.Popen`."""
        forked = can_fork(self.environment)
        start: type[subprocess.Popen[Any]] = ForkedProcess if forked else subprocess.Popen
        words = [*([] if forked else [sys.executable]), str(file), *arguments]
        return start(words, **{"env": self.environment, "cwd": self.folder} | options)

    def end(
        self, process: subprocess.Popen[bytes], timeout: float = PATIENCE, *, stdin: bytes | None = None
    ) -> Said:
        """Waits for a started one, and says what it answered; one that does not end is killed."""
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return self._said(process.returncode, out or b"", err or b"")

    @staticmethod
    def _said(code: int, out: bytes, err: bytes) -> Said:
        said = Said(code, out.decode(), err.decode())
        assert "Traceback" not in said.err, said.err
        return said
