"""`contentmap check`: check sites, recorded domains and files against the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.models import Severity
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.formats import CHECK_FORMATS, RULE_FORMATS

EPILOG = """\
Examples:
  contentmap check example.com
  contentmap check sitemap.xml --base https://example.com/sitemap.xml
  contentmap check example.com --stored -o sitemap.sarif

Exit codes: 0 passed; 2 usage; 3 findings; 5 database; 6 never scanned;
75 pages held by another run; 130 interrupted.
"""
_LEVELS = "|".join(severity.value for severity in Severity)
AGENTS = ("*", "Googlebot", "Bingbot")
"""The crawlers that robots.txt is judged for, unless --as-agent names others."""


def check(
    cli: GlobalOptions,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Site, sitemap URL or file; - reads stdin."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input-file", "-i", metavar="FILE", help="File of sites, one per line."),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Check the recorded domain, without network.")
    ] = False,
    base: Annotated[str | None, typer.Option(metavar="URL", help="URL of a file given as TARGET.")] = None,
    pages: Annotated[
        str | None,
        typer.Option(metavar="[N|all]", help="Request N of the listed pages, or all; 100 without N."),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Request all pages of --pages again.", rich_help_panel=MORE),
    ] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Only rules whose id starts with RULE. Repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Exclude rules whose id starts with RULE. Repeatable."),
    ] = None,
    severity: Annotated[
        Severity, typer.Option(metavar="LEVEL", help=f"Minimum severity: {_LEVELS}")
    ] = Severity.INFO,
    fail_on: Annotated[
        Severity,
        typer.Option("--fail-on", metavar="LEVEL", help="Exit with 3 from this severity up."),
    ] = Severity.ERROR,
    by: Annotated[
        Grouping, typer.Option("--by", metavar="ORDER", help="List findings by file|rule|url.")
    ] = Grouping.FILE,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Suppress the findings listed in this file.")
    ] = None,
    write_baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the findings to a baseline file.", rich_help_panel=MORE),
    ] = None,
    as_agent: Annotated[
        list[str] | None,
        typer.Option(
            "--as-agent",
            metavar="NAME",
            help="Crawler to judge robots.txt for: product token or *. Repeatable.",
            rich_help_panel=MORE,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Compare with a list of URLs (CSV, text, log, XLSX): a crawl, analytics; - reads stdin.",
            rich_help_panel=MORE,
        ),
    ] = None,
    against_column: Annotated[
        str | None,
        typer.Option(
            "--against-column",
            metavar="NAME",
            help="Column of --against with the URLs: name or number.",
            rich_help_panel=MORE,
            show_default="detected",
        ),
    ] = None,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="List all rules and exit.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="Explain a rule: example and repair.")
    ] = None,
    *,
    crawl: opt.CheckCrawl,
    format: opt.CheckFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Check sitemaps against the protocol and good practice."""
    from contentmap_cli.check.checker import RULES
    from contentmap_cli.check.explanations import explanations
    from contentmap_cli.check.occurrences import OccurrenceStore
    from contentmap_cli.check.registry import chosen_rules
    from contentmap_cli.commands.checking.answer import CheckAnswer
    from contentmap_cli.commands.checking.baseline import read_baseline
    from contentmap_cli.commands.checking.page_check import PageCheck, PageOptions
    from contentmap_cli.commands.checking.targets import CheckRun
    from contentmap_cli.commands.checking.url_list import opened_list
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.commands.interface.document_input import checked_base
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.crawl.options import parse_robots_agent
    from contentmap_cli.models.findings import CheckScope
    from contentmap_cli.output.findings.report import write_explanations, write_rules

    about_rules = list_rules or explain is not None
    form = opt.chosen(format, as_json, RULE_FORMATS if about_rules else CHECK_FORMATS, output)
    checked = min(severity, fail_on, key=lambda each: each.weight)
    wanted = chosen_rules(select or (), ignore or (), checked)
    rules = [rule for name, rule in RULES.items() if name in wanted]
    if about_rules:
        with answer_to(output) as out:
            if explain is None:
                write_rules(form, out, rules)
            else:
                write_explanations(form, out, explanations(explain))
        return Exit.CLEAN
    if fresh and pages is None:
        raise UsageError("--fresh requires --pages", hint="name the number of pages, or `all`")
    for agent in as_agent or ():
        if agent != "*":
            parse_robots_agent(agent, "--as-agent")
    if write_baseline == "-":
        raise UsageError("--write-baseline requires a file name", hint="name a file other than -")
    known = read_baseline(baseline) if baseline else {}
    answer = CheckAnswer(cli, form, output, severity, fail_on, by, known, write_baseline)
    settings = replace(ScanSettings.of(crawl), refresh=True)
    page_check = None
    if pages is None:  # the rules about pages are not checked, so they cannot pass
        rules = [rule for rule in rules if not rule.id.startswith("page-")]
    else:
        page_check = PageCheck(cli, PageOptions.parse(pages, as_agent, fresh=fresh), settings.domain_time)
    store = OccurrenceStore()
    with opened_list(against, against_column, [*(targets or ()), source]) as listed:
        scope = CheckScope(wanted, tuple(as_agent or AGENTS), listed)
        run = CheckRun(cli, settings, scope, store, checked_base(base), page_check, stored=stored)
        results = run_async(run.check(targets or (), source))
    code = answer.write(results, store, rules, page_check.total if page_check is not None else None)
    for note in page_check.notes(form) if page_check is not None else ():
        cli.note(note)
    return code if page_check is None else page_check.exit_code(code)
