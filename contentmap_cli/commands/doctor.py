"""`contentmap doctor`: find out why a site cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit
from contentmap_cli.output.formats import DOCTOR_FORMATS

EPILOG = """\
Examples:
  contentmap doctor example.com
  contentmap doctor https://staging.example.com --ca-file ca.pem --json

Nothing is recorded. Names, addresses, TLS, robots.txt, redirects, the home page and sitemaps are checked with
the connections and options of a scan, with about ten requests.

Exit codes: 0 no findings; 2 usage; 3 findings.
"""


def doctor(
    cli: GlobalOptions,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Domain, site URL or sitemap URL.")],
    *,
    crawl: opt.DoctorCrawl,
    format: opt.DoctorFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Check why a site can or cannot be read."""
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.crawl.crawler import Crawler
    from contentmap_cli.crawl.options import CrawlOptions
    from contentmap_cli.crawl.targets import parse_target
    from contentmap_cli.models import Target
    from contentmap_cli.models.diagnosis import Check
    from contentmap_cli.output.answers.diagnosis import write_diagnosis

    form = opt.chosen(format, as_json, DOCTOR_FORMATS, output)
    settings = ScanSettings.of(crawl)
    options = replace(settings.crawl_options(), retries=0)
    site = parse_target(target)

    async def checked(site: Target, options: CrawlOptions) -> list[Check]:
        async with Crawler(options) as crawler:
            return await crawler.diagnose(site)

    checks = run_async(checked(site, options))
    with answer_to(output) as out:
        write_diagnosis(form, out, site.domain, checks, width=width_of(out), color=cli.colored(out))
    return Exit.NOT_CLEAN if any(check.level.is_finding for check in checks) else Exit.CLEAN
