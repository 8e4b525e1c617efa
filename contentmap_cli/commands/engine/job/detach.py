"""Run a scan in the background (`scan --detach`): in a process and session of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.logging_setup import console_to_log_file
from contentmap_cli.commands.interface.process_setup import enable_interrupts
from contentmap_cli.errors import SystemLimit

Committed = Callable[[str], None]


def in_background(cli: GlobalOptions, work: Callable[[Committed], int], *, as_json: bool) -> int:
    """Run `work` in a child process and print the id of the job that it commits. Returns the exit code.

    `work` is given a function that it calls with the job's id, at most once. Until then its errors appear on
    this process's streams and its exit code is returned. The process forks, so no thread may run and no event
    loop may exist yet.
    """
    enable_interrupts()  # an interrupt of the parent stops the child as well
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = os.fork()
    except BlockingIOError:
        raise SystemLimit from None
    if child == 0:
        os.close(reading)
        os.setsid()  # signals of the terminal no longer reach the child

        def committed(job_id: str) -> None:
            os.write(writing, job_id.encode())
            os.close(writing)
            _redirect_streams()

        return work(committed)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            job_id = pipe.read().decode()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        raise
    if not job_id:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code if code >= 0 else 128 - code  # ended by a signal: the exit code that a shell reports
    _show(job_id, child, as_json=as_json)
    say(f"`{cli.in_full(f'contentmap status {job_id} --watch')}` follows it", unless=cli.quiet)
    return 0


def _redirect_streams() -> None:
    """Redirect the standard streams to /dev/null, and what is written to stderr to the log file."""
    console_to_log_file()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    if nowhere > 2:
        os.close(nowhere)


def _show(job_id: str, process: int, *, as_json: bool) -> None:
    import json

    answer = {"type": "detached", "schema": 1, "job_id": job_id, "process": process}
    print(json.dumps(answer) if as_json else job_id)
