"""A forked command is what a new interpreter would be: the same answers, streams, signals and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from fork_server import ForkedProcess, can_fork
from program import Contentmap
from trial import wait_until
from web_sites import Reply, good_site, serving

from contentmap_cli import __version__

pytestmark = pytest.mark.skipif(not can_fork(Contentmap(Path(), "").environment), reason="nothing is forked")


@pytest.fixture
def both(tmp_path: Path) -> list[Contentmap]:
    """The command forked, and in a new interpreter, each in a folder of its own."""
    programs = []
    for name in ("forked", "new"):
        (tmp_path / name).mkdir()
        programs.append(Contentmap(tmp_path / name, "map.db"))
    programs[1].environment["PYTHONNOUSERSITE"] = "1"  # a variable that makes no difference but this
    assert [can_fork(program.environment) for program in programs] == [True, False]
    return programs


@pytest.mark.campaign
def test_the_same_is_said(both: list[Contentmap]) -> None:
    """On stdout and stderr, in the given width, with the same exit code, and read from stdin."""
    for words in (["--version"], ["scan", "--help"], ["scan", "--no-such-option"], ["jobs"], ["nothing"]):
        forked, new = (program(*words) for program in both)
        assert forked == new, words
    assert both[0]("--version").out == f"contentmap {__version__}\n"
    forked, new = (program("parse", "-", "--json", stdin=b"https://a.test/1\n") for program in both)
    assert forked == new
    assert forked.out


@pytest.mark.campaign
def test_a_scan_leaves_the_same(both: list[Contentmap]) -> None:
    """It works in its folder, and finds the file of settings there."""
    with serving(good_site("a.test")) as sites:
        for program in both:
            (program.folder / "contentmap.toml").write_text(f'connect-to = ["{sites.connect_to}"]\n')
            assert program("scan", "http://a.test", "-q").code == 0
    forked, new = (program("urls", "a.test", "--format", "txt") for program in both)
    assert (forked, forked.out.count("\n")) == (new, 3)


def test_a_forked_process_is_a_child_with_signals_of_its_own(both: list[Contentmap]) -> None:
    """It is interrupted, killed and waited for as any process, and inherits no descriptor."""
    release = Reply(b"", wait=30)
    with serving({"a.test/robots.txt": release}) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to)
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            asked = len(sites.asked)
            process = both[0].start(*words)
            assert isinstance(process, ForkedProcess)
            wait_until(lambda asked=asked: len(sites.asked) > asked)  # type: ignore[misc]
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
            assert int(stat.rpartition(")")[2].split()[1]) == os.getpid()
            assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 40
            process.send_signal(number)
            assert both[0].end(process).code == code
        process = both[0].start(*words)
        process.kill()
        assert both[0].end(process).code == -signal.SIGKILL


def test_a_full_disk_and_a_closed_pipe(both: list[Contentmap]) -> None:
    """What cannot be written ends both alike."""
    for target in ("/dev/full", "pipe"):
        codes = []
        for program in both:
            words = program.words("scan", "--help")
            if target == "pipe":
                reading, writing = os.pipe()
                os.close(reading)
            else:
                writing = os.open(target, os.O_WRONLY)
            start = ForkedProcess if program is both[0] else subprocess.Popen
            with start(
                words[1:] if program is both[0] else words,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.PIPE,
                env=program.environment,
                cwd=program.folder,
            ) as process:
                os.close(writing)
                err = process.communicate(timeout=60)[1]
            codes.append((process.returncode, err))
        assert codes[0] == codes[1], target
