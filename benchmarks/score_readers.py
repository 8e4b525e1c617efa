"""Scores the sitemap reader against a folder of real files with known answers.

usage: python benchmarks/score_readers.py [--shared ../shared] [--fail-under 99] [--verbose]

The folder holds `corpus/`, `conformance/` and `score.py`; the files are other people's and not part of this
project. Where it is absent, this says so and exits 0.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contentmap_cli.models import Entry
from contentmap_cli.sitemap import parse_document

SETS = ("corpus", "conformance")


class Listed:
    """A sink that keeps the URLs."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def extend(self, entries: Sequence[Entry]) -> None:
        self.urls.extend(entry.url for entry in entries)

    def clear(self) -> None:
        self.urls.clear()


def answer(root: Path, case: dict[str, str]) -> dict[str, object]:
    """The URLs that the reader lists for one case, and why it could not read it whole."""
    sink = Listed()
    path = root / case["file"]
    robots = path.suffix == ".txt" and "robots" in path.name  # one has a URL that does not say so
    with path.open("rb") as source:
        document = parse_document(source, sink, base=case["url"], robots=robots)
    return {"urls": sink.urls, "error": document.failure.message if document.failure else None}


def score(shared: Path, name: str, *, verbose: bool) -> float:
    """Per cent, as score.py has it."""
    root = shared / name
    command = [sys.executable, str(shared / "score.py"), "--root", str(root)]
    listing = subprocess.run([*command, "--cases"], capture_output=True, text=True, check=True).stdout
    cases = [json.loads(line) for line in listing.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "ANSWERS.json"
        answers.write_text(json.dumps({case["id"]: answer(root, case) for case in cases}), encoding="utf-8")
        options = ["--verbose"] if verbose else []
        report = subprocess.run(
            [*command, *options, str(answers)], capture_output=True, text=True, check=True
        ).stdout
    print(f"{name}: {report.strip()}")
    found = re.search(r"= ([0-9.]+) %", report)
    assert found is not None, report
    return float(found[1])


def main() -> int:
    """Prints both scores; 1 if one is under `--fail-under`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parent.parent.parent / "shared")
    parser.add_argument("--fail-under", type=float, default=0.0)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if not all((options.shared / name).is_dir() for name in SETS):
        print(f"no corpus at {options.shared}: nothing to score")
        return 0
    scores = [score(options.shared, name, verbose=options.verbose) for name in SETS]
    return 1 if min(scores) < options.fail_under else 0


if __name__ == "__main__":
    sys.exit(main())
