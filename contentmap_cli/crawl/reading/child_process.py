"""What the processes that a crawl starts have in common: whether there can be any, and how one lives."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading


def possible() -> bool:
    """Whether there is a core for another process, and a way to send it descriptors."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores > 1 and hasattr(socket, "send_fds") and bool(sys.executable)


def live_with_parent() -> None:
    """In the child, whose standard input is a socket to its parent: lets no signal end it, and ends it,
    whatever it is doing, once nobody is there to hear the answer."""
    # signals reach the whole group: what becomes of a scan is the parent's to say
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    poller = select.poll()
    poller.register(0, 0)  # a hang-up is always reported
    poller.poll()
    os._exit(0)
