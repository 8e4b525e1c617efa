"""Shows a run to whoever is looking: a live table on a terminal, one line a finished domain elsewhere."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from types import TracebackType
from typing import Self

from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.expectation import Expectation
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.crawl.results import CrawlProgress
from contentmap_cli.models import DomainSummary
from contentmap_cli.output.figures import plural
from contentmap_cli.output.formats import ScanWriter
from contentmap_cli.output.live_progress import LiveTable, finished_line
from contentmap_cli.output.progress import ScanProgress

_REMARKABLE = 200


class ConsoleProgress(ProgressListener):
    """Feeds the answer's writer and the progress on stderr. `remarkable` keeps some domains for the hints, at
    least one of each code in `codes`."""

    def __init__(
        self,
        cli: GlobalOptions,
        job_id: str,
        total: int,
        writer: ScanWriter,
        *,
        streams_to_screen: bool,
    ) -> None:
        self._cli = cli
        # an answer that goes by line by line, or the log, would tear a table that stays in its place
        logs_to_screen = bool(cli.verbose and not cli.log_file)
        moves = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._in_place = moves and not streams_to_screen and not logs_to_screen
        self._writer = writer
        self._progress = ScanProgress(total)
        self._job_id = job_id
        self._table: LiveTable | None = None
        self._lines = not cli.quiet
        self.remarkable: list[DomainSummary] = []
        self.codes: Counter[str] = Counter()
        self.expectation: Expectation | None = None
        self.unexpected = 0  # domains whose count of URLs is not as expected

    def __enter__(self) -> Self:
        if self._cli.quiet:
            return self
        say(f"job {self._job_id}: {plural(self._progress.total, 'domain')}")
        if self._in_place:
            self._table = LiveTable(self._progress, sys.stderr, color=self._cli.colored(sys.stderr))
            self._table.__enter__()
            self._lines = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._table is not None:
            self._table.__exit__(kind, error, trace)
            self._table = None

    def started(self, domain: str) -> None:
        self._progress.started(domain)

    def updated(self, progress: CrawlProgress) -> None:
        self._progress.moved(
            progress.domain,
            requests=progress.requests,
            files=progress.files,
            urls=progress.urls,
            bytes=progress.fetched_bytes,
        )

    def finished(self, summary: DomainSummary) -> None:
        if self.expectation is not None and (missed := self.expectation.missed_by(summary)):
            summary = replace(summary, unexpected=missed)
            self.unexpected += 1
        self._progress.finished(summary)
        code = str(summary.error.code) if summary.error is not None else None
        # the hints name a domain for each code, so the first of each is kept however many there are
        if (not summary.status.clean or summary.robots_problems) and (
            len(self.remarkable) < _REMARKABLE or (code is not None and code not in self.codes)
        ):
            self.remarkable.append(summary)
        if code is not None:
            self.codes[code] += 1
        self._writer.domain(summary)
        if self._lines:
            say(finished_line(summary, self._progress.done, self._progress.total))
