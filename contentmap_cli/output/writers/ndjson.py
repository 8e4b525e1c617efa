"""NDJSON: one object per line, ASCII only, each written as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TextIO, TypeVar

from contentmap_cli.models import DomainSummary, JobSummary
from contentmap_cli.output.objects import domain_object, job_object
from contentmap_cli.output.rows import RowWriter

Row = TypeVar("Row")


class NdjsonScan:
    """One line per domain as it is committed, then the job."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def domain(self, summary: DomainSummary) -> None:
        """Write the domain and flush, so that the reader of a pipe has it now."""
        self._line(domain_object(summary))

    def finish(self, job: JobSummary) -> None:
        """Write the job."""
        self._line(job_object(job))

    def _line(self, answer: dict[str, object]) -> None:
        self._out.write(json.dumps(answer, allow_nan=False) + "\n")
        self._out.flush()


class NdjsonRows(RowWriter[Row]):
    """One line per row, not flushed. `to_text` returns the object of a row as JSON."""

    def __init__(self, out: TextIO, to_text: Callable[[Row], str]) -> None:
        super().__init__(out)
        self._to_text = to_text

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the rows."""
        self._out.write("".join([self._to_text(row) + "\n" for row in rows]))
