"""Standard output and standard error of a run, whose writes never wait for their reader.

A pager, a terminal after Ctrl-S and a slow program stop reading for minutes. A write that waits for them
would stop the event loop, and with it the recording of domains and the heartbeat. So what the reader does not
take is kept in memory, compressed, and the event loop writes it when the reader reads again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import logging
import os
import select
import stat
import sys
import threading
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, TextIO

from contentmap_cli.commands.interface.logging_setup import log_handlers

ANSWER_BYTES: Final = 64 * 2**20
"""Compressed bytes of the answer that wait for the reader: those of about a million domains. Beyond them the
answer is lost; the job is recorded all the same."""
MESSAGE_BYTES: Final = 2**20
"""The same for messages and the live table. Beyond them lines are dropped."""
HURRIED_SECONDS: Final = 2.0
"""Time for the reader to take what is left when the run was told to stop."""
_CHUNK: Final = 64 * 1024
_AT_ONCE: Final = select.PIPE_BUF  # bytes that a pipe takes without blocking when it is ready


class QueuedStream(io.RawIOBase):
    """A raw stream to a pipe, socket or terminal that keeps what cannot be written yet.

    Beyond `limit` bytes `write` drops the text if `droppable`, and raises OSError otherwise. An error of the
    descriptor is raised by the next write and by `drained`.
    """

    def __init__(self, fd: int, limit: int, *, droppable: bool) -> None:
        super().__init__()
        self._named = fd
        self._limit = limit
        self._droppable = droppable
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()  # the live table is drawn by a thread
        self._packed: deque[bytes] = deque()  # older than the rest
        self._size = 0
        self._rest = bytearray()
        self._head = b""  # what is being written
        self._error: OSError | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        try:  # a descriptor of its own: O_NONBLOCK on the given one would be set for other processes too
            self._fd = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            self._fd = os.dup(fd)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._named

    def isatty(self) -> bool:
        return os.isatty(self._named)

    def write(self, data: Any) -> int:
        """Write what the reader takes and keep the rest."""
        with self._lock:
            if self._error is not None:
                raise self._error
            new = bytes(data)
            if self._empty.is_set():
                self._head = new
                self._send()
                if not self._head:
                    return len(new)
                self._empty.clear()
                self._loop.call_soon_threadsafe(self._loop.add_writer, self._fd, self._continue)
            elif self._size + len(self._rest) > self._limit:
                if not self._droppable:
                    self._give_up(_stopped_reading())
                    raise _stopped_reading()
            else:
                self._keep(new)
            return len(new)

    async def drained(self, seconds: float | None) -> None:
        """Wait until everything is written; drop the rest after `seconds`. Raise OSError if something could
        not be written."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            self._give_up(_stopped_reading())
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the own descriptor; the given one stays open."""
        if not self.closed:
            with self._lock:
                self._loop.remove_writer(self._fd)
                os.close(self._fd)
        super().close()

    def _keep(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) >= _CHUNK:
            self._packed.append(zlib.compress(self._rest, 1))
            self._size += len(self._packed[-1])
            self._rest.clear()

    def _send(self) -> None:
        """Write as much as the reader takes."""
        try:
            while self._head and self._poll.poll(0):
                self._head = self._head[os.write(self._fd, self._head[:_AT_ONCE]) :]
                if not self._head:
                    self._head = self._next()
        except BlockingIOError:
            pass
        except OSError as error:
            self._give_up(error)
            raise

    def _next(self) -> bytes:
        if self._packed:
            packed = self._packed.popleft()
            self._size -= len(packed)
            return zlib.decompress(packed)
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _continue(self) -> None:
        """Write more; called by the event loop when the descriptor is ready."""
        with self._lock:
            with contextlib.suppress(OSError):  # the next write raises it
                self._send()
            if not self._head:
                self._loop.remove_writer(self._fd)
                self._empty.set()

    def _give_up(self, error: OSError) -> None:
        self._error, self._head, self._size = error, b"", 0
        self._packed.clear()
        self._rest.clear()
        self._loop.call_soon_threadsafe(self._empty.set)


def _stopped_reading() -> OSError:
    return OSError(errno.ENOBUFS, "its reader has stopped reading")


class Queues:
    """The queued streams of a run."""

    def __init__(self) -> None:
        self._answer: QueuedStream | None = None
        self._messages: QueuedStream | None = None
        self._seconds: float | None = None

    def hurry(self) -> None:
        """Wait only some seconds for readers from now on."""
        self._seconds = HURRIED_SECONDS

    async def drained(self) -> None:
        """Wait until all is written. Raise OSError if the answer could not be."""
        for stream in (sys.stderr, sys.stdout):
            with contextlib.suppress(OSError):
                stream.flush()
        if self._messages is not None:
            with contextlib.suppress(OSError):
                await self._messages.drained(self._seconds)
        if self._answer is not None:
            await self._answer.drained(self._seconds)

    @contextlib.contextmanager
    def replacing(self, *, messages: bool) -> Iterator[None]:
        """Replace `sys.stdout` and, with `messages`, `sys.stderr`, as far as they are pipes, sockets or
        terminals."""
        with contextlib.ExitStack() as stack:
            self._answer = _queued(stack, "stdout", ANSWER_BYTES, droppable=False)
            if messages:
                self._messages = _queued(stack, "stderr", MESSAGE_BYTES, droppable=True)
            yield


@contextlib.asynccontextmanager
async def queued_output(*, messages: bool = True) -> AsyncIterator[Queues]:
    """Write to stdout and, with `messages`, stderr without waiting for their readers during the block. At its
    end, wait until all is written, after an error for some seconds."""
    queues = Queues()
    with queues.replacing(messages=messages):
        try:
            yield queues
        except BaseException:
            queues.hurry()
            raise
        finally:
            with contextlib.suppress(OSError):  # reported by `drained` to callers that need it
                await queues.drained()


def _queued(stack: contextlib.ExitStack, name: str, limit: int, *, droppable: bool) -> QueuedStream | None:
    usual: TextIO = getattr(sys, name)
    try:
        mode = os.fstat(usual.fileno()).st_mode
    except (OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or usual.isatty()):
        return None
    with contextlib.suppress(OSError):
        usual.flush()
    raw = stack.enter_context(QueuedStream(usual.fileno(), limit, droppable=droppable))
    text = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        line_buffering=raw.isatty() or name == "stderr",
    )
    logs = [
        handler
        for handler in log_handlers()
        if isinstance(handler, logging.StreamHandler) and handler.stream is usual
    ]

    def restore() -> None:
        with contextlib.suppress(OSError, ValueError):
            text.flush()
        setattr(sys, name, usual)
        for handler in logs:
            handler.stream = usual  # setStream flushes the other one, which raises if its reader has left
        with contextlib.suppress(OSError, ValueError):
            text.detach().detach()

    setattr(sys, name, text)
    for handler in logs:
        handler.stream = text
    stack.callback(restore)
    return raw
