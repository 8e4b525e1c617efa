"""`contentmap check`: check sites, recorded domains and files against the rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.errors import Exit, UsageError
from contentmap_cli.models import Severity
from contentmap_cli.output.formats import CHECK_FORMATS, RULE_FORMATS

if TYPE_CHECKING:
    from contentmap_cli.check.checker import Checker
    from contentmap_cli.commands.checking.page_check import PageCheck
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models.findings import CheckScope, Finding

EPILOG = """\
Examples:
  contentmap check example.com
  contentmap check sitemap.xml --base https://example.com/sitemap.xml
  contentmap check example.com --stored -o sitemap.sarif

Exit codes: 0 no findings; 2 usage; 3 findings; 5 database; 6 never scanned.
"""
_LEVELS = f"Minimum severity: {'|'.join(severity.value for severity in Severity)}"
AGENTS = ("*", "Googlebot", "Bingbot")
"""The crawlers that robots.txt is judged for, unless --as-agent names others."""

_FILE_ENDINGS = (".xml", ".gz", ".txt", ".rss", ".atom")
MAX_PROBLEMS = 10_000_000
"""Problems of a document that are named one by one."""


def check(
    cli: GlobalOptions,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Site, sitemap URL or file; - reads stdin."),
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
    severity: Annotated[Severity, typer.Option(metavar="LEVEL", help=_LEVELS)] = Severity.INFO,
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
    *,
    crawl: opt.CheckCrawl,
    format: opt.CheckFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> int:
    """Check sitemaps against the protocol and good practice."""
    from contentmap_cli.check.checker import RULES
    from contentmap_cli.check.registry import chosen_rules
    from contentmap_cli.commands.checking.page_check import PageCheck, PageOptions
    from contentmap_cli.commands.checking.url_list import opened_list
    from contentmap_cli.commands.interface.answer_output import answer_to
    from contentmap_cli.commands.interface.document_input import checked_base
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models.findings import CheckScope, CheckSummary
    from contentmap_cli.output.answers.findings import write_findings, write_rules
    from contentmap_cli.output.number_format import plural

    form = opt.chosen(format, as_json, RULE_FORMATS if list_rules else CHECK_FORMATS, output)
    wanted = chosen_rules(select or (), ignore or (), severity)
    rules = [rule for name, rule in RULES.items() if name in wanted]
    if list_rules:
        with answer_to(output) as out:
            write_rules(form, out, rules)
        return Exit.CLEAN
    if not targets:
        raise UsageError("no target given", hint="name a site or a file, or - for standard input")
    if write_baseline == "-":
        raise UsageError("--write-baseline requires a file name", hint="name a file other than -")
    base = checked_base(base)
    known = _read_baseline(baseline) if baseline else Counter()
    settings = replace(ScanSettings.of(crawl), refresh=True)
    page_check = None
    if pages is not None:
        page_check = PageCheck(cli, PageOptions.parse(pages, as_agent, fresh=fresh), settings.domain_time)
    with opened_list(against, against_column, targets) as listed:
        scope = CheckScope(wanted, tuple(as_agent or AGENTS), listed)
        checkers = run_async(_checked(cli, targets, settings, scope, base, page_check, stored=stored))
    found = [finding for checker in checkers for finding in checker.findings()]
    if write_baseline:
        _write_baseline(write_baseline, found)
        cli.note(f"{plural(len(found), 'finding')} written to {write_baseline}")
        known = Counter({_key(finding): finding.count for finding in found})
    new = [finding for finding in found if known.get(_key(finding), 0) < finding.count]
    summary = CheckSummary(
        targets=tuple(targets),
        files=sum(checker.files for checker in checkers),
        entries=sum(checker.seen for checker in checkers),
        counts=dict(Counter(finding.rule.severity for finding in new)),
        known=len(found) - len(new),
        coverage=tuple(result for checker in checkers if (result := checker.coverage()) is not None),
        pages=page_check.total if page_check is not None else None,
    )
    for checker in checkers:
        for limit in checker.incomplete():
            cli.note(f"note: {checker.target}: {limit}")
    with answer_to(output) as out:
        write_findings(form, out, new, summary, rules, color=cli.colored(out))
    if page_check is not None and page_check.signals:
        return 128 + page_check.signals[0]
    return Exit.NOT_CLEAN if new else Exit.CLEAN


async def _checked(
    cli: GlobalOptions,
    targets: Sequence[str],
    settings: ScanSettings,
    scope: CheckScope,
    base: str | None,
    pages: PageCheck | None,
    *,
    stored: bool,
) -> list[Checker]:
    from contentmap_cli.check.checker import Checker
    from contentmap_cli.commands.check_runner import check_file, check_live, check_stored
    from contentmap_cli.commands.checking.page_check import Stopped
    from contentmap_cli.commands.interface.document_input import is_robots, opened
    from contentmap_cli.commands.interface.target_input import domain_name
    from contentmap_cli.crawl.crawler import Crawler
    from contentmap_cli.crawl.targets import parse_target
    from contentmap_cli.models.findings import STANDARD_INPUT, CheckedSite

    options = settings.crawl_options()
    limits = replace(options.limits, listed_problems=MAX_PROBLEMS, name_duplicates=True)
    options = replace(options, limits=limits)
    files = [] if stored else [each for each in targets if _is_file(each)]
    if base is not None and not files:
        raise UsageError("--base requires a file as target", hint="omit --base")
    if files.count("-") > 1:
        raise UsageError("standard input is named twice", hint="name it once")
    if pages is not None and files:
        raise UsageError("--pages requires a site, not a file", hint="name the site, or omit --pages")
    if stored:  # a name, as for the other commands that read
        for each in targets:
            domain_name(each)
    sites = {each: parse_target(each) for each in targets if each not in files}
    if stored and pages is None:
        return [await check_stored(cli, site, scope) for site in sites.values()]
    checkers = []
    for name in files:
        shown = STANDARD_INPUT if name == "-" else name
        checked = CheckedSite(target=shown, now=datetime.now(UTC), is_site=False, against=scope.against)
        checker = Checker(checked, scope.wanted)
        with opened(name) as source:
            check_file(checker, shown, source, base, options.limits, robots=is_robots(name, base))
        checkers.append(checker)
    if not sites:
        return checkers
    async with Crawler(options) as crawler, pages.opened(settings.max_time) if pages else nullcontext():
        for site in sites.values():
            try:
                if not stored:
                    checkers.append(await check_live(cli, site, crawler, scope, pages))
                else:
                    checkers.append(await check_stored(cli, site, scope, crawler, pages))
            except Stopped:
                cli.note(f"note: {site.domain}: not checked: {pages.stopped_by if pages else None}")
    return checkers


def _is_file(text: str) -> bool:
    """Return whether a target is a file. Raise UsageError for a missing file that can only be a file."""
    if text == "-":
        return True
    if "://" in text:
        return False
    try:
        path = Path(text)
        if path.is_file():
            return True
        if path.is_dir() and ("/" in text or "." not in text):
            raise UsageError(f"{text} is a folder", hint=f"name the files in it: {path / '*.xml'}")
    except OSError:
        return False
    first, slash, _ = text.partition("/")
    may_be_a_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    if (text.lower().endswith(_FILE_ENDINGS) and not may_be_a_host) or text.startswith((".", "/")):
        raise UsageError(f"no such file: {text}", hint="name a sitemap on the web by its full URL")
    return False


def _key(finding: Finding) -> tuple[str, str]:
    return finding.rule.id, finding.place


def _read_baseline(file: str) -> Counter[tuple[str, str]]:
    hint = "write one with --write-baseline"
    try:
        content: Any = json.loads(Path(file).read_text(encoding="utf-8"))
        return Counter(
            {(str(each["rule"]), str(each["place"])): int(each["count"]) for each in content["findings"]}
        )
    except OSError as error:
        raise UsageError(f"cannot read the baseline {file}", hint=hint) from error
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"invalid baseline: {file}", hint=hint) from None


def _write_baseline(file: str, findings: Sequence[Finding]) -> None:
    from contentmap_cli.commands.interface.answer_output import answer_to

    known = [{"rule": each.rule.id, "place": each.place, "count": each.count} for each in findings]
    known.sort(key=lambda each: (str(each["place"]), str(each["rule"])))
    with answer_to(file, hint="name another file with --write-baseline") as out:
        out.write(json.dumps({"type": "baseline", "schema": 1, "findings": known}, indent=2) + "\n")
