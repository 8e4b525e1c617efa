"""`contentmap report`: a page for a browser on a domain or a job."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.completion import complete_subject
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import UsageError

if TYPE_CHECKING:
    from contentmap_cli.models import DomainSummary, StoredFile
    from contentmap_cli.output.answers.html_report import DomainPage, JobPage
    from contentmap_cli.storage.session import GuardedSession

_JOB = re.compile(r"sitemap_[0-9a-f]{32}", re.ASCII)
_SCANS = 60
EPILOG = """\
Examples:

  contentmap report example.com -o example.html

  contentmap report sitemap_0123456789abcdef0123456789abcdef -o job.html

The page holds all it needs and asks no server for anything. It needs the extra `report`:
pip install 'contentmap-cli[report]'

Exit codes: 0; 2 plotly is missing, or the file cannot be written; 5 database; 6 no such domain or job.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "report", epilog=EPILOG)(report)


def report(
    cli: GlobalOptions,
    subject: Annotated[
        str,
        typer.Argument(metavar="DOMAIN|JOB_ID", help="What the page is on.", autocompletion=complete_subject),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the page there.")
    ] = None,
) -> None:
    """Write a page on a domain or a job: sections, freshness, changes, files, problems."""
    import sys

    from contentmap_cli.output.answers.html_page import plotly_source

    if output is None and sys.stdout.isatty():
        raise UsageError("a page is no text for a terminal", hint="name a file with -o")
    plotly_source()  # what is missing is said before the database is asked
    run_async(_answer(cli, subject, output))


async def _answer(cli: GlobalOptions, subject: str, output: str | None) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.commands.interface.target_input import domain_name
    from contentmap_cli.output.answers.html_report import write_domain_page, write_job_page

    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        if _JOB.fullmatch(subject):
            job = await _job_page(session, cli.tenant_name, subject)
            with answer_to(output) as out:
                write_job_page(out, job)
            return
        domain = await _domain_page(session, cli.tenant_name, domain_name(subject))
        with answer_to(output) as out:
            write_domain_page(out, domain)


async def _domain_page(session: GuardedSession, tenant: str, name: str) -> DomainPage:
    from contentmap_cli.commands.database.lookups import require_domain
    from contentmap_cli.commands.reading.map import count_sections
    from contentmap_cli.output.answers.html_report import MOST_ROWS, DomainPage, Scan
    from contentmap_cli.storage.jobs.job_queries import last_scanned_at, recorded_scans
    from contentmap_cli.storage.reading.contents import stored_files

    domain_id = await require_domain(session, tenant, name)
    counter = await count_sections(session, domain_id)
    files: list[StoredFile] = []
    more = 0
    async for file in stored_files(session, domain_id):
        if len(files) < MOST_ROWS:
            files.append(file)
        else:
            more += 1
    scans = [Scan(when, summary) for when, summary in await recorded_scans(session, domain_id, limit=_SCANS)]
    scanned = await last_scanned_at(session, domain_id) or datetime.now(UTC)
    return DomainPage(name, counter.tree(), counter.folded, files, more, scans, f"{scanned:%Y-%m}")


async def _job_page(session: GuardedSession, tenant: str, job_id: str) -> JobPage:
    from contentmap_cli.commands.database.lookups import job_as_it_stands
    from contentmap_cli.commands.engine.run_id import truthful_result
    from contentmap_cli.output.answers.html_report import MOST_ROWS, JobPage
    from contentmap_cli.storage.jobs.job_queries import domain_results

    job = await job_as_it_stands(session, tenant, job_id)
    clean: list[DomainSummary] = []
    others: list[DomainSummary] = []
    codes: Counter[str] = Counter()
    async for stored in domain_results(session, job_id, tenant):
        row = truthful_result(stored, job)
        kept = clean if row.status.clean else others
        if len(kept) < MOST_ROWS:
            kept.append(row)
        if row.error is not None:
            codes[str(row.error.code)] += 1
    results = [*others, *clean][:MOST_ROWS]
    return JobPage(job, results, job.total - len(results), codes)
