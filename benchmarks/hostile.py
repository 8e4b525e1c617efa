"""Every hostile server at once: what a scan of them comes to, and what it costs.

usage: python benchmarks/hostile.py [--case NAME ...] [--domain-time SECONDS] [--output FILE.md]

The cases of tests/support/hostile_*.py in full size, and a few good sites, from a raw socket server on
loopback; `contentmap scan` of all of them in one job, in a process whose address space is limited to 700 MB.
Prints a Markdown table and ends within seven minutes. Exit code 1 unless every case has its outcome and
code, memory of that process stays below 200 MB, and the event loop is never later than 0.25 s by the
process's own making. What it has together with its parsing processes is told as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from hostile_documents import CASES
from hostile_server import Case, serving
from machine import machine
from measuring import watched_loop

MIB = 2**20
ADDRESS_SPACE = 700 * 10**6
GOAL_BYTES = 200 * 10**6
GOAL_MS = 250.0
DOMAIN_TIME = 240.0
START_AND_END = 180.0  # seconds that a scan may take besides its slowest domain


@dataclass(frozen=True, slots=True)
class Cost:
    """What the process took: exit code, seconds, peaks in bytes, the loop's worst lags in ms."""

    code: int
    seconds: float
    peak: int
    address_space: int
    wait: float
    own: float


def scan(pipe: Connection, words: Sequence[str]) -> None:
    """Runs the command in this process, under the limit, its event loop watched."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    from contentmap_cli.commands import app
    from contentmap_cli.commands import scan as command

    lags: list[tuple[float, float]] = []

    def watched(main: Coroutine[Any, Any, int]) -> int:
        async def run() -> int:
            async with watched_loop() as lag:
                code = await main
            lags.append((max(lag.waits), max(lag.own)))
            return code

        return asyncio.run(run())

    command.run_async = watched  # type: ignore[assignment]
    begin = time.perf_counter()
    code = app.app(list(words), standalone_mode=False) or 0
    seconds = time.perf_counter() - begin
    wait, own = lags[0]
    pipe.send(Cost(code, seconds, _status("VmHWM"), _status("VmPeak"), wait, own))


def _status(name: str, process: str = "self") -> int:
    """A size in bytes from the system's own account of a process; 0 where it is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
    return 0


class FamilyPeak:
    """The most resident memory that a process and its children had at one moment, 20 looks a second.

    Pages that they share are counted in each of them.
    """

    def __init__(self, process: int) -> None:
        self.bytes = 0
        self._process = process
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            family = [str(self._process)]
            with suppress(OSError):
                for task in Path(f"/proc/{self._process}/task").iterdir():
                    family += (task / "children").read_text(encoding="ascii").split()
            self.bytes = max(self.bytes, sum(_status("VmRSS", each) for each in family))

    def stop(self) -> int:
        """The peak."""
        self._done.set()
        self._thread.join()
        return self.bytes


def run(words: Sequence[str], seconds: float) -> tuple[Cost, int]:
    """The command in a fresh process: what it cost, and the peak of it and its children."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=scan, args=(theirs, words))
    process.start()
    theirs.close()
    family = FamilyPeak(process.pid or 0)
    try:
        if not ours.poll(seconds):
            raise TimeoutError(f"the scan took longer than {seconds:.0f} s")
        return ours.recv(), family.stop()
    finally:
        process.kill()
        process.join()


def row(case: Case, found: dict[str, Any] | None) -> tuple[str, bool]:
    """One line of the table, and whether it is as it should be."""
    if found is None:
        return f"| {case.name} | missing | | | | no |", False
    code = found["error"]["code"] if found["error"] else None
    held = (found["outcome"], code) == (case.outcome, case.code)
    held = held and case.urls in (None, found["urls"])
    mark = "yes" if held else f"no: {case.outcome} {case.code} {case.urls}"
    return (
        f"| {case.name} | {found['outcome']} | {code or ''} | {found['urls']:,} | {found['seconds']:.1f} "
        f"| {found['fetched_bytes']:,} | {mark} |"
    ), held


def main() -> int:
    """Runs, prints, judges."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case; repeatable")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there as well")
    parser.add_argument("--domain-time", type=float, default=DOMAIN_TIME, help="more on a busy machine")
    options = parser.parse_args()
    names = [case.name for case in CASES]
    if unknown := [name for name in options.case or () if name not in names]:
        parser.error(f"there is no case {unknown[0]}; there are {', '.join(names)}")
    cases = [case for case in CASES if not options.case or case.name in options.case]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("hostile_documents", [case.name for case in cases], full=True) as port,
    ):
        answer = Path(folder) / "answer.ndjson"
        cost, family = run(
            [
                *("--db", str(Path(folder) / "map.db"), "--quiet"),
                *("scan", *(case.target for case in cases), "--connect-to", f"::127.0.0.1:{port}"),
                *("-c", "300", "--domain-time", str(options.domain_time), "--body-cache", "off"),
                *("--format", "ndjson", "-o", str(answer)),
            ],
            options.domain_time + START_AND_END,
        )
        lines = [json.loads(line) for line in answer.read_text(encoding="utf-8").splitlines()]
    found = {line["domain"]: line for line in lines if line["type"] == "domain"}
    rows = [row(case, found.get(case.host)) for case in cases]
    goals = {
        f"every case has its outcome and code ({sum(held for _, held in rows)} of {len(rows)})": all(
            held for _, held in rows
        ),
        f"peak memory {cost.peak / 10**6:.0f} MB, below {GOAL_BYTES / 10**6:.0f}": cost.peak < GOAL_BYTES,
        f"event loop late by {cost.own:.0f} ms of its own making ({cost.wait:.0f} ms on the clock), "
        f"below {GOAL_MS:.0f}": cost.own < GOAL_MS,
    }
    report = "\n".join(
        [
            machine("aiohttp", "lxml"),
            "",
            "| case | outcome | code | URLs | seconds | bytes | as expected |",
            "|---|---|---|---|---|---|---|",
            *(text for text, _ in rows),
            "",
            f"{len(rows)} domains at once in {cost.seconds:.1f} s under {ADDRESS_SPACE / 10**6:.0f} MB of "
            f"address space, of which {cost.address_space / 10**6:.0f} MB were used.",
            "",
            f"Together with its parsing processes: {family / 10**6:.0f} MB, shared pages counted in each.",
            "",
            *(f"- {'held' if held else 'MISSED'}: {goal}" for goal, held in goals.items()),
        ]
    )
    print(report)
    if options.output:
        options.output.write_text(report + "\n", encoding="utf-8")
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
