"""A process that parses large documents, one after the other, for `parser_processes`.

Its standard input is one end of a socket. A request is a pickled `Work` with the descriptors of body and
spool, the answer a pickled `Done`. The process ends when the socket is closed.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import socket
import threading
import traceback
from contextlib import suppress
from typing import Final, NamedTuple

from contentmap_cli.batches import disk_full_message
from contentmap_cli.crawl.reading.body_changes import Memory, read_body
from contentmap_cli.crawl.reading.spool import Contents, Reading, RowSpool
from contentmap_cli.models import Document

LENGTH: Final = 8
"""Bytes of the length before each message."""

_REQUEST: Final = 64 * 1024


class Work(NamedTuple):
    """A document to parse; `end` is the end of the spool."""

    reading: Reading
    memory: Memory | None
    room: int
    child_room: int
    end: int


class Done(NamedTuple):
    """The result: a document and its rows, or that the disk is full, or the traceback of a bug."""

    document: Document | None = None
    contents: Contents | None = None
    full: str | None = None
    bug: str | None = None


def parse(work: Work, body: int, spool: int) -> Done:
    """Parse the body of one descriptor into the spool of another. Close both."""
    try:
        with open(body, "rb") as source, open(spool, "r+b", buffering=0) as file:
            rows = RowSpool(file, work.end)
            segment = rows.segment(work.reading.url, room=work.room, child_room=work.child_room)
            document = read_body(work.reading, source, segment, work.memory)
            segment.finish()
            return Done(document, segment.contents())
    except Exception as error:
        full = disk_full_message(error)
        return Done(full=full, bug=None if full else traceback.format_exc())


def serve(channel: socket.socket) -> None:
    """Answer requests until the other end is closed."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, _REQUEST, 2)
        if not request:
            return
        length = int.from_bytes(request[:LENGTH], "big")
        while len(request) < LENGTH + length:
            request += channel.recv(_REQUEST)
        done = pickle.dumps(parse(pickle.loads(request[LENGTH:]), *descriptors))  # noqa: S301 - our parent's
        channel.sendall(len(done).to_bytes(LENGTH, "big") + done)
        del done
        gc.collect()


def main() -> None:
    """Run the process. Signals are ignored: the parent ends it."""
    from contentmap_cli.sitemap.xml import strict, tolerant  # noqa: F401 - loaded before the first request

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(RuntimeError):  # the limit of processes is reached: it ends with its next request
        threading.Thread(target=_end_with_parent, daemon=True).start()
    # collect garbage between documents only: a parser makes many objects and few cycles
    gc.collect()
    gc.freeze()
    gc.disable()
    with socket.socket(fileno=os.dup(0)) as channel:
        serve(channel)


def _end_with_parent() -> None:
    """End the process when the other end is closed."""
    poller = select.poll()
    poller.register(0, 0)  # POLLHUP is always reported
    poller.poll()
    os._exit(0)
