"""What every comparison of `speed.py` shares: sizes, workloads that are made once, peers, taking turns."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from socket import socket

import peers
import speed_sites
from speed_programs import (
    MISSING_PARTS,
    NODE_PEERS,
    PEERS,
    Failed,
    Postgres,
    Program,
    node_peer,
    peer,
    system_psql,
)
from speed_results import Measured
from speed_server import Listener, claim_port, free_port
from whole_process import run

ROOT = Path(__file__).parent.parent
WORK = ROOT / "build" / "speed"
PORT = 18_473
"""Asked for first, for it stands in the URLs of sites with addresses: another one makes them anew."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the workloads are, and how many seconds a slow answer takes."""

    files: int = 20
    urls: int = 50_000
    domains: int = 500
    small: int = 200
    delay: float = 0.2


QUICK = Sizes(files=2, urls=1_000, domains=40, small=60, delay=0.05)


@dataclass(frozen=True, slots=True)
class Workload:
    """Sites that are there: where, what they hold, and the port in their URLs (80 where they have names)."""

    tree: Path
    made: speed_sites.Made
    port: int


@dataclass(frozen=True)
class Bench:
    """One call of `speed.py`."""

    sizes: Sizes
    runs: int
    alone: bool
    sqlite_only: bool
    server: str
    concurrency: int
    seconds: float
    work: Path

    @cached_property
    def _source(self) -> str:
        text = Path(speed_sites.__file__).read_bytes()
        return hashlib.blake2b(text, digest_size=4).hexdigest()

    @cached_property
    def _claims(self) -> tuple[tuple[int, socket], tuple[int, socket]]:
        return claim_port(PORT), claim_port(PORT + 1)

    @property
    def port(self) -> int:
        """For sites with addresses."""
        return self._claims[0][0]

    @property
    def slow_port(self) -> int:
        """For the same where every answer takes its time."""
        return self._claims[1][0]

    def workload(self, kind: str, style: str, *, files: int | None = None, slow: bool = False) -> Workload:
        """Makes it, in a process of its own, unless it is there: of one size, one port and one generator."""
        port = 80 if style == "names" else self.slow_port if slow else self.port
        sizes = replace(self.sizes, files=files or self.sizes.files)
        words = ["--style", style, "--port", str(port), "--files", str(sizes.files)]
        if kind == "wide":
            words += ["--domains", str(sizes.domains), "--urls", str(sizes.small)]
            size = f"{sizes.domains}x{sizes.small}"
        else:
            words += ["--urls", str(sizes.urls)]
            size = f"{sizes.urls}" if kind == "rich" else f"{sizes.files}x{sizes.urls}"
        tree = self.work / "-".join((kind, style, str(port), size, self._source))
        truth = tree.with_suffix(".json")
        made = speed_sites.load(truth)
        if made is None:
            say(f"making {tree.name}")
            tree.mkdir(parents=True, exist_ok=True)
            script = str(Path(speed_sites.__file__))
            command = [sys.executable, script, str(tree), kind, "--truth", str(truth), *words]
            subprocess.run(command, check=True)
            made = speed_sites.load(truth)
            assert made is not None
        return Workload(tree, made, port)

    def named_and_addressed(self, kind: str, *, slow: bool = False) -> tuple[Workload, Workload]:
        """The same sites twice: with names, and with addresses."""
        return self.workload(kind, "names"), self.workload(kind, "addresses", slow=slow)

    @cached_property
    def peers(self) -> peers.Environment | None:
        """The peers' environment; None where they are not wanted."""
        return None if self.alone else peers.environment([*PEERS, *MISSING_PARTS])

    @cached_property
    def node_peers(self) -> peers.NodeEnvironment | None:
        """Those of node; None where they are not wanted or there is no node."""
        return None if self.alone else peers.node_environment(NODE_PEERS)

    def others(
        self,
        addressed: Workload,
        named: Workload | None = None,
        port: int = 0,
        *,
        without: Sequence[str] = (),
    ) -> list[Program]:
        """All peers on a workload; the one that takes no addresses on the one with names, at that port."""
        programs: list[Program] = []
        if self.peers is not None:
            for reader in PEERS:
                if reader in without or (reader == "trafilatura" and named is None):
                    continue
                if reader == "trafilatura" and named is not None:
                    programs.append(peer(self.peers, reader, named.made, reach=port))
                else:
                    programs.append(peer(self.peers, reader, addressed.made))
        if self.node_peers is not None:
            readers = [reader for reader in NODE_PEERS if reader not in without]
            programs += [node_peer(self.node_peers, reader, addressed.made) for reader in readers]
        return programs

    def in_turn(self, programs: Sequence[Program]) -> list[Measured]:
        """Runs each once, then each once more, and so on. One that fails is not run again."""
        measured = [Measured(program) for program in programs]
        for turn in range(self.runs):
            for each in measured:
                if each.failure is None:
                    self._measure(each, turn)
        return measured

    def _measure(self, each: Measured, turn: int) -> None:
        program = each.program
        with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
            folder = Path(name)
            program.before(folder)
            done = run(list(program.command(folder)), folder, seconds=self.seconds)
            try:
                each.counted = program.count(folder, done)
            except Failed as failure:
                each.failure = str(failure)
            else:
                each.runs.append(done)
        what = each.failure or f"{each.counted.urls if each.counted else 0:,} URLs"
        figures = f"{done.wall:.2f} s, {done.cpu:.2f} CPU s, {done.peak:.0f} MiB"
        say(f"  {turn + 1}: {program.name}: {figures}, {what}")


def listener(workload: Workload, port: int | None = None, delay: float = 0.0) -> Listener:
    """Serves a workload: at the port in its URLs, or, with names, at any that is free."""
    given = workload.port if workload.port != 80 else free_port()
    return Listener(port or given, workload.tree, delay)


def say(line: str) -> None:
    """Something for whoever waits."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def postgres(bench: Bench) -> Iterator[tuple[Postgres, str] | None]:
    """A PostgreSQL server as the tests use it, and its version; None where there are no binaries for it or
    none is wanted."""
    if bench.sqlite_only:
        yield None
        return
    support = str(ROOT / "tests" / "support")
    if support not in sys.path:
        sys.path.append(support)
    from postgres_server import NoPostgres, PostgresServer, major_version

    try:
        server = PostgresServer.create()
    except NoPostgres as missing:
        say(str(missing))
        yield None
        return
    try:
        server.start()
        address = server.address("").rstrip("/")
        yield Postgres(address, system_psql(server.binaries)), str(major_version(server.binaries))
    finally:
        server.remove()
