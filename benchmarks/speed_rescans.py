"""What a second scan of a site costs: next to the first in time, and on its own in rows, locks and logs."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from speed_bench import Bench, Workload, say
from speed_programs import CONTENTMAP, Counted, Failed, Postgres, Program, scan, stored
from speed_results import Measured
from whole_process import Run, run

LIVE = "sitemap_urls WHERE removed_scan_id IS NULL"
DIFFERENT = "SELECT count(*) FROM (SELECT * FROM main.sitemap_urls EXCEPT SELECT * FROM earlier.sitemap_urls)"
DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'sitemap_urls'"


@dataclass(frozen=True, slots=True)
class Site:
    """One site at two moments: what it holds then and the port where it is served so."""

    before: Workload
    port: int
    after: Workload
    later_port: int


def first_and_again(bench: Bench, site: Site, postgres: Postgres | None) -> list[Measured]:
    """First scan and rescan into the same database, run after run."""
    stores = "SQLite" if postgres is None else "PostgreSQL"
    moments = ((site.before, site.port, "first scan"), (site.after, site.later_port, "rescan"))
    pair = []
    for workload, _, name in moments:
        program = Program(
            f"{name}, {stores}", stores, workload.made.truth, lambda _: [], _uncounted, ours=True
        )
        pair.append(Measured(program))
    for turn in range(bench.runs):
        with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
            folder = Path(name)
            database = _new_database(folder, postgres)
            for each, (workload, port, _) in zip(pair, moments, strict=True):
                done = run(
                    scan(folder, workload.made, port, database=database), folder, seconds=bench.seconds
                )
                say(f"  {turn + 1}: {each.program.name}: {done.wall:.2f} s, {done.cpu:.2f} CPU s")
                if done.code != 0:
                    each.failure = f"exit code {done.code}: {done.err.strip()[-300:]}"
                    return pair
                each.runs.append(done)
                each.counted = (
                    stored(folder / "map.db", LIVE) if postgres is None else postgres.count("scanned", LIVE)
                )
    return pair


def _uncounted(folder: Path, run: Run) -> Counted:
    raise Failed("counted by whoever runs it")


def _new_database(folder: Path, postgres: Postgres | None) -> str:
    if postgres is None:
        return str(folder / "map.db")
    address = postgres.renew("scanned")
    upgrade = [*CONTENTMAP, "--db", address, "--quiet", "db", "upgrade"]
    subprocess.run(upgrade, check=True, capture_output=True)
    return address


# -- inside one


@dataclass(frozen=True, slots=True)
class Inside:
    """What one scan says of itself and what was seen of it: the answer's figures for the domain, rows that
    differ afterwards, bytes in the write-ahead log, and seconds from the first statement to the commit of its
    transactions that write (all together, and the longest)."""

    answer: dict[str, Any]
    rows: int
    wal: int
    locked: float
    longest: float

    @property
    def changes(self) -> tuple[int, int, int]:
        """URLs that came, went and changed, by its answer."""
        return self.answer["added"], self.answer["removed"], self.answer["changed"]


def looked_into(bench: Bench, site: Site) -> tuple[Inside, Inside]:
    """First scan and rescan of an SQLite file, with every step logged and the log kept whole.

    A reader that holds its snapshot keeps SQLite from starting its write-ahead log over, so that the log's
    size is all that was written. This is not how time is measured.
    """
    with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
        folder = Path(name)
        first = _looked_into(bench, folder, site.before, site.port)
        return first, _looked_into(bench, folder, site.after, site.later_port)


def _looked_into(bench: Bench, folder: Path, workload: Workload, port: int) -> Inside:
    file, earlier, log = folder / "map.db", folder / "earlier.db", folder / "steps.log"
    if not file.exists():
        upgrade = [*CONTENTMAP, "--db", str(file), "--quiet", "db", "upgrade"]
        subprocess.run(upgrade, check=True, capture_output=True)
    shutil.copyfile(file, earlier)
    log.unlink(missing_ok=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM domains").fetchone()
        done = run(scan(folder, workload.made, port, log=log), folder, seconds=bench.seconds)
        wal = file.with_name("map.db-wal").stat().st_size
    if done.code != 0:
        raise Failed(f"exit code {done.code}: {done.err.strip()[-300:]}")
    with closing(sqlite3.connect(file)) as database:
        database.execute("ATTACH ? AS earlier", (str(earlier),))
        rows = database.execute(DIFFERENT).fetchone()[0]
    holds = write_locks(log)
    answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))["results"][0]
    return Inside(answer, rows, wal, sum(holds), max(holds, default=0.0))


def write_locks(log: Path) -> list[float]:
    """Seconds from the first statement to the end of each transaction that may write, from the log."""
    began: dict[tuple[str | None, str], datetime] = {}
    holds = []
    for line in log.read_text(encoding="utf-8").splitlines():
        step = json.loads(line)
        action, role = step.get("action"), step.get("role")
        if role in (None, "read"):
            continue
        moment, key = datetime.fromisoformat(step["time"]), (step.get("domain"), role)
        if action == "transaction.first_statement":
            began[key] = moment
        elif action in ("transaction.committed", "transaction.rolled_back") and key in began:
            holds.append((moment - began.pop(key)).total_seconds())
    return holds


def inside_table(first: Inside, again: Inside) -> str:
    """Both next to each other."""
    rows: dict[str, Callable[[Inside], str]] = {
        "requests": lambda scan: f"{scan.answer['requests']:,}",
        "bytes fetched": lambda scan: f"{scan.answer['fetched_bytes']:,}",
        "added": lambda scan: f"{scan.answer['added']:,}",
        "changed": lambda scan: f"{scan.answer['changed']:,}",
        "removed": lambda scan: f"{scan.answer['removed']:,}",
        "rows of `sitemap_urls` that differ afterwards": lambda scan: f"{scan.rows:,}",
        "bytes in the write-ahead log": lambda scan: f"{scan.wal:,}",
        "ms of write lock, all transactions": lambda scan: f"{scan.locked * 1000:,.0f}",
        "ms of write lock, the longest": lambda scan: f"{scan.longest * 1000:,.0f}",
    }
    lines = ["| inside one, SQLite | first scan | rescan |", "|---|---|---|"]
    lines += [f"| {name} | {figure(first)} | {figure(again)} |" for name, figure in rows.items()]
    return "\n".join(lines)


def postgres_cost(postgres: Postgres, bench: Bench, site: Site) -> str:
    """Write-ahead log and dead rows of a first scan and a rescan on PostgreSQL, as a table."""
    figures: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
        folder = Path(name)
        address = _new_database(folder, postgres)
        for workload, port in ((site.before, site.port), (site.after, site.later_port)):
            start = postgres.ask("SELECT pg_current_wal_insert_lsn()")
            command = scan(folder, workload.made, port, database=address)
            done = run(command, folder, seconds=bench.seconds)
            if done.code != 0:
                raise Failed(f"exit code {done.code}: {done.err.strip()[-300:]}")
            wal = postgres.ask(f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{start}')")
            figures.append((int(wal), int(postgres.ask(DEAD, "scanned"))))
    (first_wal, first_dead), (wal, dead) = figures
    return (
        "| inside one, PostgreSQL | first scan | rescan |\n|---|---|---|\n"
        f"| bytes in the write-ahead log | {first_wal:,} | {wal:,} |\n"
        f"| dead rows of `sitemap_urls` | {first_dead:,} | {dead:,} |"
    )
