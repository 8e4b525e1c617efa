"""The demo for real: the installed command scans every site and finds what was written down beforehand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from internet.catalogue import connect_to
from internet.server import Internet, running

DEMO = Path(__file__).parents[2] / "examples" / "demo"
COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"
EXPECTED: dict[str, dict[str, Any]] = json.loads((DEMO / "expect.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.campaign
SHOP = "lanternbooks.example"
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Tour:
    """A running internet, a database that holds one scan of all of it, and what that scan said."""

    internet: Internet
    port: int
    database: Path
    first: subprocess.CompletedProcess[str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on the same database."""
        return contentmap(self.database, *arguments)

    def scan(self, *targets: str) -> list[dict[str, Any]]:
        """Some domains scanned (again): their lines."""
        done = self.run("scan", *targets, "--format", "ndjson", *mapped(self.port))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def contentmap(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    words = [str(COMMAND), "--db", str(database), *arguments]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=90, check=False)


def mapped(port: int) -> list[str]:
    """The options that lead every name of the demo to its server."""
    return [word for mapping in connect_to(port) for word in ("--connect-to", mapping)]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    """All sites, scanned once in one job."""
    database = tmp_path_factory.mktemp("demo") / "demo.db"
    with running() as (internet, port):
        arguments = ("scan", "--input-file", str(DEMO / "domains.txt"), "--format", "ndjson")
        yield Tour(internet, port, database, contentmap(database, *arguments, *mapped(port)))


@pytest.fixture(scope="module")
def lines(tour: Tour) -> dict[str, dict[str, Any]]:
    """What the scan said of each domain."""
    objects = [json.loads(line) for line in tour.first.stdout.splitlines()]
    return {each["domain"]: each for each in objects if each["type"] == "domain"}


def test_each_domain_comes_out_as_expected(lines: dict[str, dict[str, Any]]) -> None:
    """Outcome, number of URLs and error code are those written down by hand."""
    assert lines.keys() == EXPECTED.keys()
    for domain, truth in EXPECTED.items():
        line = lines[domain]
        assert (line["outcome"], line["urls"]) == (truth["outcome"], truth["urls"]), line
        if "code" in truth:
            assert line["error"]["code"] == truth["code"], line
        if truth["outcome"] in ("ok", "empty"):
            assert line["error"] is None, line


def test_the_job_sums_up(tour: Tour, lines: dict[str, dict[str, Any]]) -> None:
    """The last line is the job: partial, all domains counted, all URLs added up. The exit code says 3."""
    job = json.loads(tour.first.stdout.splitlines()[-1])
    assert tour.first.returncode == 3, tour.first.stderr
    assert (job["type"], job["status"]) == ("job", "partial")
    assert job["domains"]["total"] == len(lines) == len(EXPECTED)
    assert job["urls"] == sum(truth["urls"] for truth in EXPECTED.values())
    for outcome in ("ok", "empty", "partial", "failed", "deferred"):
        assert job["domains"][outcome] == sum(truth["outcome"] == outcome for truth in EXPECTED.values())


def test_every_way_to_find_a_sitemap_was_taken(tour: Tour) -> None:
    """Robots, known paths, links of the home page, feeds, and indexes: each found some file."""
    job = json.loads(tour.first.stdout.splitlines()[-1])
    assert job["discovery_methods"].keys() == {"robots", "known_path", "html_link", "feed_link", "index"}
    assert job["sitemap_types"].keys() == {"urlset", "index", "text", "rss", "atom"}


@pytest.mark.parametrize(
    ("command", "format"),
    [("urls", "table"), ("urls", "csv"), ("urls", "txt"), ("urls", "ndjson"), ("sitemaps", "table")],
)
def test_nothing_fetched_reaches_the_terminal_raw(tour: Tour, command: str, format: str) -> None:
    """Neither the prankster's escapes nor bidi overrides come through, whatever is asked about it."""
    done = tour.run(command, "prankster.example", "--format", format)
    assert done.returncode == 0, done.stderr
    assert "prankster.example/jokes" in done.stdout
    assert not UNSAFE.search(done.stdout + done.stderr + tour.first.stdout + tour.first.stderr)


def test_parameters_survive_bare_ampersands(tour: Tour) -> None:
    """The adverts whose `&` nobody escaped are recorded with every parameter."""
    urls = tour.run("urls", "messyadverts.example", "--format", "txt").stdout.splitlines()
    assert len(urls) == 24
    assert all(
        re.fullmatch(r"http://messyadverts\.example/show\?ad=[a-z-]+&page=1&copy=2", url) for url in urls
    )


def test_what_cannot_be_recorded_is_named(tour: Tour) -> None:
    """The URL that is too long and the one that is no web address are problems of their file, not lost."""
    (file,) = json.loads(tour.run("sitemaps", "longwinded.example", "--json").stdout)
    assert {problem["code"] for problem in file["problems"]} == {"url_too_long", "rejected_url"}
    assert file["url_count"] == 10


def test_scanning_again_changes_nothing(tour: Tour) -> None:
    """A second scan of sites that stayed as they were records nothing as added, removed or changed."""
    again = tour.scan("megastore.example", "museumofmaps.example", "northfjord-university.example")
    assert len(again) == 3
    for line in again:
        truth = EXPECTED[line["domain"]]
        assert (line["outcome"], line["urls"]) == (truth["outcome"], truth["urls"])
        assert (line["added"], line["removed"], line["changed"]) == (0, 0, 0)


def test_the_next_day_only_what_changed_is_read(tour: Tour) -> None:
    """A second scan finds 3 new pages, 5 gone and 12 changed, and asks for one changed file only."""
    first = next(json.loads(line) for line in tour.first.stdout.splitlines() if SHOP in line)
    tour.internet.day = 2
    (second,) = tour.scan(SHOP)
    assert (second["outcome"], second["urls"]) == ("ok", 2398)
    assert (second["added"], second["removed"], second["changed"]) == (3, 5, 12)
    assert second["fetched_bytes"] < first["fetched_bytes"] / 2
    removed = tour.run("urls", SHOP, "--removed", "--format", "txt").stdout.splitlines()
    assert len(removed) == 5


def test_the_tour_ends_well(tmp_path: Path) -> None:
    """README's first command: the whole tour runs in bounded time and every step ends as it should."""
    words = [sys.executable, str(DEMO / "run.py"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"# Everything is recorded in {tmp_path / 'demo.db'}." in done.stdout
    assert (tmp_path / "demo.db").stat().st_size > 1_000_000
