"""Ctrl-C at any moment: at once while modules load, in good order from then on, and ignored where it is."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from web_sites import Reply, good_site, serving

INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
ON_A_LOOP = """
from contentmap_cli.commands.interface.command_decorator import run_async
async def interrupted():
    import asyncio, os, signal
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(20)
try:
    run_async(interrupted())
except KeyboardInterrupt:
    print("heard")
"""
AN_ANSWER = """
import os, signal, sys
from contentmap_cli.commands.interface.answer_output import answer_to
try:
    with answer_to(sys.argv[1]) as out:
        out.write("half")
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("heard", os.listdir(os.path.dirname(sys.argv[1])))
"""
ANSWERS_LATE = """
import asyncio, threading
from contentmap_cli.commands.interface.command_decorator import run_async
async def interrupted():
    loop, closed = asyncio.get_running_loop(), threading.Event()
    def answer():
        closed.wait()
        loop.call_soon_threadsafe(print, "late")
    def bug():
        raise RuntimeError("a bug")
    threads = [threading.Thread(target=work) for work in (answer, bug)]
    for thread in threads:
        thread.start()
    return threads, closed
threads, closed = run_async(interrupted())
closed.set()
for thread in threads:
    thread.join()
"""
TWICE = """
import asyncio, os, signal, sys
from contentmap_cli.commands.engine.stop_signals import signals_to
async def main():
    with signals_to(print, "stopping", lambda: print("leaving", flush=True)):
        for name in sys.argv[1:]:
            os.kill(os.getpid(), getattr(signal, name))
            await asyncio.sleep(0.01)
        print("goes on")
asyncio.run(main())
"""


def ran(program: str, *words: str, ignored: bool = False) -> subprocess.CompletedProcess[str]:
    """A program of its own, behind what the installed one begins with."""
    command = [sys.executable, "-c", f"import contentmap_cli.__main__\n{program}", *words]
    if ignored:
        command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_while_modules_load_it_ends_the_process_and_prints_nothing() -> None:
    """Raised there, it would be a traceback, or be lost in a callback that cannot raise it."""
    done = ran(INTERRUPT)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("ignored", [False, True])
def test_from_the_first_work_on_it_is_heard(ignored: bool, tmp_path: Path) -> None:
    """An event loop and a file that is being written end in good order; nohup's silence stays."""
    heard = ran(AN_ANSWER, str(tmp_path / "answer"), ignored=ignored)
    assert heard.stdout == ("" if ignored else "heard []\n")
    if not ignored:
        assert ran(ON_A_LOOP).stdout == "heard\n"


def test_a_thread_that_answers_too_late_says_nothing() -> None:
    """The loop has ended by then. Any other error of a thread is still seen."""
    done = ran(ANSWERS_LATE)
    assert (done.returncode, done.stdout, done.stderr.count("Traceback")) == (0, "", 1)
    assert done.stderr.endswith("RuntimeError: a bug\n")


@pytest.mark.parametrize(
    ("signals", "code", "said"),
    [
        (("SIGHUP", "SIGHUP"), 0, ["stopped by SIGHUP", "goes on"]),
        (("SIGHUP", "SIGTERM"), 143, ["leaving"]),
        (("SIGINT", "SIGINT"), 130, ["leaving"]),
        (("SIGINT", "SIGHUP"), 129, ["leaving"]),
    ],
)
def test_a_second_signal_is_impatience(signals: tuple[str, ...], code: int, said: list[str]) -> None:
    """But for SIGHUP: a terminal that is closed sends it, and its shell again."""
    done = ran(TWICE, *signals)
    assert (done.returncode, done.stdout.splitlines()[-len(said) :]) == (code, said), done.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_the_terminal_is_whole_again(on_sqlite: Any, times: int) -> None:
    """However often it is pressed, the cursor is shown and the way to go on is told."""
    with serving(good_site("a.test") | {"a.test/robots.txt": Reply(b"", wait=30.0)}) as sites:
        ours, theirs = pty.openpty()
        words = on_sqlite.words("scan", "http://a.test", "--connect-to", sites.connect_to)
        environment = {**on_sqlite.environment, "TERM": "xterm"}
        process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=on_sqlite.folder
        )
        os.close(theirs)
        shown = b""
        while b"\x1b[?25l" not in shown:
            shown += os.read(ours, 10_000)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            while times == 2 and b"stopping" not in shown:
                shown += os.read(ours, 10_000)
        shown += _rest(ours)
        assert process.wait() == 130
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
    assert b"Traceback" not in shown
    assert shown.count(b"contentmap --db") >= 1


def _rest(descriptor: int) -> bytes:
    """All that is still written to a terminal, until nobody has it."""
    parts = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            part = os.read(descriptor, 10_000)
        except OSError:  # Linux: nobody has its other end
            break
        if not part:
            break
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts)
