"""Progress of a scan: a live table on a terminal, elsewhere a line per finished domain."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from contentmap_cli.models import DomainSummary, ScanStatus
from contentmap_cli.output.columns import Style
from contentmap_cli.output.escape import terminal
from contentmap_cli.output.number_format import clock, duration, number, plural, size
from contentmap_cli.output.outcomes import SCAN_STYLES, failure_text, selection_note
from contentmap_cli.output.progress import ActiveDomain, ScanProgress

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

_REFRESHES = 5  # per second; below 1 % of a core
_RECENT_LINES = 4
_MAX_ACTIVE = 16  # domains shown, however tall the terminal
_MIN_WIDTH_FOR_BAR = 60
_DOMAIN_WIDTH = 50
_GAP = 2
_FIELDS = {"requests": 100, "files": 70, "urls": 0, "bytes": 60, "age": 50}  # minimum terminal width
_FIELD_WIDTHS = {"requests": 14, "files": 9, "urls": 14, "bytes": 7, "age": 7}
_RICH_STYLES = {
    Style.PLAIN: "",
    Style.BOLD: "bold",
    Style.DIM: "dim",
    Style.RED: "red",
    Style.GREEN: "green",
    Style.YELLOW: "yellow",
    Style.CYAN: "cyan",
}


def finished_line(summary: DomainSummary, done: int, total: int) -> str:
    """Return a finished domain as one plain line, aligned with others, escaped.

    `[12/40] partial shop.example 3 sitemaps 1,204 urls 0.41 s http_500: …`
    """
    counter = f"[{done:>{len(str(total))}}/{total}]"
    sitemaps = f"{summary.sitemaps:>3,} {'sitemap ' if summary.sitemaps == 1 else 'sitemaps'}"
    urls = f"{summary.urls:>9,} {'url ' if summary.urls == 1 else 'urls'}"
    line = (
        f"{counter} {summary.status.value:<8}  {terminal(summary.domain):<24}"
        f"  {sitemaps}  {urls}  {duration(summary.seconds):>8}"
    )
    failed = f"({plural(summary.sitemaps_failed, 'sitemap')} failed)" if summary.sitemaps_failed else ""
    error = failure_text(summary.error) if summary.error else ""
    return "  ".join(
        part for part in (line, failed, error, selection_note(summary), summary.unexpected) if part
    ).rstrip()


class LiveTable:
    """Shows a `ScanProgress` on a terminal, in place, during a `with` block, and removes it at the end.

    It is never taller than the terminal, so that nothing scrolls. If the cursor cannot be moved (`stream` is
    not a terminal, or TERM=dumb) it shows nothing. Other lines written to stderr appear above it.
    """

    def __init__(self, progress: ScanProgress, stream: TextIO, *, color: bool) -> None:
        from rich.console import Console

        self._progress = progress
        self._console = Console(
            file=stream,
            color_system="auto" if color else None,
            no_color=not color,  # decided already, NO_COLOR included
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                get_renderable=self.render,
                refresh_per_second=_REFRESHES,
                transient=True,
                # rich would wrap stdout and send it to this console
                redirect_stdout=False,
                vertical_overflow="crop",
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def render(self) -> Group:
        """Return the table, at most one line less than the terminal's height."""
        from rich.console import Group

        width, height = self._console.width, self._console.height
        parts: list[RenderableType] = [self._bar(width), self._counts(width)]
        room = height - 1 - len(parts)
        recent = list(self._progress.recent)[-_RECENT_LINES:] if room > 2 * _RECENT_LINES else []
        room -= len(recent) + (1 if recent else 0)
        active = self._progress.longest_running
        shown = active[: max(min(room - 2, _MAX_ACTIVE), 0)]  # a blank line before, `and 88 more` after
        if shown:
            parts += [_blank(), _active_table(shown, width)]
            if len(active) > len(shown):
                parts.append(_text(f"  and {len(active) - len(shown):,} more", Style.DIM))
        if recent:
            parts.append(_blank())
            parts += [_recent_line(summary, width) for summary in recent]
        return Group(*parts)

    def _bar(self, width: int) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        progress = self._progress
        left = progress.remaining
        times = clock(progress.elapsed) + (f", {clock(left)} left" if left is not None else "")
        cells: list[RenderableType] = [
            _text(f"{number(progress.done)}/{plural(progress.total, 'domain')}"),
            _text(times, Style.DIM),
        ]
        if width >= _MIN_WIDTH_FOR_BAR:
            bar = ProgressBar(
                total=max(progress.total, 1),
                completed=progress.done,
                width=min(width - 46, 40),
                complete_style="green",
                finished_style="green",
            )
            cells.insert(0, bar)
        row = Table.grid(padding=(0, 1))
        row.add_row(*cells)
        return row

    def _counts(self, width: int) -> Text:
        progress = self._progress
        totals = progress.totals
        line = _text("")
        for status in ScanStatus:
            count = progress.outcomes[status]
            if count:
                line.append(f"{count:,} {status.value}", _RICH_STYLES[SCAN_STYLES[status]])
                line.append("  ")
        # the rate of the first second is meaningless
        rate = f"{totals.urls / progress.elapsed:,.0f}/s, " if progress.elapsed >= 1 else ""
        line.append(f"{totals.urls:,} urls, {rate}{size(totals.bytes)}", "dim")
        line.truncate(width, overflow="ellipsis")
        return line


def _active_table(shown: list[tuple[str, float, ActiveDomain]], width: int) -> Table:
    from rich.table import Table

    # fixed widths: columns do not move while numbers change
    fields = [field for field, least in _FIELDS.items() if width >= least]
    used = sum(_FIELD_WIDTHS[field] + _GAP for field in fields)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", width=max(min(width - used, _DOMAIN_WIDTH), 8))
    for field in fields:
        table.add_column(justify="right", no_wrap=True, width=_FIELD_WIDTHS[field])
    for domain, age, active in shown:
        cells = {
            "requests": plural(active.requests, "request"),
            "files": plural(active.files, "file"),
            "urls": plural(active.urls, "url"),
            "bytes": size(active.bytes),
            "age": clock(age),
        }
        table.add_row(_text(f"  {terminal(domain)}"), *(_text(cells[field], Style.DIM) for field in fields))
    return table


def _recent_line(summary: DomainSummary, width: int) -> Text:
    line = _text(f"  {summary.status.value:<8} ", SCAN_STYLES[summary.status])
    line.append(terminal(summary.domain))
    if summary.unexpected:
        line.append(f"  {summary.unexpected}", "yellow")
    elif summary.error:
        line.append(f"  {failure_text(summary.error)}", "dim")
    else:
        line.append(f"  {plural(summary.sitemaps, 'sitemap')}, {plural(summary.urls, 'url')}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _text(text: str, style: Style = Style.PLAIN) -> Text:
    from rich.text import Text

    return Text(text, style=_RICH_STYLES[style], no_wrap=True, overflow="ellipsis")


def _blank() -> Text:
    return _text("")
