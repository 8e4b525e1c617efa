"""A running scan, as state, as lines and on a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import struct
import sys
import termios
import threading
from fcntl import ioctl

import pytest
from rich.console import Console

from contentmap_cli.errors import Failure
from contentmap_cli.models import ScanStatus
from contentmap_cli.output.live_progress import LiveTable, finished_line
from contentmap_cli.output.progress import ScanProgress


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_totals_count_active_and_finished_domains_once(make_domain) -> None:
    """A domain's counts so far are replaced by its summary when it finishes."""
    progress = ScanProgress(3)
    progress.started("a.example")
    progress.moved("a.example", requests=1, files=1, urls=50)
    progress.moved("a.example", requests=2, bytes=900)
    assert progress.totals == (50, 900)
    progress.finished(make_domain("a.example", urls=60, requests=3, fetched_bytes=1000))
    progress.moved("a.example", urls=70)
    assert progress.totals == (60, 1000)
    assert (progress.done, progress.outcomes[ScanStatus.OK], progress.active) == (1, 1, {})


def test_remaining_needs_something_done(make_domain) -> None:
    """No estimate before a few domains are done, then the rest goes as they went; in the end none is left."""
    clock = Clock()
    progress = ScanProgress(10, clock=clock)
    assert progress.remaining is None
    for number in range(5):
        clock.now += 2
        progress.finished(make_domain(f"{number}.example"))
    assert progress.remaining == pytest.approx(10)
    for number in range(5, 10):
        progress.finished(make_domain(f"{number}.example"))
    assert progress.remaining == 0


def test_the_slowest_domain_stays_in_sight() -> None:
    """Active domains are shown the oldest first."""
    clock = Clock()
    progress = ScanProgress(2, clock=clock)
    progress.started("slow.example")
    clock.now += 30
    progress.started("new.example")
    assert [(name, age) for name, age, _ in progress.longest_running] == [
        ("slow.example", 30),
        ("new.example", 0),
    ]


def test_reading_while_writing(make_domain) -> None:
    """A display thread can read at any time while the loop writes."""
    progress = ScanProgress(5000)
    stop = threading.Event()
    errors: list[Exception] = []

    def read() -> None:
        table = LiveTable(progress, io.StringIO(), color=False)
        while not stop.is_set():
            try:
                table.render()
            except Exception as error:
                errors.append(error)
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(5000):
            progress.started(f"{number}.example")
            if number > 50:
                progress.finished(make_domain(f"{number - 50}.example"))
    finally:
        stop.set()
        reader.join()
        sys.setswitchinterval(interval)
    assert errors == []


def test_finished_line(make_domain) -> None:
    """Plain, aligned, escaped: what failed is at the end, whole."""
    row = make_domain(
        "shop.example",
        ScanStatus.PARTIAL,
        sitemaps_failed=1,
        error=Failure("http_500", "answered 500 \x1b[2J"),
    )
    assert finished_line(row, 3, 40) == (
        "[ 3/40] partial   shop.example                3 sitemaps      1,204 urls    0.41 s"
        "  (1 sitemap failed)  http_500: answered 500 \\x1b[2J"
    )
    other = finished_line(make_domain("a.example", urls=1, sitemaps=1), 40, 40)
    assert other == "[40/40] ok        a.example                   1 sitemap           1 url     0.41 s"


class Terminal:
    """A pseudo-terminal of a size; `text` is what was written to it."""

    def __init__(self, rows: int, columns: int) -> None:
        self.leader, follower = pty.openpty()
        ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.stream = os.fdopen(follower, "w", encoding="utf-8")
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.leader, 65536)
            except OSError:  # EIO: the other side is closed
                return
            if not part:
                return
            self._parts.append(part)

    def close(self) -> str:
        self.stream.close()
        self._reader.join()
        os.close(self.leader)
        return b"".join(self._parts).decode()


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the surroundings decides about colour or size."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def busy(make_domain, active: int) -> ScanProgress:
    progress = ScanProgress(1000)
    for number in range(20):
        progress.finished(make_domain(f"done{number}.example"))
    for number in range(active):
        progress.started(f"\x1b[31m[b]{number}.{'long-' * 10}example")
    return progress


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (10, 60), (5, 40), (50, 140)])
@pytest.mark.parametrize("active", [0, 3, 100])
def test_the_table_never_outgrows_the_terminal(
    rows: int, columns: int, active: int, make_domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many domains are active, the table has fewer lines than the terminal, none of them too wide."""
    monkeypatch.setenv("LINES", str(rows))
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    table = LiveTable(busy(make_domain, active), out, color=False)
    Console(file=out).print(table.render())
    lines = out.getvalue().splitlines()
    assert len(lines) < rows
    assert all(len(line) <= columns for line in lines)
    assert "20/1,000 domains" in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()
    if active == 100 and rows >= 10:
        assert "more" in out.getvalue()


@pytest.mark.usefixtures("plain_environment")
def test_a_terminal_is_left_clean(make_domain) -> None:
    """The table is drawn, and at the end erased; the cursor is visible again."""
    terminal = Terminal(24, 80)
    with LiveTable(busy(make_domain, 3), terminal.stream, color=True):
        pass
    text = terminal.close()
    assert "20/1,000 domains" in text
    assert text.rindex("\x1b[?25h") > text.rindex("domains")
    assert text.count("\n", text.rindex("\x1b[2K")) == 0


@pytest.mark.usefixtures("plain_environment")
def test_without_colour_there_is_none(make_domain) -> None:
    """`color=False` leaves cursor movement alone and drops every SGR sequence."""
    terminal = Terminal(24, 80)
    with LiveTable(busy(make_domain, 3), terminal.stream, color=False):
        pass
    text = terminal.close()
    assert "20/1,000 domains" in text
    assert not [part for part in text.split("\x1b[")[1:] if part.lstrip("0123456789;")[:1] == "m"]


@pytest.mark.usefixtures("plain_environment")
def test_stdout_stays_the_answer(make_domain, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed to stdout while the table is shown does not pass through it."""
    terminal = Terminal(24, 40)
    line = '{"url": "https://a.example/' + "x" * 100 + '[b]"}'
    with LiveTable(busy(make_domain, 3), terminal.stream, color=True):
        print(line)
    assert line not in terminal.close()
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.usefixtures("plain_environment")
def test_nothing_is_drawn_where_nothing_can_move(make_domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file and a dumb terminal get no table."""
    out = io.StringIO()
    with LiveTable(busy(make_domain, 3), out, color=True):
        pass
    assert out.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal(24, 80)
    with LiveTable(busy(make_domain, 3), terminal.stream, color=True):
        pass
    assert terminal.close() == ""
