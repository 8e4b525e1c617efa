"""`contentmap config`: every setting, its value and its origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.settings.config_files import SETTINGS, FileValue, Setting, source_of
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.formats import DOCTOR_FORMATS, Format

EPILOG = """\
Examples:
  contentmap config
  contentmap config --config staging.toml --json

Precedence: option, environment variable, contentmap.toml or [tool.contentmap] in pyproject.toml of the
working directory, config.toml of the user, default.

Exit codes: 0; 2 invalid settings file or variable.
"""


def config(
    cli: GlobalOptions,
    format: opt.DoctorFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
    **values: Any,
) -> None:
    """Show every setting with its value and origin, without secrets."""
    import json

    from contentmap_cli.commands.database.connection import check_variable
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.commands.settings.config_files import user_file
    from contentmap_cli.output.columns import Cell, Column, Line, Style, write_table

    form = opt.chosen(format, as_json, DOCTOR_FORMATS, output)
    check_variable(cli)
    rows = [_row(cli, setting, values) for setting in SETTINGS.values()]
    with answer_to(output) as out:
        if form is Format.JSON:
            answer = {"type": "config", "schema": 1, "user_file": _text(user_file()), "settings": rows}
            out.write(json.dumps(answer, indent=2) + "\n")
            return
        columns = (Column("SETTING"), Column("VALUE", cut=True, fit=50), Column("FROM"))
        lines = [
            Line(
                [Cell(text, Style.DIM if row["source"] == "default" else Style.PLAIN) for text in _texts(row)]
            )
            for row in rows
        ]
        write_table(out, columns, lines, width=width_of(out), color=cli.colored(out))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _row(cli: GlobalOptions, setting: Setting, values: dict[str, Any]) -> dict[str, Any]:
    from contentmap_cli.commands.database.connection import default_file
    from contentmap_cli.commands.settings.crawl_settings import default_body_cache, defaults

    context = cli.context
    assert context is not None  # noqa: S101 - every command has one
    name = setting.name
    source = "COMMANDLINE" if name in cli.given else source_of(context, name)
    value = values[name] if name in values else getattr(cli, name)
    place = None
    if source == "DEFAULT":
        value = ({"db": _text(default_file()), "body_cache": default_body_cache()} | defaults()).get(name)
    elif source == "ENVIRONMENT":
        place = setting.variable
    elif source == "DEFAULT_MAP":
        found: dict[str, FileValue] = context.meta["contentmap.settings"]
        place = found[name].place
    return {
        "name": setting.key,
        "value": _without_secrets(name, value),
        "source": _SOURCES[source],
        "place": place,
        "variable": setting.variable,
    }


_SOURCES = {"COMMANDLINE": "flag", "ENVIRONMENT": "environment", "DEFAULT_MAP": "file", "DEFAULT": "default"}


def _without_secrets(name: str, value: Any) -> Any:
    """Return the value without passwords, proxy credentials and header values."""
    from contentmap_cli.storage.database_url import parse_database_address

    if name == "db":
        return parse_database_address(value).shown if value else value
    if name == "header":
        return [f"{text.partition(':')[0].strip()}: ***" for text in value or ()]
    if name in ("user", "notify_secret"):
        return "***" if value else value
    if name == "notify":
        return [f"{text.partition('://')[0] if '://' in text else ''}://***" for text in value or ()]
    if name == "cert" and value and ":" in value:
        return f"{value.partition(':')[0]}:***"
    if isinstance(value, list):
        return [redact(str(item)) for item in value]
    if name == "proxy" and value and "://" not in value:
        return "***"  # not a URL: any part may be secret
    return redact(value) if isinstance(value, str) else value


def _texts(row: dict[str, Any]) -> tuple[str, str, str]:
    value = row["value"]
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, list):
        value = ", ".join(value)
    elif isinstance(value, float):
        value = f"{value:g}"
    origin = row["place"] or row["source"]
    return row["name"], terminal("" if value is None else str(value)), terminal(origin)
