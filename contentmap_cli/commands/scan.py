"""`contentmap scan`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import SCAN_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models import Target

EPILOG = """\
Examples:

  contentmap scan example.com

  contentmap scan --from domains.txt --format ndjson -o results.ndjson

  contentmap scan https://example.com/sitemap_news.xml.gz --json

  contentmap scan staging.example.com --connect-to ::10.1.2.3:8443

  contentmap scan --from domains.txt --detach --log-file scan.log

  contentmap scan --from domains.txt --queue --db postgresql://user@host/db

Exit codes: 0 clean, 2 usage, 3 some domain failed or is partial, 4 every domain failed,
5 database, 130 interrupted, 143 terminated.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "scan", epilog=EPILOG)(scan)


def scan(
    cli: GlobalOptions,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET…", help="Domains, site URLs or sitemap URLs; - reads standard input."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Read targets from a file, one a line.")
    ] = None,
    *,
    crawl: opt.ScanCrawl,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be scanned; no network, no database.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the job's id and go on in the background.")
    ] = False,
    queue: Annotated[
        bool,
        typer.Option(
            "--queue", help="Print the job's id and leave the work to `contentmap worker`, anywhere."
        ),
    ] = False,
    priority: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="With --queue: the larger goes first. Default: 60 to 0, the fewer domains the larger.",
        ),
    ] = None,
    fail_on: opt.FailOnOption = opt.FailOn.ANY,
    format: opt.ScanFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Find, fetch and record the sitemaps of one domain or a hundred thousand."""
    from contentmap_cli.commands.interface.answer_output import say
    from contentmap_cli.commands.interface.target_input import duplicates_note, read_targets
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    settings = ScanSettings.of(crawl).on_this_machine()
    settings.crawl_options()  # what cannot be meant is said now, before the list is read
    if queue:
        if detach or dry_run:
            raise UsageError("--queue goes by itself", hint="leave --detach and --dry-run out")
        return _hand_over(cli, (targets or [], source), settings, priority, format, as_json, output)
    if priority is not None:
        raise UsageError("--priority is for --queue", hint="a scan that runs here waits for no other")
    tenant = cli.tenant_name
    answer = opt.Answer(opt.chosen(format, as_json, SCAN_FORMATS), output, fail_on)
    found = read_targets(targets or [], source)
    note = duplicates_note(found.duplicates, len(found.duplicates))
    if note:
        say(note, unless=cli.quiet)
    if dry_run:
        return _show(found.targets, answer)
    if detach:
        from contentmap_cli.commands.engine.job.detach import in_background

        if output is None and answer.format not in (Format.TABLE, Format.JSON):
            raise UsageError(
                f"a detached scan has nowhere to write {answer.format.value}", hint="name a file with -o"
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


def _hand_over(
    cli: GlobalOptions,
    targets: tuple[list[str], str | None],
    settings: ScanSettings,
    priority: int | None,
    format: Format,
    as_json: bool,
    output: str | None,
) -> int:
    """Leaves the work to the workers. What they could not know of is refused, not passed over."""
    from contentmap_cli.commands.engine.enqueue import enqueue_job, require_queue

    answer = opt.chosen(format, as_json, (Format.TABLE, Format.JSON))
    refuse_what_no_worker_knows(cli, settings, output)
    require_queue(cli)
    # these are for a run on this machine, and here they come from its settings
    settings = replace(settings, proxy=None, max_time=None, concurrency=None, body_cache=None)
    return run_async(enqueue_job(cli, targets, settings, priority=priority, as_json=answer is Format.JSON))


def refuse_what_no_worker_knows(cli: GlobalOptions, settings: ScanSettings, output: str | None) -> None:
    """Raises UsageError for options that are for a run on this machine, rather than passing them over."""
    if output is not None:
        raise UsageError(
            "--queue answers with the job's id alone",
            hint="leave -o out: `contentmap status JOB_ID -o FILE` has the results",
        )
    if settings.header:
        raise UsageError(
            "--header is never recorded, so no worker would send it", hint="scan without --queue to send it"
        )
    for name, hint in (
        ("proxy", "give --proxy to `contentmap worker`"),
        ("body_cache", "give --body-cache to `contentmap worker`"),
        ("max_time", "stop it with `contentmap cancel` instead"),
    ):
        if name in cli.flags:
            raise UsageError(f"--{name.replace('_', '-')} is for a scan that runs here", hint=hint)


def _show(targets: Sequence[Target], answer: opt.Answer) -> int:
    from contentmap_cli.commands.interface.answer_output import answer_to

    with answer_to(answer.output) as out:
        for target in targets:
            out.write(" ".join((target.domain, *(target.sitemaps or target.origins[:1]))) + "\n")
    return 0
