"""Twenty-five malformed sitemaps, read by ContentMap and by two other readers side by side.

usage: python benchmarks/malformed.py [--peers DIR] [--alone] [--output FILE.md] [--verbose]

Each document is given to each reader the way its users would: to `contentmap parse -` as a process of its
own, to ultimate-sitemap-parser and Scrapy (installed into DIR, build/peers by default) in one process each.
The table is Markdown. Exit code 1 if ContentMap does not list all that can be had in every row, lists
anything else, or does not say so where something was lost.

A cell is `all`, `n/m` (so many of those that can be had), `none`, `corrupt` (at least one URL that the
document does not list: cut off, altered, or of something else), `error` (an exception instead of an answer),
`hang`, or `-` (the reader does not claim to read the format).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import json
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from machine import machine
from malformed_cases import CASES, Case
from peers import PEERS, Environment, environment

from contentmap_cli import __version__

SECONDS = 20.0  # for one document
READERS = Path(__file__).with_name("peer_readers.py")
FEEDLESS = {"scrapy"}
OURS = "ContentMap"
CLEAN, NOT_CLEAN = 0, 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader made of one document: URLs, or why there are none. `complete` where it says so itself."""

    urls: tuple[str, ...] = ()
    error: str | None = None
    complete: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cell: its text, and what a person may want to see of it."""

    text: str
    detail: str = ""


Reader = Callable[[Case], Answer]
HANG = Answer(error="hang")
NOT_READ = Answer(error="-")
DIED = Answer(error="the process died")


def contentmap(case: Case) -> Answer:
    """`contentmap parse - --base URL`, as a process."""
    command = [sys.executable, "-m", "contentmap_cli", "parse", "-", "--base", case.url, "--format", "ndjson"]
    try:
        done = subprocess.run(command, input=case.body, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return HANG
    if done.returncode not in (CLEAN, NOT_CLEAN):
        return Answer(error=done.stderr.decode().strip() or f"exit code {done.returncode}")
    *entries, document = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return Answer(tuple(each["url"] for each in entries), complete=document["complete"])


class Peer:
    """Another reader in a process of its own, started anew after a crash or when its time is up."""

    def __init__(self, name: str, python: Path) -> None:
        self._name = name
        self._command = [str(python), str(READERS), name]
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, case: Case) -> Answer:
        if case.feed and self._name in FEEDLESS:
            return NOT_READ
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        question = {
            "url": case.url,
            "media_type": case.media_type,
            "body": base64.b64encode(case.body).decode(),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            with contextlib.suppress(BrokenPipeError):  # then there is no answer either
                self._process.stdin.write(json.dumps(question).encode() + b"\n")
                self._process.stdin.flush()
            if not selector.select(SECONDS):
                self.close()
                return HANG
        line = self._process.stdout.readline()
        if not line:
            self.close()
            return DIED
        answer = json.loads(line)
        return Answer(tuple(answer.get("urls", ())), answer.get("error"))

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextlib.contextmanager
def readers(peers: Environment | None) -> Iterator[dict[str, Reader]]:
    """Every reader under the heading of its column."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Reader] = {f"{OURS} {__version__}": contentmap}
        if peers is not None:
            for name, version in peers.versions.items():
                peer = Peer(name, peers.python)
                stack.callback(peer.close)
                found[f"{name} {version}"] = peer
        yield found


def normal(url: str) -> str:
    """A URL in ASCII: whether a reader lists an IRI as written or as a URI makes no difference here."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~-._")


def judge(case: Case, answer: Answer) -> Verdict:
    """What an answer is worth."""
    if answer.error is not None:
        if answer in (NOT_READ, HANG):
            return Verdict(answer.error)
        return Verdict("error", answer.error)
    listed = {normal(url) for url in answer.urls}
    wanted = {normal(url) for url in case.urls}
    wrong = sorted(listed - wanted - {normal(url) for url in case.also})
    if wrong:
        return Verdict("corrupt", f"{len(wrong)} URLs like {wrong[0]!r}")
    missing = sorted(wanted - listed)
    if not missing:
        silent = answer.complete is not None and answer.complete == case.cut
        return Verdict("all", "is wrong about being complete" if silent else "")
    found = len(wanted) - len(missing)
    return Verdict(f"{found}/{len(wanted)}" if found else "none", f"misses {missing[0]!r} and such")


def table(columns: Sequence[str], rows: Sequence[tuple[Case, Sequence[Verdict]]]) -> str:
    """The whole table, with totals."""
    lines = [f"| # | what is wrong | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for number, (case, verdicts) in enumerate(rows, 1):
        cells = [f"**{each.text}**" if each.text == "all" else each.text for each in verdicts]
        lines.append(f"| {number} | {case.damage} | {' | '.join(cells)} |")
    by_column = list(zip(*(verdicts for _, verdicts in rows), strict=True))
    for title, wanted in (("read in full", "all"), ("corrupted", "corrupt")):
        counts = [
            f"{sum(each.text == wanted for each in column)} of {sum(each.text != '-' for each in column)}"
            for column in by_column
        ]
        lines.append(f"| | {title} | {' | '.join(counts)} |")
    return "\n".join(lines)


def main() -> int:
    """Prints the table; 1 if ContentMap does not stand up to it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="their virtual environment")
    parser.add_argument("--alone", action="store_true", help="ContentMap only, nothing is installed")
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="write the table there as well")
    parser.add_argument("--verbose", action="store_true", help="say what is wrong with each cell, on stderr")
    options = parser.parse_args()
    peers = None if options.alone else environment(["ultimate-sitemap-parser", "scrapy"], options.peers)
    with readers(peers) as found:
        rows = [(case, [judge(case, read(case)) for read in found.values()]) for case in CASES]
        columns = list(found)
    report = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine()}\n\n{table(columns, rows)}\n"
    print(report, end="")
    if options.output is not None:
        options.output.write_text(report, encoding="utf-8")
    failed = False
    for case, verdicts in rows:
        failed = failed or verdicts[0] != Verdict("all")
        for column, verdict in zip(columns, verdicts, strict=True):
            if verdict.detail and (options.verbose or column == columns[0]):
                print(f"{case.damage}: {column}: {verdict.text}: {verdict.detail}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
