"""`contentmap robots`: recorded versions of a robots.txt, and tests of URLs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urljoin

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit, NotFound, UsageError
from contentmap_cli.output.formats import LIST_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.models.robots import RobotsVersion

EPILOG = """\
Examples:
  contentmap robots example.com
  contentmap robots example.com --diff
  contentmap robots example.com --test /private/ --agent Googlebot

Exit codes: 0; 3 a URL is disallowed (--exit-code); 5 database; 6 no such domain or version.
"""


def robots(
    cli: GlobalOptions,
    domain: opt.DomainArgument,
    history: Annotated[bool, typer.Option("--history", help="List all recorded versions.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Compare two versions.")] = False,
    earlier: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, metavar="VERSION", help="Earlier version.", show_default="the previous"
        ),
    ] = None,
    later: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="VERSION", help="Later version.", show_default="latest"),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="URL", help="Test whether a URL is allowed. Repeatable."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="User agent of --test.", show_default="ContentMap"),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 if a tested URL is disallowed.")
    ] = False,
    format: opt.ListFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Show the recorded robots.txt of a domain, or test URLs against it."""
    from contentmap_cli.commands.interface.target_input import domain_name

    if bool(history) + bool(diff or earlier or later) + bool(test) > 1:
        raise UsageError("--history, --diff and --test exclude each other", hint="use one of them")
    if (agent is not None or exit_code) and not test:
        raise UsageError("--agent and --exit-code require --test", hint="add --test URL")
    chosen = opt.chosen(format, as_json, LIST_FORMATS, output)
    name = domain_name(domain)
    versions = run_async(_versions(cli, name))
    if test:
        if not versions:
            raise NotFound(f"no robots.txt of {name} is recorded", hint=f"run `contentmap scan {name}`")
        allowed = _write_tests(cli, versions[-1], test, agent or "ContentMap", chosen, output)
        return Exit.NOT_CLEAN if exit_code and not allowed else Exit.CLEAN
    pair = _pair(cli, name, versions, earlier, later) if diff or earlier or later else None
    _write(cli, name, versions, pair, chosen, output, history=history)
    return Exit.CLEAN


async def _versions(cli: GlobalOptions, name: str) -> list[RobotsVersion]:
    """Return all versions. If there are none, print a note with the reason."""
    from contentmap_cli.commands.database.lookups import read_domain
    from contentmap_cli.storage.jobs.job_queries import last_scan
    from contentmap_cli.storage.writing.robots_versions import robots_versions

    async with read_domain(cli, name) as (session, domain_id):
        versions = await robots_versions(session, domain_id)
        last = await last_scan(session, domain_id) if not versions else None
    if not versions:
        why = f"{last.status}, {last.error.code}: {last.error.message}" if last and last.error else ""
        cli.note(f"no robots.txt of {name} is recorded{f': {why}' if why else ''}")
    return versions


def _pair(
    cli: GlobalOptions,
    name: str,
    versions: Sequence[RobotsVersion],
    earlier: int | None,
    later: int | None,
) -> tuple[RobotsVersion, RobotsVersion]:
    """Return the two versions to compare. Raise NotFound if one of them is not recorded."""
    from contentmap_cli.output.number_format import plural

    if not versions:
        raise NotFound(
            f"no robots.txt of {name} is recorded",
            hint=f"show the last scan with `contentmap sitemaps {name}`",
        )
    if len(versions) == 1 and earlier is None and later is None:
        cli.note(f"the robots.txt of {name} has one version")
        return versions[0], versions[0]
    last = later if later is not None else len(versions)
    first = earlier if earlier is not None else last - 1
    by_number = {version.number: version for version in versions}
    for number in (first, last):
        if number not in by_number:
            count = plural(len(versions), "version")
            raise NotFound(
                f"the robots.txt of {name} has no version {number}: {count} recorded",
                hint=f"list them with `contentmap robots {name} --history`",
            )
    return by_number[first], by_number[last]


def _write(
    cli: GlobalOptions,
    name: str,
    versions: Sequence[RobotsVersion],
    pair: tuple[RobotsVersion, RobotsVersion] | None,
    format: Format,
    output: str | None,
    *,
    history: bool,
) -> None:
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.output.answers.robots import robots_writer, write_difference, write_robots

    with answer_to(output) as out:
        color = cli.colored(out)
        if pair is not None:
            write_difference(format, out, name, *pair, color=color)
        elif versions and not history:
            write_robots(format, out, name, versions[-1], len(versions), color=color)
        else:
            writer = robots_writer(format, out, name, width=width_of(out), color=color)
            for version in versions:
                writer.write(version)
            writer.finish()


def _write_tests(
    cli: GlobalOptions,
    version: RobotsVersion,
    urls: Sequence[str],
    agent: str,
    format: Format,
    output: str | None,
) -> bool:
    """Write the verdict on each URL and return whether all are allowed."""
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.crawl.robots_verdict import decide, read_version
    from contentmap_cli.models.hosts import site_of
    from contentmap_cli.output.answers.robots import verdicts_writer

    whole = [urljoin(version.url, url) for url in urls]
    for url in whole:
        if site_of(url) != site_of(version.url):
            raise UsageError(
                f"--test: {url} is not a URL of this site", hint=f"its robots.txt is {version.url}"
            )
    text = read_version(version)
    verdicts = [decide(text, url, agent) for url in whole]
    with answer_to(output) as out:
        writer = verdicts_writer(format, out, width=width_of(out), color=cli.colored(out))
        for verdict in verdicts:
            writer.write(verdict)
        writer.finish()
    return all(verdict.allowed for verdict in verdicts)
