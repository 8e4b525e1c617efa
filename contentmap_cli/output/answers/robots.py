"""The output of `robots`: the current robots.txt, its versions, their difference, and tests of URLs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import ClassVar, TextIO

from contentmap_cli.models.robots import RobotsState, RobotsVerdict, RobotsVersion
from contentmap_cli.output.answers.lists import Aligned, problem_text, problems_text
from contentmap_cli.output.columns import Cell, Column, Line, Style, styled
from contentmap_cli.output.escape import terminal, url_text
from contentmap_cli.output.formats import LIST_FORMATS, Format, objects_writer, refusal
from contentmap_cli.output.number_format import moment, plural, size
from contentmap_cli.output.objects import SCHEMA, robots_object, to_json, verdict_object
from contentmap_cli.output.rows import RowWriter

_STATES = {
    RobotsState.READ: "read",
    RobotsState.ABSENT: "none",
    RobotsState.NOT_UNDERSTOOD: "not understood",
}
_STATE_STYLES = {
    RobotsState.READ: Style.GREEN,
    RobotsState.ABSENT: Style.DIM,
    RobotsState.NOT_UNDERSTOOD: Style.YELLOW,
}
_LINE_END = re.compile(r"\r\n|\n|\r")


def robots_writer(
    format: Format, out: TextIO, domain: str, *, width: int | None = None, color: bool = False
) -> RowWriter[RobotsVersion]:
    """Return the writer for `robots --history`. Parameters and errors as for `formats.scan_writer`."""
    if format is Format.TABLE:
        return VersionsTable(out, width=width, color=color)
    from contentmap_cli.output.writers.csv import ROBOTS

    return objects_writer(format, out, lambda row: robots_object(domain, row), ROBOTS, LIST_FORMATS)


def verdicts_writer(
    format: Format, out: TextIO, *, width: int | None = None, color: bool = False
) -> RowWriter[RobotsVerdict]:
    """Return the writer for `robots --test`. Parameters and errors as for `formats.scan_writer`."""
    if format is Format.TABLE:
        return VerdictsTable(out, width=width, color=color)
    from contentmap_cli.output.writers.csv import VERDICT

    return objects_writer(format, out, verdict_object, VERDICT, LIST_FORMATS)


class VersionsTable(Aligned[RobotsVersion]):
    """One row per version."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("VERSION", right=True),
        Column("STATE"),
        Column("HTTP", right=True, spare=2),
        Column("SIZE", right=True, spare=1),
        Column("FIRST SEEN (UTC)"),
        Column("LAST SEEN (UTC)"),
        Column("DIGEST", spare=3),
    )
    note = "PROBLEMS"

    def write(self, row: RobotsVersion) -> None:
        """Collect the row."""
        cells = (
            Cell(str(row.number)),
            Cell(_STATES[row.state], _STATE_STYLES[row.state]),
            Cell("" if row.http_status is None else str(row.http_status)),
            Cell(size(len(row.body or b"")), Style.DIM),
            Cell(moment(row.first_seen)),
            Cell(moment(row.last_seen)),
            Cell((row.digest or "")[:12], Style.DIM),
        )
        self.lines.append(Line(cells, Cell(problems_text(row.problems), Style.DIM)))


class VerdictsTable(Aligned[RobotsVerdict]):
    """One row per URL."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("ANSWER"),
        Column("AGENT"),
        Column("GROUP"),
        Column("LINE", right=True),
        Column("RULE", cut=True),
        Column("URL", fit=44),
    )

    def write(self, row: RobotsVerdict) -> None:
        """Collect the row."""
        answer = Cell("allowed", Style.GREEN) if row.allowed else Cell("disallowed", Style.RED)
        line = "" if row.line is None else str(row.line)
        cells = (
            *(answer, Cell(terminal(row.agent)), Cell(terminal(row.group or "")), Cell(line)),
            *(Cell(terminal(row.rule or "")), Cell(url_text(row.url))),
        )
        self.lines.append(Line(cells))


def write_robots(
    format: Format, out: TextIO, domain: str, robots: RobotsVersion, versions: int, *, color: bool
) -> None:
    """Write the robots.txt of a domain: facts, problems, text.

    JSON and NDJSON have the same as one object; CSV is without the text.
    """
    match format:
        case Format.TABLE:
            for line in _head(robots, versions):
                out.write(styled(f"# {line}", Style.DIM, color) + "\n")
            for text in text_lines(robots):
                out.write(terminal(text) + "\n")
        case Format.JSON | Format.NDJSON:
            body = robots.text if robots.body is not None else None
            out.write(to_json(robots_object(domain, robots) | {"versions": versions, "body": body}) + "\n")
        case _:
            writer = robots_writer(format, out, domain)
            writer.write(robots)
            writer.finish()
    out.flush()


def write_difference(
    format: Format, out: TextIO, domain: str, before: RobotsVersion, after: RobotsVersion, *, color: bool
) -> None:
    """Write the difference between two versions, as `diff -u` does."""
    lines = [
        terminal(line)
        for line in difflib.unified_diff(
            text_lines(before),
            text_lines(after),
            f"{before.url} version {before.number} ({moment(before.first_seen)})",
            f"{after.url} version {after.number} ({moment(after.first_seen)})",
            lineterm="",
        )
    ]
    if format in (Format.JSON, Format.NDJSON):
        answer: dict[str, object] = {"type": "robots_diff", "schema": SCHEMA, "domain": domain}
        answer |= {"from": robots_object(domain, before), "to": robots_object(domain, after), "diff": lines}
        out.write(to_json(answer) + "\n")
    elif format is Format.TABLE:
        for line in lines:
            style = {"+": Style.GREEN, "-": Style.RED, "@": Style.CYAN}.get(line[:1], Style.PLAIN)
            out.write(styled(line, style, color) + "\n")
    else:
        raise refusal(format, (Format.TABLE, Format.JSON, Format.NDJSON))
    out.flush()


def text_lines(robots: RobotsVersion) -> list[str]:
    """Return the lines of a robots.txt as they were served."""
    lines = _LINE_END.split(robots.text)
    return lines[:-1] if lines and not lines[-1] else lines


def _head(robots: RobotsVersion, versions: int) -> Iterator[str]:
    """Yield the facts as comment lines of a robots.txt, so that the output is a valid one."""
    yield url_text(robots.url)
    if robots.final_url != robots.url:
        yield f"redirected to {url_text(robots.final_url)}"
    which = f"version {robots.number} of {versions}" if versions > 1 else "1 version"
    seen = f"seen from {moment(robots.first_seen)} to {moment(robots.last_seen)} UTC"
    match robots.state:
        case RobotsState.ABSENT:
            yield f"not found: HTTP {robots.http_status}; everything is allowed; {which}, {seen}"
        case RobotsState.NOT_UNDERSTOOD:
            yield f"another document is served; everything is allowed; {which}, {seen}"
        case RobotsState.READ:
            yield f"{size(len(robots.body or b''))}; {which}, {seen}"
    if robots.problems:
        yield f"{plural(sum(problem.count for problem in robots.problems), 'problem')}:"
    for problem in robots.problems:
        yield f"  {problem_text(problem)}"
