"""Runs commands in forks of one interpreter that has imported ContentMap already.

A new interpreter spends most of a short command on imports. A `ForkedProcess` is a `subprocess.Popen` whose
process is a fork of a server instead: a child of the test process, with its own pid, signals, descriptors,
environment, working directory and exit code, and with the usual shutdown of an interpreter. What differs
from a new interpreter: modules are loaded already, /proc shows the server's command line, and all commands
share one hash seed.

The server has one thread and has done nothing but import. It forks twice; the first fork exits, and its
child is adopted by the nearest subreaper, which the test process is for that moment. Linux only.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

STARTED_WITH = {"PYTHONWARNINGS": "default,ignore:Binding:DeprecationWarning"}
"""The interpreter's own variables in the server. CPython 3.12.0 to 3.12.3 take SQLite's `?1` for a name."""
READ_AT_START = (
    "PYTHON",
    "LC_",
    "LANG",
    "COVERAGE_",
    "LD_",
    "TYPER",
    "_TYPER",
    "TERMINAL_WIDTH",
    "GITHUB_ACTIONS",
)
"""Prefixes of variables that are read while an interpreter starts or modules are imported."""
SUPPORTED = sys.platform == "linux" and "CONTENTMAP_TEST_NEW_INTERPRETERS" not in os.environ
IMPORTED_LATE = (
    *("alembic.command", "alembic.config", "sqlalchemy.dialects.sqlite.aiosqlite"),
    *("sqlalchemy.dialects.postgresql.asyncpg", "typer._adapters", "typer._click.decorators", "markdown_it"),
    *("pydantic.fields", "pydantic.type_adapter", "pydantic.json_schema", "pydantic.functional_validators"),
    *("pgqueuer.qm", "pgqueuer.queries", "pgqueuer.executors", "pgqueuer.models", "pgqueuer.db"),
)
"""What our dependencies import when they first need it."""
LENGTH = 4
SET_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Return whether a command with this environment may be forked from the server."""
    own = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    return SUPPORTED and own == STARTED_WITH


class ForkedProcess(subprocess.Popen[bytes]):
    """`python ARGUMENTS…` in a fork of the server; the arguments are `-m MODULE …` or `FILE …`."""

    imported = "everything"

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *details: Any) -> None:
        _close_fds, _pass_fds, cwd, env, _startupinfo, _flags, _shell, *pipes = details[:13]
        assert preexec_fn is None
        descriptors = [own if number == -1 else number for own, number in enumerate((pipes[0], *pipes[3::2]))]
        try:
            self.pid = _running_server(self.imported).fork(list(args), dict(env), str(cwd), descriptors)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


class ForkedBeforeImport(ForkedProcess):
    """The same where no module of ContentMap is imported yet, for a command that is changed beforehand."""

    imported = "libraries"


class _Server:
    """A running server and the socket that leads to it."""

    def __init__(self, imported: str) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), imported],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], **STARTED_WITH},
                cwd="/",
            )

    def fork(
        self, words: list[str], environment: dict[str, str], cwd: str, descriptors: Sequence[int]
    ) -> int:
        """Start a command with these descriptors as its 0, 1 and 2. Return the pid of this new child."""
        request = json.dumps([words, environment, cwd]).encode()
        with self._lock:
            _set_subreaper(True)
            try:
                socket.send_fds(self._socket, [len(request).to_bytes(LENGTH, "big")], descriptors)
                self._socket.sendall(request)
                answer = self._socket.recv(LENGTH, socket.MSG_WAITALL)
            finally:
                _set_subreaper(False)
        if len(answer) < LENGTH:
            raise RuntimeError(f"the fork server ended with exit code {self._process.wait(10)}")
        return int.from_bytes(answer, "big")

    def stop(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.wait(10)


_servers: dict[str, _Server] = {}
_starting = threading.Lock()


def _running_server(imported: str) -> _Server:
    """Return the server that has imported this, started on first use."""
    with _starting:
        if imported not in _servers:
            _servers[imported] = _Server(imported)
    return _servers[imported]


def stop_servers() -> None:
    """End the servers that run."""
    while _servers:
        _servers.popitem()[1].stop()


atexit.register(stop_servers)


def _set_subreaper(on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


# The rest runs in the server.


def _import_everything() -> None:
    """Import each module of ContentMap, and what they import only when they need it."""
    package = importlib.import_module("contentmap_cli")
    for module in pkgutil.walk_packages(package.__path__, "contentmap_cli."):
        if "__main__" not in module.name and ".migrations" not in module.name:
            importlib.import_module(module.name)
    for name in IMPORTED_LATE:
        with suppress(ModuleNotFoundError):  # another version of the library: it is imported in each fork
            importlib.import_module(name)
    importlib.import_module("sqlalchemy.orm").configure_mappers()
    _build_commands()


def _build_commands() -> None:
    """Have Typer derive the parameters of all commands from their annotations: a third of a short command."""
    main: Any = importlib.import_module("typer.main")
    build, find = main.get_command_from_info, main._get_params_name_from_function
    commands: dict[tuple[Any, ...], Any] = {}
    parameters: dict[Any, Any] = {}

    def built(command_info: Any, **options: Any) -> Any:
        key = (id(command_info), *options.items())
        commands[key] = commands.get(key) or build(command_info, **options)
        return commands[key]

    def found(callback: Any) -> Any:
        parameters[callback] = parameters.get(callback) or find(callback)
        own, context = parameters[callback]
        return [*own], context

    main.get_command_from_info, main._get_params_name_from_function = built, found
    main.get_command(importlib.import_module("contentmap_cli.commands.app").app)
    for parameter in [each for own, _ in parameters.values() for each in own]:
        parameter.get_runtime_param()


def _import_libraries() -> None:
    """Import what ContentMap imports, and nothing of itself."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        _import_everything()
        os.write(theirs, "\n".join(sys.modules).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as names:
        for name in names.read().split("\n"):
            if name.partition(".")[0] not in ("contentmap_cli", "__main__"):
                with suppress(ImportError):
                    importlib.import_module(name)
    os.wait()


def _serve(channel: socket.socket) -> list[str]:
    """Fork for each request. Return, in a fork, the command line to run; exit when the tests have ended."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(channel, LENGTH, 3)
        if len(head) < LENGTH:
            sys.exit()
        request = channel.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
        ours, theirs = os.pipe()
        first = os.fork()
        if first == 0:
            second = os.fork()
            if second != 0:
                os.write(theirs, second.to_bytes(LENGTH, "big"))
                os._exit(0)
            channel.close()
            os.close(ours)
            os.close(theirs)
            return _become(*json.loads(request), descriptors)
        os.close(theirs)
        os.waitpid(first, 0)
        for descriptor in descriptors:
            os.close(descriptor)
        with os.fdopen(ours, "rb") as answer:
            channel.sendall(answer.read(LENGTH))


def _become(words: list[str], environment: dict[str, str], cwd: str, descriptors: list[int]) -> list[str]:
    """Give this process the descriptors, the folder and the environment of a new one."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115
    return words


def _run(words: list[str]) -> None:
    """Run `python WORDS…` as the interpreter does."""
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path[0] = str(Path.cwd())
        runpy._run_module_as_main(words[1])  # type: ignore[attr-defined]
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def _shut_down(code: int) -> None:
    """Do what the interpreter does at its end, but leave the deletion of every module to the system.

    Returns where a stream cannot be flushed: the interpreter has an exit code of its own for that.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve forks; run a command in each."""
    {"everything": _import_everything, "libraries": _import_libraries}[sys.argv[2]]()
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()  # a fork that collects garbage need not copy what is loaded
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        words = _serve(channel)
    try:
        _run(words)
    except SystemExit as error:
        if isinstance(error.code, int | None):
            _shut_down(error.code or 0)
        raise
    _shut_down(0)


if __name__ == "__main__":
    main()
