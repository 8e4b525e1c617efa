"""Settings files, the layer between the environment and the defaults.

The argument parser takes a flag first, then an environment variable, then its map of defaults, then the
default. This fills that map. An option that has an environment variable can be set; nothing else can.
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

FILE = "contentmap.toml"
PROJECT = "pyproject.toml"
_LIST_HINT = "`contentmap config` lists what can be set"


@dataclass(frozen=True)
class Setting:
    """What can be set: `kind` is str, int, float, bool or an enum, within `low` and `high` where they are."""

    name: str
    kind: Any
    repeatable: bool
    variable: str
    annotation: Any
    low: float | None = None
    high: float | None = None

    @property
    def key(self) -> str:
        """Its name in a file: the option's own, without the dashes before it."""
        return self.name.replace("_", "-")


class Said(NamedTuple):
    """What a file says of a setting, and in which line, where that can be told."""

    value: Any
    file: Path
    line: int | None

    @property
    def place(self) -> str:
        """`contentmap.toml:3`."""
        return _place(self.file, self.line)


SETTINGS: dict[str, Setting] = {}
"""Every setting by its parameter's name, complete once all commands are registered."""


def declare(name: str, annotation: Any) -> None:
    """Takes note of a command's parameter, if it is one that can be set."""
    info = option_of(annotation)
    if info is None or not info.envvar or info.is_eager or name in SETTINGS:
        return
    kind = get_args(annotation)[0]
    if get_origin(kind) in (UnionType, Union):
        kind = next(part for part in get_args(kind) if part is not type(None))
    repeatable = get_origin(kind) is list
    if repeatable:
        kind = get_args(kind)[0]
    SETTINGS[name] = Setting(name, kind, repeatable, str(info.envvar), annotation, info.min, info.max)


def option_of(annotation: Any) -> OptionInfo | None:
    """The option that an annotated parameter is, or None where it is an argument."""
    if get_origin(annotation) is Annotated:
        return next((part for part in get_args(annotation)[1:] if isinstance(part, OptionInfo)), None)
    return None


def fill_defaults(context: typer.Context, config: str | None) -> str | None:
    """Makes what the settings files say the defaults of a command, before its options are looked at.

    Raises UsageError for a file that cannot be read, a key that is not known, a value of the wrong type.
    """
    if context.resilient_parsing or context.parent is None:
        return config  # the commands take the global options as well, so there is nothing to do for the app
    if not given_as_flag(context, "config"):
        config = getattr(context.obj, "config", None) or config
    said = read_layers(config)
    takes = {parameter.name: parameter for parameter in context.command.params if _can_be_set(parameter)}
    context.default_map = {name: said[name].value for name in said if name in takes}
    context.meta["contentmap.said"] = said
    if "header" in takes:  # a header's value may hold blanks: in the environment each stands on its own line
        takes["header"].split_envvar_value = _lines  # type: ignore[method-assign, assignment]
    return config


def given_as_flag(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    return source_of(context, name) == "COMMANDLINE"


def source_of(context: typer.Context, name: str) -> str:
    """Where a value came from: COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (a file) or DEFAULT."""
    source = context.get_parameter_source(name)
    return source.name if source is not None else "DEFAULT"


def _can_be_set(parameter: Any) -> bool:
    return bool(getattr(parameter, "envvar", None)) and not parameter.is_eager


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_layers(config: str | None) -> dict[str, Said]:
    """What the files say: `config`, or the working directory's file, over the user's own."""
    said = _read_if_there(user_file())
    if config is not None:
        file = _named(config)
        return said | _read(file, _text(file))
    return said | (_read_if_there(Path(FILE)) or _read_if_there(Path(PROJECT)))


def user_file() -> Path:
    """`config.toml` in the folder that the platform keeps for a program's settings."""
    from platformdirs import user_config_path

    return user_config_path("contentmap", appauthor=False) / "config.toml"


def _named(config: str) -> Path:
    """The file that --config names. Raises UsageError where that is in the home of somebody unknown."""
    try:
        return Path(config).expanduser()
    except RuntimeError:
        raise UsageError(
            f"the settings file {config} cannot be read: no home is known for it",
            hint="name a file with its whole path",
        ) from None


def _read_if_there(file: Path) -> dict[str, Said]:
    try:
        os.stat(file)  # noqa: PTH116 - a folder that may not be looked into holds no file for us
    except OSError:
        return {}
    text = _text(file)
    if file.name == PROJECT and "contentmap" not in text:
        return {}  # somebody else's file: its mistakes are not ours to report
    return _read(file, text)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"the settings file {file} cannot be read", hint="name a file with --config"
        ) from error
    except UnicodeDecodeError:
        raise UsageError(f"the settings file {file} is not UTF-8 text", hint="save it as UTF-8") from None


def _read(file: Path, text: str) -> dict[str, Said]:
    import tomllib  # there is a file: most calls find none

    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{file} is not TOML: {error}", hint='text stands in quotes, as in tenant = "acme"'
        ) from None
    header = ""
    if file.name == PROJECT:
        header = "tool.contentmap"
        tool = table.get("tool")
        table = tool.get("contentmap", {}) if isinstance(tool, Mapping) else {}
        if not isinstance(table, Mapping):
            raise UsageError(f"{file}: tool.contentmap is no table", hint="write [tool.contentmap]")
    found: dict[str, Said] = {}
    for key, value in table.items():
        line = _line_of(text, header, key)
        where = _place(file, line)
        setting = SETTINGS.get(key.replace("-", "_"))
        if setting is None:
            raise _unknown(where, key)
        if setting.name in found:
            raise UsageError(f"{where}: {setting.key} is set twice", hint="remove one of the two")
        found[setting.name] = Said(_checked(setting, value, where), file, line)
    return found


def _unknown(where: str, key: str) -> UsageError:
    known = [setting.key for setting in SETTINGS.values()]
    import difflib

    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    hint = f"did you mean {near[0]}?" if near else _LIST_HINT
    return UsageError(f"{where}: {key[:80]} is not a setting", hint=hint)


def _checked(setting: Setting, value: Any, where: str) -> Any:
    """The value as the option takes it. The message of what is raised never repeats it: it may be secret."""
    if not setting.repeatable:
        return _one(setting, value, where)
    if not isinstance(value, list):
        raise UsageError(
            f"{where}: {setting.key} takes a list of texts", hint=f'write it as in {setting.key} = ["…", "…"]'
        )
    return [_one(setting, item, where) for item in value]


def _one(setting: Setting, value: Any, where: str) -> Any:
    kind = setting.kind
    if issubclass(kind, Enum):
        choices = [str(member.value) for member in kind]
        if value not in choices:
            raise UsageError(
                f"{where}: {setting.key} is one of {', '.join(choices)}",
                hint=f'write it as in {setting.key} = "{choices[0]}"',
            )
        return value
    wanted, example = _WORDS[kind]
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(
            f"{where}: {setting.key} takes {wanted}, not {_WORDS.get(type(value), ('something else',))[0]}",
            hint=f"write it as in {setting.key} = {example}",
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
        raise UsageError(f"{where}: {setting.key} is out of range", hint=f"it goes {bounds}")


def _place(file: Path, line: int | None) -> str:
    return f"{file}:{line}" if line is not None else str(file)


def _line_of(text: str, header: str, key: str) -> int | None:
    """The line in which a key of a table is set, as far as its plain spellings go."""
    inside = not header
    wanted = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*=|\s*\[\s*(["']?){re.escape(key)}\2\s*[\].]""")
    for number, line in enumerate(text.splitlines(), 1):
        if inside and wanted.match(line):
            return number
        opened = re.match(r"\s*\[([^\[\]]+)\]", line)
        if opened:
            inside = re.sub(r"[\s\"']", "", opened[1]) == header
    return None
