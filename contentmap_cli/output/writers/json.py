"""JSON: one document an answer.

Only ASCII is written (the rest as `\\u` escapes), so that nothing fetched reaches a terminal as itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TextIO, TypeVar

from contentmap_cli.models import DomainSummary, ErrorGroup, JobSummary
from contentmap_cli.output.objects import domain_object, job_object
from contentmap_cli.output.writers.deferred_buffer import DeferredText

Row = TypeVar("Row")


class JsonStatus:
    """The object of a job that is known, its domains in `results` as they come: nothing is held."""

    def __init__(self, out: TextIO, job: JobSummary) -> None:
        out.write(_head(job))
        self._results = _Results(out.write)

    def domain(self, summary: DomainSummary) -> None:
        """Writes the domain."""
        self._results.add(summary)

    def finish(self, errors: Sequence[ErrorGroup] = (), left_out: int = 0) -> None:
        """Closes the object."""
        self._results.close()


class JsonScan:
    """The job's object, its domains in `results` in the order they came in."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._kept = DeferredText()
        self._results = _Results(self._kept.write)

    def domain(self, summary: DomainSummary) -> None:
        """Keeps the domain: the job's own keys come before its results."""
        self._results.add(summary)

    def finish(self, job: JobSummary) -> None:
        """Writes the object."""
        self._results.close()
        self._out.write(_head(job))
        for piece in self._kept.pieces():
            self._out.write(piece)


def _head(job: JobSummary) -> str:
    """A job's object as far as its results."""
    own = json.dumps(job_object(job), indent=2, allow_nan=False)
    return f'{own.removesuffix("}").rstrip()},\n  "results": ['


class _Results:
    """The results of a job and the end of its object, a domain a line."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._before = "\n    "

    def add(self, summary: DomainSummary) -> None:
        self._write(self._before + json.dumps(domain_object(summary), allow_nan=False))
        self._before = ",\n    "

    def close(self) -> None:
        self._write("\n  ]\n}\n" if self._before.startswith(",") else "]\n}\n")


class JsonRows(Generic[Row]):
    """An array with an object a row, a row a line. `to_text` gives the object as JSON."""

    def __init__(self, out: TextIO, to_text: Callable[[Row], str]) -> None:
        self._out = out
        self._to_text = to_text
        self._before = "[\n"

    def write(self, row: Row) -> None:
        """Writes the row."""
        self.write_all((row,))

    def write_all(self, rows: Iterable[Row]) -> None:
        """Writes rows."""
        text = ",\n".join(map(self._to_text, rows))
        if text:
            self._out.write(self._before + text)
            self._before = ",\n"

    def finish(self) -> None:
        """Closes the array."""
        self._out.write("[]\n" if self._before == "[\n" else "\n]\n")
        self._out.flush()
