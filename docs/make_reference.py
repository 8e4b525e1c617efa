"""Writes reference.md, the reference of the command line, from the commands themselves.

usage: python docs/make_reference.py [--check]

With --check it writes nothing and exits with 1 where the page differs from what the commands say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from contentmap_cli.commands.app import app

PAGE = Path(__file__).parent / "reference.md"
_KINDS = {"int": "N", "int range": "N", "float": "N", "float range": "N", "str": "TEXT", "list[str]": "TEXT"}
GLOBAL = "Global options"
HEAD = """\
# Command line reference

For whoever looks up an option. This page is written by `python docs/make_reference.py` from the commands
themselves, and a test holds it to them. [outcomes.md](outcomes.md) explains the exit codes and the JSON,
[configuration.md](configuration.md) how an option is set once for all. Where an environment variable is
named, the option is a setting too.
"""


def page() -> str:
    """The whole page, as Markdown."""
    root = typer.main.get_command(app)
    context = root.make_context("contentmap", ["--help"], resilient_parsing=True)
    parts = [
        HEAD,
        _section(GLOBAL, "Every command takes these, before or after its name.", _shared(root), context),
    ]
    parts += [_command(command, context) for command in _leaves(root)]
    return "\n".join(parts)


def _leaves(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield from ((f"{command.name} {leaf.name}", leaf) for leaf in command.commands.values())
        else:
            yield command.name, command


def _shared(root: Any) -> list[Any]:
    return [option for option in root.params if option.rich_help_panel == GLOBAL]


def _command(named: tuple[str, Any], parent: Any) -> str:
    name, command = named
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    examples, _, codes = command.epilog.partition("Exit codes:")
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"## {name}", "", command.help, "", "```text", usage, "```", ""]
    own = [option for option in command.params if option.rich_help_panel != GLOBAL and not option.hidden]
    if own:
        lines += [*_table(own, context), ""]
    shown, rest = _split(examples)
    lines += ["```sh", *shown, "```", ""]
    lines += [f"{line}\n" for line in rest]
    lines += [f"Exit codes: {' '.join(codes.split())}", ""]
    return "\n".join(lines)


def _split(examples: str) -> tuple[list[str], list[str]]:
    """The example commands of an epilog, and the paragraphs beside them."""
    paragraphs = [paragraph for paragraph in examples.split("\n\n") if paragraph.strip()]
    shown = [paragraph.strip() for paragraph in paragraphs if paragraph.startswith("  ")]
    return shown, [
        " ".join(paragraph.split())
        for paragraph in paragraphs
        if not paragraph.startswith("  ") and paragraph.strip() != "Examples:"
    ]


def _section(title: str, intro: str, options: list[Any], context: Any) -> str:
    return "\n".join([f"## {title}", "", intro, "", *_table(options, context), ""])


def _table(parameters: list[Any], context: Any) -> list[str]:
    rows = ["| option | what it does | environment |", "|---|---|---|"]
    for parameter in parameters:
        envvar = f"`{parameter.envvar}`" if parameter.envvar else ""
        rows.append(f"| {_names(parameter, context)} | {_cell(parameter.help or '')} | {envvar} |")
    return rows


def _names(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_cell(parameter.metavar or parameter.name.upper())}`"
    value = "" if parameter.is_flag or parameter.count else _value(parameter, context)
    return ", ".join(f"`{name}`" for name in parameter.opts) + (f" `{value}`" if value else "")


def _value(parameter: Any, context: Any) -> str:
    kind = str(parameter.metavar or parameter.display_type(context)).strip("<>").split(" [")[0]
    return _cell(_KINDS.get(kind, kind))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def main() -> int:
    """Writes the page, or compares it."""
    wanted = page()
    if "--check" not in sys.argv:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/reference.md differs from the commands: python docs/make_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
