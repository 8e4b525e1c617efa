"""A program measured as a whole process, from its start to its end, with all that it starts itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
EVERY = 0.05  # seconds between two looks at memory
_PAGE = os.sysconf("SC_PAGE_SIZE")


_now: list[int] = []  # the process that is measured
_ended: list[int] = []  # signals that came


def end_well() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP kill what is measured and end this process at the end of that
    `run`, or at the start of the next: nowhere else, so that nothing is left behind half started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    _ended.append(number)
    for process in _now:
        _kill(process)


def leave_if_ended() -> None:
    """Raises SystemExit where a signal came."""
    if _ended:
        raise SystemExit(128 + _ended[0])


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `wall` and `cpu` in seconds, `cpu` user and system of the process and all its children.

    `peak` is the most resident memory that the largest process ever had, `together` the most that all of them
    had at one of the looks, both in MiB; shared pages count in each. `together` is 0 where there is no /proc.
    """

    wall: float
    cpu: float
    peak: float
    together: float
    code: int
    out: str
    err: str


def run(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> Run:
    """Runs a command in a folder to its end.

    It gets a process group of its own, which is killed when the time is up: its code is then -9. What it says
    goes through files in the folder, so that no pipe holds it up. This process should be small when it calls:
    the system counts what a child is before it becomes another program as memory of the child.
    """
    leave_if_ended()
    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_as_installed({**os.environ, **(environment or {})}),
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            start_new_session=True,
        )
        _now.append(process.pid)
        if _ended:
            _kill(process.pid)
        watcher = _Watcher(process.pid, start + seconds)
        watcher.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            wall = time.perf_counter() - start
            watcher.ended.set()
            _now.clear()
        watcher.join()
    leave_if_ended()
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(
        wall,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * unit / MIB,
        watcher.most / MIB,
        process.returncode,
        out.read_text(encoding="utf-8", errors="replace"),
        err.read_text(encoding="utf-8", errors="replace"),
    )


def _as_installed(environment: dict[str, str]) -> dict[str, str]:
    """Without the wish to compile every module anew in each process, which some machines have: it would be
    measured, and who installs a program does not have it."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


class _Watcher(threading.Thread):
    """Looks at the memory of a process and all below it, and ends them when their time is up."""

    def __init__(self, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self._number, self._until = number, until
        self.ended = threading.Event()
        self.most = 0

    def run(self) -> None:
        while not self.ended.wait(EVERY):
            self.most = max(self.most, _resident(self._number))
            if time.perf_counter() > self._until:
                _kill(self._number)
                return


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _resident(number: int) -> int:
    """Resident memory of a process and all below it, in bytes; nothing of one that has ended."""
    process = Path("/proc") / str(number)
    try:
        own = int((process / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
        children = [
            int(child)
            for task in (process / "task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return 0
    return own + sum(map(_resident, children))
