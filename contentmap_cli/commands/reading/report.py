"""`contentmap report`: HTML report on a domain or a job."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.completion import complete_subject
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.output.formats import Format

if TYPE_CHECKING:
    from contentmap_cli.models import DomainSummary, StoredFile
    from contentmap_cli.output.answers.html_report import DomainPage, JobPage
    from contentmap_cli.storage.session import GuardedSession

_SCANS = 60
EPILOG = """\
Examples:
  contentmap report example.com -o example.html
  contentmap report sitemap_0123 -o job.html

The page is self-contained and loads nothing from a server. Requires the extra `report`:
pip install 'contentmap-cli[report]'

Exit codes: 0; 2 usage, or plotly is missing; 5 database; 6 no such domain or job.
"""


def report(
    cli: GlobalOptions,
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="DOMAIN|JOB_ID",
            help="Domain, job id or unique prefix of one.",
            show_default="latest job",
            autocompletion=complete_subject,
        ),
    ] = None,
    output: opt.HtmlOutput = None,
) -> None:
    """Write an HTML report on a domain or a job."""
    from contentmap_cli.output.answers.html_page import plotly_source

    opt.chosen(None, False, (Format.HTML,), output)
    plotly_source()  # fail before the database is opened
    run_async(_answer(cli, subject, output))


async def _answer(cli: GlobalOptions, subject: str | None, output: str | None) -> None:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.commands.database.lookups import JOB_PREFIX, find_job_id
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.commands.interface.target_input import domain_name
    from contentmap_cli.output.answers.html_report import write_domain_page, write_job_page

    job: JobPage | None = None
    domain: DomainPage | None = None
    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        if subject is None or subject.startswith(JOB_PREFIX):
            job_id = await find_job_id(session, cli.tenant_name, subject)
            job = await _job_page(session, cli.tenant_name, job_id)
        else:
            domain = await _domain_page(session, cli.tenant_name, domain_name(subject))
    with answer_to(output) as out:  # no transaction is open while its reader pauses
        if job is not None:
            write_job_page(out, job)
        elif domain is not None:
            write_domain_page(out, domain)


async def _domain_page(session: GuardedSession, tenant: str, name: str) -> DomainPage:
    from contentmap_cli.commands.database.lookups import require_domain
    from contentmap_cli.commands.reading.map import read_sections
    from contentmap_cli.output.answers.html_report import MAX_ROWS, DomainPage, Scan
    from contentmap_cli.storage.jobs.job_queries import last_scanned_at, recorded_scans
    from contentmap_cli.storage.reading.contents import stored_files

    domain_id = await require_domain(session, tenant, name)
    top, folded = await read_sections(session, domain_id)
    files: list[StoredFile] = []
    more = 0
    async for file in stored_files(session, domain_id):
        if len(files) < MAX_ROWS:
            files.append(file)
        else:
            more += 1
    scans = [Scan(when, summary) for when, summary in await recorded_scans(session, domain_id, limit=_SCANS)]
    scanned = await last_scanned_at(session, domain_id) or datetime.now(UTC)
    return DomainPage(name, top, folded, files, more, scans, f"{scanned:%Y-%m}")


async def _job_page(session: GuardedSession, tenant: str, job_id: str) -> JobPage:
    from contentmap_cli.commands.database.lookups import job_as_it_stands
    from contentmap_cli.commands.engine.run_id import truthful_result
    from contentmap_cli.output.answers.html_report import MAX_ROWS, JobPage
    from contentmap_cli.storage.jobs.job_queries import domain_results

    job = await job_as_it_stands(session, tenant, job_id)
    clean: list[DomainSummary] = []
    others: list[DomainSummary] = []
    codes: Counter[str] = Counter()
    async for stored in domain_results(session, job_id, tenant):
        row = truthful_result(stored, job)
        kept = clean if row.status.clean else others
        if len(kept) < MAX_ROWS:
            kept.append(row)
        if row.error is not None:
            codes[str(row.error.code)] += 1
    results = [*others, *clean][:MAX_ROWS]
    return JobPage(job, results, job.total - len(results), codes)
