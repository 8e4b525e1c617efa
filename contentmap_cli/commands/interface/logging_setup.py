"""Log output as text or JSON, without secrets."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import WatchedFileHandler
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


class _LogFile(WatchedFileHandler):
    """A log file that is opened again when it was renamed or deleted."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # the folder cannot be written any more
            self.handleError(record)


class _Handlers:
    """Where lines go: `file` is the log file, `console` writes lines for stderr where these are records."""

    file: logging.Handler | None = None
    console: logging.Handler | None = None


def set_up_logging(*, quiet: bool, verbose: int, file: str | None, as_json: bool) -> None:
    """Log to stderr or `file`: warnings, with `verbose` 1 also info, with 2 also debug.

    With `as_json`, all lines on stderr are JSON objects. Raise UsageError if the file cannot be written.
    """
    root = logging.getLogger("contentmap")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(JsonFormatter() if as_json else TextFormatter())
    _Handlers.console = screen if as_json else None
    _Handlers.file = None
    if file is not None:
        _Handlers.file = _file_handler(file)
        _Handlers.file.setFormatter(screen.formatter)
    root.addHandler(_Handlers.file or screen)
    root.propagate = False
    level = logging.ERROR if quiet else logging.WARNING
    if verbose:
        level = logging.INFO if verbose == 1 else logging.DEBUG
    root.setLevel(level)
    logging.raiseExceptions = False  # a log that cannot be written must not stop the run
    for name in _FOREIGN:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def reopen_log_file() -> None:
    """Close the log file, if there is one. The next record opens it again, under its name."""
    if _Handlers.file is not None:
        _Handlers.file.close()


def console_to_log_file() -> None:
    """Write the lines for stderr to the log file, if there is one: stderr leads nowhere any more."""
    _Handlers.console = _Handlers.file


def log_handlers() -> set[logging.Handler | None]:
    """Return all handlers that write lines."""
    return {*logging.getLogger("contentmap").handlers, _Handlers.console}


def is_console_json() -> bool:
    """Return whether lines on stderr are records, so that nothing else may be written there."""
    return _Handlers.console is not None


def write_console(line: str, *, level: int = logging.INFO, plain: str | None = None, **fields: Any) -> None:
    """Write a line on stderr, as a JSON object with --log-format json, otherwise as `plain` if given.

    An error is written to the log file as well. Write errors are ignored."""
    values = {"name": "contentmap.command", "levelno": level, "levelname": logging.getLevelName(level)}
    record = logging.makeLogRecord({**values, "msg": line, "action": "command.line", **fields})
    for handler in {_Handlers.console, _Handlers.file if level >= logging.ERROR else None}:
        if handler is not None:
            handler.handle(record)
    if _Handlers.console is None:
        with contextlib.suppress(OSError):
            print(plain or terminal(line), file=sys.stderr, flush=True)


def _log_warning(message: Warning | str, *_: Any) -> None:
    """Log a warning of a library, for example of a password file that others may read."""
    logging.getLogger("contentmap.library").warning("%s", message, extra={"action": "library.warning"})


def _file_handler(file: str) -> logging.Handler:
    try:
        return _LogFile(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(
            f"cannot write the log file {file}", hint="name another file with --log-file"
        ) from error
