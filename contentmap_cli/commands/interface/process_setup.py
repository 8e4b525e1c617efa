"""The process itself, set up for a long run: standard streams, open files, the garbage collector."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
import threading
from typing import NoReturn, TextIO

_THRESHOLDS = (10_000, 20, 50)


def tune_garbage_collector() -> None:
    """Takes what is loaded by now out of every later collection, and makes collections rarer.

    A full pass over the imported modules alone stops the event loop for longer than any parser does.
    Process-wide, hence a command's business.
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()


def hear_interrupts() -> None:
    """Has Ctrl-C raise KeyboardInterrupt from here on, so that what was begun is ended in good order. Until
    then it ends the process, see `__main__`; where it is ignored it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore_late_answers() -> None:
    """Has a thread that answers an event loop which was interrupted, and is closed, end without a traceback:
    a database driver's, for one, that was opening its file."""
    usual = threading.excepthook

    def ended(failed: threading.ExceptHookArgs) -> None:
        late = isinstance(failed.exc_value, RuntimeError) and str(failed.exc_value) == "Event loop is closed"
        if not late:
            usual(failed)

    threading.excepthook = ended


def open_standard_streams() -> None:
    """Sees that descriptors 0, 1 and 2 are open: a database file that got one of them would be printed to."""
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
            # an answer is data in UTF-8, whatever the locale; what cannot be encoded must not end a scan
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def raise_file_limit() -> None:
    """Takes as many open files as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            logging.getLogger("contentmap.run").debug("the limit on open files stays at %d", soft)


def close_quietly(stream: TextIO) -> None:
    """Points a stream whose reader is gone at nothing, so that closing it at exit says nothing either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def leave(code: int) -> NoReturn:
    """Ends the process with `code`, at once where a name look-up still hangs: it cannot be called off, and
    the interpreter would wait for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            close_quietly(stream)
    logging.shutdown()
    if any(thread.name.startswith("contentmap-dns") for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
