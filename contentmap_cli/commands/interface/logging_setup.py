"""Log output as text or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from contentmap_cli.errors import UsageError
from contentmap_cli.output.escape import redact, terminal


class LogFormat(StrEnum):
    """Format of log lines."""

    TEXT = "text"
    JSON = "json"


_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FOREIGN: Final = ("aiosqlite", "asyncio", "sqlalchemy", "aiohttp", "alembic")


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return time.isoformat(timespec="milliseconds") + "Z"


def _wants_traces() -> bool:
    """Return whether the log level is debug: only then are tracebacks logged."""
    return logging.getLogger("contentmap").isEnabledFor(logging.DEBUG)


class TextFormatter(logging.Formatter):
    """One line per record: time, level, message, then the extra fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, escaped for a terminal and without credentials."""
        pairs = [f"{name}={value}" for name, value in _extras(record).items() if value is not None]
        line = " ".join((_time(record), f"{record.levelname.lower():8}", record.getMessage(), *pairs))
        line = terminal(redact(line))
        if record.exc_info and _wants_traces():
            trace = redact(self.formatException(record.exc_info))
            line += "\n" + "\n".join(terminal(row) for row in trace.splitlines())
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, action, message and the extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line, in ASCII, without credentials."""
        extras = _extras(record)
        entry: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "action": extras.pop("action", None),
            "message": redact(record.getMessage()),
        }
        entry |= {
            name: value if isinstance(value, int | float | bool | type(None)) else redact(str(value))
            for name, value in extras.items()
        }
        if record.exc_info and _wants_traces():
            entry["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry)


def set_up_logging(*, quiet: bool, verbose: int, file: str | None, as_json: bool) -> None:
    """Log to stderr or `file`: warnings, with `verbose` 1 also info, with 2 also debug.

    Raise UsageError if the file cannot be written.
    """
    root = logging.getLogger("contentmap")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    handler = logging.StreamHandler(sys.stderr) if file is None else _file_handler(file)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root.addHandler(handler)
    root.propagate = False
    level = logging.ERROR if quiet else logging.WARNING
    if verbose:
        level = logging.INFO if verbose == 1 else logging.DEBUG
    root.setLevel(level)
    logging.raiseExceptions = False  # a log that cannot be written must not stop the run
    for name in _FOREIGN:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _file_handler(file: str) -> logging.StreamHandler[Any]:
    try:
        return logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(
            f"cannot write the log file {file}", hint="name another file with --log-file"
        ) from error
