"""`contentmap diff`: changes of a domain between two scans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.completion import complete_domain, complete_job
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.output.formats import DIFF_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.models.comparison import Comparison, Counts, ScanPoint
    from contentmap_cli.output.answers.diff import DiffWriter
    from contentmap_cli.storage.session import GuardedSession

ScanName = str | datetime | None
"""A job id, or a date for the last scan until then; None for the default scan."""
SHOWN = 100
EPILOG = """\
Examples:
  contentmap diff example.com
  contentmap diff example.com --since 7d -o changes.csv
  contentmap diff --job sitemap_0123 --exit-code --json

SCAN is a job id, a unique prefix of one, or WHEN: a date, a UTC date-time or an age such as 7d, for the last
scan before then.

Exit codes: 0; 3 changes (--exit-code); 5 database; 6 no such domain or job.
"""


def diff(
    cli: GlobalOptions,
    domain: Annotated[
        str | None,
        typer.Argument(
            metavar="DOMAIN",
            help="Scanned domain.",
            autocompletion=complete_domain,
        ),
    ] = None,
    earlier: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SCAN",
            help="Earlier scan.",
            show_default="the one before --to",
            autocompletion=complete_job,
        ),
    ] = None,
    later: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="SCAN",
            help="Later scan.",
            show_default="latest",
            autocompletion=complete_job,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Changes since then: the same as --from WHEN.")
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(
            "--job",
            metavar="JOB_ID",
            help="Compare all domains of a job with their previous scan.",
            autocompletion=complete_job,
        ),
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if there are changes.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, max=10**12, metavar="N", help="Maximum table rows per domain.")
    ] = SHOWN,
    format: opt.DiffFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Show what was added, removed and changed between two scans."""
    from contentmap_cli.commands.interface.argument_values import parse_date
    from contentmap_cli.commands.interface.target_input import domain_name

    if (domain is None) == (job is None) or (job is not None and (earlier or later or since)):
        raise UsageError(
            "DOMAIN, with --from, --to or --since, and --job exclude each other",
            hint="use one of them, for example `contentmap diff example.com`",
        )
    if earlier and since:
        raise UsageError("--from and --since exclude each other", hint="use one of them")
    scans = (
        parse_date("--since", since) if since else _scan_named("--from", earlier),
        _scan_named("--to", later),
    )
    chosen = opt.chosen(format, as_json, DIFF_FORMATS, output)
    name = domain_name(domain) if domain is not None else None
    changed = run_async(_answer(cli, name, scans, job, limit, chosen, output))
    return Exit.NOT_CLEAN if changed and exit_code else Exit.CLEAN


async def _answer(
    cli: GlobalOptions,
    name: str | None,
    scans: tuple[ScanName, ScanName],
    job_id: str | None,
    limit: int,
    format: Format,
    output: str | None,
) -> bool:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import find_job_id, require_domain, require_job
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.models.comparison import choose_scans
    from contentmap_cli.output.answers.diff import diff_writer
    from contentmap_cli.output.writers.deferred_buffer import DeferredText
    from contentmap_cli.storage.reading.comparison import history, scanned_domains

    async with database_for_reading(cli) as sessions:
        async with sessions.read(domain=name) as session, session.begin():
            pairs: list[tuple[int, str]] = []
            selected: Comparison | None = None
            if name is not None:  # select the scans before the output file is opened
                pairs = [(await require_domain(session, cli.tenant_name, name), name)]
                points = await history(session, pairs[0][0])
                earlier, later = [
                    await find_job_id(session, cli.tenant_name, scan) if isinstance(scan, str) else scan
                    for scan in scans
                ]
                selected = choose_scans(name, points, earlier, later)
            elif job_id is not None:
                job_id = await find_job_id(session, cli.tenant_name, job_id)
                await require_job(session, cli.tenant_name, job_id)
                pairs = await scanned_domains(session, job_id)
        if selected is not None:
            _note_start(cli, selected, earlier)
        changed = False
        with answer_to(output) as out:
            text = DeferredText()
            # a workbook is written at the end
            target = out if format is Format.XLSX else cast("TextIO", text)
            writer = diff_writer(format, target, job_id=job_id, limit=limit, color=cli.colored(out))
            for domain_id, domain in pairs:
                async with sessions.read(domain=domain) as session, session.begin():
                    points = await history(session, domain_id)
                    pair = selected or choose_scans(domain, points, None, job_id)
                    counts = await _write(session, domain_id, points, pair, writer)
                text.send(out)  # no transaction is open while the reader pauses
                changed = changed or counts.total > 0
                _note(cli, pair, format)
            writer.finish()
            text.send(out)
    return changed


async def _write(
    session: GuardedSession,
    domain_id: int,
    points: Sequence[ScanPoint],
    pair: Comparison,
    writer: DiffWriter,
) -> Counts:
    from contentmap_cli.models.comparison import Counts
    from contentmap_cli.storage.reading.comparison import changes_between

    counts = Counts()
    writer.begin(pair)
    async for change in changes_between(session, domain_id, points, pair):
        counts.add(change)
        writer.change(change)
    writer.end(counts)
    return counts


def _scan_named(option: str, text: str | None) -> ScanName:
    """Return the job id or its prefix, or the date, that an option names. Raise UsageError for neither."""
    from contentmap_cli.commands.database.lookups import JOB_PREFIX
    from contentmap_cli.commands.interface.argument_values import parse_date

    if text is None or text.startswith(JOB_PREFIX):
        return text
    try:
        return parse_date(option, text)
    except UsageError as error:
        raise UsageError(
            f"{option}: invalid job id or date: {text[:40]!r}", hint=f"name a job, or {error.hint}"
        ) from None


def _note_start(cli: GlobalOptions, pair: Comparison, earlier: ScanName) -> None:
    """Print a note if the comparison starts later than the date that was asked for."""
    before = pair.before
    if isinstance(earlier, datetime) and before is not None and before.recorded_at > earlier:
        cli.note(
            f"note: {pair.domain}: the first recorded scan is of {before.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
        )


def _note(cli: GlobalOptions, pair: Comparison, format: Format) -> None:
    """Print notes on scans that are incomplete or were pruned."""
    if format is not Format.TABLE and pair.removals_withheld:
        cli.note(f"note: {pair.domain}: {pair.why_withheld}")
    if format is not Format.TABLE and pair.pruned:
        cli.note(f"note: {pair.domain}: the previous scan was pruned; the changes since it are complete")
    if pair.before is not None and not pair.before.complete:
        cli.note(f"note: {pair.domain}: the earlier scan was not complete: removals may be older")
