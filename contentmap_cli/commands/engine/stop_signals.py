"""What stops a run early: signals and a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from contentmap_cli.commands.interface.answer_output import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def signals_to(
    stop: Callable[[str], None],
    message: str,
    before_exit: Callable[[], None] = lambda: None,
    hangup: Callable[[], None] | None = None,
) -> Iterator[list[signal.Signals]]:
    """Call `stop` on the first SIGINT, SIGTERM or SIGHUP and print `message`. Yields the signals received.
    With `hangup`, each SIGHUP calls that instead.

    A second signal calls `before_exit` and exits at once, except a second SIGHUP: a terminal that is closed
    sends one, and its shell another."""
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def handle(number: signal.Signals) -> None:
        if received == [number] == [signal.SIGHUP]:
            return
        if received:
            try:
                before_exit()
            finally:
                os._exit(128 + number)
        received.append(number)
        stop(f"stopped by {number.name}")
        say(message)

    # a signal that the parent process ignores stays ignored: nohup ignores SIGHUP, a shell's `&` SIGINT
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in handled:
        if number is signal.SIGHUP and hangup is not None:
            loop.add_signal_handler(number, hangup)
        else:
            loop.add_signal_handler(number, handle, number)
    try:
        yield received
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def deadline(stop: Callable[[str], None], seconds: float | None) -> Iterator[None]:
    """Call `stop` after `seconds` (`--max-time`); None sets no limit."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, stop, f"--max-time of {seconds:g} s is over")
    try:
        yield
    finally:
        timer.cancel()
