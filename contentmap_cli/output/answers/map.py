"""The output of `map`: a tree of sections, or objects."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO
from urllib.parse import unquote

from contentmap_cli.models.lastmod.trust import SIGNS, UNKNOWN, Trust
from contentmap_cli.models.sections import Periods, Section, split_by_size
from contentmap_cli.output.columns import Cell, Column, Line, Style, styled, write_table
from contentmap_cli.output.escape import terminal, url_text
from contentmap_cli.output.formats import LIST_FORMATS, Format, objects_writer
from contentmap_cli.output.number_format import number, plural
from contentmap_cli.output.objects import SCHEMA
from contentmap_cli.output.writers.csv import SECTION

_COLUMNS = (
    Column("SECTION", cut=True, fit=44),
    Column("URLS", right=True),
    Column("SHARE", right=True, spare=1),
    Column("TRUST", spare=2),
    Column("NEWEST", spare=3),
    Column("FRESHNESS", spare=4),
)
_BARS = " ▁▂▃▄▅▆▇█"
_ASCII_BARS = " .:-=+*#@"
_MIN_WIDTH = 40
_MAX_REASONS = 4
_BRANCHES = ("├─ ", "└─ ", "│  ", "… ")
_ASCII_BRANCHES = ("|- ", "`- ", "|  ", "")


@dataclass(frozen=True, slots=True)
class SiteMap:
    """The map of a site: the tree, the maximum depth, and the least number of URLs of a section that is
    listed.

    `month` is that of the scan: later dates say nothing about freshness.
    """

    domain: str
    top: Section
    depth: int
    least: int
    month: str
    folded: bool = False


def write_map(
    format: Format, out: TextIO, site: SiteMap, *, width: int | None = None, color: bool = False
) -> None:
    """Write a map. Other parameters and errors as for `scan_writer`."""
    match format:
        case Format.TABLE:
            _MapTable(out, width, color).write(site)
        case Format.JSON:
            _write_json(out, site)
        case Format.NDJSON:
            _write_lines(out, site)
        case _:
            _write_rows(format, out, site)


def section_object(section: Section, depth: int, total: int) -> dict[str, object]:
    """Return the JSON object of a section without its subsections. `months` counts by the month of
    lastmod."""
    return {
        "type": "section",
        "url": section.url,
        "depth": depth,
        "urls": section.urls,
        "share": round(section.urls / total, 6) if total else 0,
        "newest": section.newest,
        "undated": section.undated,
        "months": dict(sorted(section.months.items())),
        "lastmod_trust": trust_object(section.trust or UNKNOWN),
    }


def trust_object(trust: Trust) -> dict[str, object]:
    """Return the JSON object of the trust in the dates of a section."""
    signs = {
        name: {"count": count, "share": round(count / (total or 1), 4)}
        for name in SIGNS
        for count, total in [
            (trust.signs.get(name, 0), trust.days - 1 if name == "together" else trust.dates)
        ]
    }
    return {
        "score": trust.score,
        "level": trust.level,
        "reason": trust.reason,
        "dates": trust.dates,
        "days": trust.days,
        "moved_share": trust.moved_share,
        "signs": signs,
    }


def visible(site: SiteMap) -> Iterator[tuple[int, Section, int, int]]:
    """Yield the listed sections in pre-order: depth, section, and the number of its subsections and their
    URLs that are too small to be listed."""

    def walk(section: Section, depth: int) -> Iterator[tuple[int, Section, int, int]]:
        large, small = split_by_size(section, site.least) if depth < site.depth else ((), None)
        yield depth, section, small.sections if small else 0, small.urls if small else 0
        for below in large:
            yield from walk(below, depth + 1)

    yield from walk(site.top, 0)


def map_object(site: SiteMap) -> dict[str, object]:
    """Return the JSON object of the map without its sections."""
    return {
        "type": "map",
        "schema": SCHEMA,
        "domain": site.domain,
        "urls": site.top.urls,
        "undated": site.top.undated,
        "newest": site.top.newest,
        "depth": site.depth,
        "folded": site.folded,
        "lastmod_trust": trust_object(site.top.trust or UNKNOWN),
    }


def _write_json(out: TextIO, site: SiteMap) -> None:
    """Write the map with nested sections."""
    total = site.top.urls

    def nested(section: Section, depth: int) -> dict[str, object]:
        large, small = split_by_size(section, site.least) if depth < site.depth else ((), None)
        answer = section_object(section, depth, total)
        answer["sections"] = [nested(below, depth + 1) for below in large]
        answer["not_shown"] = {"sections": small.sections, "urls": small.urls} if small else None
        return answer

    json.dump(map_object(site) | {"root": nested(site.top, 0)}, out, allow_nan=False, indent=2)
    out.write("\n")


def _write_lines(out: TextIO, site: SiteMap) -> None:
    """Write one line per section in pre-order, then the map."""
    for depth, section, sections, urls in visible(site):
        answer = section_object(section, depth, site.top.urls)
        answer["not_shown"] = {"sections": sections, "urls": urls} if depth < site.depth else None
        out.write(json.dumps(answer, allow_nan=False) + "\n")
    out.write(json.dumps(map_object(site), allow_nan=False) + "\n")


def _write_rows(format: Format, out: TextIO, site: SiteMap) -> None:
    """Write one row per section."""

    def to_object(row: tuple[int, Section]) -> dict[str, object]:
        depth, section = row
        return section_object(section, depth, site.top.urls)

    rows = objects_writer(format, out, to_object, SECTION, LIST_FORMATS)
    rows.write_all((depth, section) for depth, section, _, _ in visible(site))
    rows.finish()


class _MapTable:
    """A tree on a terminal; elsewhere one line per section with its whole URL."""

    def __init__(self, out: TextIO, width: int | None, color: bool) -> None:
        self._out = out
        self._width = width
        self._color = color
        blocks = _supports_blocks()
        self._bars = _BARS if blocks else _ASCII_BARS
        self._branches = _BRANCHES if blocks else _ASCII_BRANCHES

    def write(self, site: SiteMap) -> None:
        periods = Periods(site.top.months, site.month)
        lines = self._tree(site, periods) if self._width is not None else self._plain(site, periods)
        write_table(
            self._out, _COLUMNS, list(lines) if site.top.urls else (), width=self._width, color=self._color
        )
        if self._width is not None and site.top.urls:
            self._legend(site, periods)
        self._out.flush()

    def _plain(self, site: SiteMap, periods: Periods) -> Iterator[Line]:
        for _, section, _, _ in visible(site):
            yield self._line(url_text(section.url), section, site, periods)

    def _tree(self, site: SiteMap, periods: Periods) -> Iterator[Line]:
        fork, end, along, dots = self._branches

        def walk(section: Section, depth: int, lead: str, branch: str) -> Iterator[Line]:
            section, chain = _skip_single(section, depth)
            yield self._line(lead + branch + _name(section, chain), section, site, periods)
            if depth >= site.depth:
                return
            large, small = split_by_size(section, site.least)
            further = lead + {"": "", fork: along, end: "   "}[branch]
            for place, below in enumerate(large):
                last = place == len(large) - 1 and not small.sections
                yield from walk(below, depth + 1, further, end if last else fork)
            if small.sections:
                text = f"{further}{end}{dots}{plural(small.sections, 'smaller section')}"
                share = _share(small.urls, site.top.urls)
                cells = [Cell(text), Cell(number(small.urls)), Cell(share), *[Cell("")] * 3]
                yield Line([Cell(cell.text, Style.DIM) for cell in cells])

        yield from walk(site.top, 0, "", "")

    def _line(self, name: str, section: Section, site: SiteMap, periods: Periods) -> Line:
        return Line(
            (
                Cell(name),
                Cell(number(section.urls)),
                Cell(_share(section.urls, site.top.urls)),
                trust_cell(section.trust),
                Cell((section.newest or "")[:10], Style.DIM),
                Cell(self._spark(periods.counts(section.months)) if section.months else "", Style.CYAN),
            )
        )

    def _spark(self, counts: Sequence[int]) -> str:
        most = max(counts) or 1
        top = len(self._bars) - 1
        # a count above zero is visible; a space at an end would be stripped
        marks = [self._bars[max(1, count * top // most)] if count else "·" for count in counts]
        return "".join(marks).replace("·", "." if self._bars is _BARS else "_")

    def _legend(self, site: SiteMap, periods: Periods) -> None:
        reach = f"{periods.labels[0]} to {periods.last}"
        notes = [f"freshness: lastmod by {periods.unit}, {reach}"]
        if periods.older:
            notes.append("older dates are counted in the first")
        if periods.later:
            notes.append("later dates are counted in the last")
        if site.top.undated:
            notes.append(f"{plural(site.top.undated, 'url')} without a date")
        if site.folded:
            notes.append("too many sections: the smallest are counted as part of their parents")
        self._out.write("\n")
        self._note("; ".join(notes))
        for section, trust in _doubtful(site):
            where = f" in {url_text(section.url)}" if section is not site.top and section.url else ""
            self._note(f"trust of lastmod{where}: {trust.reason}")

    def _note(self, text: str) -> None:
        for line in textwrap.wrap(text, max(self._width or 0, _MIN_WIDTH), break_on_hyphens=False):
            self._out.write(f"{styled(line, Style.DIM, self._color)}\n")


def trust_cell(trust: Trust | None) -> Cell:
    """Return the level and the score of the dates of a section."""
    if trust is None or trust.score is None:
        return Cell("")
    style = {"low": Style.RED, "medium": Style.YELLOW}.get(trust.level or "", Style.PLAIN)
    return Cell(f"{trust.level} {trust.score}", style)


def _doubtful(site: SiteMap) -> Iterator[tuple[Section, Trust]]:
    """Yield the whole site and the first listed sections whose dates have another, worse level."""
    top = site.top.trust
    if top is None or not top.dates:
        return
    yield site.top, top
    reasons = {top.reason}
    for _, section, _, _ in visible(site):
        trust = section.trust
        if trust and trust.level not in (None, "high", top.level) and trust.reason not in reasons:
            reasons.add(trust.reason)
            if len(reasons) <= _MAX_REASONS:
                yield section, trust


def _skip_single(section: Section, depth: int) -> tuple[Section, int]:
    """Follow folders that contain only one other folder: they are drawn as one line.

    Return the last of them and how many were skipped.
    """
    passed = 0
    while depth and not section.own and len(section.sections) == 1:
        section, passed = section.sections[0], passed + 1
    return section, passed


def _name(section: Section, passed: int) -> str:
    """Return the last folder of the section's URL, decoded, preceded by the `passed` folders that were
    skipped."""
    root = section.url.find("/", section.url.find("://") + 3)
    if not section.url:
        return "all origins"
    if root == len(section.url) - 1:
        return url_text(section.url)
    folders = section.url[root + 1 : -1].split("/")[-1 - passed :]
    return terminal("/".join(unquote(folder, errors="replace") for folder in folders)) + "/"


def _share(urls: int, total: int) -> str:
    share = 100 * urls / total if total else 0.0
    return f"{share:.0f} %" if share >= 9.95 or not share else f"{share:.1f} %"


def _supports_blocks(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal can show block elements: it is not dumb, and its locale is UTF-8."""
    if environment.get("TERM") == "dumb":
        return False
    locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or "utf-8"
    return "utf" in locale.lower()
