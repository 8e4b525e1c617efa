"""`--help` of every command: quick, with examples and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

from contentmap_cli.commands.app import app

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


def test_every_help_ends_with_examples_and_exit_codes() -> None:
    """A reader sees how it is used and what its exit codes mean, and can copy an example as one line."""
    commands = _commands()
    assert len(commands) >= 10
    for words, epilog in commands:
        name = " ".join(["contentmap", *words])
        examples, _, codes = epilog.partition("Exit codes:")
        assert f"\n  {name}" in examples or f"| {name}" in examples, name
        assert codes.strip(), name
        assert max(len(line) for line in examples.splitlines() if line.startswith("  ")) <= 78, name


def test_no_help_loads_what_is_heavy() -> None:
    """Neither a database nor a network nor a parser is loaded to show a help text."""
    words = [command for command, _ in _commands()]
    ran = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(words), *HEAVY], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == []
