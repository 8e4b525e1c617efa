"""Errors of commands: a line and a hint on stderr, a JSON object with --json, an exit code."""

from __future__ import annotations

import sys

from contentmap_cli.errors import AnswerLost, ContentMapError


def fail(error: ContentMapError, *, as_json: bool = False) -> None:
    """Print an error on stderr, with `as_json` also as a JSON object."""
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
        pass  # stderr is closed; the exit code remains


def unexpected(error: Exception, *, as_json: bool = False) -> int:
    """Report an unexpected error without a traceback, which the log has at `-vv`. Return the exit code."""
    import logging

    logging.getLogger("contentmap").debug("unexpected", exc_info=error, extra={"action": "command.crashed"})
    known: ContentMapError
    if isinstance(error, OSError):
        # errors of input files and databases are ContentMapErrors: this is the output
        known = AnswerLost(f"the answer could not be written: {error.strerror or error}")
    else:
        known = ContentMapError(
            f"a bug in ContentMap: {type(error).__name__}",
            hint="run it again with -vv --log-file FILE and report the file",
        )
    fail(known, as_json=as_json)
    return known.exit_code
