"""The global options of every command, and their values in one call."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer

from contentmap_cli.commands.interface.help_pages import GLOBAL
from contentmap_cli.commands.interface.logging_setup import LogFormat
from contentmap_cli.commands.settings import config_files
from contentmap_cli.errors import UsageError

_COMMAND = re.compile(r"(?<![\w/.-])contentmap (?=([a-z]+)\b)")
COMMANDS: set[str] = set()
"""The names of all commands and groups, as `command_decorator.command` registers them."""


class Color(StrEnum):
    """Whether output and progress are colored."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL|FILE",
        envvar="CONTENTMAP_DATABASE_URL",
        help="SQLite file or PostgreSQL URL.",
        show_default="in the user's folder",
        rich_help_panel=GLOBAL,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_TENANT",
        metavar="NAME",
        help="Tenant (namespace) to use.",
        show_default="default",
        rich_help_panel=GLOBAL,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only results and errors.", rich_help_panel=GLOBAL)
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Log events (-v) or every step (-vv).",
        rich_help_panel=GLOBAL,
    ),
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        envvar="CONTENTMAP_LOG_FORMAT",
        metavar="FORMAT",
        help="Log format: text or json.",
        show_default="text",
        rich_help_panel=GLOBAL,
    ),
]
LogFile = Annotated[
    str | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        envvar="CONTENTMAP_LOG_FILE",
        help="Log file.",
        show_default="stderr",
        rich_help_panel=GLOBAL,
    ),
]
ColorOption = Annotated[
    Color | None,
    typer.Option(
        "--color",
        envvar="CONTENTMAP_COLOR",
        metavar="WHEN",
        help="Color output: auto, always or never.",
        show_default="auto",
        rich_help_panel=GLOBAL,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="CONTENTMAP_CONFIG",
        is_eager=True,
        callback=config_files.fill_defaults,
        help="Settings file.",
        show_default="contentmap.toml, pyproject.toml",
        rich_help_panel=GLOBAL,
    ),
]


@dataclass(frozen=True)
class GlobalOptions:
    """The global options of one call. `given` names those on the command line."""

    db: str | None = None
    tenant: str | None = None
    quiet: bool = False
    verbose: int = 0
    log_format: LogFormat | None = None
    log_file: str | None = None
    color: Color | None = None
    config: str | None = None
    given: frozenset[str] = frozenset()
    context: typer.Context | None = field(default=None, repr=False, compare=False)

    @property
    def flags(self) -> frozenset[str]:
        """The parameter names of the command's own options that are on the command line."""
        context = self.context
        if context is None:
            return frozenset()
        return frozenset(name for name in context.params if config_files.given_as_flag(context, name))

    @property
    def tenant_name(self) -> str:
        """The tenant, `default` if none is named."""
        name = "default" if self.tenant is None else self.tenant.strip()
        if not name or len(name) > 64 or not name.isprintable():
            raise UsageError("--tenant: not a name of 1 to 64 printable characters", hint="for example acme")
        return name

    def colored(self, stream: TextIO) -> bool:
        """Return whether to color output to `stream` (see NO_COLOR, FORCE_COLOR and TERM=dumb)."""
        choice = self.color or Color.AUTO
        if choice is not Color.AUTO:
            return choice is Color.ALWAYS
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and os.environ.get("TERM") != "dumb"

    @classmethod
    def of(cls, context: typer.Context, values: dict[str, Any]) -> GlobalOptions:
        """Return the global options of a command. Options after its name override those before it.

        An option before the name overrides the environment and settings files.
        """
        given = frozenset(name for name in OPTIONS if config_files.given_as_flag(context, name))
        later = cls(**values, given=given, context=context)
        before = context.obj if isinstance(context.obj, GlobalOptions) else cls()
        earlier = {name: getattr(before, name) for name in before.given - given}
        return replace(later, **earlier, given=given | before.given)

    def note(self, line: str) -> None:
        """Print a line on stderr, except with --quiet. Commands in it are completed as in a hint."""
        from contentmap_cli.commands.interface.answer_output import say

        say(self.in_full(line), unless=self.quiet)

    def in_full(self, text: str) -> str:
        """Return a hint with the --db, --tenant and --config of this call added to the commands in it."""
        from contentmap_cli.storage.database_url import parse_database_address

        options = []
        if self.db and "db" in self.given and self.db != os.environ.get("CONTENTMAP_DATABASE_URL"):
            try:
                options += ["--db", parse_database_address(self.db).shown]
            except UsageError:
                return text
        if self.tenant and "tenant" in self.given and self.tenant != os.environ.get("CONTENTMAP_TENANT"):
            options += ["--tenant", self.tenant]
        if self.config and "config" in self.given:
            options += ["--config", self.config]
        if not options:
            return text
        words = f"contentmap {shlex.join(options)} "
        return _COMMAND.sub(lambda match: words if match[1] in COMMANDS else match[0], text)


OPTIONS: dict[str, Any] = {
    "db": Db,
    "tenant": Tenant,
    "quiet": Quiet,
    "verbose": Verbose,
    "log_format": LogFormatOption,
    "log_file": LogFile,
    "color": ColorOption,
    "config": Config,
}
"""The global options by parameter name."""
