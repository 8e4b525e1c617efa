"""The help of a command: usage, examples and options on one screen.

A command's epilog is its help beyond the options: blocks separated by blank lines. The first block holds the
examples and is shown as it is written, above the options; the other blocks are wrapped below the options.
Options of the panel MORE are only named.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from contentmap_cli.errors import UsageError

MORE: Final = "More options"
"""The panel of options that the help only names; docs/reference.md describes them."""
GLOBAL: Final = "Global options"
_COLUMN = 26  # columns for an option with its value
_WIDTH = 100  # columns used at most
ALIASES: Final = frozenset({"--from", "--patience", "--stop-within"})
"""Second names of options that are accepted and not shown."""
SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDTH}
"""Context settings of every command."""


def split_epilog(epilog: str) -> tuple[list[str], list[str]]:
    """Return the lines of the examples and the other blocks, each as one line."""
    examples, *blocks = epilog.strip().split("\n\n")
    return examples.splitlines()[1:], [" ".join(block.split()) for block in blocks]


def option_names(parameter: Any, context: Any) -> str:
    """Return the names of an option and its value (`-o, --output FILE`), or the name of an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    shown = set(parameter.opts) - ALIASES if len(parameter.opts) > 1 else parameter.opts
    names = ", ".join(sorted(shown, key=len))
    value = "" if parameter.is_flag or parameter.count else option_value(parameter, context)
    return f"{names} {value}".rstrip()


def option_value(parameter: Any, context: Any) -> str:
    """Return the metavar of an option's value, `N` for a number."""
    kind = str(parameter.metavar or parameter.display_type(context)).strip("<>").split(" [")[0]
    return _KINDS.get(kind, kind)


def option_default(parameter: Any) -> str | None:
    """Return the default of an option as it is shown, None where there is none to show."""
    if isinstance(parameter.show_default, str):
        return str(parameter.show_default)
    default = parameter.default
    if not parameter.show_default or default in (None, False, 0) or parameter.is_flag:
        return None
    return f"{default:g}" if isinstance(default, float) else str(getattr(default, "value", default))


_KINDS = {"int": "N", "int range": "N", "float": "N", "float range": "N", "str": "TEXT", "list[str]": "TEXT"}


def _rows(parameters: list[Any], context: Any) -> list[tuple[str, str]]:
    rows = []
    for parameter in parameters:
        default = option_default(parameter)
        text = parameter.help or ""
        rows.append((option_names(parameter, context), f"{text} [default: {default}]" if default else text))
    return rows


def _by_panel(command: Any, context: Any) -> dict[str, list[Any]]:
    """The visible parameters of a command by the heading they are shown under, in the order of the help."""
    shown = [each for each in command.get_params(context) if not each.hidden and "--help" not in each.opts]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    first = "Arguments and options" if arguments else "Options"
    panels: dict[str, list[Any]] = {first: arguments}
    for option in shown:
        if option not in arguments:
            panels.setdefault(option.rich_help_panel or first, []).append(option)
    return panels


def _write_options(panels: dict[str, list[Any]], context: Any, formatter: Any) -> None:
    """Write the panels without blank lines between them, and the names of the options in MORE."""
    more = panels.pop(MORE, [])
    formatter.write_paragraph()
    for heading, parameters in panels.items():
        if parameters:
            formatter.write_heading(heading)
            with formatter.indentation():
                formatter.write_dl(_rows(parameters, context), col_max=_COLUMN)
    if more:
        names = ", ".join(sorted(parameter.opts[0] for parameter in more))
        text = f"More (docs/reference.md): {names}"
        formatter.write(textwrap.fill(text, formatter.width, break_on_hyphens=False) + "\n")


OPTIONAL_VALUES: Final = {"--pages": ("100", re.compile("[a-z]+|[-+]?[0-9]+([.,][0-9]+)?", re.IGNORECASE))}
"""Options whose value may be left out: the value then, and the words that are values, right or wrong."""


def _with_values(words: list[str]) -> Iterator[str]:
    """Yield the words of a command line with the values that were left out."""
    end = words.index("--") if "--" in words else len(words)
    for number, word in enumerate(words):
        default, value = OPTIONAL_VALUES.get(word, (None, None))
        if default is None or value is None or number > end:
            yield word
        elif number + 1 == len(words) or not value.fullmatch(words[number + 1]):
            yield f"{word}={default}"
        else:
            yield word


class HelpCommand(TyperCommand):
    """A command whose help begins with its examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the command's name."""
        return super().parse_args(ctx, [*_with_values(args)])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line after the command."""
        pieces = [str(self.options_metavar)]
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                name = option_names(parameter, ctx) + ("..." if parameter.nargs == -1 else "")
                pieces.append(name if parameter.required else f"[{name}]")
        return pieces

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the summary, then the examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.epilog, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options by panel."""
        _write_options(_by_panel(self, ctx), ctx, formatter)
        formatter.write_text(f"{GLOBAL}: see `contentmap --help`")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what stands below the options: notes and exit codes."""
        for block in split_epilog(self.epilog or "")[1]:
            formatter.write_text(block)


class HelpGroup(TyperGroup):
    """A group of commands, listed above the options that all of them take."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the summary, then the examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.epilog, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options by panel."""
        commands = [command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl([(str(command.name), _summary(command)) for command in commands])
        panels = _by_panel(self, ctx)
        if any(panels.values()):
            _write_options(panels, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what stands below the options."""
        for block in split_epilog(self.epilog or "")[1]:
            formatter.write_text(block)


class ListGroup(HelpGroup):
    """A group whose command `list` runs where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command. Raise UsageError for an argument that is none."""
        if args and args[0][:1] != "-" and args[0] not in self.commands and not ctx.resilient_parsing:
            raise UsageError(
                f"no such command: {args[0][:80]!r}",
                hint=f"`{ctx.command_path} --match NAME` lists one domain",
            )
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return list(super().parse_args(ctx, args))


def _write_examples(epilog: str | None, formatter: Any) -> None:
    if epilog:
        with formatter.section("Examples"):
            for line in split_epilog(epilog)[0]:
                formatter.write(f"{line}\n")


def _summary(command: Any) -> str:
    return str(command.help or "").strip().partition("\n")[0]
