"""JSON: one document an answer.

Only ASCII is written (the rest as `\\u` escapes), so that nothing fetched reaches a terminal as itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Generic, TextIO, TypeVar

from contentmap_cli.report.objects import domain_object, job_object
from contentmap_cli.values import DomainSummary, JobSummary

Row = TypeVar("Row")


class JsonScan:
    """The job's object, its domains in `results` in the order they came in."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._results: list[DomainSummary] = []

    def domain(self, summary: DomainSummary) -> None:
        """Keeps the domain: the job's own keys come before its results."""
        self._results.append(summary)

    def finish(self, job: JobSummary) -> None:
        """Writes the object, one result at a time, so that 100,000 of them are never held twice."""
        head = json.dumps(job_object(job), indent=2, allow_nan=False)
        self._out.write(f'{head.removesuffix("}").rstrip()},\n  "results": [')
        for number, summary in enumerate(self._results):
            self._out.write(",\n    " if number else "\n    ")
            self._out.write(json.dumps(domain_object(summary), allow_nan=False))
        self._out.write("\n  ]\n}\n" if self._results else "]\n}\n")


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
