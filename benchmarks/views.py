"""What it takes to look at a big site: `urls` in each format, `map`, `report`, `diff`, as whole processes.

usage: python benchmarks/views.py [--urls N] [--runs N]

Makes a site of N URLs (1,000,000) in files of 50,000, scans it into a new SQLite file, and prints a table in
Markdown: the median wall and CPU time, the peak of memory, and the size of the answer. Needs the extras
parquet and report.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import speed_sites
from speed_bench import WORK, say
from speed_programs import CONTENTMAP, HERE, scan
from speed_server import Listener, free_port, serving
from whole_process import Run, end_well, run

A_FILE = 50_000
DOMAIN = speed_sites.Style("names").single(1)
VIEWS = (
    *((f"urls --format {name}", ("urls", DOMAIN, "--format", name)) for name in ("ndjson", "json", "csv")),
    *((f"urls --format {name}", ("urls", DOMAIN, "--format", name)) for name in ("txt", "xml", "parquet")),
    ("map", ("map", DOMAIN)),
    ("report", ("report", DOMAIN)),
    ("diff", ("diff", DOMAIN, "--format", "ndjson")),
    ("sitemaps", ("sitemaps", DOMAIN)),
)


def made(urls: int) -> tuple[Path, speed_sites.Made]:
    """The site, which is made once."""
    files = max(1, urls // A_FILE)
    tree = WORK / f"views-{files}"
    truth = tree.with_suffix(".json")
    site = speed_sites.load(truth)
    if site is None:
        say(f"making {tree.name}")
        tree.mkdir(parents=True, exist_ok=True)
        words = ["--style", "names", "--port", "80", "--files", str(files), "--urls", str(min(urls, A_FILE))]
        script = [sys.executable, str(HERE / "speed_sites.py"), str(tree), "big", "--truth", str(truth)]
        subprocess.run([*script, *words], check=True)
        site = speed_sites.load(truth)
        assert site is not None
    return tree, site


def row(name: str, runs: list[Run], size: int) -> str:
    """A line of the table."""
    wall = statistics.median(each.wall for each in runs)
    cpu = statistics.median(each.cpu for each in runs)
    peak = max(each.peak for each in runs)
    return f"| `{name}` | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {size / 1e6:.1f} |"


def main() -> int:
    """Measures; 1 where a view failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    end_well()
    tree, site = made(asked.urls)
    with tempfile.TemporaryDirectory(prefix="contentmap-views-") as name:
        folder = Path(name)
        port = free_port()
        with serving([Listener(port, tree)]):
            scanned = run(scan(folder, site, port), folder)
        if scanned.code:
            print(scanned.err, file=sys.stderr)
            return 1
        print(f"{site.truth.urls:,} URLs, {asked.runs} runs\n")
        print("| command | wall s | CPU s | peak MiB | answer MB |\n|---|---|---|---|---|")
        for view, words in VIEWS:
            answer = folder / "answer"
            command = [*CONTENTMAP, "--db", str(folder / "map.db"), *words, "--output", str(answer)]
            runs = [run(command, folder) for _ in range(asked.runs)]
            if any(each.code for each in runs):
                print(f"{view}: {runs[-1].err}", file=sys.stderr)
                return 1
            print(row(view, runs, answer.stat().st_size), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
