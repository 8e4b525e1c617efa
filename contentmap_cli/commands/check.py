"""`contentmap check`: check sites, recorded domains and files against the rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.models import Severity
from contentmap_cli.models.findings import Grouping
from contentmap_cli.output.formats import CHECK_FORMATS, RULE_FORMATS

EPILOG = """\
Examples:
  contentmap check example.com
  contentmap check sitemap.xml --base https://example.com/sitemap.xml
  contentmap check example.com --stored -o sitemap.sarif

Exit codes: 0 passed; 2 usage; 3 findings; 5 database; 6 never scanned.
"""
_LEVELS = "|".join(severity.value for severity in Severity)


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
    from contentmap_cli.check.occurrences import OccurrenceStore, occurrences_by_url
    from contentmap_cli.check.registry import chosen_rules
    from contentmap_cli.commands.checking.baseline import new_findings, read_baseline
    from contentmap_cli.commands.checking.baseline import write_baseline as write
    from contentmap_cli.commands.checking.targets import CheckRun
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.commands.interface.document_input import checked_base
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models.findings import CheckReport, CheckSummary, Finding
    from contentmap_cli.output.findings.report import write_explanations, write_report, write_rules
    from contentmap_cli.output.number_format import plural

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
    if write_baseline == "-":
        raise UsageError("--write-baseline requires a file name", hint="name a file other than -")
    known = read_baseline(baseline) if baseline else {}
    settings = replace(ScanSettings.of(crawl), refresh=True)
    store = OccurrenceStore()
    run = CheckRun(cli, settings, wanted, store, checked_base(base), stored=stored)
    results = run_async(run.check(targets or (), source))
    found = [finding for result in results for finding in result.findings]
    if write_baseline:
        write(write_baseline, found)
        cli.note(f"{plural(len(found), 'finding')} written to {write_baseline}")
        new: list[Finding] = []
        suppressed = len(found)
    else:
        new, suppressed = new_findings(found, known, store)
    failing = {finding.target for finding in new if finding.rule.severity.weight >= fail_on.weight}
    shown = [finding for finding in new if finding.rule.severity.weight >= severity.weight]
    if len(shown) < len(new):
        cli.note(f"note: {plural(len(new) - len(shown), 'finding')} below --severity {severity} not shown")
    names = tuple(result.target for result in results)
    summary = CheckSummary(
        targets=names,
        files=sum(result.files for result in results),
        entries=sum(result.entries for result in results),
        counts=dict(Counter(finding.rule.severity for finding in shown)),
        known=suppressed,
        passed=tuple(name for name in names if name not in failing),
    )
    for result in results:
        for limit in result.incomplete:
            cli.note(f"note: {result.target}: {limit}")
    report = CheckReport(
        shown, summary, rules, lambda: occurrences_by_url(store, shown), by=by, fail_on=fail_on
    )
    with answer_to(output) as out:
        write_report(form, out, report, color=cli.colored(out))
    return Exit.NOT_CLEAN if failing else Exit.CLEAN
