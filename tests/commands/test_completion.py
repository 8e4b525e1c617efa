"""What a shell completes: asked the way a shell asks, and once in a real bash."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from databases import one_database, sqlite_first
from web_sites import good_site, serving

BASH, FISH, ZSH = map(shutil.which, ("bash", "fish", "zsh"))
PATIENT = """
import sys
from contentmap_cli.commands.interface import completion
from contentmap_cli.__main__ import main

sys.argv[0] = "contentmap"
completion._SECONDS = 60
main()
"""
"""The command, giving up after a minute: who sits at a shell would not wait so long, a test has to."""


@pytest.fixture
def complete(contentmap: Any) -> Any:
    """What is completed at the end of a line, on a database with two domains and their job."""
    with serving(good_site("alpha.test") | good_site("beta.test")) as sites:
        words = ("http://alpha.test", "http://beta.test", "--connect-to", sites.connect_to, "--json")
        contentmap.job = contentmap("scan", *words).json["job_id"]

    def ask(line: str, **variables: str) -> list[str]:
        words = line.split(" ")
        environment = contentmap.environment | {
            "CONTENTMAP_DATABASE_URL": contentmap.database,
            "_CONTENTMAP_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            **variables,
        }
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with contentmap.start_file(program, env=environment, **pipes) as process:
            out, err = process.communicate()
        assert err == b""
        return out.decode().split()

    program = contentmap.folder / "bin" / "contentmap"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PATIENT}")
    program.chmod(0o755)
    ask.job, ask.database, ask.environment = contentmap.job, contentmap.database, contentmap.environment  # type: ignore[attr-defined]
    return ask


@sqlite_first
def test_domains_and_jobs(complete: Any) -> None:
    """Names that begin so, of this tenant only, wherever the database is named."""
    assert complete("contentmap urls ") == complete("contentmap map ") != []
    assert sorted(complete("contentmap sitemaps ")) == ["alpha.test", "beta.test"]
    assert complete("contentmap diff al") == ["alpha.test"]
    for line in (
        "contentmap status ",
        "contentmap resume sitemap_",
        "contentmap diff --job ",
        "contentmap report sitemap_",
    ):
        assert complete(line) == [complete.job], line
    assert complete("contentmap urls --tenant other ") == []
    assert complete("contentmap urls ", CONTENTMAP_TENANT="other") == []


@one_database
def test_what_goes_wrong_is_not_said(complete: Any, tmp_path: Path) -> None:
    """No database, none that answers, a file that is none: nothing is completed, said or made."""
    missing = tmp_path / "none.db"
    assert complete(f"contentmap --db {missing} urls ") == []
    assert not missing.exists()
    assert complete("contentmap urls --db postgresql://nobody@127.0.0.1:1/none ") == []
    (tmp_path / "text.db").write_text("no database\n" * 100)
    assert complete(f"contentmap urls --db {tmp_path / 'text.db'} ") == []
    (tmp_path / "contentmap.toml").write_text("nonsense = 1\n")
    assert complete("contentmap urls ") == []


def in_a_shell(complete: Any, folder: Path) -> dict[str, str]:
    """The environment of a shell that finds the command and the database."""
    path = f"{folder / 'bin'}:{complete.environment['PATH']}"
    return complete.environment | {"CONTENTMAP_DATABASE_URL": complete.database, "PATH": path, "TERM": "dumb"}


@pytest.mark.campaign
@pytest.mark.skipif(BASH is None, reason="no bash is installed")
@one_database
def test_installed_in_a_real_bash(complete: Any, tmp_path: Path) -> None:
    """What `--show-completion` prints works in bash: commands and domains are completed."""
    script = """
        eval "$(contentmap --show-completion bash)"
        for words in "contentmap sitem" "contentmap sitemaps al"; do
            COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _contentmap_completion contentmap
            echo "${COMPREPLY[@]}"
        done
    """
    environment = in_a_shell(complete, tmp_path)
    ran = subprocess.run(
        [str(BASH), "-c", script], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert ran.stdout.split() == ["sitemaps", "alpha.test"], ran.stderr


@one_database
@pytest.mark.skipif(FISH is None, reason="no fish is installed")
def test_installed_in_a_real_fish(complete: Any, tmp_path: Path) -> None:
    """Domains, and jobs with what there is to say of them."""
    for line, begin in (
        ("contentmap sitemaps al", "alpha.test"),
        ("contentmap status ", f"{complete.job}\tcomplete, 2 domains"),
    ):
        script = f"contentmap --show-completion | source; complete --do-complete '{line}'"
        words = [str(FISH), "--no-config", "-c", script]
        environment = in_a_shell(complete, tmp_path)
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert ran.stdout.startswith(begin), ran.stderr


@one_database
@pytest.mark.skipif(ZSH is None, reason="no zsh is installed")
def test_installed_in_a_real_zsh(complete: Any, tmp_path: Path) -> None:
    """At its prompt, with the key that completes."""
    environment = in_a_shell(complete, tmp_path)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execve(str(ZSH), ["zsh", "-f", "-i"], environment)  # noqa: S606 - a shell of the system
    try:
        os.write(terminal, b'autoload -Uz compinit; compinit -u -D; eval "$(contentmap --show-completion)"\n')
        os.write(terminal, b"echo rea''dy\n")
        assert "ready" in shown(terminal, "ready")
        os.write(terminal, b"contentmap sitemaps al\t")
        assert "alpha.test" in shown(terminal, "alpha.test")
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def shown(terminal: int, text: str, *, seconds: float = 60) -> str:
    """What a terminal shows until it shows `text`, or nothing more for so long."""
    said, end = "", time.monotonic() + seconds
    while text not in said and (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            said += os.read(terminal, 65536).decode(errors="replace")
    return said
