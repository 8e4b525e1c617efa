"""The progress of `check --pages`: one line on the terminal that is drawn over, elsewhere nothing."""

from __future__ import annotations

import os
import sys
import time

from contentmap_cli.commands.interface.answer_output import width_of
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.logging_setup import is_console_json
from contentmap_cli.output.escape import terminal
from contentmap_cli.output.number_format import clock

_SECONDS = 0.2


class PageLine:
    """Shows how many pages of a domain are asked. Clear it before anything else is written to stderr."""

    def __init__(self, cli: GlobalOptions) -> None:
        logs_to_screen = bool(cli.verbose and not cli.log_file)
        can_redraw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_console_json()
        self._shown = can_redraw and not cli.quiet and not logs_to_screen
        self._drawn = 0.0
        self._started: tuple[float, int] | None = None

    def update(self, domain: str, asked: int, selected: int) -> None:
        """Draw the line, at most five times a second."""
        now = time.monotonic()
        if not self._shown or now - self._drawn < _SECONDS:
            return
        since, before = self._started = self._started or (now, asked)
        seconds = now - since
        rate = f", {(asked - before) / seconds:.1f}/s" if seconds >= 1 else ""
        line = f"{terminal(domain)}: {asked:,} of {selected:,} pages asked, {clock(seconds)}{rate}"
        self._write(line[: (width_of(sys.stderr) or 80) - 1])
        self._drawn = now

    def clear(self) -> None:
        """Remove the line."""
        if self._drawn:
            self._write("")
            self._drawn = 0.0

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        except OSError:  # the terminal is gone
            self._shown = False
