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
    """Shows how many pages are asked, of all sites together. `clear` it before other lines on stderr."""

    def __init__(self, cli: GlobalOptions) -> None:
        logs_to_screen = bool(cli.verbose and not cli.log_file)
        can_redraw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_console_json()
        self._shown = can_redraw and not cli.quiet and not logs_to_screen
        self._sites: dict[str, tuple[int, int]] = {}  # asked, selected
        self._first: tuple[float, int] | None = None
        self._drawn = 0.0

    def update(self, domain: str, asked: int, selected: int) -> None:
        """Draw the line, at most five times a second."""
        self._sites[domain] = asked, selected
        now = time.monotonic()
        if not self._shown or now - self._drawn < _SECONDS:
            return
        asked, selected = (sum(counts) for counts in zip(*self._sites.values(), strict=True))
        since, before = self._first = self._first or (now, asked)
        rate = f", {(asked - before) / (now - since):.1f}/s" if now - since >= 1 else ""
        what = domain if len(self._sites) == 1 else f"{len(self._sites):,} sites"
        line = f"{terminal(what)}: {asked:,} of {selected:,} pages asked, {clock(now - since)}{rate}"
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
