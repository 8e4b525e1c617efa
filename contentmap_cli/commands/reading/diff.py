"""`contentmap diff`: what came, went and changed between two scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.completion import complete_domain, complete_job
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.output.formats import DIFF_FORMATS, Format

if TYPE_CHECKING:
    from contentmap_cli.models.comparison import Comparison, Counts, ScanPoint
    from contentmap_cli.output.answers.diff import DiffWriter
    from contentmap_cli.storage.session import GuardedSession

SHOWN = 100
EPILOG = """\
Examples:

  contentmap diff example.com

  contentmap diff example.com --from sitemap_0123… --format csv -o changes.csv

  contentmap diff --job sitemap_0123… --exit-code --json

Exit codes: 0; 3 there are changes and --exit-code was given; 5 database; 6 no such domain or job.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "diff", epilog=EPILOG)(diff)


def diff(
    cli: GlobalOptions,
    domain: Annotated[
        str | None,
        typer.Argument(
            metavar="DOMAIN",
            help="A domain that was scanned.",
            show_default=False,
            autocompletion=complete_domain,
        ),
    ] = None,
    earlier: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="JOB_ID",
            help="The earlier scan. Default: the one before the other.",
            autocompletion=complete_job,
        ),
    ] = None,
    later: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="JOB_ID", help="The later scan. Default: the last.", autocompletion=complete_job
        ),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(
            "--job",
            metavar="JOB_ID",
            help="Each domain of a job, against its scan before.",
            autocompletion=complete_job,
        ),
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if anything changed.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=0, max=10**12, help=f"Lines of a table. Default: {SHOWN} a domain.")
    ] = None,
    format: opt.DiffFormat = Format.TABLE,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Say what was added, removed and changed between two scans: by default the last two."""
    from contentmap_cli.commands.interface.target_input import domain_name

    if (domain is None) == (job is None) or (job is not None and (earlier or later)):
        raise UsageError(
            "give a DOMAIN, with --from and --to if you like, or --job alone",
            hint="contentmap diff example.com",
        )
    chosen = opt.chosen(format, as_json, DIFF_FORMATS)
    name = domain_name(domain) if domain is not None else None
    shown = SHOWN if limit is None else limit
    changed = run_async(_answer(cli, name, (earlier, later), job, shown, chosen, output))
    return Exit.NOT_CLEAN if changed and exit_code else Exit.CLEAN


async def _answer(
    cli: GlobalOptions,
    name: str | None,
    jobs: tuple[str | None, str | None],
    job_id: str | None,
    limit: int,
    format: Format,
    output: str | None,
) -> bool:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import require_domain, require_job
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.models.comparison import choose_scans
    from contentmap_cli.output.answers.diff import diff_writer
    from contentmap_cli.storage.reading.comparison import history, scanned_domains
    from contentmap_cli.storage.reading.contents import domain_names

    async with (
        database_for_reading(cli) as sessions,
        sessions.read(job=job_id, domain=name) as session,
        session.begin(),
    ):
        pairs: list[tuple[int, str]] = []
        if name is not None:
            pairs = [(await require_domain(session, cli.tenant_name, name), name)]
        elif job_id is not None:
            await require_job(session, cli.tenant_name, job_id)
            pairs = await domain_names(session, await scanned_domains(session, job_id))
        changed = False
        picked: Comparison | None = None
        if name is not None:  # before the answer is begun: what cannot be compared leaves no file
            points = await history(session, pairs[0][0])
            picked = choose_scans(name, points, *jobs)
        with answer_to(output) as out:
            writer = diff_writer(format, out, job_id=job_id, limit=limit, color=cli.colored(out))
            for domain_id, domain in pairs:
                points = await history(session, domain_id)
                pair = picked or choose_scans(domain, points, None, job_id)
                counts = await _write(session, domain_id, points, pair, writer)
                changed = changed or counts.total > 0
                _note(cli, pair, format)
            writer.finish()
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


def _note(cli: GlobalOptions, pair: Comparison, format: Format) -> None:
    """What a reader of the changes alone would not know."""
    from contentmap_cli.commands.interface.answer_output import say

    if format is not Format.TABLE and pair.removals_withheld:
        say(
            f"note: {pair.domain}: the later scan was not complete: what it did not see is still listed",
            unless=cli.quiet,
        )
    if format is not Format.TABLE and pair.pruned:
        say(
            f"note: {pair.domain}: the scan before was pruned: these are the changes since it all the same",
            unless=cli.quiet,
        )
    if pair.before is not None and not pair.before.complete:
        say(
            f"note: {pair.domain}: the earlier scan was not complete: removals may be older than it",
            unless=cli.quiet,
        )
