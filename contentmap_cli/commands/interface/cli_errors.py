"""How a command fails: one line and a hint on stderr, an object for programs, an exit code; no traceback."""

from __future__ import annotations

import sys

from contentmap_cli.errors import AnswerLost, ContentMapError


def fail(error: ContentMapError, *, as_json: bool = False) -> None:
    """Says on stderr what went wrong: for people, and for programs where JSON was asked for."""
    import json

    from contentmap_cli.output.error_text import render_error
    from contentmap_cli.output.objects import error_object

    cause = error.__cause__
    reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else None
    try:
        print(render_error(error, reason), file=sys.stderr)
        if as_json:
            print(json.dumps(error_object(error)), file=sys.stderr)
    except OSError:
        pass  # nobody is listening; the exit code still says it


def unexpected(error: Exception, *, as_json: bool = False) -> int:
    """Says what nobody foresaw, without a traceback: the log has it, at `-vv`. Returns the exit code."""
    import logging

    logging.getLogger("contentmap").debug("unexpected", exc_info=error, extra={"action": "command.crashed"})
    known: ContentMapError
    if isinstance(error, OSError):
        # files and databases say for themselves what went wrong: what is left is the answer
        known = AnswerLost(f"the answer could not be written: {error.strerror or error}")
    else:
        known = ContentMapError(
            f"a bug in ContentMap: {type(error).__name__}",
            hint="run it again with -vv --log-file FILE and report what the file says",
        )
    fail(known, as_json=as_json)
    return known.exit_code
