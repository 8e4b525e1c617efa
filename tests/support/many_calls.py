"""Runs the command lines of stdin in turn; prints code, stdout and stderr of each as JSON."""

import contextlib
import io
import json
import shlex
import sys

from contentmap_cli.commands.app import _run

for line in sys.stdin.read().splitlines():
    sys.argv = ["contentmap", *shlex.split(line)]
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _run()
    for each in (out, err):
        each.flush()
    print(json.dumps([code, *(each.buffer.getvalue().decode() for each in (out, err))]))
