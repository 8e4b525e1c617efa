"""Random damage and repair of web sites, and whether scans draw a wrong conclusion from it.

usage: python benchmarks/damage.py [--histories N] [--seed S] [--nights N] [--jobs N] [--database URL]
       python benchmarks/damage.py --replay SEED:INDEX

Each history is a small site on loopback that is scanned once a night. Between nights pages and files come
and go, and robots.txt, indexes, files or the whole site are damaged and repaired. A model of the removal
rule says what each scan must list, what it may list and which outcomes are right. Prints one table, and each
history that broke the rule with the nights on which it did. Exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from machine import machine
from program import Contentmap
from site_histories import History, Night
from site_nights import Judged, Watched, WrongExit, scan_night
from site_rule import Fault, Rule
from site_server import SiteServer, serving_sites

SITES = 125
"""Histories whose sites one scan covers."""
SHOWN = 20


@dataclass
class Found:
    """What a batch of histories came to: scans of single sites, and a report of each wrong history."""

    scans: int = 0
    commands: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)
    exits: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take in what another batch came to."""
        self.scans += other.scans
        self.commands += other.commands
        self.faults += other.faults
        self.wrong |= other.wrong
        self.causes += other.causes
        self.exits += other.exits


def main() -> int:
    """Reads the options, runs the histories, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nights", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=4, help="scans at once")
    parser.add_argument("--database", metavar="URL", help="PostgreSQL with the schema; default: SQLite files")
    parser.add_argument("--replay", metavar="SEED:INDEX", help="run one history and show each night")
    parser.add_argument("--show", type=int, default=SHOWN, metavar="N", help="wrong histories to print")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving_sites() as server:
        if options.replay:
            return replay(options.replay, options.nights, Path(folder), server, options.database)
        started = time.monotonic()
        found = Found()
        sizes = [range(at, min(at + SITES, options.histories)) for at in range(0, options.histories, SITES)]
        with ThreadPoolExecutor(options.jobs) as pool:
            running = [
                pool.submit(
                    run_batch,
                    [History(options.seed, index, options.nights) for index in indexes],
                    Path(folder),
                    server,
                    options.database,
                )
                for indexes in sizes
            ]
            for done in as_completed(running):
                found.add(done.result())
        seconds = time.monotonic() - started
    report(found, options.histories, options.seed, options.nights, seconds, options.show)
    return 1 if found.faults or found.exits else 0


def report(found: Found, histories: int, seed: int, nights: int, seconds: float, show: int) -> None:
    """Print the table, the damages of nights that went wrong, and some wrong histories."""
    print(f"{machine('aiohttp', 'sqlalchemy')}\n")
    print(f"Seed {seed}, {nights} nights, {found.commands} commands in {seconds:.0f} s.\n")
    print(
        "| histories | scans | wrong histories | "
        + " | ".join(f"{each}" for each in Fault)
        + " | wrong exit |"
    )
    print("|" + "---|" * (len(Fault) + 4))
    cells = [
        histories,
        found.scans,
        len(found.wrong),
        *(found.faults[each] for each in Fault),
        len(found.exits),
    ]
    print("| " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    for text in found.exits:
        print(f"\n{text}")
    if found.causes:
        print("\n| nights that went wrong | fault and damage |\n|---|---|")
        for cause, count in found.causes.most_common():
            print(f"| {count} | {cause} |")
    for name, lines in sorted(found.wrong.items())[:show]:
        print(f"\n{name} (--replay {name} --nights {nights})")
        print("\n".join(f"  {line}" for line in lines))


def run_batch(histories: list[History], folder: Path, server: SiteServer, database: str | None) -> Found:
    """Scan the sites of these histories night after night."""
    first = histories[0].name.replace(":", "-")
    contentmap = command(folder, first, database)
    own = tenant(first)
    watched = [Watched(history.site, Rule()) for history in histories]
    found = Found()
    for nights in zip(*(history.nights() for history in histories), strict=True):
        pairs = [(site, night.damages) for site, night in zip(watched, nights, strict=True)]
        try:
            judged = scan_night(contentmap, server, pairs, tenant=own)
        except WrongExit as error:
            found.exits.append(f"batch of {first}, night {nights[0].number}: {error}")
            break
        found.commands += 1
        for history, night, each in zip(histories, nights, judged, strict=True):
            found.scans += 1
            if not each.violations:
                continue
            found.faults.update({violation.fault for violation in each.violations})
            lines = found.wrong.setdefault(history.name, [])
            lines += [
                f"night {night.number}: {violation.fault}: {violation.text} ({_description(night)})"
                for violation in each.violations
            ]
            damages = ", ".join(sorted(active.damage.name for active in night.damages)) or "no damage"
            found.causes.update(
                f"{fault}: {damages}" for fault in {violation.fault for violation in each.violations}
            )
    return found


def replay(name: str, nights: int, folder: Path, server: SiteServer, database: str | None) -> int:
    """Run one history and print each night. Return the exit code."""
    seed, _, index = name.partition(":")
    history = History(int(seed), int(index), nights)
    contentmap = command(folder, "replay", database)
    own = tenant(f"replay-{name}")
    watched = Watched(history.site, Rule())
    wrong = False
    for night in history.nights():
        [judged] = scan_night(contentmap, server, [(watched, night.damages)], tenant=own)
        print_night(history, night, judged, server.log[history.site.host])
        wrong = wrong or bool(judged.violations)
    return 1 if wrong else 0


def print_night(history: History, night: Night, judged: Judged, log: list[tuple[str, int]]) -> None:
    """Print what a night was like and what was made of it."""
    site = history.site
    print(f"night {night.number}: {_description(night)}")
    print(f"  published ({site.style}): {' '.join(site.roots) or 'names nothing'}")
    for index, children in site.indexes.items():
        print(f"    {index} -> {' '.join(children)}")
    for path, file in site.files.items():
        pages = " ".join(url.rpartition("/")[2] for url in file.urls)
        named = "" if path in site.named() else " (not named)"
        print(f"    {path}{named}: {pages}")
    for path, status in site.gone.items():
        print(f"    {path}: {status}")
    asked = Counter(f"{path} {status or 'closed'}" for path, status in log)
    print("  asked: " + ", ".join(f"{what} x{count}" if count > 1 else what for what, count in asked.items()))
    print(f"  recorded: {judged.recorded}")
    print(f"  outcomes allowed: {', '.join(sorted(judged.expected.outcomes))}; ", end="")
    print(f"the scan can be whole: {', '.join(str(each) for each in sorted(judged.expected.whole))}")
    for violation in judged.violations:
        print(f"  WRONG {violation.fault}: {violation.text}")


def command(folder: Path, name: str, database: str | None) -> Contentmap:
    """The command on an empty SQLite file, or on the database that was named."""
    own = folder / name
    own.mkdir()
    return Contentmap(own, database or f"sqlite:///{own / 'map.db'}")


def tenant(name: str) -> str:
    """A tenant of this run alone: a database may hold others."""
    return f"damage-{name.replace(':', '-')}-{time.time_ns()}"


def _description(night: Night) -> str:
    parts = [*night.changes, *(f"damaged: {each}" for each in night.damages)]
    return "; ".join(parts) or "nothing happened"


if __name__ == "__main__":
    sys.exit(main())
