"""The answer of a run: written as domains are recorded, and never a reason to stop recording."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TextIO

from contentmap_cli.commands.engine.queued_output import Queues, queued_output
from contentmap_cli.commands.interface.answer_output import answer_to, goes_to_file, width_of
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import Answer
from contentmap_cli.errors import AnswerLost
from contentmap_cli.models import DomainSummary, JobSummary
from contentmap_cli.output.formats import CSV_FORMATS, Format, ScanWriter, scan_writer

STREAMED = frozenset({Format.NDJSON, *CSV_FORMATS, Format.GITHUB})
"""Formats that write each domain as it commits."""


class RunAnswer:
    """Writes the answer of a run. After the first failed write it writes nothing more, and `check` raises."""

    def __init__(self, writer: Callable[[], ScanWriter], queues: Queues, *, streams_to_screen: bool) -> None:
        self.streams_to_screen = streams_to_screen
        self._queues = queues
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
            if error.errno != errno.EPIPE:
                self._error = self._error or error
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
    # a queue would keep the pipe of the parent process open
    async with contextlib.nullcontext(Queues()) if in_background else queued_output() as queues:
        try:
            with answer_to(answer.output) as out:
                yield RunAnswer(
                    partial(_writer, cli, answer, out),
                    queues,
                    streams_to_screen=answer.format in STREAMED and not goes_to_file(out),
                )
        except AnswerLost as lost:
            lost.hint = recorded_hint(job_id)
            raise


def recorded_hint(job_id: str) -> str:
    """Return the hint for an answer that was lost."""
    return f"the job is recorded: `contentmap status {job_id}` shows it"


def _writer(cli: GlobalOptions, answer: Answer, out: TextIO) -> ScanWriter:
    return scan_writer(answer.format, out, width=width_of(out), color=cli.colored(out))
