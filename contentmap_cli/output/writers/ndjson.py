"""NDJSON: an object a line, ASCII only, each written as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Generic, TextIO, TypeVar

from contentmap_cli.models import DomainSummary, JobSummary
from contentmap_cli.output.objects import domain_object, job_object

Row = TypeVar("Row")


class NdjsonScan:
    """A line a domain as it commits, the job last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def domain(self, summary: DomainSummary) -> None:
        """Writes the domain and flushes: whoever reads the pipe has it now."""
        self._line(domain_object(summary))

    def finish(self, job: JobSummary) -> None:
        """Writes the job."""
        self._line(job_object(job))

    def _line(self, answer: dict[str, object]) -> None:
        self._out.write(json.dumps(answer, allow_nan=False) + "\n")
        self._out.flush()


class NdjsonRows(Generic[Row]):
    """A line a row, flushed when the stream likes. `to_text` gives a row's object as JSON."""

    def __init__(self, out: TextIO, to_text: Callable[[Row], str]) -> None:
        self._out = out
        self._to_text = to_text

    def write(self, row: Row) -> None:
        """Writes the row."""
        self.write_all((row,))

    def write_all(self, rows: Iterable[Row]) -> None:
        """Writes rows."""
        self._out.write("".join([self._to_text(row) + "\n" for row in rows]))

    def finish(self) -> None:
        """Flushes: an answer of no rows is an empty one."""
        self._out.flush()
