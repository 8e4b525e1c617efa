"""`contentmap scan`: crawl domains and record what their sitemaps list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import SCAN_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models import Target

EPILOG = """\
Examples:
  contentmap scan example.com
  contentmap scan -i domains.txt -o results.ndjson

Exit codes: 0; 3 errors; 4 every domain failed; 5 database; 130 interrupted.
"""


def scan(
    cli: GlobalOptions,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Domain, site URL or sitemap URL; - reads stdin."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input-file",
            "-i",
            "--from",
            metavar="FILE",
            help="File of targets, one per line; - reads stdin.",
        ),
    ] = None,
    *,
    crawl: opt.ScanCrawl,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the targets and exit.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the job id and run in the background.")
    ] = False,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Print the job id and leave the job to workers."),
    ] = False,
    priority: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            metavar="N",
            help="Priority of a queued job, 0 to 100; higher runs first.",
            show_default="60 to 0, higher for fewer domains",
            rich_help_panel=MORE,
        ),
    ] = None,
    fail_on: opt.FailOnOption = opt.FailOn.ANY,
    format: opt.ScanFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Find, fetch and record the sitemaps of domains."""
    from contentmap_cli.commands.interface.target_input import duplicates_note, read_targets
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    settings = ScanSettings.of(crawl).on_this_machine()
    settings.crawl_options()  # check the options before the list is read
    if queue:
        if detach or dry_run:
            raise UsageError("--queue excludes --detach and --dry-run", hint="use one of them")
        return _enqueue(cli, (targets or [], source), settings, priority, format, as_json, output)
    if priority is not None:
        raise UsageError("--priority requires --queue", hint="add --queue or omit --priority")
    tenant = cli.tenant_name
    formats = (Format.TABLE,) if dry_run else SCAN_FORMATS
    answer = opt.Answer(opt.chosen(format, as_json, formats, output), output, fail_on)
    found = read_targets(targets or [], source)
    note = duplicates_note(found.duplicates, len(found.duplicates))
    if note:
        cli.note(note)
    if dry_run:
        return _print_targets(found.targets, answer)
    if detach:
        from contentmap_cli.commands.engine.job.detach import in_background

        if output is None and answer.format not in (Format.TABLE, Format.JSON):
            raise UsageError(
                f"--detach with --format {answer.format.value} requires -o", hint="name a file with -o"
            )
        return in_background(
            cli,
            lambda committed: _start(cli, tenant, found.targets, settings, answer, committed),
            as_json=answer.format is Format.JSON,
        )
    return _start(cli, tenant, found.targets, settings, answer)


def _start(
    cli: GlobalOptions,
    tenant: str,
    targets: Sequence[Target],
    settings: ScanSettings,
    answer: opt.Answer,
    committed: Callable[[str], None] | None = None,
) -> int:
    from contentmap_cli.commands.engine.job.job_runner import start_job

    return run_async(start_job(cli, tenant, targets, settings, answer, committed=committed))


def _enqueue(
    cli: GlobalOptions,
    targets: tuple[list[str], str | None],
    settings: ScanSettings,
    priority: int | None,
    format: opt.GivenFormat | None,
    as_json: bool,
    output: str | None,
) -> int:
    """Queue the job. Raise UsageError for options that workers do not receive."""
    from contentmap_cli.commands.engine.enqueue import enqueue_job, require_queue

    answer = opt.chosen(format, as_json, (Format.TABLE, Format.JSON), output)
    require_queueable(cli, settings, output)
    require_queue(cli)
    # options of this machine, set by its settings files
    settings = replace(settings, proxy=None, no_proxy=False, max_time=None, concurrency=None, body_cache=None)
    settings = replace(settings, notify=(), notify_on=None, notify_secret=None)
    return run_async(enqueue_job(cli, targets, settings, priority=priority, as_json=answer is Format.JSON))


def require_queueable(cli: GlobalOptions, settings: ScanSettings, output: str | None) -> None:
    """Raise UsageError for options that do not apply to a queued job."""
    if output is not None:
        raise UsageError(
            "--queue excludes -o: only the job id is printed",
            hint="write the results later: `contentmap status JOB_ID -o FILE`",
        )
    for name in sorted(opt.SECRET - {"proxy", "notify", "notify_secret"}):
        if getattr(settings, name):
            raise UsageError(
                f"--queue excludes --{name.replace('_', '-')}: credentials are not recorded",
                hint="scan without --queue",
            )
    for name, hint in (
        ("proxy", "use `contentmap worker --proxy`"),
        ("no_proxy", "use `contentmap worker --no-proxy`"),
        ("body_cache", "use `contentmap worker --body-cache`"),
        ("notify", "use `contentmap worker --notify`"),
        ("notify_on", "use `contentmap worker --notify-on`"),
        ("notify_secret", "use `contentmap worker --notify-secret`"),
        ("max_time", "stop the job with `contentmap cancel`"),
    ):
        if name in cli.flags:
            raise UsageError(f"--queue excludes --{name.replace('_', '-')}", hint=hint)


def _print_targets(targets: Sequence[Target], answer: opt.Answer) -> int:
    from contentmap_cli.commands.interface.answer_output import answer_to

    with answer_to(answer.output) as out:
        for target in targets:
            out.write(" ".join((target.domain, *(target.sitemaps or target.origins[:1]))) + "\n")
    return 0
