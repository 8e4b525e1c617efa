"""What every command shares: the global options, one way to fail, one way to run an event loop.

`command(app)` registers a function as a command. Its first parameter is `Shell`; the global options are
added to those it declares, so that they may stand before or after the command's name.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Annotated, Any, TextIO, TypeVar, get_type_hints

import typer

from contentmap_cli.commands.logs import LogFormat, set_up_logging
from contentmap_cli.commands.process import calm_collector
from contentmap_cli.errors import AnswerLost, ContentMapError, Exit, UsageError

T = TypeVar("T")
_PANEL = "Global options"
_COMMAND = re.compile(r"(?<![\w/.-])contentmap (?=(?:scan|status|jobs|resume|urls|sitemaps|diff|check|db)\b)")
_SURROGATE = re.compile("[\x00\ud800-\udfff]")


class Color(StrEnum):
    """Whether answers and progress are coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL|FILE",
        envvar="CONTENTMAP_DATABASE_URL",
        show_envvar=True,
        help="Where to record. Default: an SQLite file in your data folder.",
        rich_help_panel=_PANEL,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_TENANT", help="Whose jobs and domains. Default: default.", rich_help_panel=_PANEL
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.", rich_help_panel=_PANEL)]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Log what happens; twice: each step of each transaction.",
        rich_help_panel=_PANEL,
    ),
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", envvar="CONTENTMAP_LOG_FORMAT", help="text or json.", rich_help_panel=_PANEL
    ),
]
LogFile = Annotated[
    str | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        envvar="CONTENTMAP_LOG_FILE",
        help="Log there instead of on stderr.",
        rich_help_panel=_PANEL,
    ),
]
ColorOption = Annotated[
    Color | None,
    typer.Option("--color", envvar="CONTENTMAP_COLOR", help="auto, always or never.", rich_help_panel=_PANEL),
]


@dataclass(frozen=True)
class Shell:
    """The global options of one call, after flags and environment."""

    db: str | None = None
    tenant: str | None = None
    quiet: bool = False
    verbose: int = 0
    log_format: LogFormat | None = None
    log_file: str | None = None
    color: Color | None = None

    @property
    def tenant_name(self) -> str:
        """The tenant, `default` where none is named."""
        name = "default" if self.tenant is None else self.tenant.strip()
        if not name or len(name) > 64 or not name.isprintable():
            raise UsageError("a tenant is a name of 1 to 64 printable characters", hint="for example: acme")
        return name

    def colored(self, stream: TextIO) -> bool:
        """Whether to colour what goes to `stream` (NO_COLOR, FORCE_COLOR and TERM=dumb are heard)."""
        choice = self.color or Color.AUTO
        if choice is not Color.AUTO:
            return choice is Color.ALWAYS
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and os.environ.get("TERM") != "dumb"

    def merged(self, later: Shell) -> Shell:
        """These options with those given after the command's name on top."""
        given = {field.name: getattr(later, field.name) for field in fields(later)}
        # an empty text was given too, by a script whose variable was not set: it is not the default
        return replace(self, **{name: value for name, value in given.items() if value or value == ""})

    def in_full(self, text: str) -> str:
        """A hint with the --db and --tenant of this call in the commands it names, ready to be pasted."""
        from contentmap_cli.records.address import parse_database_address, show_database_address

        options = []
        if self.db and self.db != os.environ.get("CONTENTMAP_DATABASE_URL"):
            try:
                options += ["--db", show_database_address(parse_database_address(self.db))]
            except UsageError:
                return text
        if self.tenant and self.tenant != os.environ.get("CONTENTMAP_TENANT"):
            options += ["--tenant", self.tenant]
        if not options:
            return text
        words = f"contentmap {shlex.join(options)} "
        return _COMMAND.sub(lambda match: words, text)


_OPTIONS: dict[str, Any] = {
    "db": Db,
    "tenant": Tenant,
    "quiet": Quiet,
    "verbose": Verbose,
    "log_format": LogFormatOption,
    "log_file": LogFile,
    "color": ColorOption,
}


def command(
    app: typer.Typer, name: str | None = None, **settings: Any
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Registers a function `f(shell, …) -> exit code or None` as a command of `app`."""

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        shared = [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=kind,
                default=getattr(Shell, option),
            )
            for option, kind in _OPTIONS.items()
        ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            context: typer.Context = values.pop("context")
            later = Shell(**{option: values.pop(option) for option in _OPTIONS})
            before = context.obj if isinstance(context.obj, Shell) else Shell()
            raise typer.Exit(_guarded(function, before.merged(later), values))

        run.__signature__ = inspect.Signature([*keyword, context, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {
            parameter.name: parameter.annotation for parameter in (*keyword, context, *shared)
        }
        app.command(name, **settings)(run)
        return run

    return register


def _guarded(function: Callable[..., int | None], shell: Shell, values: dict[str, Any]) -> int:
    as_json = bool(values.get("as_json")) or str(values.get("format")) == "json"
    try:
        set_up_logging(
            quiet=shell.quiet,
            verbose=shell.verbose,
            file=shell.log_file,
            as_json=shell.log_format is LogFormat.JSON,
        )
        _check_text(shell, values)
        return function(shell, **values) or Exit.CLEAN
    except ContentMapError as error:
        error.hint = shell.in_full(error.hint) if error.hint else None
        fail(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        close_quietly(sys.stdout)
        return Exit.CLEAN
    except Exception as error:  # the last line of defence: no traceback reaches a user
        return _unexpected(error, as_json=as_json)


def _check_text(shell: Shell, values: dict[str, Any]) -> None:
    """Refuses arguments that are no text: bytes that are not UTF-8 reach a program as lone surrogates."""
    for name, value in (*vars(shell).items(), *values.items()):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _SURROGATE.search(text):
                raise UsageError(f"the argument for {name.replace('_', '-')} is not UTF-8 text")


def fail(error: ContentMapError, *, as_json: bool = False) -> None:
    """Says on stderr what went wrong: for people, and for programs where JSON was asked for."""
    import json

    from contentmap_cli.report.errors import render_error
    from contentmap_cli.report.objects import error_object

    cause = error.__cause__
    reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else None
    try:
        print(render_error(error, reason), file=sys.stderr)
        if as_json:
            print(json.dumps(error_object(error), ensure_ascii=False), file=sys.stderr)
    except OSError:
        pass  # nobody is listening; the exit code still says it


def _unexpected(error: Exception, *, as_json: bool) -> int:
    import logging

    logging.getLogger("contentmap").debug("unexpected", exc_info=error, extra={"action": "command.crashed"})
    known: ContentMapError
    if isinstance(error, OSError):
        # files and databases say for themselves what went wrong: what is left is the answer
        known = AnswerLost(f"the answer could not be written: {error.strerror or error}")
    else:
        known = ContentMapError(
            f"a bug in ContentMap: {type(error).__name__}",
            hint="run it again with -vv --log-file FILE and report what the file says",
        )
    fail(known, as_json=as_json)
    return known.exit_code


def close_quietly(stream: TextIO) -> None:
    """Points a stream whose reader is gone at nothing, so that closing it at exit says nothing either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine on an event loop of its own."""
    calm_collector()
    return asyncio.run(main)
