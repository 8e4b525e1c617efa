"""The speed benchmarks run, and what they count, measure and keep is right."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import speed_sites
from micro import test_store
from speed_programs import Counted, Program
from speed_rescans import write_locks
from speed_results import Measured, Section, keep, table
from speed_server import NGINX, Listener, claim_port, free_port, serving
from speed_sites import Style, Truth
from whole_process import run

from contentmap_cli.models.entry_sink import EntryList
from contentmap_cli.sitemap import parse_document

SPEED = Path(speed_sites.__file__).with_name("speed.py")


def measure(folder: Path, *words: str) -> str:
    """What `speed.py` keeps of a quick run that finds all as it should be."""
    kept = folder / "results.md"
    command = [
        sys.executable,
        SPEED,
        *words,
        "--quick",
        "--alone",
        "--work",
        folder / "work",
        "--output",
        kept,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    text = kept.read_text(encoding="utf-8")
    assert text.endswith(ran.stdout.strip().rpartition("## ")[2] + "\n")
    return text


def cells(text: str, first: str) -> list[str]:
    """The row of a table that begins so."""
    found = re.search(rf"^\| {re.escape(first)} \|(.*)\|$", text, re.M)
    assert found is not None, text
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.campaign
def test_scan_and_floor_are_measured(tmp_path: Path) -> None:
    """Both find what is there, and figures stand in the kept table."""
    text = measure(tmp_path, "w1", "w4", "--server", "own")
    big, wide = text.split("## w4: ")
    for name in ("floor", "ContentMap"):
        assert cells(big, name)[:2] == ["SQLite", "2,000"]
        assert cells(wide, name)[:2] == ["SQLite", "2,280"]
        assert float(cells(big, name)[2]) > 0
    assert "92 rounds of 50 ms" in wide  # 34 sites of two rounds, six of four


@pytest.mark.campaign
def test_rescan_is_measured(tmp_path: Path) -> None:
    """A rescan where one entry in a hundred has changed: what it wrote is told from what is stored."""
    text = measure(tmp_path, "rescan-1pct", "--sqlite")
    assert cells(text, "rescan, SQLite")[:2] == ["SQLite", "2,000"]
    assert cells(text, "added") == ["2,000", "10"]
    assert cells(text, "rows of `sitemap_urls` that differ afterwards") == ["2,000", "30"]
    assert int(cells(text, "bytes in the write-ahead log")[1].replace(",", "")) > 0


@pytest.mark.campaign
def test_nothing_is_left_running_when_it_is_ended(tmp_path: Path) -> None:
    """SIGTERM in the middle of a run ends the servers and the program that is measured."""
    place = tmp_path / "temporary"
    place.mkdir()
    command = [sys.executable, SPEED, "w1", "--quick", "--alone", "--runs", "50", "--work", tmp_path / "work"]
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    assert running.stderr is not None
    with running.stderr:
        for line in running.stderr:
            if line.startswith("  2: floor"):
                break
        running.terminate()
        assert running.wait(timeout=60) == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []
    left = [process for process in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in read(process)]
    assert left == []


def read(file: Path) -> str:
    """What a file says, if it is still there."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def entries_of(tree: Path, style: Style) -> dict[str, str | None]:
    """URL and lastmod of all files of the big site, as ContentMap reads them."""
    sink = EntryList()
    for file in sorted((tree / style.single(1)).glob("maps/*.gz")):
        assert parse_document(io.BytesIO(file.read_bytes()), sink).complete
    return {entry.url: entry.lastmod and entry.lastmod.text for entry in sink.entries}


def test_sites_hold_what_their_truth_says(tmp_path: Path) -> None:
    """A big site and its later self, read back: counts, characters, and what changed between them."""
    style = Style("names")
    made = speed_sites.big(tmp_path / "first", style, files=3, urls=500)
    later = speed_sites.big(tmp_path / "later", style, files=3, urls=500, changed=True)
    first, second = entries_of(tmp_path / "first", style), entries_of(tmp_path / "later", style)
    assert (made.truth.urls, later.truth.urls) == (len(first), len(second)) == (1500, 1500)
    assert made.truth.characters == sum(map(len, first))
    assert later.truth.characters == sum(map(len, second))
    moved, replaced = speed_sites.changes(1500)
    assert len(first.keys() - second.keys()) == len(second.keys() - first.keys()) == replaced == 7
    assert sum(second[url] != first[url] for url in first.keys() & second.keys()) == moved == 8
    for file in (tmp_path / "first").rglob("*.gz"):
        assert gzip.decompress(file.read_bytes()).endswith(b"</urlset>\n")


def test_small_sites_are_of_four_kinds(tmp_path: Path) -> None:
    """Twenty sites with addresses: fourteen, two, three and one."""
    made = speed_sites.wide(tmp_path, Style("addresses", 8080), domains=20, urls=50)
    assert made.kinds == {"named": 14, "unnamed": 2, "index": 3, "nothing": 1}
    assert made.truth.urls == 19 * 50
    assert made.sites[0] == "http://127.20.0.1:8080/"


@pytest.mark.parametrize("which", ["nginx", "own"])
def test_both_servers_answer_alike(tmp_path: Path, which: str) -> None:
    """A host by name and one by address; 304 for what has not changed; 404; nothing outside the tree."""
    if which == "nginx" and not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    for host in ("named.test", "127.20.0.7"):
        speed_sites.put(tmp_path / "tree" / host / "robots.txt", f"# {host}\n")
    speed_sites.put(tmp_path / "secret", "not to be served")
    port = free_port()
    with serving([Listener(port, tmp_path / "tree")], which):
        for address, host in (("127.0.0.1", "named.test"), ("127.20.0.7", f"127.20.0.7:{port}")):
            connection = http.client.HTTPConnection(address, port, timeout=60)

            def ask(
                path: str, client: http.client.HTTPConnection = connection, host: str = host, **headers: str
            ) -> tuple[http.client.HTTPResponse, bytes]:
                client.request("GET", path, headers={"Host": host, **headers})
                response = client.getresponse()
                return response, response.read()

            response, body = ask("/robots.txt")
            assert (response.status, body.decode()) == (200, f"# {host.partition(':')[0]}\n")
            etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
            assert ask("/robots.txt", **{"If-None-Match": etag})[0].status == 304
            assert ask("/robots.txt", **{"If-Modified-Since": modified})[0].status == 304
            assert ask("/nothing.xml")[0].status == 404
            assert ask("/../../secret")[0].status in (400, 404)
            connection.close()


def test_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    """Processor time and memory of a child count, and what is said is kept."""
    child = "import time\nroom = b'x' * 120_000_000\nwhile time.process_time() < 0.4: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('done')"
    done = run([sys.executable, "-c", parent], tmp_path)
    assert (done.code, done.out) == (0, "done\n")
    assert done.cpu >= 0.4
    assert done.peak > 110
    assert done.together > 110


def test_a_process_ends_when_its_time_is_up(tmp_path: Path) -> None:
    """It is killed, with what it started."""
    child = "import time; time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    done = run([sys.executable, "-c", parent], tmp_path, seconds=1)
    assert done.code == -9
    assert done.wall < 300


class Once:
    """Stands in for the fixture of pytest-benchmark, which the tests do not need: what is timed runs once."""

    def pedantic(self, work: Callable[..., Any], *, setup: Callable[..., Any], rounds: int) -> Any:
        arguments, more = setup()
        return work(*arguments, **more)


def test_the_store_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first scan and two rescans come to what they say they measure."""
    monkeypatch.setattr(test_store, "ROWS", 1000)
    for number, measured in enumerate(
        (test_store.test_insert, test_store.test_merge, test_store.test_merge_unchanged)
    ):
        measured(Once(), lambda number=number: f"sqlite:///{tmp_path / f'{number}.db'}")


def test_two_benchmarks_do_not_get_the_same_port() -> None:
    """What one has claimed another does not, also before anybody listens there."""
    wanted = free_port()
    port, claim = claim_port(wanted)
    other, second = claim_port(wanted)
    with claim, second:
        assert port == wanted
        assert other != wanted


def program(name: str, urls: int) -> Program:
    """One that is never started."""
    return Program(name, "nothing", Truth(urls=urls), lambda folder: [], lambda folder, run: Counted(0))


def test_a_wrong_count_is_shown_and_counts_as_wrong(tmp_path: Path) -> None:
    """The table says so, a failure too, and neither passes for right."""
    done = run([sys.executable, "-c", "pass"], tmp_path)
    good = Measured(program("good", 3), [done], Counted(3))
    short = Measured(program("short", 3), [done], Counted(2))
    other = Measured(program("other", 3), [done], Counted(3, characters=1))
    broken = Measured(program("broken", 3), failure="exit code 1: a | b")
    assert [each.right for each in (good, short, other, broken)] == [True, False, False, False]
    text = table([good, short, broken], ["good"])
    assert cells(text, "good")[1] == "3"
    assert cells(text, "short")[1] == "2 of 3"
    assert "failed: exit code 1: a \\| b" in text


def test_results_keep_what_was_not_measured_anew(tmp_path: Path) -> None:
    """A partial run replaces its own tables only, and all stand in one order."""
    file = tmp_path / "results.md"
    order = ("w1", "w2", "w3")
    keep(file, [Section("w3", "third", "old", True), Section("w1", "first", "old", True)], order)
    keep(file, [Section("w2", "second", "new", True), Section("w3", "third", "new", True)], order)
    parts = re.findall(r"^## (\S+): \w+\n\n(\w+)$", file.read_text(encoding="utf-8"), re.M)
    assert parts == [("w1", "old"), ("w2", "new"), ("w3", "new")]


def test_write_locks_are_read_from_the_log(tmp_path: Path) -> None:
    """From the first statement to the end of each transaction that may write; reads are none."""
    steps = [
        ("00.000", "transaction.begun", "work"),
        ("01.000", "transaction.first_statement", "work"),
        ("01.100", "transaction.first_statement", "read"),
        ("01.250", "transaction.committed", "work"),
        ("02.000", "transaction.first_statement", "brief"),
        ("02.030", "transaction.rolled_back", "brief"),
        ("02.500", "transaction.committed", "read"),
    ]
    log = tmp_path / "steps.log"
    log.write_text(
        "".join(
            json.dumps({"time": f"2026-01-01T00:00:{second}Z", "action": action, "role": role, "domain": "d"})
            + "\n"
            for second, action, role in steps
        )
    )
    assert write_locks(log) == [0.25, 0.03]
