"""How fast ContentMap is: against the bare job, against other programs, and a rescan against the first scan.

usage: python benchmarks/speed.py [COMPARISON ...] [--runs N] [--alone] [--sqlite] [--quick]
           [--server auto|nginx|own] [--concurrency N] [--output FILE.md]

w1                one site of 1,000,000 URLs in 20 gzipped files: the bare job (floor.py), and a scan
w1x10             a scan of that, and of one ten times as large
w1-peers          the same site, read by other programs
w1-orm            the same, with other programs and a plain ORM
w1-postgresql     the same into PostgreSQL: the bare parse with psql \\copy, and a scan
w2                500 sites of 200 URLs: the bare job, a scan, other programs
w3                one file of 50,000 URLs with images, languages, news and videos
w4                the sites of w2 with 200 ms an answer, against what those 200 ms and the concurrency allow
rescan-unchanged  a second scan of the big site, where nothing has changed
rescan-1pct       the same, where one entry in a hundred has
help              `contentmap --help`
lag               how late the event loop is meanwhile (reading.py lag)

Without COMPARISON all of them, in this order. The programs of one take turns, each --runs times, as whole
processes. Prints Markdown, and keeps the tables in benchmarks/results.md, replacing those measured anew (not
with --quick, small sites and one run, nor with --files, another size of the big site). Exit code 1 if a scan
or the floor did not find exactly what is there. The sites are made once, into build/speed; the other programs
are installed once, into build/peers and build/peers-node, unless --alone.
"""

from __future__ import annotations

import argparse
import compileall
import heapq
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from speed_bench import QUICK, WORK, Bench, Sizes, listener, postgres, say
from speed_programs import CONTENTMAP, HERE, Failed, bare, contentmap, floor, orm_peer, scan, scanned
from speed_rescans import Site, first_and_again, inside_table, looked_into, postgres_cost
from speed_results import Measured, Section, keep, measured_on, shown, table
from speed_server import serving
from speed_sites import Made, changes
from whole_process import end_well, leave_if_ended, run

OURS = "ContentMap"
NOTHING_TO_DO = "Nothing was measured: the other programs were not wanted (`--alone`)."


def section(
    bench: Bench, name: str, title: str, measured: Sequence[Measured], *parts: str, **on: str
) -> Section:
    """A section of a table, ours against the floor where it was run, and what else there is to say."""
    names = [each.program.name for each in measured]
    against = [base for base in ("floor", OURS, "first scan") if any(each.startswith(base) for each in names)]
    if names and names[0].startswith("python"):
        against = ["python"]
    against = against if len(names) > 2 else against[:1]
    right = all(each.right for each in measured if each.program.ours)
    body = "\n\n".join([table(measured, against), *parts, measured_on(bench.runs, **on)])
    return Section(name, title, body, right)


# -- one big site


def w1(bench: Bench) -> Section:
    """The bare job and a scan."""
    named, addressed = bench.named_and_addressed("big")
    here = listener(named)
    with serving([here, listener(addressed)], bench.server) as server:
        programs = [floor(addressed.made), contentmap(named.made, here.port)]
        measured = bench.in_turn(programs)
    return section(bench, "w1", f"one site of {named.made.truth.urls:,} URLs", measured, server=server)


def w1x10(bench: Bench) -> Section:
    """A scan of one size and of ten times that."""
    small = bench.workload("big", "names")
    large = bench.workload("big", "names", files=10 * bench.sizes.files)
    ports = listener(small), listener(large)
    most = ("--max-urls", "100000000", "--domain-time", "7200")
    with serving(ports, bench.server) as server:
        programs = [
            contentmap(each.made, at.port, *most, name=f"ContentMap, {each.made.truth.urls:,} URLs")
            for each, at in zip((small, large), ports, strict=True)
        ]
        measured = bench.in_turn(programs)
    return section(bench, "w1x10", "ten times as large", measured, server=server)


def w1_peers(bench: Bench) -> Section:
    """All readers on one big site."""
    title = f"one site of {bench.sizes.files * bench.sizes.urls:,} URLs and other programs"
    if bench.alone:
        return Section("w1-peers", title, NOTHING_TO_DO, right=True)
    named, addressed = bench.named_and_addressed("big")
    here = listener(named)
    with serving([here, listener(addressed)], bench.server) as server:
        programs = [floor(addressed.made), contentmap(named.made, here.port)]
        measured = bench.in_turn([*programs, *bench.others(addressed, named, here.port)])
    return section(bench, "w1-peers", title, measured, server=server)


def w1_orm(bench: Bench) -> Section:
    """Two readers, each with a plain ORM."""
    title = "the same, with an ORM object for each URL and a commit for every thousand"
    if bench.peers is None:
        return Section("w1-orm", title, NOTHING_TO_DO, right=True)
    named, addressed = bench.named_and_addressed("big")
    here = listener(named)
    with serving([here, listener(addressed)], bench.server) as server:
        programs = [contentmap(named.made, here.port)]
        readers = ("crawlee", "ultimate-sitemap-parser")
        programs += [orm_peer(bench.peers, reader, addressed.made) for reader in readers]
        measured = bench.in_turn(programs)
    return section(bench, "w1-orm", title, measured, server=server)


def w1_postgresql(bench: Bench) -> Section:
    """The bare parse with COPY, and a scan."""
    title = "the same into PostgreSQL"
    named, addressed = bench.named_and_addressed("big")
    here = listener(named)
    with postgres(bench) as found, serving([here, listener(addressed)], bench.server) as server:
        if found is None:
            return Section(
                "w1-postgresql", title, "Nothing was measured: there is no PostgreSQL.", right=True
            )
        database, version = found
        measured = bench.in_turn([database.floor(addressed.made), database.contentmap(named.made, here.port)])
    note = "CPU and memory are the client's, with psql; the server's own, without fsync, are not in them."
    return section(bench, "w1-postgresql", title, measured, note, server=server, PostgreSQL=version)


# -- many small sites, one rich file


def w2(bench: Bench) -> Section:
    """The bare job, a scan and all readers."""
    named, addressed = bench.named_and_addressed("wide")
    here = listener(named)
    with serving([here, listener(addressed)], bench.server) as server:
        programs = [floor(addressed.made, "--inline"), contentmap(named.made, here.port)]
        measured = bench.in_turn([*programs, *bench.others(addressed, named, here.port)])
    title = f"{len(named.made.sites)} sites of {bench.sizes.small} URLs"
    return section(bench, "w2", title, measured, server=server)


def w3(bench: Bench) -> Section:
    """One file with extensions."""
    named, addressed = bench.named_and_addressed("rich")
    here = listener(named)
    with serving([here, listener(addressed)], bench.server) as server:
        programs = [
            floor(addressed.made, name="floor, without the extensions"),
            contentmap(named.made, here.port),
        ]
        measured = bench.in_turn([*programs, *bench.others(addressed)])
    title = f"one file of {named.made.truth.urls:,} URLs with images, languages, news and videos"
    note = "trafilatura is not in it: it refuses a file of this size."
    return section(bench, "w3", title, measured, *([] if bench.alone else [note]), server=server)


def w4(bench: Bench) -> Section:
    """Slow answers."""
    named, addressed = bench.named_and_addressed("wide", slow=True)
    delay, at_once = bench.sizes.delay, bench.concurrency
    here = listener(named, delay=delay)
    with serving([here, listener(addressed, delay=delay)], bench.server) as server:
        programs = [
            floor(addressed.made, "--inline", "--at-once", str(at_once)),
            contentmap(named.made, here.port, "--concurrency", str(at_once)),
        ]
        one_by_one = ("ultimate-sitemap-parser", "advertools", "trafilatura")
        measured = bench.in_turn([*programs, *bench.others(addressed, without=one_by_one)])
        asked = requests_by_domain(bench, named.made, here.port)
    notes = bounds(bench, named.made, asked, next(each for each in measured if each.program.name == OURS))
    if not bench.alone:
        notes.append("Programs that take one site after the other are not in it: they need minutes.")
    title = f"the sites of w2 with {delay * 1000:.0f} ms an answer, {at_once} at once"
    return section(bench, "w4", title, measured, *notes, server=server)


def bounds(bench: Bench, made: Made, asked: Sequence[int], ours: Measured) -> list[str]:
    """What the delay and the concurrency allow, worked out, and what a scan took by that."""
    delay, at_once, kinds = bench.sizes.delay, bench.concurrency, made.kinds
    rounds = 2 * (kinds["named"] + kinds["unnamed"] + kinds["nothing"]) + 4 * kinds["index"]
    least = max(rounds * delay / at_once, 4 * delay)
    taken = [1 + -(-(number - 1) // 2) for number in asked]
    together, longest = sum(taken) * delay / at_once, max(taken) * delay
    own = max(together, longest)
    in_order = last_ends([rounds * delay for rounds in taken], at_once)
    notes = [
        "**The least that a site needs**: robots.txt, then its sitemap, one after the other; with an index "
        f"two more rounds, as three files share two connections. That is {rounds:,} rounds of "
        f"{delay * 1000:.0f} ms, {at_once} at once: {rounds:,} × {delay} / {at_once} = "
        f"{rounds * delay / at_once:.2f} s, and for one site at most 4 × {delay} = {4 * delay:.2f} s: the "
        f"larger is **{least:.2f} s**.",
        f"**What ContentMap asks for**: {sum(asked):,} requests (of a site that has nothing {max(asked)}, "
        "for it looks in the other known places too). The first of a site alone, the others two at a time: "
        f"{sum(taken):,} × {delay} / {at_once} = {together:.2f} s, and for the longest site "
        f"{max(taken)} × {delay} = {longest:.2f} s: the larger is **{own:.2f} s**.",
        "**In the order of the list**, for nobody knows beforehand which site takes long: each site is begun "
        f"as soon as one of {at_once} has ended, and the last ends after **{in_order:.2f} s**.",
    ]
    if ours.runs:
        seconds = ours.median(lambda run: run.wall)
        notes.append(
            f"ContentMap took {seconds:.2f} s: {seconds / least:.2f} times the first bound, "
            f"{seconds / own:.2f} times the second, {seconds / in_order:.2f} times the third; "
            f"{len(asked) / seconds:,.0f} sites a second."
        )
    return notes


def last_ends(durations: Sequence[float], at_once: int) -> float:
    """When the last of some tasks ends that are begun in their order, so many at once, in their unit."""
    ends = [0.0] * at_once
    for duration in durations:
        heapq.heappush(ends, heapq.heappop(ends) + duration)
    return max(ends)


def requests_by_domain(bench: Bench, made: Made, port: int) -> list[int]:
    """How many requests a scan makes to each site, by its own account."""
    with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
        folder = Path(name)
        command = scan(folder, made, port, "--concurrency", str(bench.concurrency))
        scanned(folder, run(command, folder, seconds=bench.seconds))
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        return [domain["requests"] for domain in answer["results"]]


# -- a second scan


def rescan(bench: Bench, name: str, kind: str, title: str) -> Section:
    """First scan and rescan on both databases, and what the rescan did."""
    before, after = bench.workload("big", "names"), bench.workload(kind, "names")
    here = listener(before)
    there = here if kind == "big" else listener(after)
    site = Site(before, here.port, after, there.port)
    with (
        postgres(bench) as found,
        serving([here] if there is here else [here, there], bench.server) as server,
    ):
        measured = first_and_again(bench, site, None)
        first, again = looked_into(bench, site)
        parts, version = [inside_table(first, again)], ""
        moved, replaced = changes(before.made.truth.urls) if kind == "changed" else (0, 0)
        right = again.changes == (replaced, replaced, moved)
        if not right:
            parts.append(f"**Not what has changed**: {replaced:,} new, {replaced:,} gone, {moved:,} changed.")
        if found is not None:
            database, version = found
            on_server = first_and_again(bench, site, database)
            parts += [table(on_server, ["first scan"]), postgres_cost(database, bench, site)]
            right = right and all(each.right for each in on_server)
    made = section(bench, name, title, measured, *parts, server=server, PostgreSQL=version)
    return Section(name, title, made.body, made.right and right)


def rescan_unchanged(bench: Bench) -> Section:
    """Nothing has changed."""
    return rescan(bench, "rescan-unchanged", "big", "a second scan of w1, nothing has changed")


def rescan_1pct(bench: Bench) -> Section:
    """One entry in a hundred has."""
    title = "a second scan of w1, one entry in a hundred has changed in every file"
    return rescan(bench, "rescan-1pct", "changed", title)


# -- and the rest


def help_(bench: Bench) -> Section:
    """The command's own start."""
    programs = [
        bare("python, which does nothing", sys.executable, "-c", "pass"),
        bare("contentmap --help", *CONTENTMAP, "--help"),
    ]
    return section(bench, "help", "`contentmap --help`", bench.in_turn(programs))


def lag(bench: Bench) -> Section:
    """The event loop's lag, as reading.py measures it."""
    command = [sys.executable, str(HERE / "reading.py"), "lag", "--check"]
    with tempfile.TemporaryDirectory(prefix="contentmap-speed-") as name:
        done = run(command, Path(name), seconds=bench.seconds)
    body = f"{done.out.partition(chr(10) * 2)[2].strip()}\n\n{measured_on(1)}"
    return Section("lag", "how late the event loop is (goal: 50 ms, own)", body, done.code == 0)


COMPARISONS: dict[str, Callable[[Bench], Section]] = {
    "w1": w1,
    "w1x10": w1x10,
    "w1-peers": w1_peers,
    "w1-orm": w1_orm,
    "w1-postgresql": w1_postgresql,
    "w2": w2,
    "w3": w3,
    "w4": w4,
    "rescan-unchanged": rescan_unchanged,
    "rescan-1pct": rescan_1pct,
    "help": help_,
    "lag": lag,
}
SLOW = ("lag",)
"""What --quick leaves out unless it is named: it has one size only."""


def main() -> int:
    """Measures, prints and keeps; 1 if something was not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("comparisons", nargs="*", metavar="COMPARISON")
    parser.add_argument("--runs", type=int, metavar="N", help="of each program; default: 3, with --quick 1")
    parser.add_argument("--alone", action="store_true", help="no other programs, nothing is installed")
    parser.add_argument("--sqlite", action="store_true", help="no PostgreSQL")
    parser.add_argument("--quick", action="store_true", help="small sites, one run")
    parser.add_argument("--files", type=int, metavar="N", help="of the big site, instead of 20")
    parser.add_argument(
        "--server", choices=("auto", "nginx", "own"), default="auto", help="who serves the sites"
    )
    parser.add_argument("--concurrency", type=int, default=100, metavar="N", help="sites at once in w4")
    parser.add_argument("--seconds", type=float, default=900, metavar="S", help="for one run of one program")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="where the sites are made")
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="where the tables are kept")
    options = parser.parse_args()
    unknown = [name for name in options.comparisons if name not in COMPARISONS]
    if unknown:
        parser.error(f"no comparison is called {unknown[0]}: {', '.join(COMPARISONS)}")
    sizes = QUICK if options.quick else Sizes()
    bench = Bench(
        sizes if options.files is None else replace(sizes, files=options.files),
        options.runs or (1 if options.quick else 3),
        options.alone,
        options.sqlite,
        options.server,
        options.concurrency,
        options.seconds,
        options.work.absolute(),
    )
    end_well()
    compileall.compile_dir(HERE.parent / "contentmap_cli", quiet=1)  # as an installer does it
    wanted = options.comparisons or [name for name in COMPARISONS if not (options.quick and name in SLOW)]
    file = options.output or (HERE / "results.md" if bench.sizes == Sizes() else None)
    right = True
    for name in wanted:
        say(f"{name} ...")
        try:
            made = COMPARISONS[name](bench)
        except Failed as failure:
            say(f"{name} failed: {failure}")
            right = False
            continue
        leave_if_ended()
        right = right and made.right
        print(shown(made), flush=True)
        if file is not None:
            keep(file, [made], list(COMPARISONS))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
