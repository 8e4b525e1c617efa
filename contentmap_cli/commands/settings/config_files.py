"""Settings files, between the environment and the defaults.

The argument parser takes the command line first, then the environment, then its default map, then the
default. This module fills the default map. Options with an environment variable are settings, others are not.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import typer
from typer.models import OptionInfo

from contentmap_cli.errors import UsageError

DATABASE_VARIABLE = "CONTENTMAP_DATABASE_URL"
DATABASE_FILE_VARIABLE = "CONTENTMAP_DATABASE_URL_FILE"
FILE = "contentmap.toml"
PROJECT = "pyproject.toml"
_LIST_HINT = "list the settings with `contentmap config`"


@dataclass(frozen=True)
class Setting:
    """A setting: `kind` is str, int, float, bool or an enum; `low` and `high` are its bounds, if any."""

    name: str
    kind: Any
    repeatable: bool
    variable: str
    annotation: Any
    low: float | None = None
    high: float | None = None

    @property
    def key(self) -> str:
        """The name in a settings file: the option without leading dashes."""
        return self.name.replace("_", "-")


class FileValue(NamedTuple):
    """The value of a setting in a file, with its line if that is known."""

    value: Any
    file: Path
    line: int | None

    @property
    def place(self) -> str:
        """`contentmap.toml:3`."""
        return _place(self.file, self.line)


SETTINGS: dict[str, Setting] = {}
"""The settings by parameter name, complete once all commands are registered."""


def declare(name: str, annotation: Any) -> None:
    """Add a command's parameter to SETTINGS if it has an environment variable."""
    info = option_of(annotation)
    if info is not None and info.envvar and not info.is_eager and name not in SETTINGS:
        SETTINGS[name] = Setting(name, *_kind(annotation), str(info.envvar), annotation, info.min, info.max)


def check_argument(name: str, annotation: Any, value: Any, where: str) -> Any:
    """Return the argument of a function that has the type and the bounds of an option. Raise UsageError."""
    info = option_of(annotation)
    assert info is not None  # noqa: S101 - the caller has the annotation of an option
    bounds = (info.min, info.max)
    return _checked(_Argument(name, *_kind(annotation), str(info.envvar), annotation, *bounds), value, where)


class _Argument(Setting):
    """An option as the keyword argument of a function."""

    @property
    def key(self) -> str:
        return self.name


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Return the type of an option's values, and whether it can be repeated."""
    kind = get_args(annotation)[0]
    if get_origin(kind) in (UnionType, Union):
        kind = next(part for part in get_args(kind) if part is not type(None))
    repeatable = get_origin(kind) is list
    return (get_args(kind)[0] if repeatable else kind), repeatable


def option_of(annotation: Any) -> OptionInfo | None:
    """Return the option in an annotation, None for an argument."""
    if get_origin(annotation) is Annotated:
        return next((part for part in get_args(annotation)[1:] if isinstance(part, OptionInfo)), None)
    return None


def fill_defaults(context: typer.Context, config: str | None) -> str | None:
    """Fill the default map of a command from the settings files, before its options are parsed.

    Raise UsageError for an unreadable file, an unknown key or a value of the wrong type.
    """
    if context.resilient_parsing or context.parent is None:
        return config  # the commands accept the global options as well
    if not given_as_flag(context, "config"):
        config = getattr(context.obj, "config", None) or config
    said = read_layers(config)
    takes = {parameter.name: parameter for parameter in context.command.params if _can_be_set(parameter)}
    context.default_map = {name: said[name].value for name in said if name in takes}
    context.meta["contentmap.settings"] = said
    if "header" in takes:  # a header may contain spaces: in the environment there is one per line
        takes["header"].split_envvar_value = _lines  # type: ignore[method-assign, assignment]
    return config


def given_as_flag(context: typer.Context, name: str) -> bool:
    """Return whether an option is on the command line."""
    return source_of(context, name) == "COMMANDLINE"


def source_of(context: typer.Context, name: str) -> str:
    """Return the origin of a value: COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (a file) or DEFAULT."""
    source = context.get_parameter_source(name)
    return source.name if source is not None else "DEFAULT"


def _can_be_set(parameter: Any) -> bool:
    return bool(getattr(parameter, "envvar", None)) and not parameter.is_eager


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_layers(config: str | None) -> dict[str, FileValue]:
    """Return the settings of `config`, or else of the working directory's file, over the user's file. The
    database address of a secret's file is over all of them."""
    mine = user_file()
    said = _read_if_there(mine) if mine is not None else {}
    if config is not None:
        file = _named(config)
        said |= _read(file, _text(file))
    else:
        said |= _read_if_there(Path(FILE)) or _read_if_there(Path(PROJECT))
    return said | _database_secret()


def _database_secret() -> dict[str, FileValue]:
    name = os.environ.get(DATABASE_FILE_VARIABLE)
    if name is None:
        return {}
    if DATABASE_VARIABLE in os.environ:
        raise UsageError(
            f"{DATABASE_VARIABLE} and {DATABASE_FILE_VARIABLE} are both set", hint="unset one of the two"
        )
    if not name:
        raise UsageError(f"{DATABASE_FILE_VARIABLE} is empty", hint=f"run `unset {DATABASE_FILE_VARIABLE}`")
    try:
        address = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the file {name} of {DATABASE_FILE_VARIABLE}",
            hint="it holds the database address and nothing else",
        ) from (error if isinstance(error, OSError) else None)
    return {"db": FileValue(address, Path(name), None)}


def user_folder(kind: str) -> Path | None:
    """Return a user's folder of the platform, `config`, `data` or `cache`, None for a user without a home."""
    import platformdirs

    try:
        folder = getattr(platformdirs, f"user_{kind}_path")("contentmap", appauthor=False)
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def user_file() -> Path | None:
    """Return the user's `config.toml` in the settings folder of the platform, None without a home."""
    folder = user_folder("config")
    return None if folder is None else folder / "config.toml"


def _named(config: str) -> Path:
    """Return the file that --config names. Raise UsageError for an unknown home directory."""
    try:
        return Path(config).expanduser()
    except RuntimeError:
        raise UsageError(
            f"cannot read the settings file {config}: unknown home directory",
            hint="name a file with its full path",
        ) from None


def _read_if_there(file: Path) -> dict[str, FileValue]:
    try:
        os.stat(file)  # noqa: PTH116 - no file if the folder is not readable
    except OSError:
        return {}
    text = _text(file)
    if file.name == PROJECT and "contentmap" not in text:
        return {}  # a project without settings: do not report its errors
    return _read(file, text)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the settings file {file}", hint="name a file with --config") from error
    except UnicodeDecodeError:
        raise UsageError(
            f"cannot read the settings file {file}: not UTF-8", hint="save it as UTF-8"
        ) from None


def _read(file: Path, text: str) -> dict[str, FileValue]:
    import tomllib  # imported late: most calls find no file

    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{file} is not TOML: {error}", hint='write text in quotes, for example tenant = "acme"'
        ) from None
    header = ""
    if file.name == PROJECT:
        header = "tool.contentmap"
        tool = table.get("tool")
        table = tool.get("contentmap", {}) if isinstance(tool, Mapping) else {}
        if not isinstance(table, Mapping):
            raise UsageError(f"{file}: tool.contentmap is not a table", hint="write [tool.contentmap]")
    found: dict[str, FileValue] = {}
    for key, value in table.items():
        line = _line_of(text, header, key)
        where = _place(file, line)
        setting = SETTINGS.get(key.replace("-", "_"))
        if setting is None:
            raise _unknown(where, key)
        if setting.name in found:
            raise UsageError(f"{where}: {setting.key} is set twice", hint="remove one of the two")
        found[setting.name] = FileValue(_checked(setting, value, where), file, line)
    return found


def _unknown(where: str, key: str) -> UsageError:
    known = [setting.key for setting in SETTINGS.values()]
    import difflib

    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    hint = f"did you mean {near[0]}?" if near else _LIST_HINT
    return UsageError(f"{where}: {key[:80]} is not a setting", hint=hint)


def _checked(setting: Setting, value: Any, where: str) -> Any:
    """Return the value for the option. Raise UsageError, which never repeats it: it may be secret."""
    if not setting.repeatable:
        return _one(setting, value, where)
    if not isinstance(value, list):
        raise UsageError(
            f"{where}: {setting.key} requires a list of texts", hint=f'for example {setting.key} = ["…", "…"]'
        )
    return [_one(setting, item, where) for item in value]


def _one(setting: Setting, value: Any, where: str) -> Any:
    kind = setting.kind
    if issubclass(kind, Enum):
        choices = [str(member.value) for member in kind]
        if value not in choices:
            raise UsageError(
                f"{where}: {setting.key} is not one of {', '.join(choices)}",
                hint=f'for example {setting.key} = "{choices[0]}"',
            )
        return value
    wanted, example = _WORDS[kind]
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        found = _WORDS.get(type(value), ("another type",))[0]
        raise UsageError(
            f"{where}: {setting.key} requires {wanted}, not {found}",
            hint=f"for example {setting.key} = {example}",
        )
    if kind in (int, float):
        _check_bounds(setting, value, where)
    return kind(value)


_WORDS: dict[type, tuple[str, ...]] = {
    bool: ("true or false", "true"),
    int: ("a whole number", "100"),
    float: ("a number", "30.0"),
    str: ("text", '"…"'),
    list: ("a list",),
    dict: ("a table",),
}


def _check_bounds(setting: Setting, value: float, where: str) -> None:
    low = -math.inf if setting.low is None else setting.low
    high = math.inf if setting.high is None else setting.high
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise UsageError(f"{where}: {setting.key} is out of range", hint=f"use a value {bounds}")


def _place(file: Path, line: int | None) -> str:
    return f"{file}:{line}" if line is not None else str(file)


def _line_of(text: str, header: str, key: str) -> int | None:
    """Return the number of the line that sets a key, None for unusual spellings."""
    inside = not header
    wanted = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*=|\s*\[\s*(["']?){re.escape(key)}\2\s*[\].]""")
    for number, line in enumerate(text.splitlines(), 1):
        if inside and wanted.match(line):
            return number
        opened = re.match(r"\s*\[([^\[\]]+)\]", line)
        if opened:
            inside = re.sub(r"[\s\"']", "", opened[1]) == header
    return None
