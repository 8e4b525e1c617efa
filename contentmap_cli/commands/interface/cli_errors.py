"""Errors of commands: a line and a hint on stderr, a JSON object with --json, an exit code."""

from __future__ import annotations

import contextlib
import errno
import logging
import sys

from contentmap_cli.commands.interface.logging_setup import write_console
from contentmap_cli.commands.interface.process_setup import close_quietly
from contentmap_cli.errors import (
    AnswerLost,
    ConnectionLost,
    ContentMapError,
    Exit,
    SystemLimit,
    is_out_of_threads,
)

_REPORT = "run it again with -vv --log-file FILE and report the file"
_FILES = "raise the limit on open files (`ulimit -n`)"
_SPACE = "free space for temporary files, or name another folder for them in TMPDIR"
_SYSTEM_HINTS = {errno.EMFILE: _FILES, errno.ENFILE: _FILES, errno.ENOSPC: _SPACE, errno.EDQUOT: _SPACE}


def fail(error: ContentMapError, *, as_json: bool = False) -> None:
    """Print an error on stderr, with `as_json` also as a JSON object."""
    import json

    from contentmap_cli.output.error_text import render_error
    from contentmap_cli.output.objects import error_object

    cause = error.__cause__
    reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else None
    if isinstance(error, ConnectionLost) or (reason and reason in error.message):
        reason = None  # the message has it
    write_console(
        f"{error.message}: {reason}" if reason else error.message,
        level=logging.ERROR,
        plain=render_error(error, reason),
        action="command.failed",
        code=str(error.code),
        details="\n".join(error.details) or None,
        hint=error.hint,
    )
    if as_json:
        with contextlib.suppress(OSError):  # stderr is closed; the exit code remains
            print(json.dumps(error_object(error)), file=sys.stderr)


def unexpected(error: Exception, *, as_json: bool = False) -> int:
    """Report an unexpected error without a traceback, which the log has at `-vv`. Return the exit code."""
    import sqlite3

    logging.getLogger("contentmap").debug("unexpected", exc_info=error, extra={"action": "command.crashed"})
    known: ContentMapError
    if isinstance(error, sqlite3.OperationalError):  # of a temporary file: it is full
        error = OSError(errno.ENOSPC, str(error))
    if isinstance(error, OSError):
        lost = stdout_error()
        if lost is not None:
            return answer_lost(lost, as_json=as_json)
        # files and databases have errors of their own: this is, for example, the limit on open files
        known = ContentMapError(
            f"unexpected system error: {error.strerror or error}",
            hint=_SYSTEM_HINTS.get(error.errno or 0, _REPORT),
        )
    elif is_out_of_threads(error):
        known = SystemLimit()
    else:
        known = ContentMapError(f"a bug in ContentMap: {type(error).__name__}", hint=_REPORT)
    fail(known, as_json=as_json)
    return known.exit_code


def answer_lost(error: OSError, *, as_json: bool = False) -> int:
    """Report that stdout cannot be written and return the exit code. A closed pipe is no error."""
    close_quietly(sys.stdout)
    if error.errno == errno.EPIPE:
        return Exit.CLEAN
    lost = AnswerLost(f"the answer could not be written: {error.strerror or error}")
    fail(lost, as_json=as_json)
    return lost.exit_code


def stdout_error() -> OSError | None:
    """Return the error of writing what is buffered for stdout, None if it can be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return None
