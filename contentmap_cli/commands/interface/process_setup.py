"""Process settings: standard streams, limit on open files, garbage collector, signals."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn, TextIO

_THRESHOLDS = (10_000, 20, 50)


def tune_garbage_collector() -> None:
    """Exclude all objects loaded so far from garbage collection, and collect less often.

    A full collection of the imported modules blocks the event loop longer than parsing does.
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()


def enable_interrupts() -> None:
    """Make Ctrl-C raise KeyboardInterrupt instead of ending the process (see `__main__`). An ignored SIGINT
    stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore_closed_loop() -> None:
    """Suppress the traceback of a thread that reports to a closed event loop, for example of a database
    driver."""
    usual = threading.excepthook

    def ended(failed: threading.ExceptHookArgs) -> None:
        late = isinstance(failed.exc_value, RuntimeError) and str(failed.exc_value) == "Event loop is closed"
        if not late:
            usual(failed)

    threading.excepthook = ended


def open_standard_streams() -> None:
    """Open descriptors 0, 1 and 2 if they are closed: a database file must not get one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # output is UTF-8 in every locale; text that cannot be encoded must not end a scan
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def raise_file_limit() -> None:
    """Raise the limit on open files to the maximum."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            logging.getLogger("contentmap.run").debug("the limit on open files stays at %d", soft)


def hide_argument(text: str) -> None:
    """Overwrite an argument of the command line, which other users see in the process list (Linux)."""
    import ctypes

    secret = os.fsencode(text)
    try:
        fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, see proc(5)
        words = Path("/proc/self/cmdline").read_bytes()
    except (OSError, IndexError, ValueError):
        return  # another system
    if start and len(words) == end - start and secret in words:
        ctypes.memset(start + words.index(secret), ord("*"), len(secret))


def close_quietly(stream: TextIO) -> None:
    """Redirect a stream whose reader has closed it to /dev/null, so that closing it raises no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def leave(code: int) -> NoReturn:
    """Exit with `code`, without waiting for a pending DNS lookup, which cannot be cancelled."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            close_quietly(stream)
    logging.shutdown()
    if any(thread.name.startswith("contentmap-dns") for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
