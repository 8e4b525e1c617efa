"""Figures made into Markdown: a table for each comparison, and the file that holds the last of each."""

from __future__ import annotations

import datetime
import importlib.metadata
import re
import sqlite3
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from machine import machine
from speed_programs import Counted, Program
from whole_process import Run

INTRODUCTION = """# Results

Written by `python benchmarks/speed.py`, which replaces the tables that it measures anew and leaves the
others; [README.md](README.md) says how they are meant. Each program is measured as a whole process, the
programs of a table in turn; figures are medians.
"""


@dataclass(slots=True)
class Measured:
    """All runs of one program, and what it counted in the last. `failure` where it did not work."""

    program: Program
    runs: list[Run] = field(default_factory=list)
    counted: Counted | None = None
    failure: str | None = None

    @property
    def right(self) -> bool:
        """Whether it worked and found what is there."""
        return self.failure is None and self.counted is not None and self.counted.fits(self.program.truth)

    def median(self, figure: Callable[[Run], float]) -> float:
        """The middle one of all runs."""
        return statistics.median(map(figure, self.runs))


@dataclass(frozen=True, slots=True)
class Section:
    """One comparison's part of the results: Markdown below its heading, and whether all was right."""

    name: str
    title: str
    body: str
    right: bool


def table(measured: Sequence[Measured], against: Sequence[str]) -> str:
    """A row for each program; wall and CPU time are set against those programs' whose names begin so."""
    bases = {name: next(each for each in measured if each.program.name.startswith(name)) for name in against}
    titles = [
        *("program", "stores", "URLs", "wall s", "from – to", "CPU s", "peak MiB", "together MiB"),
        *(f"{what} ÷ {name}" for name in bases for what in ("wall", "CPU")),
    ]
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "---|" * (len(titles) - 2)]
    for each in measured:
        cells = [each.program.name, each.program.stores]
        if each.failure is not None or each.counted is None:
            reason = " ".join((each.failure or "not run").split()).replace("|", "\\|")
            cells += [f"failed: {reason[-120:]}", *("",) * (len(titles) - 3)]
        else:
            there = each.program.truth.urls
            count = (
                f"{each.counted.urls:,}"
                if each.counted.urls == there
                else f"{each.counted.urls:,} of {there:,}"
            )
            walls = sorted(run.wall for run in each.runs)
            cells += [
                count if there else "",
                f"{each.median(lambda run: run.wall):.2f}",
                f"{walls[0]:.2f} – {walls[-1]:.2f}",
                f"{each.median(lambda run: run.cpu):.2f}",
                f"{each.median(lambda run: run.peak):,.0f}",
                f"{together:,.0f}" if (together := each.median(lambda run: run.together)) else "",
            ]
            cells += [ratio(each, base, figure) for base in bases.values() for figure in (_wall, _cpu)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(one: Measured, base: Measured, figure: Callable[[Run], float]) -> str:
    """One median over another."""
    if not base.runs or not one.runs or not base.median(figure):
        return ""
    return f"{one.median(figure) / base.median(figure):.2f}"


def _wall(run: Run) -> float:
    return run.wall


def _cpu(run: Run) -> float:
    return run.cpu


def measured_on(runs: int, **more: str) -> str:
    """When and on what: the line below a table."""
    packages = ("contentmap-cli", "aiohttp", "lxml", "sqlalchemy", "aiosqlite", "asyncpg")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    parts = [
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        f"{runs} run{'' if runs == 1 else 's'} each",
        machine(*(name for name in packages if _there(name))),
        f"SQLite {sqlite3.sqlite_version}",
        *(f"{name} {value}".strip() for name, value in more.items() if value),
        *([f"commit {commit}"] if commit else []),
    ]
    return f"<sub>{', '.join(parts)}</sub>"


def _there(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def shown(section: Section) -> str:
    """A section with its heading."""
    return f"## {section.name}: {section.title}\n\n{section.body.strip()}\n"


def keep(file: Path, sections: Sequence[Section], order: Sequence[str]) -> None:
    """Puts sections into the file: each in the place of its older self, all in this order."""
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    found: Mapping[str, str] = {
        match[1]: match[0].strip() + "\n"
        for match in re.finditer(r"(?ms)^## (\S+): .*?(?=^## \S+: |\Z)", old)
    }
    parts = {**found, **{section.name: shown(section) for section in sections}}
    known = [name for name in order if name in parts]
    rest = [name for name in parts if name not in order]
    file.write_text("\n".join([INTRODUCTION, *(parts[name] for name in known + rest)]), encoding="utf-8")
