"""`contentmap` with a fault at a named point: a program of its own, so that what dies is a real process.

    python faulty.py '{"point": "work:transaction.committed", "nth": 3, "do": "kill"}' scan …

Nothing of the command is replaced. Each step of a run is logged with an `action`, and a filter on its logger
sees the record in the moment it is made; the last moment before a COMMIT is SQLAlchemy's own event. What the
text names:

* `point`: an action, or `role:action`, or `COMMIT`; `nth` of them, from 1; `do`: `kill` (SIGKILL) or `stop`
  (SIGSTOP);
* `limits`: resource limits by name, as in `{"NOFILE": 64}`; `pages`: how many pages SQLite may have;
* `clock`: seconds by which this process believes it is later than it is;
* `set`: constants of modules by their full name, so that a test need not wait as long as a user.
"""

from __future__ import annotations

import datetime
import importlib
import json
import logging
import os
import resource
import signal
import sys
import time
from typing import Any

LOGGERS = ("contentmap.transaction", "contentmap.run")


class Point:
    """Counts what passes a point, and lets happen there what is to happen."""

    def __init__(self, point: str, nth: int, do: str) -> None:
        self.role, _, self.action = point.rpartition(":")
        self.left = nth
        self.signal = signal.SIGKILL if do == "kill" else signal.SIGSTOP

    def passed(self, action: str, role: str = "") -> None:
        """Something happened; perhaps it was the one."""
        if action != self.action or (self.role and role != self.role):
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.signal)

    def filter(self, record: logging.LogRecord) -> bool:
        """Sees every record; lets through what would have been logged anyway."""
        self.passed(str(record.__dict__.get("action")), str(record.__dict__.get("role", "")))
        return record.levelno >= logging.WARNING


def watch(point: Point) -> None:
    """Has the point see every step of a run."""
    if point.action == "COMMIT":
        from sqlalchemy import Engine, event

        event.listen(Engine, "commit", lambda connection: point.passed("COMMIT"))
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addFilter(point.filter)


def move_clock(seconds: float) -> None:
    """Makes this process believe that it is later. To be called before anything imports the clock."""
    real_time, real = time.time, datetime.datetime

    class Moved(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) + datetime.timedelta(seconds=seconds)

    time.time = lambda: real_time() + seconds
    datetime.datetime = Moved  # type: ignore[misc]


def limit_pages(pages: int) -> None:
    """Lets SQLite say that the disk is full once the file has so many pages."""
    from sqlalchemy import Engine, event

    def connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    event.listen(Engine, "connect", connected)


def main() -> None:
    """Prepares the fault, then is `contentmap`."""
    fault = json.loads(sys.argv.pop(1))
    if "clock" in fault:
        move_clock(fault["clock"])
    for name, number in fault.get("limits", {}).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (number, number))
    for name, value in fault.get("set", {}).items():
        module, _, constant = name.rpartition(".")
        assert hasattr(importlib.import_module(module), constant)
        setattr(importlib.import_module(module), constant, value)
    if "pages" in fault:
        limit_pages(fault["pages"])
    if "point" in fault:
        watch(Point(fault["point"], fault["nth"], fault["do"]))
    from contentmap_cli.commands.app import main as contentmap

    contentmap()


if __name__ == "__main__":
    main()
