"""Registers commands, reports their errors, and runs their coroutines.

`command(app)` registers a function as a command. Its first parameter is `GlobalOptions`. The global options
are added to the options it declares, so they are accepted before and after the command's name.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from contentmap_cli.commands.interface.cli_errors import fail, unexpected
from contentmap_cli.commands.interface.global_options import COMMANDS, OPTIONS, GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE, SETTINGS, HelpCommand
from contentmap_cli.commands.interface.logging_setup import LogFormat, set_up_logging
from contentmap_cli.commands.interface.process_setup import (
    enable_interrupts,
    ignore_closed_loop,
    tune_garbage_collector,
)
from contentmap_cli.commands.settings import config_files
from contentmap_cli.errors import ContentMapError, Exit, UsageError

T = TypeVar("T")
PROGRAM = "contentmap"
_SURROGATE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Bundle:
    """Options by parameter name. A command takes their values as one mapping."""

    options: Mapping[str, Any]

    @classmethod
    def of(cls, annotation: Any) -> Bundle | None:
        """Return the bundle in an annotation, None if there is none."""
        return next((part for part in get_args(annotation)[1:] if isinstance(part, cls)), None)

    def parameters(self) -> list[inspect.Parameter]:
        """Return the options as parameters of a signature; a flag defaults to False, others to None."""
        return [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=option,
                default=False if get_args(option)[0] is bool else None,
            )
            for name, option in self.options.items()
        ]

    def in_more(self, *names: str) -> Bundle:
        """Return the same options; the help lists only the names of those in `names`."""
        return Bundle(
            {
                name: changed(option, rich_help_panel=MORE) if name in names else option
                for name, option in self.options.items()
            }
        )


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    flags_only: frozenset[str] = frozenset(),
    all_settings: bool = False,
    **settings: Any,
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register a function `f(cli, …) -> exit code or None` as a command of `app`.

    A parameter annotated with a Bundle is replaced by the options of the bundle. Options in `flags_only` are
    read from the command line only, not from the environment or settings files. With `all_settings` the
    command also accepts, as hidden options, the settings of all commands registered before it.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own: list[inspect.Parameter] = []
        bundles: dict[str, Bundle] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            hint = hints[parameter.name]
            if bundle := Bundle.of(hint):
                bundles[parameter.name] = bundle
                own += bundle.parameters()
            else:
                own.append(parameter.replace(annotation=hint))
        own = [
            parameter.replace(annotation=_flag(parameter.annotation))
            if parameter.name in flags_only
            else parameter
            for parameter in own
        ]
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        shared = [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=_hidden(kind),
                default=getattr(GlobalOptions, option),
            )
            for option, kind in OPTIONS.items()
        ]
        if all_settings:
            own += [
                inspect.Parameter(
                    setting.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    annotation=_hidden(setting.annotation),
                    default=None,
                )
                for setting in config_files.SETTINGS.values()
                if setting.name not in OPTIONS
            ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        for parameter in (*shared, *keyword):
            config_files.declare(parameter.name, parameter.annotation)

        @functools.wraps(function)
        def run(**values: Any) -> None:
            context: typer.Context = values.pop("context")
            cli = GlobalOptions.of(context, {option: values.pop(option) for option in OPTIONS})
            together = {
                name: {option: values.pop(option) for option in bundle.options}
                for name, bundle in bundles.items()
            }
            raise typer.Exit(_guarded(function, cli, values | together))

        run.__signature__ = inspect.Signature([*keyword, context, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {
            parameter.name: parameter.annotation for parameter in (*keyword, context, *shared)
        }
        app.command(name, cls=HelpCommand, context_settings=SETTINGS, **settings)(run)
        group = app.info.name
        COMMANDS.add(str(group if group and group != PROGRAM else name or function.__name__))
        return run

    return register


def _flag(annotation: Any) -> Any:
    """Return the same option without its environment variable."""
    return changed(annotation, envvar=None)


def _hidden(annotation: Any) -> Any:
    """Return the same option, hidden from the help."""
    return changed(annotation, hidden=True)


def changed(annotation: Any, **changes: Any) -> Any:
    """Return a copy of an option with other attributes of typer's OptionInfo."""
    kind, option = get_args(annotation)
    option = copy(option)
    for name, value in changes.items():
        setattr(option, name, value)
    return Annotated[kind, option]


def _guarded(function: Callable[..., int | None], cli: GlobalOptions, values: dict[str, Any]) -> int:
    given = dict(_option_values(values))
    as_json = bool(given.get("as_json")) or str(given.get("format")) == "json"
    try:
        set_up_logging(
            quiet=cli.quiet,
            verbose=cli.verbose,
            file=cli.log_file,
            as_json=cli.log_format is LogFormat.JSON,
        )
        _check_text(cli, values)
        return function(cli, **values) or Exit.CLEAN
    except ContentMapError as error:
        error.hint = cli.in_full(error.hint) if error.hint else None
        fail(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # the user sees no traceback
        return unexpected(error, as_json=as_json)


def _check_text(cli: GlobalOptions, values: dict[str, Any]) -> None:
    """Raise UsageError for arguments that are not UTF-8; Python decodes such bytes to lone surrogates."""
    for name, value in (*((name, getattr(cli, name)) for name in OPTIONS), *_option_values(values)):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _SURROGATE.search(text):
                raise UsageError(f"invalid argument for {name.replace('_', '-')}: not UTF-8 text")


def _option_values(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name, value


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new event loop and return its result."""
    import asyncio

    tune_garbage_collector()
    ignore_closed_loop()
    enable_interrupts()
    try:
        return asyncio.run(main)
    finally:
        main.close()  # without an event loop it was not started, which Python would warn of
