"""`--help` of every command: quick, with examples and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from contentmap_cli.commands.app import app
from contentmap_cli.commands.interface.help_pages import split_epilog

HEAVY = ("sqlalchemy", "aiohttp", "lxml", "alembic", "asyncpg", "aiosqlite")
ASK = """
import json, sys
from contentmap_cli.commands.app import app
for words in json.loads(sys.argv[1]):
    app([*words, "--help"], standalone_mode=False)
print(json.dumps([name for name in sys.argv[2:] if name in sys.modules]))
"""


def _commands() -> list[tuple[list[str], str]]:
    found = [([command.name or ""], str(command.epilog)) for command in app.registered_commands]
    for group in app.registered_groups:
        typer = group.typer_instance
        assert typer is not None
        found += [
            ([str(typer.info.name), command.name or ""], str(command.epilog))
            for command in typer.registered_commands
        ]
    return found


def _help(words: list[str]) -> list[str]:
    said = CliRunner().invoke(app, [*words, "--help"])
    assert said.exit_code == 0
    return said.output.splitlines()


def test_every_help_ends_with_examples_and_exit_codes() -> None:
    """Each help has examples that fit on a line and are commands that parse, and names its exit codes."""
    commands = _commands()
    assert len(commands) >= 10
    for words, epilog in commands:
        name = " ".join(["contentmap", *words])
        examples, blocks = split_epilog(epilog)
        assert examples and all(f"  {name}" in line and len(line) <= 78 for line in examples), name
        assert blocks[-1].startswith("Exit codes: "), name


@pytest.mark.parametrize("words", [words for words, _ in _commands()], ids=" ".join)
def test_a_help_fits_on_one_screen(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """39 lines of 80 columns and a prompt: examples first, one line per option, no types, no variables."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = _help(words)
    assert 8 <= len(lines) <= 39
    assert max(map(len, lines)) <= 80
    assert lines.index("Examples:") <= 4
    assert not [line for line in lines if "<bool>" in line or "CONTENTMAP_" in line or "--db URL" in line]
    assert "Global options: see `contentmap --help`" in lines
    options = [line for line in lines if line.startswith(("  -", "                        "))]
    assert [line for line in options if not line.startswith("  -")] == []


def test_no_sentence_names_a_default() -> None:
    """Defaults are shown in brackets."""
    root = get_command(app)
    with root.make_context("contentmap", ["--help"], resilient_parsing=True) as context:
        for words, _ in _commands():
            command = root
            for word in words:
                command = command.get_command(context, word)  # type: ignore[attr-defined]
            for parameter in command.get_params(context):
                text = parameter.help or ""  # type: ignore[attr-defined]
                assert "default" not in text.lower(), (words, parameter.name)
                assert text.count(". ") <= 1, (words, parameter.name)


def test_every_option_of_a_panel_is_named_once() -> None:
    """Options of rare use are named in one line, which is not lost."""
    text = " ".join(_help(["scan"]))
    for option in ("--probe", "--priority", "--allow-net", "--input-file", "--insecure"):
        assert text.count(f"{option} ") + text.count(f"{option},") == 1, option
    assert "--from" not in text


def test_no_help_loads_what_is_heavy() -> None:
    """Neither a database nor a network nor a parser is loaded to show a help text."""
    words = [command for command, _ in _commands()]
    ran = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(words), *HEAVY], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == []
