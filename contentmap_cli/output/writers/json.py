r"""JSON: one document.

Only ASCII is written, other characters as `\u` escapes, so that a terminal does not interpret fetched text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO, TypeVar

from contentmap_cli.models import DomainSummary, ErrorGroup, JobSummary
from contentmap_cli.output.objects import domain_object, job_object
from contentmap_cli.output.rows import RowWriter
from contentmap_cli.output.writers.deferred_buffer import DeferredText

Row = TypeVar("Row")


class JsonStatus:
    """The object of a known job, its domains in `results` as they come: nothing is kept in memory."""

    def __init__(self, out: TextIO, job: JobSummary) -> None:
        out.write(_head(job))
        self._results = _Results(out.write)

    def domain(self, summary: DomainSummary) -> None:
        """Write the domain."""
        self._results.add(summary)

    def finish(self, errors: Sequence[ErrorGroup] = (), left_out: int = 0) -> None:
        """Close the object."""
        self._results.close()


class JsonScan:
    """The job's object, its domains in `results` in the order of their end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._kept = DeferredText()
        self._results = _Results(self._kept.write)

    def domain(self, summary: DomainSummary) -> None:
        """Buffer the domain, since the keys of the job come first."""
        self._results.add(summary)

    def finish(self, job: JobSummary) -> None:
        """Write the object."""
        self._results.close()
        self._out.write(_head(job))
        for piece in self._kept.pieces():
            self._out.write(piece)


def _head(job: JobSummary) -> str:
    """Return the beginning of a job's object, up to its results."""
    own = json.dumps(job_object(job), indent=2, allow_nan=False)
    return f'{own.removesuffix("}").rstrip()},\n  "results": ['


class _Results:
    """Writes the results of a job, one domain per line, and the end of its object."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._before = "\n    "

    def add(self, summary: DomainSummary) -> None:
        self._write(self._before + json.dumps(domain_object(summary), allow_nan=False))
        self._before = ",\n    "

    def close(self) -> None:
        self._write("\n  ]\n}\n" if self._before.startswith(",") else "]\n}\n")


class JsonRows(RowWriter[Row]):
    """An array with one object per row and line. `to_text` returns the object as JSON."""

    def __init__(self, out: TextIO, to_text: Callable[[Row], str]) -> None:
        super().__init__(out)
        self._to_text = to_text
        self._before = "[\n"

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the rows."""
        text = ",\n".join(map(self._to_text, rows))
        if text:
            self._out.write(self._before + text)
            self._before = ",\n"

    def finish(self) -> None:
        """Close the array."""
        self._out.write("[]\n" if self._before == "[\n" else "\n]\n")
        super().finish()
