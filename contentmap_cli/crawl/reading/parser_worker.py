"""The other side of `processes`: a process that parses large documents, one after the other.

Started with one end of a socket as its standard input. A request is a pickled `Work`, with the descriptors of
the body and of the spool; the answer a pickled `Done`. It ends when the socket does, whatever it is doing.
"""

from __future__ import annotations

import gc
import os
import pickle
import socket
import traceback

from contentmap_cli.batches import no_room
from contentmap_cli.crawl.reading.body_changes import read_body
from contentmap_cli.crawl.reading.child_process import live_with_parent
from contentmap_cli.crawl.reading.parser_messages import LENGTH, Done, Work
from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.sitemap.xml import strict, tolerant

__all__ = ["main", "strict", "tolerant"]  # the readers are loaded before any work comes

_REQUEST = 64 * 1024


def parse(work: Work, body: int, spool: int) -> Done:
    """Parses the body behind one descriptor into the spool behind another. Closes both."""
    try:
        with open(body, "rb") as source, open(spool, "r+b", buffering=0) as file:
            rows = RowSpool(file, work.end)
            segment = rows.segment(work.reading.url, room=work.room, child_room=work.child_room)
            document = read_body(work.reading, source, segment, work.memory)
            segment.finish()
            return Done(document, segment.contents())
    except Exception as error:
        full = no_room(error)
        return Done(full=full, bug=None if full else traceback.format_exc())


def serve(channel: socket.socket) -> None:
    """Answers requests until the other end closes."""
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
    """The process."""
    live_with_parent()
    # A parser makes a few cycles a document and a hundred thousand objects: they are collected in between.
    gc.collect()
    gc.freeze()
    gc.disable()
    with socket.socket(fileno=os.dup(0)) as channel:
        serve(channel)
