"""HTML reports on a domain or a job: self-contained, readable without a network."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO
from urllib.parse import unquote

from contentmap_cli.models import DomainSummary, JobSummary, ScanStatus, StoredFile
from contentmap_cli.models.lastmod.trust import UNKNOWN
from contentmap_cli.models.sections import Periods, Section, split_by_size
from contentmap_cli.output.answers.html_page import (
    cell,
    chart,
    facts_list,
    number_cell,
    outcome_cell,
    table,
    text_of,
    write_page,
)
from contentmap_cli.output.answers.lists import file_note
from contentmap_cli.output.escape import terminal, url_text
from contentmap_cli.output.number_format import duration, moment, number, plural, size
from contentmap_cli.output.outcomes import elapsed, failure_text, job_status

MAX_ROWS = 5_000
"""Rows of a table: more would make the page slow."""
_MAX_SECTIONS = 600
_MAX_TRUST_ROWS = 60
_TREE_DEPTH = 4
_BARS = 48
_FILE_COLUMNS = ("Status", "Type", "Found by", "HTTP", "URLs", "Size", "Sitemap", "Problems")
_DOMAIN_COLUMNS = ("Domain", "Outcome", "Sitemaps", "URLs", "Added", "Removed", "Changed", "Seconds", "Error")
_TRUST_COLUMNS = ("Section", "URLs", "Trust in lastmod", "Reason")
_SCAN_COLUMNS = ("Scan (UTC)", "Outcome", "Sitemaps", "URLs", "Added", "Removed", "Changed", "Job")


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan of a domain that recorded something, and its time."""

    recorded_at: datetime
    summary: DomainSummary


@dataclass(frozen=True, slots=True)
class DomainPage:
    """The content of a domain's report. `scans` are the newest, in order; `month` is that of the last."""

    domain: str
    top: Section
    folded: bool
    files: Sequence[StoredFile]
    more_files: int
    scans: Sequence[Scan]
    month: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """The content of a job's report: some of its domains, those with errors first."""

    job: JobSummary
    results: Sequence[DomainSummary]
    more_results: int
    codes: Counter[str]


def write_domain_page(out: TextIO, page: DomainPage) -> None:
    """Write the report on a domain."""
    last = page.scans[-1] if page.scans else None
    facts = [
        ("URLs", number(page.top.urls)),
        ("Sections", number(sum(1 for _ in page.top.walk()) if page.top.urls else 0)),
        ("Sitemap files", number(len(page.files) + page.more_files)),
        ("Newest date", (page.top.newest or "none")[:10]),
        ("Without a date", number(page.top.undated)),
    ]
    if page.top.trust is not None and page.top.trust.score is not None:
        facts.append(("Trust in lastmod", f"{page.top.trust.score} ({page.top.trust.level})"))
    if last is not None:
        facts.insert(0, ("Last scan", f"{moment(last.recorded_at)} UTC"))
        facts.insert(1, ("Outcome", last.summary.status.value))
    unit, bars = _by_period(page.top, page.month)
    data = {
        "map": _treemap(page.top, page.month) if page.top.urls else None,
        "freshness": {"begins": list(bars), "urls": list(bars.values())} if bars else None,
        "scans": _scan_series(page.scans),
    }
    body = [facts_list(facts), "<h2>Sections</h2>"]
    if page.top.urls:
        body += [
            "<p class=soft>Size: number of URLs; colour: age of the newest lastmod. Click a section to open "
            "it. The list below has the same data.</p>",
            chart("map-chart", "Treemap of the sections"),
            _tree(page.top),
        ]
        if page.folded:
            body.append(
                "<p class=soft>Too many sections: the smallest are counted as part of their parents.</p>"
            )
    else:
        body.append("<p>No URLs are recorded.</p>")
    body += ["<h2>Freshness</h2>", _freshness_text(page.top)]
    if page.top.months:
        body.append(_trust_table(page.top))
    if bars:
        body.append(chart("freshness-chart", f"URLs by {unit} of their date"))
        body.append(f"<p class=soft>By {unit} of lastmod.</p>")
    body += ["<h2>Changes</h2>"]
    if data["scans"]:
        body.append(chart("scans-chart", "Changes by scan"))
    body.append(_scans_table(page.scans))
    body += ["<h2>Sitemap files</h2>", _files_table(page.files, page.more_files)]
    write_page(out, page.domain, f"URLs listed in the sitemaps of {text_of(page.domain)}.", body, data)


def write_job_page(out: TextIO, page: JobPage) -> None:
    """Write the report on a job."""
    job = page.job
    took = elapsed(job)
    facts = [
        ("Status", job_status(job).text),
        ("Created", f"{moment(job.created_at)} UTC"),
        ("Domains", f"{number(job.finished)} of {number(job.total)}"),
        ("Sitemaps", number(job.sitemaps)),
        ("URLs", number(job.urls)),
        ("Added, removed, changed", f"{job.added:,} / {job.removed:,} / {job.changed:,}"),
    ]
    if took is not None:
        facts.insert(2, ("Took", duration(took)))
    counts = {status.value: count for status in ScanStatus if (count := job.domains.get(status, 0))}
    data = {"outcomes": {"names": list(counts), "domains": list(counts.values())} if counts else None}
    body = [facts_list(facts)]
    if job.error:
        body.append(f"<p class=failed>{text_of(job.error)}</p>")
    body.append("<h2>Outcomes</h2>")
    if counts:
        body.append(chart("outcomes-chart", "Domains by outcome"))
    body.append(_counts_text(counts))
    if page.codes:
        rows = [[cell(code), number_cell(count)] for code, count in page.codes.most_common()]
        body += ["<h2>Errors</h2>", table("Errors", ("Code", "Domains"), rows, 0, numbers={1})]
    body += ["<h2>Domains</h2>", _domains_table(page.results, page.more_results)]
    write_page(out, job.job_id, "Results by domain.", body, data)


def _treemap(top: Section, month: str) -> dict[str, list[Any]]:
    """Return the largest sections as plotly's treemap takes them, each with its parent.

    Ages are 0 for a date as new as the last scan to 1 for five years or more, or no date.
    """
    kept = [("", top)]
    for _, section in kept:  # grows during the iteration: breadth first
        if len(kept) >= _MAX_SECTIONS:
            break
        large, _small = split_by_size(section, max(1, section.urls // 200))
        kept += [(section.url or "/", below) for below in large[:60]]
    answer: dict[str, list[Any]] = {
        name: [] for name in ("ids", "labels", "parents", "values", "notes", "ages")
    }
    for parent, section in kept:
        answer["ids"].append(section.url or "/")
        # plotly reads labels as a subset of HTML without &quot;
        answer["labels"].append(html.escape(_folder(section), quote=False))
        answer["parents"].append(parent)
        answer["values"].append(section.urls)
        newest = f", newest {section.newest[:10]}" if section.newest else ""
        answer["notes"].append(f"{plural(section.urls, 'URL')}{newest}")
        answer["ages"].append(_age(section.newest, month))
    return answer


def _age(newest: str | None, month: str) -> float:
    if newest is None:
        return 1.0
    months = (int(month[:4]) - int(newest[:4])) * 12 + int(month[5:7]) - int(newest[5:7])
    return round(min(max(months / 60, 0.0), 1.0), 3)


def _folder(section: Section) -> str:
    if not section.url:
        return "all origins"
    parts = section.url.removesuffix("/").split("/")
    return url_text(section.url) if len(parts) < 4 else terminal(unquote(parts[-1], errors="replace")) + "/"


def _tree(top: Section) -> str:
    def item(section: Section, depth: int) -> str:
        newest = f", newest {section.newest[:10]}" if section.newest else ""
        head = f"{text_of(_folder(section))} <span class=count>{plural(section.urls, 'URL')}{newest}</span>"
        large, small = split_by_size(section, max(1, top.urls // 500))
        if depth >= _TREE_DEPTH or not section.sections:
            return f"<div class=leaf>{head}</div>"
        inside = "".join(item(below, depth + 1) for below in large[:60])
        left = small.sections + max(len(large) - 60, 0)
        more = f"<div class='leaf count'>and {plural(left, 'smaller section')}</div>" if left else ""
        return f"<details{' open' if not depth else ''}><summary>{head}</summary>{inside}{more}</details>"

    return f"<div class=tree>{item(top, 0)}</div>"


def _by_period(top: Section, month: str) -> tuple[str, dict[str, int]]:
    """Return the name of a period and the number of URLs by the first month of each.

    Dates before the first period, and dates after the scan, are counted in one bar each.
    """
    periods = Periods(top.months, month, _BARS)
    begins = periods.labels
    inside = {each: count for each, count in top.months.items() if begins[0] <= each <= month}
    before = sum(count for each, count in top.months.items() if each < begins[0])
    after = sum(count for each, count in top.months.items() if each > month)
    bars = dict(zip(begins, periods.counts(inside), strict=True)) if inside else {}
    while not before and bars and not bars[next(iter(bars))]:
        del bars[next(iter(bars))]
    older = {f"before {begins[0]}": before} if before else {}
    return periods.unit, older | bars | ({"in the future": after} if after else {})


def _freshness_text(top: Section) -> str:
    if not top.months:
        return "<p>No URL has a lastmod.</p>"
    dated = top.urls - top.undated
    newest = f"the newest is {top.newest[:10]}" if top.newest else ""
    return f"<p>{plural(dated, 'URL')} with a date, {newest}; {number(top.undated)} without.</p>"


def _trust_table(top: Section) -> str:
    """Return the trust in the dates of the site and of its larger sections."""
    sections = [top]
    for section in sections:  # grows during the iteration: breadth first
        if len(sections) < _MAX_TRUST_ROWS:
            sections += split_by_size(section, max(1, top.urls // 100))[0]
    rows = [
        [
            f"<td class=text>{text_of(url_text(section.url) or 'all origins')}</td>",
            number_cell(section.urls),
            cell("" if trust.score is None else f"{trust.score} ({trust.level})"),
            f"<td class=text>{text_of(trust.reason)}</td>",
        ]
        for section in sections[:_MAX_TRUST_ROWS]
        for trust in (section.trust or UNKNOWN,)
        if trust.dates
    ]
    return table("Trust in lastmod", _TRUST_COLUMNS, rows, 0, numbers={1})


def _scan_series(scans: Sequence[Scan]) -> dict[str, list[Any]] | None:
    rows = scans[1:]  # without the first, which added everything
    if not any(scan.summary.added or scan.summary.removed or scan.summary.changed for scan in rows):
        return None
    return {
        "when": [moment(scan.recorded_at) for scan in rows],
        "added": [scan.summary.added for scan in rows],
        "changed": [scan.summary.changed for scan in rows],
        "removed": [scan.summary.removed for scan in rows],
    }


def _scans_table(scans: Sequence[Scan]) -> str:
    rows = []
    for scan in reversed(scans):
        row = scan.summary
        rows.append(
            [
                cell(moment(scan.recorded_at)),
                outcome_cell(row.status.value),
                *map(number_cell, (row.sitemaps, row.urls, row.added, row.removed, row.changed)),
                f"<td class=id>{text_of(row.job_id)}</td>",
            ]
        )
    return table("Scans", _SCAN_COLUMNS, rows, 0, numbers={2, 3, 4, 5, 6})


def _files_table(stored: Sequence[StoredFile], more: int) -> str:
    rows = []
    for file in stored:
        status = "removed" if file.removed_at is not None else file.status.value
        rows.append(
            [
                outcome_cell(status),
                cell(file.sitemap_type or ""),
                cell(file.discovered_by.value),
                number_cell(file.status_code) if file.status_code is not None else "<td class=number></td>",
                number_cell(file.url_count),
                f"<td class=number data-value={file.size_bytes}>{size(file.size_bytes)}</td>",
                f"<td class=text>{text_of(url_text(file.url))}</td>",
                f"<td class=text>{text_of(file_note(file))}</td>",
            ]
        )
    return table("Sitemap files", _FILE_COLUMNS, rows, more, numbers={3, 4, 5})


def _domains_table(results: Sequence[DomainSummary], more: int) -> str:
    rows = [
        [
            cell(row.domain),
            outcome_cell(row.status.value),
            *map(number_cell, (row.sitemaps, row.urls, row.added, row.removed, row.changed)),
            f"<td class=number data-value={row.seconds:.3f}>{row.seconds:.2f}</td>",
            f"<td class=text>{html.escape(failure_text(row.error)) if row.error else ''}</td>",
        ]
        for row in results
    ]
    return table("Domains", _DOMAIN_COLUMNS, rows, more, numbers={2, 3, 4, 5, 6, 7})


def _counts_text(counts: dict[str, int]) -> str:
    return f"<p>{', '.join(f'{count:,} {name}' for name, count in counts.items()) or 'No domain.'}</p>"
