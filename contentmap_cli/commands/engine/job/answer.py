"""The answer of a run: written as domains are recorded, and never a reason to stop recording."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from contentmap_cli.commands.engine.queued_output import Queues, queued_output
from contentmap_cli.commands.interface.answer_output import (
    ANOTHER_FILE,
    answer_to,
    goes_to_file,
    has_left,
    width_of,
)
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import Answer
from contentmap_cli.errors import AnswerLost, UsageError
from contentmap_cli.models import DomainSummary, JobSummary
from contentmap_cli.output.formats import CSV_FORMATS, Format, ScanWriter, scan_writer

STREAMED = frozenset({Format.NDJSON, *CSV_FORMATS, Format.GITHUB})
"""Formats that write each domain as it commits."""

_READER_SECONDS: Final = 0.1
"""Time between two attempts to open a named pipe that has no reader yet."""


class Pipe(NamedTuple):
    """A named pipe that the answer goes to, and its stream."""

    name: str
    stream: TextIO


class RunAnswer:
    """Writes the answer of a run. After the first failed write it writes nothing more, and `check` raises."""

    def __init__(
        self,
        writer: Callable[[], ScanWriter],
        queues: Queues,
        *,
        streams_to_screen: bool,
        pipe: Pipe | None = None,
    ) -> None:
        self.streams_to_screen = streams_to_screen
        self._queues = queues
        self._pipe = pipe
        self._error: Exception | None = None
        self._writer: ScanWriter | None = None
        with self._guarded():
            self._writer = writer()

    def domain(self, summary: DomainSummary) -> None:
        """Write one domain."""
        if self._writer is not None:
            with self._guarded():
                self._writer.domain(summary)

    def finish(self, job: JobSummary) -> None:
        """Write the job and end the answer."""
        if self._writer is not None:
            with self._guarded():
                self._writer.finish(job)

    async def check(self, *, hurried: bool = False) -> None:
        """Wait until the answer is written, some seconds if `hurried`. Raise AnswerLost if it could not be.
        Call it when the job is closed."""
        if hurried:
            self._queues.hurry()
        try:
            await self._queues.drained()
        except OSError as error:
            if error.errno != errno.EPIPE or self._pipe is not None:
                self._error = self._error or error
        if self._pipe is not None and (has_left(self._pipe.stream) or isinstance(self._error, OSError)):
            raise AnswerLost(f"{self._pipe.name} could not be written") from self._error
        if isinstance(self._error, OSError):
            raise AnswerLost("the answer could not be written") from self._error
        if self._error is not None:
            raise self._error

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._error, self._writer = error, None


@contextlib.asynccontextmanager
async def run_answer(
    cli: GlobalOptions, answer: Answer, job_id: str, *, in_background: bool = False
) -> AsyncIterator[RunAnswer]:
    """Open the answer of a run of a job, `in_background` if nobody reads its streams.

    Raises UsageError where its file cannot be opened, and AnswerLost, with a hint to `contentmap status`,
    where it could not be written."""
    pipe = answer.output if _is_pipe(answer.output) else None
    async with contextlib.AsyncExitStack() as stack:
        queues = Queues()
        if pipe is not None:
            await stack.enter_async_context(_pipe_as_stdout(pipe))
        if pipe is not None or not in_background:
            # a queue of messages would keep the pipe of the parent process open
            queues = await stack.enter_async_context(queued_output(messages=not in_background))
        try:
            with answer_to(answer.output if pipe is None else None) as out:
                yield RunAnswer(
                    partial(_writer, cli, answer, out),
                    queues,
                    streams_to_screen=answer.format in STREAMED and pipe is None and not goes_to_file(out),
                    pipe=None if pipe is None else Pipe(pipe, out),
                )
        except AnswerLost as lost:
            lost.hint = recorded_hint(job_id)
            raise


def _is_pipe(name: str | None) -> bool:
    try:
        return name not in (None, "-") and Path(name).is_fifo()
    except OSError:
        return False  # reported where it is opened


@contextlib.asynccontextmanager
async def _pipe_as_stdout(name: str) -> AsyncIterator[None]:
    """Replace `sys.stdout` by a named pipe, so that it is queued. Wait for its reader.

    Raise UsageError if it cannot be opened.
    """
    while True:
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:  # there is no reader yet
                raise UsageError(f"cannot write {name}", hint=ANOTHER_FILE) from error
        await asyncio.sleep(_READER_SECONDS)
    os.set_blocking(descriptor, True)
    usual = sys.stdout
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
        sys.stdout = stream
        try:
            yield
        finally:
            sys.stdout = usual


def recorded_hint(job_id: str) -> str:
    """Return the hint for an answer that was lost."""
    return f"the job is recorded: `contentmap status {job_id}` shows it"


def _writer(cli: GlobalOptions, answer: Answer, out: TextIO) -> ScanWriter:
    return scan_writer(answer.format, out, width=width_of(out), color=cli.colored(out))
