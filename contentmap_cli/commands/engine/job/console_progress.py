"""Shows the progress of a run on stderr: a live table on a terminal, otherwise a line per finished domain."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from dataclasses import replace
from types import TracebackType
from typing import Self

from contentmap_cli.commands.engine.job.answer import RunAnswer
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.logging_setup import is_console_json
from contentmap_cli.commands.settings.expectation import Expectation
from contentmap_cli.crawl.results import CrawlProgress
from contentmap_cli.models import DomainSummary
from contentmap_cli.output.live_progress import LiveTable, finished_line
from contentmap_cli.output.number_format import plural
from contentmap_cli.output.progress import ScanProgress

_REMARKABLE = 200


class ConsoleProgress(ProgressListener):
    """Writes the answer of a run and shows its progress on stderr. `remarkable` keeps some domains for the
    hints, at least one for each code in `codes`. `unexpected` counts domains that miss `expectation`."""

    def __init__(
        self,
        cli: GlobalOptions,
        job_id: str,
        total: int,
        answer: RunAnswer,
        expectation: Expectation | None = None,
    ) -> None:
        self._cli = cli
        # lines of the answer or of the log on the same terminal would tear the table
        logs_to_screen = bool(cli.verbose and not cli.log_file)
        can_redraw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_console_json()
        self._in_place = can_redraw and not answer.streams_to_screen and not logs_to_screen
        self._answer = answer
        self._expectation = expectation
        self._progress = ScanProgress(total)
        self._job_id = job_id
        self._table: LiveTable | None = None
        self._lines = not cli.quiet
        self.remarkable: list[DomainSummary] = []
        self.codes: Counter[str] = Counter()
        self.unexpected = 0

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
            table, self._table = self._table, None
            with contextlib.suppress(OSError):  # the terminal is gone
                table.__exit__(kind, error, trace)

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
        if self._expectation is not None and (missed := self._expectation.missed_by(summary)):
            summary = replace(summary, unexpected=missed)
            self.unexpected += 1
        self._progress.finished(summary)
        code = str(summary.error.code) if summary.error is not None else None
        # the hints name a domain for each code, so the first of each is always kept
        if (not summary.status.clean or summary.robots_problems) and (
            len(self.remarkable) < _REMARKABLE or (code is not None and code not in self.codes)
        ):
            self.remarkable.append(summary)
        if code is not None:
            self.codes[code] += 1
        self._answer.domain(summary)
        if self._lines:
            say(finished_line(summary, self._progress.done, self._progress.total))
