"""Where answers go: whole files or none, devices and links left as they are, failures told."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from web_sites import urlset

from contentmap_cli.commands import app as commands
from contentmap_cli.commands.interface.answer_output import answer_to
from contentmap_cli.errors import UsageError


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """Until the answer ends the old file stays, and a failure leaves it as it was."""
    file = tmp_path / "answer"
    file.write_text("old")
    with answer_to(str(file)) as out:
        out.write("new")
        out.flush()
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    with pytest.raises(RuntimeError), answer_to(str(file)) as out:
        out.write("half")
        raise RuntimeError
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_device_or_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    """A rename over /dev/null would replace it for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        with answer_to(str(pipe)) as out:
            out.write("through")
        assert reader.communicate()[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file it leads to is written."""
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    with answer_to(str(link)) as out:
        out.write("new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A missing folder is a usage error with a hint."""
    with pytest.raises(UsageError) as caught, answer_to(str(tmp_path / "no" / "file")):
        pytest.fail("the block was entered")
    assert caught.value.message == f"cannot write {tmp_path / 'no' / 'file'}"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["loop", "x" * 300])
def test_a_name_that_leads_nowhere_is_told(tmp_path: Path, name: str) -> None:
    """A link to itself and a name that no file can have are usage errors, not bugs."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError) as caught, answer_to(str(tmp_path / name)):
        pytest.fail("the block was entered")
    assert caught.value.message == f"cannot write {tmp_path / name}"
    assert [file.name for file in tmp_path.iterdir()] == ["loop"]


def test_what_nobody_foresaw_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also before a command runs: one line, a hint, exit 1."""

    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "app", broken)
    assert commands._run() == 1
    assert capsys.readouterr().err.startswith("error: a bug in ContentMap: ZeroDivisionError\n\nhint: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_behind_stdout_is_told(on_sqlite: Any, tmp_path: Path) -> None:
    """The answer did not arrive: one line and exit 3, no traceback."""
    (tmp_path / "s.xml").write_text(urlset(*(f"http://a.test/{number}" for number in range(3000))))
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            on_sqlite.words("parse", "s.xml"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=on_sqlite.environment,
            cwd=tmp_path,
            check=False,
        )
    assert (ran.returncode, ran.stderr.startswith(b"error: the answer could not be written")) == (3, True)
