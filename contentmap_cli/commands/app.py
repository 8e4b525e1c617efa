"""The app: every command by name, the global options, `--version`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated

import typer

from contentmap_cli import __version__
from contentmap_cli.commands import (
    cancel,
    check,
    config,
    db,
    doctor,
    jobs,
    parse,
    resume,
    scan,
    status,
    worker,
)
from contentmap_cli.commands.interface.cli_errors import answer_lost, fail, stdout_error, unexpected
from contentmap_cli.commands.interface.command_decorator import PROGRAM, command
from contentmap_cli.commands.interface.global_options import (
    ColorOption,
    Config,
    Db,
    GlobalOptions,
    LogFile,
    LogFormatOption,
    Quiet,
    Tenant,
    Verbose,
)
from contentmap_cli.commands.interface.help_pages import SETTINGS, HelpGroup
from contentmap_cli.commands.interface.logging_setup import LogFormat, is_console_json, set_up_logging
from contentmap_cli.commands.interface.process_setup import leave, open_standard_streams
from contentmap_cli.commands.notifying import notify
from contentmap_cli.commands.reading import changes, diff, domains, report, robots, sitemaps, urls
from contentmap_cli.commands.reading import map as map_command
from contentmap_cli.commands.settings.config_files import given_as_flag, read_layers, source_of
from contentmap_cli.errors import ContentMapError, Exit, UsageError

EPILOG = """\
Examples:
  contentmap scan example.com
  contentmap status
  contentmap urls example.com -o urls.csv

Options of a command: `contentmap COMMAND --help`
"""
app = typer.Typer(
    name=PROGRAM,
    cls=HelpGroup,
    help="Find the sitemaps of websites and record every URL they list.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
    epilog=EPILOG,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"contentmap {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    db: Db = None,
    tenant: Tenant = None,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    log_format: LogFormatOption = None,
    log_file: LogFile = None,
    color: ColorOption = None,
    config: Config = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the sitemaps of websites and record every URL they list."""
    said = GlobalOptions(db, tenant, quiet, verbose, log_format, log_file, color, config)
    given = (name for name in context.params if given_as_flag(context, name))
    context.obj = replace(said, given=frozenset(given) - {"version"})


command(app, "scan", epilog=scan.EPILOG)(scan.scan)
command(app, "status", epilog=status.EPILOG)(status.status)
command(app, "jobs", epilog=jobs.EPILOG)(jobs.jobs)
command(app, "resume", flags_only=resume.RECORDED, epilog=resume.EPILOG)(resume.resume)
command(app, "cancel", epilog=cancel.EPILOG)(cancel.cancel)
command(app, "tenants", epilog=domains.TENANTS)(domains.tenants)
command(app, "urls", epilog=urls.EPILOG)(urls.urls)
command(app, "sitemaps", epilog=sitemaps.EPILOG)(sitemaps.sitemaps)
command(app, "robots", epilog=robots.EPILOG)(robots.robots)
command(app, "map", epilog=map_command.EPILOG)(map_command.map_)
command(app, "report", epilog=report.EPILOG)(report.report)
command(app, "diff", epilog=diff.EPILOG)(diff.diff)
command(app, "changes", epilog=changes.EPILOG)(changes.changes)
command(app, "doctor", epilog=doctor.EPILOG)(doctor.doctor)
command(app, "check", epilog=check.EPILOG)(check.check)
command(app, "parse", epilog=parse.EPILOG)(parse.parse)
command(app, "worker", epilog=worker.EPILOG)(worker.worker)
command(app, "notify", epilog=notify.EPILOG)(notify.notify)
domains.register(app)
db.register(app)
# the last: it shows the settings of all
command(app, "config", all_settings=True, epilog=config.EPILOG)(config.config)

_COMMANDS = {each.name: each for each in app.registered_commands}
_TAKES_VALUE = frozenset({"--db", "--tenant", "--log-format", "--log-file", "--color", "--config"})


def main() -> None:
    """Run the command line and exit with its code."""
    open_standard_streams()
    code = _run()
    lost = stdout_error()
    if lost is not None:
        code = answer_lost(lost) or code
    leave(code)


def narrowed(words: Sequence[str]) -> typer.Typer:
    """Return the app with only the command that a command line names, or with all where that is not certain.

    Building the parsers of all commands takes longer than reading the settings files.
    """
    values = 0
    for word in words:
        if values:
            values -= 1
        elif word.startswith("--"):
            if word.partition("=")[0] not in _TAKES_VALUE:
                return app
            values = "=" not in word
        else:
            if word not in _COMMANDS:
                return app
            one = copy(app)
            one.registered_commands, one.registered_groups = [_COMMANDS[word]], []
            return one
    return app


def _run() -> int:
    as_json = "--json" in sys.argv  # the only option that is known before the command line is parsed
    try:
        return int(narrowed(sys.argv[1:])(standalone_mode=False) or Exit.CLEAN)
    except typer.Abort:
        return Exit.INTERRUPTED
    except ContentMapError as error:  # a settings file, read before any command runs
        _set_up_early_logging()
        fail(error, as_json=as_json)
        return error.exit_code
    except Exception as error:
        # a usage error of the argument parser, whose classes moved between its versions
        if not hasattr(error, "format_message"):
            return unexpected(error, as_json=as_json)
        context = getattr(error, "ctx", None)
        _set_up_early_logging()
        if type(error).__name__ == "NoArgsIsHelpError" and not is_console_json():
            print(error.format_message(), file=sys.stderr)
            return Exit.USAGE
        path = context.command_path if context else "contentmap"
        message = error.format_message().replace("Value error, ", "")
        message = re.sub(r"Input should be ([^,]*).*", r"it must be \1", message)
        name = getattr(getattr(error, "param", None), "name", None)
        if context and name and source_of(context, name) != "ENVIRONMENT":
            message = re.sub(r" \(env var: '\w+'\)", "", message)
        if type(error).__name__ == "NoArgsIsHelpError":
            message = "no command is named"
        fail(UsageError(message, hint=f"see `{path} --help`"), as_json=as_json)
        return Exit.USAGE


def _set_up_early_logging() -> None:
    """Set the format of errors of the command line itself, which was not parsed."""
    named = re.findall(r"\0--log-format[=\0](\w*)", "\0".join(sys.argv))
    try:
        chosen = named[-1] if named else os.environ.get("CONTENTMAP_LOG_FORMAT")
        if chosen is None and (setting := read_layers(None).get("log_format")) is not None:
            chosen = setting.value
    except ContentMapError:
        chosen = None
    set_up_logging(quiet=False, verbose=0, file=None, as_json=chosen == LogFormat.JSON)
